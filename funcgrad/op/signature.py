"""torch's signature of an operator, written once as text on its row and read here.

    "input: T, dim: ints = None, keepdim: bool = False, *, dtype: dtype = None"

Array arguments are marked by their kind, everything else is a parameter of the program:

    T      Tensor                     ints   an int or a sequence of ints (a list becomes a tuple)
    TS     Tensor or Python scalar    shape  sizes, also given one by one as positional arguments
    OT     Tensor or None             int, bool, float, str, dtype, any: what they say
    OTS    Tensor, scalar or None
    Ts     sequence of Tensors
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

ARRAY_KINDS = frozenset({"T", "TS", "OT", "OTS", "Ts"})
KINDS = ARRAY_KINDS | {"ints", "shape", "int", "bool", "float", "str", "dtype", "any"}
REQUIRED = object()


@dataclass(frozen=True)
class Arg:
    name: str
    kind: str
    default: object = REQUIRED
    keyword_only: bool = False

    @property
    def is_array(self) -> bool:
        return self.kind in ARRAY_KINDS


class Signature:
    """The arguments of an operator in torch's order; parsed when first asked for."""

    def __init__(self, text: str):
        self.text = text

    @cached_property
    def args(self) -> tuple[Arg, ...]:
        spec = ast.parse(f"def f({self.text}): pass").body[0].args
        args = [self._arg(a, False) for a in spec.args]
        defaults = [REQUIRED] * (len(args) - len(spec.defaults)) + [ast.literal_eval(d) for d in spec.defaults]
        out = [Arg(a.name, a.kind, d) for a, d in zip(args, defaults, strict=True)]
        for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            kw = self._arg(a, True)
            out.append(Arg(kw.name, kw.kind, REQUIRED if d is None else ast.literal_eval(d), True))
        return tuple(out)

    @staticmethod
    def _arg(a: ast.arg, keyword_only: bool) -> Arg:
        kind = ast.unparse(a.annotation) if a.annotation else "any"
        if kind not in KINDS:
            raise TypeError(f"unknown kind {kind!r} of argument {a.arg!r}; known are {sorted(KINDS)}")
        return Arg(a.arg, kind, REQUIRED, keyword_only)

    @cached_property
    def arrays(self) -> tuple[Arg, ...]:
        return tuple(a for a in self.args if a.is_array)

    @property
    def params(self) -> tuple[Arg, ...]:
        return tuple(a for a in self.args if not a.is_array)

    def __repr__(self) -> str:
        return f"Signature({self.text!r})"
