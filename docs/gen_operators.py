"""Write docs/pages/reference/operators.md from the declarations of the handlers. `make docs` runs it; a test keeps it true."""

import inspect
from pathlib import Path

import onnx

from hwflow.qonnx import OPERATORS
from hwflow.qonnx.operators import ANY, Operator

PAGE = Path(__file__).parent / "pages" / "reference" / "operators.md"
DOMAINS = {"": "ONNX", "quant": "QONNX", "last": "QONNX, channels last"}


def text() -> str:
    """The page: every operator with its opsets, attributes, element types and how it is realised."""
    lines = [
        "# Operators of a file",
        "",
        "Written by `make docs` from the declarations of the handlers. An attribute, an opset or an element type that a row",
        "leaves out is refused by `hwflow check` with its name. A node whose inputs are all constants may be any operator",
        "that onnx's reference evaluator knows. Opsets are those in which ONNX changed the operator.",
        "",
    ]
    for domain, title in DOMAINS.items():
        mine = sorted((op for (where, _), op in OPERATORS.items() if where == domain), key=lambda op: op.name)
        lines += [
            f"## {title}",
            "",
            "| operator | realised as | attributes | types | opsets |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(op) for op in mine]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(op: Operator) -> str:
    schemas = {
        s.since_version: s
        for s in onnx.defs.get_all_schemas_with_history()
        if (s.name, s.domain) == (op.name, op.domain) and s.since_version in op.versions
    }
    known = {name for s in schemas.values() for name in s.attributes} if schemas else set(op.attributes)
    attributes = ", ".join(
        name if values is ANY else f"{name} = {' or '.join(str(v) for v in values)}"  # type: ignore[attr-defined]
        for name, values in sorted(op.attributes.items())
        if name in known and (values is ANY or values)
    )
    said = (inspect.getdoc(op.handler) or op.handler.__name__.replace("_", " ")).splitlines()[0]
    opsets = ", ".join(str(v) for v in sorted(schemas)) or "any"
    cells = (op.name, said, attributes or "none", ", ".join(sorted(op.types)), opsets)
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(text())
