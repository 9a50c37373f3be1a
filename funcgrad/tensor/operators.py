"""Python's operators on Tensors."""

from __future__ import annotations

import jax
import numpy as np

from ..op import REGISTRY, Op
from .call import call
from .hot import MAKE, body, function
from .overrides import taken, taking
from .tensor import Tensor
from .variants import METHODS, NAMES, make

_OPERANDS = (Tensor, bool, int, float, complex, np.generic, np.ndarray, jax.Array)


def binary(op: Op, name: str, reflected: bool = False, general=None):
    """`a op b` (or `b op a`) with the hit path written out; `general` is the function for the rest."""

    def slow(self, other):
        if found := taking((self, other)):
            return taken(f if reflected else METHODS.get(op.name, f), found, (self, other), {})
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        if general is not None:
            return general(other, self) if reflected else general(self, other)
        return call(op, (other, self) if reflected else (self, other))

    def source() -> str:
        arrays = [("other", "TS"), ("self", "T")] if reflected else [("self", "T"), ("other", "TS")]
        params = [(a.name, repr(a.default)) for a in op.sig.params]  # the row's own defaults
        return f"def {name}(self, other):\n" + body(arrays, params, "slow(self, other)") + MAKE

    f = function(name, source, op, {"slow": slow})
    f.__qualname__, f.__module__ = f"Tensor.{name}", "funcgrad"
    return f


def _through(name: str, reflected: bool = False):
    """A dunder for a function that is not a row by itself."""
    function = NAMES["torch"][name]

    def dunder(self, other):
        if found := taking((self, other)):
            return taken(function, found, (other, self) if reflected else (self, other), {})
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return function(other, self) if reflected else function(self, other)

    return dunder


def _tensor(x) -> Tensor:
    return x if isinstance(x, Tensor) else NAMES["torch"]["tensor"](x)


def attach() -> None:
    """Give Tensor its operators."""
    rows = {
        "add": "add", "sub": "sub", "mul": "mul", "truediv": "div",
        "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
        "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
        "floordiv": "floor_divide", "mod": "remainder",
        "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    }  # fmt: skip
    compared = {"eq", "ne", "lt", "le", "gt", "ge"}
    for dunder, row in rows.items():
        op = REGISTRY[row]
        general = NAMES["torch"][row] if row in ("div",) else None
        setattr(Tensor, f"__{dunder}__", binary(op, f"__{dunder}__", general=general))
        if dunder not in compared:
            setattr(Tensor, f"__r{dunder}__", binary(op, f"__r{dunder}__", reflected=True, general=general))
    Tensor.__rsub__ = binary(REGISTRY["rsub"], "__rsub__")
    Tensor.__rtruediv__ = lambda self, other: METHODS["reciprocal"](self) * other
    for dunder, name in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "div"), ("and", "bitwise_and"),
                         ("or", "bitwise_or"), ("xor", "bitwise_xor"), ("floordiv", "floor_divide"),
                         ("mod", "remainder"), ("pow", "pow"), ("lshift", "bitwise_left_shift"),
                         ("rshift", "bitwise_right_shift")):  # fmt: skip
        row = REGISTRY.get(name)
        plain = row is not None and name in ("add", "sub", "mul")  # the rest has parameters, or composes
        setattr(Tensor, f"__i{dunder}__", make(row, "i") if plain else METHODS[name + "_"])
    Tensor.__neg__, Tensor.__abs__ = METHODS["neg"], METHODS["abs"]
    Tensor.__pos__ = lambda self: self
    Tensor.__invert__ = METHODS["bitwise_not"]
    Tensor.__pow__ = METHODS["pow"]
    Tensor.__rpow__ = lambda self, other: NAMES["torch"]["pow"](other, self)
    Tensor.__matmul__ = _through("matmul")
    Tensor.__rmatmul__ = lambda self, other: NAMES["torch"]["matmul"](_tensor(other), self)
    Tensor.__imatmul__ = lambda self, other: NotImplemented
