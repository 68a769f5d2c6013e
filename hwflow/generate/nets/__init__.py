"""Random integer networks: those of the field's shapes, small ones of any operation, and ones of many branches.

Stands on ops, net and lower.
"""

from hwflow.generate.nets.branches import branches, residual
from hwflow.generate.nets.field import NETS, cnv, depthwise, keywords, lfc, resnet20, sfc, small_cnn, tfc, vgg_small
from hwflow.generate.nets.making import Making, random_images
from hwflow.generate.nets.small import random_folding, random_net, raw_net

__all__ = [
    "NETS", "Making", "branches", "cnv", "depthwise", "keywords", "lfc", "random_folding", "random_images", "random_net",
    "raw_net", "residual", "resnet20", "sfc", "small_cnn", "tfc", "vgg_small",
]  # fmt: skip
