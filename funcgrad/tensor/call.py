"""The one way from Tensors to the tape: arguments to Values, an operator recorded, Values to Tensors."""

from __future__ import annotations

import jax
import numpy as np

from .. import dtypes
from ..op import Op
from ..tape import constant, record
from ..tape.tape import VALUES
from ..tape.trace import SCALARS
from .tensor import Tensor, value_of, wrap

WIDE = frozenset({dtypes.float64, dtypes.complex128})


def operand(a, op: Op | None = None):
    """A Value, Python scalar or None from whatever the user passed for an array argument."""
    if isinstance(a, Tensor):
        return value_of(a)
    if a is None or a.__class__ in SCALARS:
        return a
    if isinstance(a, bool | int | float | complex):  # subclasses: np.float64, IntEnum, ...
        return next(k(a) for k in (bool, int, float, complex) if isinstance(a, k))
    if isinstance(a, np.generic):
        return a.item()
    if isinstance(a, np.ndarray):
        return constant(np.array(a))
    if isinstance(a, jax.Array):
        return constant(a, dtypes.from_np(a.dtype))
    if hasattr(a, "spec"):  # a Value already
        return a
    name = op.name if op is not None else "operation"
    raise TypeError(f"{name}(): argument must be Tensor, not {type(a).__name__}")


def number(x, dtype: dtypes.DType):
    """`x` for a row that casts its scalars itself, to `dtype`.

    A scalar travels in the default dtype, which would round 0.1 on its way into a float64 tensor; there it goes as
    an array of its own instead (an input, so that another number is no other program).
    """
    if (x.__class__ is float or x.__class__ is complex) and dtype in WIDE and dtypes.scalar_dtype(x) is not dtype:
        return constant(np.asarray(x, dtype.np if x.__class__ is complex else np.float64))
    return x


def operands(op: Op, args) -> list:
    """What the tape takes, for the array arguments of `op`."""
    made = [operand(a, op) for a in args]
    if op.promote is None and made and made[0].__class__ in VALUES:
        dtype = made[0].spec.dtype
        if dtype in WIDE:
            made = [number(a, dtype) for a in made]
    return made


def call(op: Op, args, params: dict | None = None):
    """Record `op` of Tensors, scalars and None; a Tensor or a tuple of Tensors."""
    out = record(op, operands(op, args), params)
    if out.__class__ is tuple:
        return tuple([wrap(v) for v in out])
    return wrap(out)
