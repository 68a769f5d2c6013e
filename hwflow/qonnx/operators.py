"""What each handler understands of its operator: opsets, attributes and their values, element types; the rest is refused.

Stands on onnx's schemas. `operator` declares, `check` compares a call with its declaration before the handler sees it,
so an attribute that nobody reads is a refusal with its name and never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import onnx
from onnx.defs import OpSchema

from hwflow.errors import Refusal
from hwflow.qonnx.model import Call

H = TypeVar("H", bound=Callable[..., Any])
FLOAT = ("float32",)
MOVED = ("float32", "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")  # moving keeps numbers
BYTES = ("float32", "int8", "uint8")

# the same custom operators under the names that exporters have used over the years
DOMAINS = {
    "": "", "ai.onnx": "", "onnx.brevitas": "quant", "finn.custom_op.general": "quant",
    "qonnx.custom_op.general": "quant", "qonnx.custom_op.channels_last": "last",
}  # fmt: skip


class Any_:  # noqa: N801  a value, not a kind of things
    """Every value of an attribute is understood by the handler."""

    def __repr__(self) -> str:
        return "any value"


ANY = Any_()


class Refused(Refusal):
    """Why one call is refused; the attribute or input comes first, because handlers mostly name one."""

    def __init__(self, attribute: str, reason: str, remedy: str):
        super().__init__(reason, remedy, attribute)


@dataclass(frozen=True)
class Operator:
    """One operator and its handler; `versions` are the opsets in which ONNX changed it that the handler knows."""

    name: str
    domain: str  # "", "quant" or "last"
    handler: Callable[..., Any]
    versions: frozenset[int]
    attributes: Mapping[str, object]  # ANY, or the values that are understood
    types: frozenset[str]
    since: str = "0.1.0"  # the version of hwflow that first read it


OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str,
    versions: Sequence[int] = (),
    attributes: Mapping[str, object] | None = None,
    types: Sequence[str] = FLOAT,
    domain: str = "",
    since: str = "0.1.0",
) -> Callable[[H], H]:
    """Declare a handler for operators of these names, supported since that version of hwflow."""

    def declare(handler: H) -> H:
        for name in names:
            assert (domain, name) not in OPERATORS, f"{name} has two handlers"
            OPERATORS[domain, name] = Operator(
                name, domain, handler, frozenset(versions), dict(attributes or {}), frozenset(types), since
            )
        return handler

    return declare


def operator_of(call: Call) -> Operator | None:
    """The declaration for a call, or None for an operator that has no handler."""
    return OPERATORS.get((DOMAINS.get(call.domain, "?"), call.op))


def check(op: Operator, call: Call, types: Sequence[str]) -> None:
    """Raise Refused for whatever of a call its handler does not understand; `types` are those of its inputs, "" for absent."""
    schema = schema_of(call) if op.domain == "" or op.domain == "last" else None
    if schema is not None and op.domain == "" and schema.since_version not in op.versions:
        known = ", ".join(str(v) for v in sorted(op.versions))
        raise Refused(
            "opset",
            f"{call.op} as opset {schema.since_version} defines it; known are {known}",
            "export with another opset",
        )
    for name, value in call.attrs.items():
        if schema is not None and name not in schema.attributes:
            raise Refused(name, f"is no attribute of {call.op} in opset {call.opset}", "export the network again")
        _check_attribute(op, call, name, value)
    if schema is not None:
        _check_inputs(schema, call, types)
    for i, kind in enumerate(types):
        if kind and kind not in op.types and (schema is None or _is_data(schema, i)):
            raise Refused(
                "input",
                f"input {i} of {call.op} has elements of type {kind}; known are {', '.join(sorted(op.types))}",
                "export with float32 values",
            )


def _check_attribute(op: Operator, call: Call, name: str, value: Any) -> None:
    understood = op.attributes.get(name, ())
    if understood is ANY:
        return
    if value not in understood:  # type: ignore[operator]
        most = f"; known are {', '.join(str(v) for v in understood)}" if understood else ""  # type: ignore[attr-defined]
        raise Refused(
            name,
            f"{call.op} with {name} = {value} is not supported{most}",
            "export without it" if not most else "export with one of these",
        )


def schema_of(call: Call) -> OpSchema:
    """ONNX's own definition of a call's operator in its opset; Refused where this onnx has none."""
    opset = call.opset if DOMAINS.get(call.domain) == "" else onnx.defs.onnx_opset_version()
    try:
        return onnx.defs.get_schema(call.op, opset, "")
    except onnx.defs.SchemaError:
        raise Refused(
            "opset",
            f"{call.op} is not defined in opset {call.opset}",
            f"export with opset 9 to {onnx.defs.onnx_opset_version()}",
        ) from None


def _check_inputs(schema: OpSchema, call: Call, types: Sequence[str]) -> None:
    """As many inputs as ONNX defines, and one type where it asks for one."""
    if not schema.min_input <= len(call.inputs) <= schema.max_input:
        raise Refused("input", f"{call.op} has {len(call.inputs)} inputs", "export the network again")
    one: dict[str, str] = {}
    for i, kind in enumerate(types):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        if kind and "(" not in formal.type_str and one.setdefault(formal.type_str, kind) != kind:
            raise Refused(
                "input",
                f"{call.op} of {one[formal.type_str]} and {kind}, which ONNX gives no meaning",
                "export with one type",
            )


def _is_data(schema: OpSchema, i: int) -> bool:
    """True for an input of the operator's own element type; sizes, axes and indices have types of their own."""
    formal = schema.inputs[min(i, len(schema.inputs) - 1)]
    return formal.type_str == schema.inputs[0].type_str
