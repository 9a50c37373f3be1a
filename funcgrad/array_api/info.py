"""Dtypes and devices: what there is, and what goes together."""

from __future__ import annotations

from .. import dtypes
from ..device import get_default_device
from ..dtypes import finfo, iinfo
from ..tensor import Tensor
from .base import on

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

_KINDS = {
    "bool": ["bool_"],
    "signed integer": ["int8", "int16", "int32", "int64"],
    "unsigned integer": ["uint8", "uint16", "uint32", "uint64"],
    "real floating": ["float32", "float64"],
    "complex floating": ["complex64", "complex128"],
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


def _of_kind(kind: str) -> list:
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of dtype: {kind!r}; there are {sorted(_KINDS)}")
    return [getattr(dtypes, name) for name in _KINDS[kind]]


def astype(x, dtype, /, *, copy=True, device=None):
    """`x` in another dtype. Raises TypeError for a complex array in a real one."""
    on(device)
    if x.dtype.is_complex and not dtype.is_complex and dtype is not dtypes.bool_:
        raise TypeError(f"astype: a {x.dtype} array has no {dtype} values; take real or imag first")
    return x.to(dtype, copy=copy)


def can_cast(from_, to, /) -> bool:
    """Whether a dtype, or that of an array, goes into another by promotion."""
    from_ = from_.dtype if isinstance(from_, Tensor) else from_
    return from_ is to or dtypes.promote_types(from_, to) is to


def isdtype(dtype, kind) -> bool:
    """Whether `dtype` is `kind`: a dtype, the name of a kind, or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if not isinstance(kind, str):
        return dtype is kind
    also = [dtypes.float16, dtypes.bfloat16] if kind in ("real floating", "numeric") else []
    return any(dtype is d for d in _of_kind(kind) + also)


def result_type(*arrays_and_dtypes):
    """The dtype that all are promoted to; Python numbers count by their kind."""
    numbers = [x for x in arrays_and_dtypes if isinstance(x, bool | int | float | complex)]
    found = None
    for x in arrays_and_dtypes:
        if not isinstance(x, bool | int | float | complex):
            d = x.dtype if isinstance(x, Tensor) else x
            found = d if found is None else dtypes.promote_types(found, d)
    if found is None:
        raise ValueError("result_type: at least one array or dtype is required")
    from .base import F

    for n in numbers:
        found = F.result_type(F.empty(1, dtype=found), n)
    return found


class __array_namespace_info__:
    """What the standard lets one ask about a namespace."""

    def capabilities(self) -> dict:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": None}

    def default_device(self):
        return get_default_device()

    def devices(self) -> list:
        return [get_default_device()]

    def default_dtypes(self, *, device=None) -> dict:
        on(device)
        real = dtypes.get_default_dtype()
        wide = real is dtypes.float64
        return {
            "real floating": real,
            "complex floating": dtypes.complex128 if wide else dtypes.complex64,
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device=None, kind=None) -> dict:
        """name -> dtype, of one kind, of a tuple of kinds, or all."""
        on(device)
        kinds = ("bool", "numeric") if kind is None else kind if isinstance(kind, tuple) else (kind,)
        return {d.name.removeprefix("torch."): d for k in kinds for d in _of_kind(k)}
