"""Floor 7. Type stubs for what is attached from the tables: editors cannot see methods made from rows.

`python -m funcgrad.stub` writes `funcgrad/tensor/tensor.pyi` (the Tensor) and `funcgrad/__init__.pyi` (the
functions); a test holds them fresh.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import funcgrad

from .op import REGISTRY
from .op.signature import REQUIRED, Arg
from .tensor import METHODS, NAMES, Tensor
from .tensor.hot import compiled
from .tensor.variants import signature_of

HOME = Path(__file__).parent
_LATER = ("__main__", "stub", "bench", "demo", "launch")  # modules that importing funcgrad does not bring
HEADER = '"""Written by `python -m funcgrad.stub`; do not edit."""\n\n# ruff: noqa\n'
_TYPES = {
    "T": "Tensor", "OT": "Tensor | None", "TS": "Tensor | Number", "OTS": "Tensor | Number | None",
    "Ts": "Sequence[Tensor]", "ints": "int | Sequence[int] | None", "shape": "int | Sequence[int]",
    "dtype": "DType | None", "any": "Any",
}  # fmt: skip


def _typed(a: Arg, name: str) -> str:
    kind = _TYPES.get(a.kind, a.kind)
    if a.default is None and "None" not in kind and kind != "Any":
        kind += " | None"
    return f"{name}: {kind}" + ("" if a.default is REQUIRED else f" = {a.default!r}")


def of_row(op, form: str) -> str:
    """The parameters of a row's function ("f"), method ("m") or in-place method ("i")."""
    parts, star = [], False
    for i, a in enumerate(op.sig.args):
        if form != "f" and i == 0:
            parts.append("self")
        elif form == "m" and a.kind == "shape" and op.sig.args[0].is_array:
            parts.append(f"*{a.name}: int | Sequence[int]")
            star = True
        else:
            if a.keyword_only and not star:
                parts.append("*")
                star = True
            parts.append(_typed(a, a.name))
    return ", ".join(parts)


def _any(f) -> str:
    """The parameters of anything else, without types."""
    try:
        parameters = inspect.signature(compiled(inspect.unwrap(f))).parameters.values()
    except (TypeError, ValueError):
        return "*args, **kwargs"
    parts, star = [], False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star = star or p.kind is p.VAR_POSITIONAL
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        parts.append(f"{prefix}{p.name}" + ("" if p.default is p.empty else " = ..."))
    return ", ".join(parts)


def _rows() -> dict[str, object]:
    return {name: op for op in REGISTRY.values() if op.where == "torch" for name in (op.name, *op.aliases)}


def _is_row(f) -> bool:
    return getattr(f, "__globals__", {}).get("op") is not None


def functions() -> str:
    """The text of `funcgrad/__init__.pyi`."""
    lines = [HEADER, "from collections.abc import Sequence", "from typing import Any", ""]
    for name in sorted(vars(funcgrad)):
        value = vars(funcgrad)[name]
        if inspect.ismodule(value) and value.__name__ == f"funcgrad.{name}" and name not in _LATER:
            lines.append(f"from . import {name} as {name}")
    lines.append("from .tensor.tensor import Number as Number, Size as Size, Tensor as Tensor")
    lines += ["from .dtypes import DType as DType", ""]
    rows = _rows()
    for name in sorted(NAMES["torch"]):
        if not name.isidentifier() or name.startswith("_"):
            continue
        f = NAMES["torch"][name]
        params = of_row(rows[name], "f") if name in rows and _is_row(f) else _any(f)
        lines.append(f"def {name}({params}) -> Any: ...")
    lines.append("")
    for name in sorted(vars(funcgrad)):
        value = vars(funcgrad)[name]
        if name.startswith("_") or name in NAMES["torch"] or name in ("Tensor", "Size", "DType"):
            continue
        if inspect.ismodule(value):
            continue
        kind = "DType" if isinstance(value, funcgrad.DType) else "Any"
        lines.append(f"{name}: {kind}")
    return "\n".join(lines) + "\n"


def tensor() -> str:
    """The text of `funcgrad/tensor/tensor.pyi`."""
    lines = [
        HEADER, "from collections.abc import Sequence", "from typing import Any, Self", "",
        "from ..dtypes import DType", "", "Number = bool | int | float | complex", "",
        "class Size(tuple[int, ...]):", "    def numel(self) -> int: ...", "",
        "class Tensor:", "    def __init__(self, *args: Any) -> None: ...",
    ]  # fmt: skip
    rows = _rows()
    for name in sorted(vars(Tensor)):
        value = vars(Tensor)[name]
        if isinstance(value, property):
            lines.append(f"    {name}: {'Tensor | None' if name == 'grad' else 'Any'}")
        elif inspect.isfunction(value) and (not name.startswith("_") or name.startswith("__")) and name != "__new__":
            base, form = (name[:-1], "i") if name.endswith("_") and not name.endswith("__") else (name, "m")
            if base in rows and _is_row(value) and METHODS.get(name) is value:
                lines.append(f"    def {name}({of_row(rows[base], form)}) -> {'Self' if form == 'i' else 'Any'}: ...")
            elif _is_row(value):
                lines.append(f"    def {name}{signature_of(value)} -> Tensor: ...")
            else:
                lines.append(f"    def {name}({_any(value)}) -> Any: ...")
    return "\n".join(lines) + "\n"


OPERATORS = ("<!-- operators, written by python -m funcgrad.stub -->\n", "<!-- end of operators -->\n")


def operators() -> str:
    """The README's table: what the tables of operators hold, by family."""
    lines = ["| family | operators | own rule | `jax_rule` | no derivative | host |", "|---|---|---|---|---|---|"]
    families: dict[str, list[int]] = {}
    for op in REGISTRY.values():
        counts = families.setdefault(op.family, [0] * 5)
        kind = 3 if not op.differentiable else 1 if op.own_rule else 2
        for i in (0, kind, *((4,) if op.host else ())):
            counts[i] += 1
    families["all"] = [sum(c) for c in zip(*families.values(), strict=True)]
    lines += [f"| {name} | {' | '.join(str(c) if c else '' for c in counts)} |" for name, counts in families.items()]
    return "\n".join(lines) + "\n"


def with_operators(readme: str) -> str:
    """The README with the table as it is now."""
    before, rest = readme.split(OPERATORS[0])
    return before + OPERATORS[0] + operators() + OPERATORS[1] + rest.split(OPERATORS[1])[1]


def main() -> None:
    (HOME / "__init__.pyi").write_text(functions(), "utf-8")
    (HOME / "tensor" / "tensor.pyi").write_text(tensor(), "utf-8")
    readme = HOME.parent / "README.md"
    if readme.exists():
        readme.write_text(with_operators(readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
