"""From Python's and NumPy's data to one NumPy array in PyTorch's dtype: nested sequences, scalars, arrays; and dtypes
from what was given as one.

Knows dtypes, NumPy and that a Tensor can be read. Must not know the tape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..device import check_device
from ..dtypes import DType
from .tensor import Tensor

_PYTHON = {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}


def as_dtype(dtype, name: str = "tensor") -> DType | None:
    """A DType from what the user gave as one: Python's own number types are names of dtypes too."""
    if dtype is None or dtype.__class__ is DType:
        return dtype
    if dtype.__class__ is type and dtype in _PYTHON:
        return _PYTHON[dtype]
    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")


def wanted_dtype(args: tuple, dtype: DType | None, device) -> DType | None:
    """The dtype that the arguments of `to` ask for, in whatever order; None for the one there is. Refuses a device that
    Tensors do not live on."""
    for a in args:
        if isinstance(a, DType):
            dtype = a
        elif isinstance(a, Tensor):
            dtype = a.dtype
        elif not isinstance(a, bool):
            device = a
    check_device(device)
    return dtype


def of_numpy(dtype: np.dtype) -> DType:
    """The DType of an array's dtype."""
    try:
        return dtypes.from_np(dtype)
    except TypeError as error:
        raise TypeError(str(error).replace(str(dtype), f"numpy.{dtype.type.__name__}")) from None


def array_of(data, dtype: DType | None = None) -> np.ndarray:
    """A fresh NumPy array of `data`, in `dtype` or the dtype PyTorch infers.

    Raises what `torch.tensor` raises for data that is ragged, of no number's type, or too large for `dtype`.
    """
    if isinstance(data, np.ndarray | np.generic):
        of_numpy(data.dtype)
        with np.errstate(all="ignore"):
            return np.array(data, dtype.np if dtype else None)
    if hasattr(data, "__array__") and not isinstance(data, Tensor):
        return array_of(np.asarray(data), dtype)
    leaf = _first_leaf(data)
    if leaf.__class__ in _PYTHON or leaf is _EMPTY:
        found = _by_numpy(data)
    else:  # numbers that know their dtype, or no numbers at all
        dtype = dtype or _infer(data)
        found = _by_numpy(_plain(data))
    if found.dtype.kind not in "biufc":
        raise _why_not(data, found)
    if dtype is None:
        if found.dtype.kind == "u":
            raise ValueError("Overflow when unpacking long long")
        dtype = _default(found)
    return _cast(found, dtype)


_EMPTY = object()


def _first_leaf(data):
    while isinstance(data, list | tuple):
        if not data:
            return _EMPTY
        data = data[0]
    return data


def _by_numpy(data) -> np.ndarray:
    try:
        return np.array(data)
    except (ValueError, TypeError) as error:
        raise _why_not(data, None) or error from None


def _default(found: np.ndarray) -> DType:
    """The dtype of an array of Python numbers."""
    if found.dtype.kind == "f" or found.size == 0:
        return dtypes.get_default_dtype()
    return {"c": dtypes.default_complex(), "b": dtypes.bool_}.get(found.dtype.kind, dtypes.int64)


def _infer(data) -> DType:
    """The dtype of nested sequences whose numbers know theirs."""
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, np.ndarray | np.generic):
        return of_numpy(data.dtype)
    if isinstance(data, bool | int | float | complex):
        return dtypes.scalar_dtype(data)
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not isinstance(data, Sequence):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    found = None
    for item in data:
        if isinstance(item, str):
            raise ValueError("too many dimensions 'str'")
        dtype = _infer(item)
        found = dtype if found is None else dtypes.promote_types(found, dtype)
    return found or dtypes.get_default_dtype()


def _plain(data):
    """Nested sequences with the Tensors inside replaced by their numbers."""
    if isinstance(data, Tensor):
        if data.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return data.detach().item()
    if isinstance(data, Sequence) and not isinstance(data, range | str | bytes):
        return [_plain(x) for x in data]
    return data


def _why_not(data, found: np.ndarray | None) -> Exception:
    """What PyTorch says of data that is no array."""
    sizes, item = [], data
    while isinstance(item, Sequence) and not isinstance(item, str | bytes):
        sizes.append(len(item))
        item = item[0] if len(item) else None
    try:
        dtype = _infer(data)
        _check(data, sizes, 0, dtype)
    except (ValueError, TypeError, RuntimeError) as error:
        return error
    if dtype.category == dtypes.INT:
        return ValueError("Overflow when unpacking long long")
    return TypeError(f"new(): invalid data type '{type(data).__name__}'")


def _check(data, sizes: list[int], dim: int, dtype: DType) -> None:
    kind = type(data).__name__
    sequence = isinstance(data, Sequence) and not isinstance(data, str | bytes)
    if dim == len(sizes):
        if sequence:
            if dtype.differentiable:
                raise TypeError(f"must be real number, not {kind}")
            raise TypeError(f"'{kind}' object cannot be interpreted as an integer")
        return
    if not sequence:
        raise TypeError("not a sequence")
    if len(data) != sizes[dim]:
        raise ValueError(f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})")
    for item in data:
        _check(item, sizes, dim + 1, dtype)


def _cast(found: np.ndarray, dtype: DType) -> np.ndarray:
    """`found` in `dtype`; a number that an integer dtype cannot hold is refused, a float becomes an infinity."""
    kind = found.dtype.kind
    if kind == "c" and dtype.category < dtypes.COMPLEX:
        if dtype.category == dtypes.INT:
            raise TypeError("'complex' object cannot be interpreted as an integer")
        raise TypeError("must be real number, not complex")
    if dtype.category == dtypes.INT and kind in "iuf" and found.size and found.dtype != dtype.np:
        info = np.iinfo(dtype.np)
        low, high = found.min(), found.max()
        # negative numbers wrap into an unsigned dtype
        if not (low >= (info.min if dtype.is_signed else -info.max) and high <= info.max):
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
    with np.errstate(all="ignore"):
        return found.astype(dtype.np)
