"""Why operators that nobody reads are refused, where there is more to say than that they are unknown.

Stands on nothing.
"""

STATE = "carries a state from one step to the next in real numbers, of which no integers are left"
STEPS = "quantise the state behind each step and export the steps as a Scan, as hwflow.train.recurrent does"
OWN_NORM = "divides by a deviation of each image's own, which no constant threshold can stand for"
BATCH_NORM = "use BatchNorm, whose statistics are constants in use"
DENSE = "use dense and convolutional layers"
ATTENTION = (
    "multiplies two values that depend on the input, as attention does, where a matrix unit's weights are constants"
)
# why what nobody reads is refused, and the remedy, where there is more to say than that it is unknown
SENTENCES = {
    "LSTM": (STATE, STEPS), "QuantLSTMCell": (STATE, STEPS), "GRU": (STATE, STEPS), "RNN": (STATE, STEPS),
    "Attention": (ATTENTION, DENSE), "MultiHeadAttention": (ATTENTION, DENSE),
    "LayerNormalization": (OWN_NORM, BATCH_NORM), "GroupNormalization": (OWN_NORM, BATCH_NORM),
    "InstanceNormalization": (OWN_NORM, BATCH_NORM), "RMSNormalization": (OWN_NORM, BATCH_NORM),
    "MeanVarianceNormalization": (OWN_NORM, BATCH_NORM), "LpNormalization": (OWN_NORM, BATCH_NORM),
    "Sqrt": ("takes the root of a value of each image, as LayerNorm does of its variance", BATCH_NORM),
    "Im2Col": ("is a convolution lowered to a window and a product", "export before the convolutions are lowered"),
    "If": ("decides while it runs what is computed", "export with constant control flow"),
    "Loop": ("decides while it runs how often something is computed", "export with constant control flow, or steps as a Scan"),
    "FloatQuant": ("quantises to small floating-point numbers", "use integer quantizers"),
}  # fmt: skip
