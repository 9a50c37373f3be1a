"""Floor 0. Data types, PyTorch's promotion between them, and the one 64-bit guard.

Knows names, categories and NumPy's counterparts. Must not know anything else of funcgrad.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import jax
import ml_dtypes
import numpy as np

__all__ = [
    "DType",
    "bfloat16",
    "bool_",
    "can_cast",
    "complex64",
    "complex128",
    "default_complex",
    "finfo",
    "float16",
    "float32",
    "float64",
    "from_np",
    "get_default_dtype",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "promote",
    "promote_types",
    "result_dtype",
    "scalar_dtype",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "x64",
]

BOOL, INT, FLOAT, COMPLEX = range(4)
_BY_NP: dict[np.dtype, DType] = {}


class DType:
    """A `torch.dtype`: `np` is NumPy's counterpart, `category` one of bool < int < float < complex."""

    __slots__ = ("category", "itemsize", "legacy", "name", "np")

    def __init__(self, name: str, np_dtype, category: int, legacy: str):
        self.name, self.np, self.category = name, np.dtype(np_dtype), category
        self.legacy = legacy  # the word PyTorch's messages use: "Float", "Long", ...
        self.itemsize = self.np.itemsize
        _BY_NP[self.np] = self

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return from_np, (self.np,)

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    @property
    def is_signed(self) -> bool:
        return self.np.kind != "u" and self.category != BOOL

    @property
    def differentiable(self) -> bool:
        return self.category >= FLOAT

    def to_real(self) -> DType:
        return {complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> DType:
        return {float32: complex64, float64: complex128}.get(self, self if self.is_complex else complex64)


bool_ = DType("bool", np.bool_, BOOL, "Bool")
uint8 = DType("uint8", np.uint8, INT, "Byte")
int8 = DType("int8", np.int8, INT, "Char")
int16 = DType("int16", np.int16, INT, "Short")
int32 = DType("int32", np.int32, INT, "Int")
int64 = DType("int64", np.int64, INT, "Long")
uint16 = DType("uint16", np.uint16, INT, "UInt16")
uint32 = DType("uint32", np.uint32, INT, "UInt32")
uint64 = DType("uint64", np.uint64, INT, "UInt64")
float16 = DType("float16", np.float16, FLOAT, "Half")
bfloat16 = DType("bfloat16", ml_dtypes.bfloat16, FLOAT, "BFloat16")
float32 = DType("float32", np.float32, FLOAT, "Float")
float64 = DType("float64", np.float64, FLOAT, "Double")
complex64 = DType("complex64", np.complex64, COMPLEX, "ComplexFloat")
complex128 = DType("complex128", np.complex128, COMPLEX, "ComplexDouble")

_default = float32


def from_np(np_dtype) -> DType:
    """The DType of a NumPy or JAX dtype."""
    try:
        return _BY_NP[np.dtype(np_dtype)]
    except KeyError:
        raise TypeError(
            f"can't convert np.ndarray of type {np_dtype}. The only supported types are: float64, float32, "
            "float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        ) from None


def get_default_dtype() -> DType:
    """The dtype of `tensor(1.0)` and of an integer divided by an integer."""
    return _default


def assign_default_dtype(dtype: DType) -> None:
    """Set the default dtype. The public `set_default_dtype` also tells the tape."""
    global _default
    if not isinstance(dtype, DType):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = dtype


def default_complex() -> DType:
    return {float64: complex128}.get(_default, complex64)


def scalar_dtype(value) -> DType:
    """The dtype `tensor(value)` has for a Python scalar."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default
    return default_complex()


# Promotion inside one category; across categories the higher category wins.
_FLOATS = {float16: 1, bfloat16: 1, float32: 2, float64: 3}
_SIGNED = [int8, int16, int32, int64]


def _promote_ints(a: DType, b: DType) -> DType:
    if a.is_signed == b.is_signed:
        return a if a.itemsize >= b.itemsize else b
    signed, unsigned = (a, b) if a.is_signed else (b, a)
    if unsigned is not uint8:
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{unsigned.legacy} and {signed.legacy}"
        )
    return signed if signed.itemsize > 1 else int16


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that both convert to, by PyTorch's table.

    >>> promote_types(int32, float16)
    torch.float16
    >>> promote_types(float16, bfloat16)
    torch.float32
    """
    a, b = type1, type2
    if a is b:
        return a
    if a.category != b.category:
        low, high = (a, b) if a.category < b.category else (b, a)
        if high is complex64 and low is float64:
            return complex128
        return high
    if a.category == INT:
        return _promote_ints(a, b)
    if a.category == FLOAT:
        if _FLOATS[a] == _FLOATS[b]:
            return float32
        return a if _FLOATS[a] > _FLOATS[b] else b
    return complex128


def promote(dimensioned, zero_dim, scalars) -> DType:
    """PyTorch's result type: dimensioned tensors rule, then 0-d tensors, then Python scalars.

    Each argument is an iterable of DTypes. A lower group counts only when its category is higher than
    that of the groups above it.
    """
    result = None
    for group in (dimensioned, zero_dim, scalars):
        best = None
        for dtype in group:
            best = dtype if best is None else promote_types(best, dtype)
        if best is None:
            continue
        if result is None:
            result = best
        elif best.category > result.category:
            # a float scalar makes an int tensor the default float; a complex one keeps the float's width
            result = result.to_complex() if best.is_complex and result.is_floating_point else best
    if result is None:
        raise RuntimeError("At least one argument is needed to find a result type")
    return result


def result_dtype(shaped: list[tuple[DType, int]], scalars: list) -> DType:
    """`promote` for (dtype, ndim) pairs and Python scalars."""
    return promote(
        [d for d, n in shaped if n > 0],
        [d for d, n in shaped if n == 0],
        [scalar_dtype(s) for s in scalars],
    )


def can_cast(from_: DType, to: DType) -> bool:
    """Whether `from_` may be written into `to` under PyTorch's rules (no category may be lost)."""
    return from_.category <= to.category


def finfo(type: DType | None = None):
    """Limits of a floating-point dtype (`eps`, `max`, `min`, `tiny`, ...)."""
    dtype = type or _default
    if dtype.is_complex:
        dtype = dtype.to_real()
    if not dtype.is_floating_point:
        raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{dtype}'")
    return _Limits(ml_dtypes.finfo(dtype.np), dtype)


def iinfo(type: DType):
    """Limits of an integer dtype (`max`, `min`, `bits`)."""
    if type.category != INT:
        raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
    return _Limits(np.iinfo(type.np), type)


class _Limits:
    """Plain Python numbers, as PyTorch's finfo and iinfo give them."""

    def __init__(self, info, dtype: DType):
        self.dtype, self.bits = dtype.name, info.bits
        number = int if dtype.category == INT else float
        self.max, self.min = number(info.max), number(info.min)
        if dtype.category == FLOAT:
            self.eps, self.tiny = float(info.eps), float(info.tiny)
            self.smallest_normal, self.resolution = self.tiny, float(info.resolution)

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v}" for k, v in vars(self).items())
        return f"{'iinfo' if 'int' in self.dtype else 'finfo'}({fields})"


def x64() -> AbstractContextManager:
    """The one 64-bit guard. Everything JAX does for funcgrad happens under it; the user's settings stay."""
    return jax.enable_x64(True)
