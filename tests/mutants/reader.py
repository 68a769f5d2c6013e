"""Planted faults of the reader of QONNX and ONNX files.

Stands on kinds.
"""

from .kinds import Mutant, of_room

Q = "hwflow/qonnx/"
T_QUANT, T_WIN, T_LAYERS, T_MOVES, T_KINDS = (
    f"tests/qonnx/test_{name}.py" for name in ("quantizers", "windows", "layers", "moves", "kinds")
)
T_SCAN = "tests/lower/test_recurrent.py -k 'scan or axis or states or steps_that or gate'"
T_LAYOUT = "tests/qonnx/test_layout.py"

# fmt: off
MUTANTS = of_room(
    "reader",
    Mutant(Q + "quantizers.py", '"HALF_UP": "half_away"', '"HALF_UP": "half_to_zero"', T_QUANT),
    Mutant(Q + "quantizers.py", '"CEIL": "ceil", "FLOOR": "floor"', '"CEIL": "floor", "FLOOR": "ceil"', T_QUANT),
    Mutant(Q + "quantizers.py", '(ROUNDING[mode], 0), ("sub", zero), ("mul", scale))', '(ROUNDING[mode], 0), ("mul", scale))', T_QUANT),
    Mutant(Q + "quantizers.py", '("div", by_array), ("min", hi), ("max", lo),', '("div", by_array), ("max", lo),', T_QUANT),
    Mutant(Q + "quantizers.py", ', Step("add", bias.reshape(1)))', ")", T_QUANT),
    Mutant(Q + "quantizers.py", "table[which.value.astype(np.int64) - 1]", "table[::-1][which.value.astype(np.int64) - 1]", T_QUANT),
    Mutant(Q + "quantizers.py", '("div", scale), ("round", 0), *narrow, ("add", zero), ("min", hi)', '("div", scale), ("add", zero), ("round", 0), *narrow, ("min", hi)', T_QUANT, equal="A zero point is an integer and the quotient lies within 16 bits, where float32 adds and rounds half to even alike, but for an odd zero point at a half."),
    Mutant(Q + "quantizers.py", '("sub", zero), ("mul", scale)), kind="float32")', '("mul", scale)), kind="float32")', T_QUANT),
    Mutant(Q + "quantizers.py", "if (scale <= 0).any():", "if (scale < 0).any():", T_QUANT + " tests/qonnx/test_hostile.py"),
    Mutant(Q + "windows.py", '(less, more) if auto == "SAME_UPPER" else (more, less)', '(less, more)', T_WIN),
    Mutant(Q + "windows.py", "+ (k - 1) * d + 1 - size, 0)", "+ k - size, 0)", T_WIN),
    Mutant(Q + "windows.py", "            out -= 1", "            out -= 0", T_WIN),
    Mutant(Q + "windows.py", 'inside = pads if call.attrs.get("count_include_pad") else (0, 0, 0, 0)', "inside = (0, 0, 0, 0)", T_WIN + " " + T_MOVES),
    Mutant(Q + "windows.py", "a.transpose(0, 2, 3, 1))),", "a.transpose(0, 3, 2, 1))),", T_WIN),
    Mutant(Q + "products.py", "reader.const(call, 2).value * beta)", "reader.const(call, 2).value)", T_LAYERS),
    Mutant(Q + "products.py", "    if alpha != 1:", "    if alpha > 1:", T_LAYERS),
    Mutant(Q + "products.py", "w = moved(w, lambda a: a[:, order])", "w = moved(w, lambda a: a)", T_LAYERS),
    Mutant(Q + "products.py", "out[mine] = ints[mine] * ratio.denominator + ratio.numerator", "out[mine] = ints[mine] * ratio.denominator - ratio.numerator", T_KINDS + " " + T_QUANT),
    Mutant(Q + "elementwise.py", "(np.float32(1) / np.sqrt(var + eps)) * gamma", "gamma / np.sqrt(var + eps)", T_QUANT),
    Mutant(Q + "elementwise.py", 'return chain(reader, call, ref, ("mul", -1), ("add", value))', 'return chain(reader, call, ref, ("sub", value))', T_LAYERS + " " + T_KINDS + " tests/qonnx/test_activations.py"),
    Mutant(Q + "elementwise.py", "np.array([[lo, hi + 1]], np.float32)", "np.array([[lo, hi + 2]], np.float32)", T_KINDS),
    Mutant(Q + "activations.py", 'if op in ("Greater", "LessOrEqual"):', 'if op == "Greater":', "tests/qonnx/test_activations.py " + T_KINDS),
    Mutant(Q + "reductions.py", "((2**bits_in - 1) * k * k).bit_length()", "(2**bits_in * k * k).bit_length()", T_QUANT),
    Mutant(Q + "reductions.py", '    if call.op == "ReduceMin":\n        ref = reader.emit(real.Pointwise(name=reader.name(call, "_back")', '    if call.op == "ReduceMax":\n        ref = reader.emit(real.Pointwise(name=reader.name(call, "_back")', T_MOVES),
    Mutant(Q + "heads.py", "-1 if call.opset >= 13 else 1", "-1", "tests/qonnx/test_ends.py"),
    Mutant(Q + "recurrent.py", "no if kept[0] else yes, condition, kept[0]", "no if kept[0] else yes, condition, kept[1]", T_SCAN),
    Mutant(Q + "recurrent.py", "if len(body.outputs) == 2 and _made_of", "if len(body.outputs) == 9 and _made_of", T_SCAN),
    Mutant(Q + "recurrent.py", "FORWARD = (None, [0], (0,), [0, 0], (0, 0))", "FORWARD = (None, [0], (0,), [0, 0], (0, 0), [1])", T_SCAN),
    Mutant(Q + "recurrent.py", '{0: f"{letter}NC", 1: f"N{letter}C", 2: f"NC{letter}"}', '{0: f"N{letter}C", 1: f"{letter}NC", 2: f"NC{letter}"}', T_SCAN),
    Mutant(Q + "recurrent.py", "if start.ndim < 1 or start.size != start.shape[-1]:", "if start.ndim < 1:", T_SCAN),
    Mutant(Q + "recurrent.py", "    if body.outside:\n", "    if body.outside and False:\n", T_SCAN),
    Mutant(Q + "recurrent.py", "if len(call.inputs) != 1 + scanned:", "if len(call.inputs) < 1 + scanned:", T_SCAN),
    Mutant(Q + "recurrent.py", 'by_output[name].op == "Identity":', 'by_output[name].op == "Neg":', T_SCAN),
    Mutant(Q + "layout.py", "return perm[axes[0]] if", "return axes[0] if", T_SCAN),
    Mutant(Q + "layout.py", '[0, *((3, 1, 2) if rank == 4 else (2, 1))]', '[0, *((3, 1, 2) if rank == 4 else (1, 2))]', T_LAYOUT),
    Mutant(Q + "layout.py", '[0, *((3, 1, 2) if rank == 4 else (2, 1))]', '[0, *((2, 3, 1) if rank == 4 else (2, 1))]', T_LAYOUT),
    Mutant(Q + "layout.py", 'or call.attrs.get("data_layout") == "NHWC":', "and False:", T_LAYOUT),
    Mutant(Q + "layout.py", "if call.op in ELEMENTWISE:", "if False:", T_LAYOUT),
    Mutant(Q + "layout.py", 'if call.op in ("MatMul", "Gemm"):\n            return True', 'if call.op in ("MatMul", "Gemm"):\n            return False', T_LAYOUT),
    Mutant(Q + "layout.py", "any(d is None or d < 1 for d in dims[1:])", "any(d is None for d in dims[1:])", T_LAYOUT),
    Mutant(Q + "layout.py", "> MOST_ELEMENTS:", "> MOST_ELEMENTS << 12:", T_LAYOUT),
)
