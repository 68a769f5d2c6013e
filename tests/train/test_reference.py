"""The numbers that the papers' own code gives for stored tensors, from our layers: outputs to the bit, gradients to 1e-6.

Where the two add in another order, the bound is said beside the comparison.
"""

import numpy as np
import pytest
import torch
from conftest import shared
from torch import Tensor

from hwflow.recipe import Method
from hwflow.train.layers import Norm, act, conv
from hwflow.train.losses import attended, restricted
from hwflow.train.schedule import Schedule

STEPS = 10_000


def reference(name: str) -> dict[str, Tensor]:
    with np.load(shared(f"reference/{name}.npz")) as file:
        return {key: torch.tensor(file[key]) for key in file.files}


def layer(method: Method, r: dict[str, Tensor]) -> torch.nn.Sequential:
    """Sign and convolution of `method` with the reference's latent weights, in training."""
    rows, inputs = r["w"].shape[:2]
    out = torch.nn.Sequential(act(method, inputs), conv(method, inputs, rows)).train()
    latent(out).data.copy_(r["w"])
    if "alpha" in r:
        learned(out).data.copy_(r["alpha"])
    if "down" in r:
        gate = gate_of(out)
        gate.down.weight.data.copy_(r["down"])
        gate.up.weight.data.copy_(r["up"])
    return out


def latent(net: torch.nn.Sequential) -> torch.nn.Parameter:
    return dict(net.named_parameters()).get("1.parametrizations.weight.original", net[1].weight)


def learned(net: torch.nn.Sequential) -> torch.nn.Parameter:
    return next(p for name, p in net.named_parameters() if name.endswith("alpha"))


def gate_of(net: torch.nn.Sequential) -> torch.nn.Module:
    return next(m for m in net.modules() if hasattr(m, "down"))


def one_pass(net: torch.nn.Sequential, r: dict[str, Tensor], progress: float) -> tuple[Tensor, Tensor]:
    """y and dL/dx for the reference's input and output gradient at `progress`; other gradients stay in `net`."""
    Schedule(net, STEPS).advance(round(progress * STEPS))
    net.zero_grad()
    x = r["x"].clone().requires_grad_()
    y = net(x)
    y.backward(r["g"])
    assert x.grad is not None
    return y.detach(), x.grad


def near(got: Tensor | None, want: Tensor, share: float = 1e-6) -> None:
    """Equal within `share` of the tensor's largest element."""
    assert got is not None
    assert (got - want).abs().max() <= share * want.abs().max(), float((got - want).abs().max() / want.abs().max())


@pytest.mark.parametrize("hardtanh", [False, True], ids=["bare", "hardtanh"])
@pytest.mark.parametrize("t_min", [0.1, 0.001])
@pytest.mark.parametrize("weights", ["gauss", "heavy"])
def test_ir_nets_convolution_with_its_estimator(weights, t_min, hardtanh):
    r = reference(f"irnet_conv_{weights}_tmin{t_min}")
    tail = "_hardtanh" if hardtanh else ""
    net = layer(Method(weights="imb", estimator="ede", t_min=t_min, t_max=float(r["t_max"]), hardtanh=hardtanh), r)
    for i, progress in enumerate(r["progress"].tolist()):
        y, dx = one_pass(net, r, progress)
        assert net[1].weight_quant.tensor_quant.estimate.t == pytest.approx(float(r["t"][i]), rel=1e-12)
        assert torch.equal(y, r[f"y{tail}"][i])
        near(dx, r[f"dx{tail}"][i])
        near(latent(net).grad, r[f"dw{tail}"][i])
    if hardtanh:
        assert not torch.allclose(r["dx"], r["dx_hardtanh"], atol=0.1), "the mask must matter on these inputs"


def test_ir2_nets_plain_sign_and_polynomial():
    r = reference("ir2net_conv")
    net = layer(Method(weights="sign", estimator="ste", act_estimator="poly"), r)
    y, dx = one_pass(net, r, 0.0)
    assert torch.equal(y, r["y"])
    near(dx, r["dx"])
    near(latent(net).grad, r["dw"])


def test_sd_bnns_self_distribution_of_weights_and_activations():
    r = reference("sdbnn_conv_dynamic")
    method = Method(
        weights="wsd", acts="asd-dynamic", estimator="ede", t_min=float(r["t_min"]), t_max=10.0, hardtanh=False
    )
    net = layer(method, r)
    for i, progress in enumerate(r["progress"].tolist()):
        y, dx = one_pass(net, r, progress)
        assert torch.equal(y, r["y"][i])
        gate = gate_of(net)
        near(dx, r["dx"][i])
        near(latent(net).grad, r["dw"][i])
        near(learned(net).grad, r["dalpha"][i])
        near(gate.down.weight.grad, r["ddown"][i])
        near(gate.up.weight.grad, r["dup"][i])


def test_recus_rectified_weights_and_divided_activations():
    r = reference("recu_conv")
    net = layer(Method(weights="recu", acts="deviation", estimator="identity", act_estimator="poly", hardtanh=False), r)
    for i, progress in enumerate(r["progress"].tolist()):
        y, dx = one_pass(net, r, progress)
        assert net[1].parametrizations.weight[0].tau == pytest.approx(float(r["tau"][i]), rel=1e-6)
        assert torch.equal(y, r["y"][i])
        near(dx, r["dx"][i])
        near(latent(net).grad, r["dw"][i])
        near(learned(net).grad, r["dalpha"][i])
    inside = net.eval()(r["x"])
    assert torch.equal(inside, net(3 * r["x"])), "outside training an image's deviation moves nothing"


def test_ir2_nets_recovery_of_information_without_the_grid():
    r = reference("ir2net_cirec_128_64_ratio4")
    real = Method(full=True)  # the reference's layers are real; ours differ from them by their grids alone
    primary = torch.nn.Sequential(conv(real, 128, 16, 1, padding=0), Norm(16), torch.nn.Hardtanh())
    cheap = torch.nn.Sequential(conv(real, 16, 48, groups=16), Norm(48), torch.nn.Hardtanh())
    for part, name in ((primary, "primary_conv"), (cheap, "cheap_operation")):
        part[0].weight.data.copy_(r[f"param.{name}.0.weight"])
        part[1].weight.data.copy_(r[f"param.{name}.1.weight"])
        part[1].bias.data.copy_(r[f"param.{name}.1.bias"])

    def recovered(x: Tensor) -> Tensor:
        y = primary(x)
        return torch.cat([y, cheap(y)], 1)

    x = r["x"].clone().requires_grad_()
    y = recovered(x)
    y.backward(r["g"])
    near(y.detach(), r["y_train"])
    near(x.grad, r["dx_train"])
    for part, name in ((primary, "primary_conv"), (cheap, "cheap_operation")):
        near(part[0].weight.grad, r[f"grad.{name}.0.weight"])
        near(part[1].weight.grad, r[f"grad.{name}.1.weight"])
        near(part[1].bias.grad, r[f"grad.{name}.1.bias"])
        near(part[1].running_mean, r[f"after.{name}.1.running_mean"])
        near(part[1].running_var, r[f"after.{name}.1.running_var"])
        assert part[1].num_batches_tracked == r[f"after.{name}.1.num_batches_tracked"]
        part.eval()
    near(recovered(r["x"]).detach(), r["y_eval"])  # our norm multiplies and adds where theirs divides


def test_ir2_nets_restriction_erases_to_the_mean_of_the_data():
    r = reference("ir2net_erase")
    assert torch.equal(attended(r["features"], r["image"].shape[2:]), r["mask"].bool())
    assert torch.equal(restricted(r["image"], r["features"], torch.zeros(3)), r["erased"])
    # in pixels what the normalised image calls 0 is the mean
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = r["image"] * deviation.view(3, 1, 1) + mean.view(3, 1, 1)
    erased = restricted(pixels, r["features"], mean)
    assert torch.allclose((erased - mean.view(3, 1, 1)) / deviation.view(3, 1, 1), r["erased"], atol=1e-6)
    assert (erased == mean.view(3, 1, 1)).all(1, keepdim=True).equal(r["mask"] == 0)
