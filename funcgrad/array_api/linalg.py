"""Linear algebra with the standard's keywords."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

from ..tensor import NAMES, Tensor
from .base import F, axes, both
from .statistics import sum

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip

_L = SimpleNamespace(**NAMES["linalg"])


def matmul(x1, x2, /):
    """The matrix product, over leading dimensions."""
    return F.matmul(*both(x1, x2))


def matrix_transpose(x, /):
    """The last two axes exchanged. Raises ValueError if there are not two."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: at least 2 dimensions are required, got {x.ndim}")
    return F.transpose(x, -2, -1)


def tensordot(x1, x2, /, *, axes=2):
    """Multiplied and summed over the last `axes` of one and the first of the other, or over two lists of them."""
    return F.tensordot(*both(x1, x2), dims=axes)


def vecdot(x1, x2, /, *, axis=-1):
    """The products of vectors along `axis`, of the first conjugate."""
    x1, x2 = F.broadcast_tensors(*both(x1, x2))
    return sum(F.conj_physical(x1) * x2, axis=axis, dtype=x1.dtype)


def cross(x1, x2, /, *, axis=-1):
    """The vector product along an axis of size 3."""
    return _L.cross(*both(x1, x2), dim=axis)


def outer(x1, x2, /):
    """Every element of one times every element of the other."""
    return F.outer(*both(x1, x2))


def diagonal(x, /, *, offset=0):
    """The diagonals of matrices, along a new last axis."""
    return F.diagonal(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """The sum of the diagonals of matrices."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cholesky(x, /, *, upper=False):
    """The triangular factor of positive definite matrices."""
    return _L.cholesky(x, upper=upper)


def _one(name: str):
    f = getattr(_L, name)

    def g(x, /):
        return f(x)

    g.__name__, g.__doc__ = name, f"`torch.linalg.{name}`."
    return g


det, eigh, eigvalsh, inv = _one("det"), _one("eigh"), _one("eigvalsh"), _one("inv")
slogdet, svdvals = _one("slogdet"), _one("svdvals")


def solve(x1, x2, /):
    """The solution y of x1 @ y = x2; `x2` is vectors only if it has one dimension."""
    return _L.solve(*both(x1, x2))


class QR(NamedTuple):
    Q: Tensor
    R: Tensor


def qr(x, /, *, mode="reduced"):
    """An orthogonal and an upper triangular factor, "reduced" or "complete"."""
    return QR(*_L.qr(x, mode))


def svd(x, /, *, full_matrices=True):
    """U, S, Vh."""
    return _L.svd(x, full_matrices)


def matrix_power(x, n, /):
    """A matrix times itself, `n` times; of the inverse for a negative one."""
    return _L.matrix_power(x, n)


def matrix_rank(x, /, *, rtol=None):
    """How many singular values lie above `rtol` times the largest."""
    return _L.matrix_rank(x, rtol=rtol)


def pinv(x, /, *, rtol=None):
    """The pseudo-inverse, of singular values above `rtol` times the largest."""
    return _L.pinv(x, rtol=rtol)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """A norm of matrices."""
    return _L.matrix_norm(x, ord, keepdim=keepdims)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """A norm over `axis`, as of one vector."""
    return _L.vector_norm(x, ord, axes(x, axis) or None, keepdims)
