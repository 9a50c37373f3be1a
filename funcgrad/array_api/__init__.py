"""The Python array API standard, 2024.12, over funcgrad's own functions: lazy and differentiable as these are.

>>> import funcgrad as torch
>>> x = torch.tensor([3.0, 4.0], requires_grad=True)
>>> xp = x.__array_namespace__()
>>> xp.sum(xp.square(x), axis=0).backward()
>>> x.grad
tensor([6., 8.])

Names and keywords are the standard's; what they do is written once, in the tables. Must not be known by them.
"""

import math as _math
import sys as _sys

from ..dtypes import (
    bool_ as bool,
)
from ..dtypes import (
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ..tensor import Tensor as _Tensor
from . import creation, elementwise, fft, info, linalg, manipulation, searching, statistics
from .info import __array_namespace_info__
from .linalg import matmul, matrix_transpose, tensordot, vecdot

_PARTS = (creation, elementwise, info, manipulation, searching, statistics)
globals().update({name: getattr(part, name) for part in _PARTS for name in part.__all__})
__array_api_version__ = "2024.12"
e, inf, nan, pi, newaxis = _math.e, _math.inf, _math.nan, _math.pi, None


def _namespace(self, *, api_version=None):
    """The functions of the array API standard. Raises ValueError for a version that is not there."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", __array_api_version__):
        raise ValueError(f"the array API is there up to version {__array_api_version__}, not {api_version!r}")
    return _sys.modules[__name__]


_Tensor.__array_namespace__ = _namespace

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "bool", "complex64", "complex128", "e", "fft", "float32",
    "float64", "inf", "int8", "int16", "int32", "int64", "linalg", "matmul", "matrix_transpose", "nan", "newaxis", "pi",
    "tensordot", "uint8", "uint16", "uint32", "uint64", "vecdot",
    *(name for part in _PARTS for name in part.__all__),
]  # fmt: skip
