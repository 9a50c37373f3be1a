"""New arrays."""

from __future__ import annotations

from ..tensor import Tensor
from .base import F, on

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid",
    "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    """start, start + step, ... before `stop`; from 0 if only one is given. Nothing where the step leads away."""
    on(device)
    start, stop = (0, start) if stop is None else (start, stop)
    if (stop - start) * step < 0:
        dtype = dtype or F.arange(0, 1, step).dtype
        return F.empty(0, dtype=dtype)
    return F.arange(start, stop, step, dtype=dtype)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array of numbers, nested sequences, or any array. Values never change, so `copy=False` is always met."""
    on(device)
    if isinstance(obj, Tensor):
        return obj.to(dtype or obj.dtype, copy=bool(copy))
    return F.asarray(obj, dtype=dtype)


def from_dlpack(x, /, *, device=None, copy=None):
    """The array behind any object with `__dlpack__`."""
    on(device)
    made = F.from_dlpack(x)
    return made.clone() if copy else made


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    """Ones on the `k`-th diagonal."""
    on(device)
    n_cols = n_rows if n_cols is None else n_cols
    return (F.arange(n_rows)[:, None] + k == F.arange(n_cols)).to(dtype or F.empty(0).dtype)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    """`num` numbers at equal distances; `stop` is the last one with `endpoint`."""
    on(device)
    made = F.linspace(start, stop, num if endpoint else num + 1, dtype=dtype)
    return made if endpoint else made[:num]


def meshgrid(*arrays, indexing="xy"):
    """Coordinate matrices of coordinate vectors, as a list."""
    return list(F.meshgrid(*arrays, indexing=indexing))


def tril(x, /, *, k=0):
    """The lower triangle up to the `k`-th diagonal; zeros above."""
    return F.tril(x, k)


def triu(x, /, *, k=0):
    """The upper triangle from the `k`-th diagonal; zeros below."""
    return F.triu(x, k)


def _of_shape(name: str):
    f = getattr(F, name)

    def make(shape, *, dtype=None, device=None):
        on(device)
        return f(shape if isinstance(shape, tuple | list) else (shape,), dtype=dtype)

    def like(x, /, *, dtype=None, device=None):
        on(device)
        return f(tuple(x.shape), dtype=dtype or x.dtype)

    make.__name__, like.__name__ = name, f"{name}_like"
    make.__doc__, like.__doc__ = f"`torch.{name}` of a shape.", f"`torch.{name}` of the shape of `x`."
    return make, like


empty, empty_like = _of_shape("empty")
ones, ones_like = _of_shape("ones")
zeros, zeros_like = _of_shape("zeros")


def full(shape, fill_value, *, dtype=None, device=None):
    """One number everywhere."""
    on(device)
    return F.full(shape if isinstance(shape, tuple | list) else (shape,), fill_value, dtype=dtype)


def full_like(x, /, fill_value, *, dtype=None, device=None):
    """One number everywhere, in the shape of `x`."""
    on(device)
    return F.full(tuple(x.shape), fill_value, dtype=dtype or x.dtype)
