"""Element by element: the same functions as torch's, with operands of one dtype and Python numbers on either side."""

from __future__ import annotations

from .base import F, array, both

_UNARY = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log log1p log2 log10 "
    "logical_not negative positive reciprocal round signbit sin sinh sqrt square tan tanh trunc"
).split()
_UNARY_AS = {"bitwise_invert": "bitwise_not", "conj": "conj_physical", "sign": "sgn"}
_BINARY = (
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide floor_divide "
    "greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply "
    "nextafter not_equal pow remainder subtract"
).split()
_BINARY_AS = {"equal": "eq"}


def _named(g, name: str, of: str):
    g.__name__ = g.__qualname__ = name
    g.__doc__ = f"`torch.{of}` of each element."
    return g


def _unary(name: str, of: str):
    f = getattr(F, of)
    return _named(lambda x, /: f(x), name, of)


def _binary(name: str, of: str):
    f = getattr(F, of)
    return _named(lambda x1, x2, /: f(*both(x1, x2)), name, of)


globals().update({n: _unary(n, of) for n, of in ({n: n for n in _UNARY} | _UNARY_AS).items()})
globals().update({n: _binary(n, of) for n, of in ({n: n for n in _BINARY} | _BINARY_AS).items()})


def real(x, /):
    """The real part; of a real array itself."""
    return F.real(x) if x.dtype.is_complex else x


def imag(x, /):
    """The imaginary part; of a real array zeros."""
    return F.imag(x) if x.dtype.is_complex else F.zeros_like(x)


def clip(x, /, min=None, max=None):
    """`x` with what lies under `min` or over `max` put there, in the dtype of `x`."""
    low, high = (None if b is None else array(b, x).to(x.dtype) for b in (min, max))
    return x.clone() if low is None and high is None else F.clip(x, low, high)


__all__ = sorted([*_UNARY, *_UNARY_AS, *_BINARY, *_BINARY_AS, "clip", "imag", "real"])
