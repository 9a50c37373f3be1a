"""The one way from Tensors to the tape: arguments to Values, an operator recorded, Values to Tensors."""

from __future__ import annotations

from typing import NoReturn

import jax
import numpy as np

from .. import dtypes
from ..op import Op
from ..tape import constant, known_array, local, record
from ..tape.tape import VALUES
from ..tape.trace import SCALARS
from .tensor import Tensor, value_of, wrap

WIDE = frozenset({dtypes.float64, dtypes.complex128})
NUMBERS_ALONE = frozenset({"add", "sub", "mul", "div", "floor_divide"})  # they make Tensors of two numbers


def operand(a, op: Op | None = None):
    """A Value, Python scalar or None from whatever the user passed for an array argument."""
    if isinstance(a, Tensor):
        return value_of(a)
    if a is None or a.__class__ in SCALARS:
        return a
    if isinstance(a, bool | int | float | complex):  # subclasses: np.float64, IntEnum, ...
        if local.whole is not None:
            a = local.whole.scalar(a)
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


_WORDS = {"TS": "Tensor or Number", "OT": "Tensor or None", "OTS": "Tensor, Number or None"}


def refuse_together(name: str, given, wanted: str) -> NoReturn:
    """The TypeError of a function that comes in several forms, about all arguments that were given."""
    kinds = ", ".join(type(a).__name__ for a in given)
    raise TypeError(f"{name}() received an invalid combination of arguments - got ({kinds}), but expected ({wanted})")


def refuse_argument(name: str, which: str, position: int | None, given, wanted: str = "Tensor") -> NoReturn:
    """The TypeError about one argument; `position` counts from 1, None for a keyword."""
    at = "" if position is None else f" (position {position})"
    raise TypeError(f"{name}(): argument '{which}'{at} must be {wanted}, not {type(given).__name__}")


def check_kinds(op: Op, args, first: int = 1) -> None:
    """That there is a Tensor wherever the signature of `op` says so. `first` is the position of the first argument:
    0 for a method. Off the hot path, where the slots say it."""
    for given in args:
        if given.__class__ is not Tensor:
            break
    else:
        return
    arrays, some = op.sig.arrays, False
    for a, given in zip(arrays, args, strict=True):
        if given.__class__ is Tensor:
            some = True
        elif given is None:
            if a.kind[0] != "O":
                break
        elif isinstance(given, bool | int | float | complex | np.generic):
            if a.kind[-1] != "S":
                break
        elif isinstance(given, str | bytes | list | tuple | dict):
            break
        else:
            some = True
    else:
        if some or op.name in NUMBERS_ALONE:
            return
        a, given = arrays[0], args[0]
    name = op.name if op.where in ("torch", "F") else f"{op.where}_{op.name}"
    position = None if a.keyword_only else op.sig.args.index(a) + first
    if op.name not in NUMBERS_ALONE and any(b.kind == "TS" and not b.keyword_only for b in arrays):
        wanted = ", ".join(f"{_WORDS.get(b.kind, 'Tensor')} {b.name}" for b in arrays[1 - first :])
        refuse_together(name, args[1 - first :], wanted)
    refuse_argument(name, a.name, position, given)


def check_indices(op: Op, x, index, dim: int | None = None) -> None:
    """That an index is in range, if its numbers lie on the host; looking at others would make a run."""
    if not isinstance(index, Tensor) or not isinstance(x, Tensor):
        return
    numbers = known_array(value_of(index))
    if numbers.__class__ is np.ndarray and numbers.size and numbers.dtype.kind in "iu":
        op.indices.check(numbers, value_of(x).spec.shape, dim)


def call_given(op: Op, args, params: dict | None = None):
    """`call` with what a user gave, for a function."""
    check_kinds(op, args)
    return call(op, args, params)


def call_method(op: Op, args, params: dict | None = None):
    """The same for a method."""
    check_kinds(op, args, 0)
    return call(op, args, params)
