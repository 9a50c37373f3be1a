"""Reductions and running sums. `axis` is None for all, a number or several."""

from __future__ import annotations

from ..dtypes import uint64
from .base import F, axes

__all__ = [
    "all", "any", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std",
    "sum", "var",
]  # fmt: skip


def _reduction(name: str, of: str):
    f = getattr(F, of)

    def reduce(x, /, *, axis=None, keepdims=False):
        over = axes(x, axis)
        return f(x, over, keepdims) if over else f(x[None], 0)

    reduce.__name__, reduce.__doc__ = name, f"`torch.{of}` over `axis`."
    return reduce


max, min, mean = _reduction("max", "amax"), _reduction("min", "amin"), _reduction("mean", "mean")
all, any = _reduction("all", "all"), _reduction("any", "any")


def _wide(x, dtype):
    """The dtype of a sum: PyTorch sums every integer in int64."""
    return uint64 if dtype is None and x.dtype.name.startswith(("torch.uint", "uint")) else dtype


def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    """The sum over `axis`; of integers in 64 bits."""
    over = axes(x, axis)
    x = x if over else x[None]
    return F.sum(x, over or 0, keepdims and bool(over), dtype=_wide(x, dtype))


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """The product over `axis`; of integers in 64 bits."""
    over = axes(x, axis)
    dtype = _wide(x, dtype)
    if not over:
        return F.prod(x, dtype=dtype)
    for a in sorted((a % x.ndim for a in over), reverse=True):
        x = F.prod(x, a, keepdims, dtype=dtype)
    return x


def _spread(name: str):
    f = getattr(F, name)

    def reduce(x, /, *, axis=None, correction=0.0, keepdims=False):
        over = axes(x, axis)
        return f(x, over, correction=correction, keepdim=keepdims) if over else f(x[None], 0, correction=correction)

    reduce.__name__, reduce.__doc__ = name, f"`torch.{name}` over `axis`, divided by the count less `correction`."
    return reduce


std, var = _spread("std"), _spread("var")


def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many are not zero, over `axis`."""
    return sum(x != 0, axis=axis, keepdims=keepdims)


def _running(name: str):
    f = getattr(F, f"cum{name}")

    def run(x, /, *, axis=None, dtype=None, include_initial=False):
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"cumulative_{name}: axis is required for an array of {x.ndim} dimensions")
            x, axis = x.reshape(-1), 0
        made = f(x, axis, dtype=_wide(x, dtype))
        if not include_initial:
            return made
        shape = [1 if a == axis % x.ndim else n for a, n in enumerate(x.shape)]
        return F.cat([F.full(shape, int(name == "prod"), dtype=made.dtype), made], axis)

    run.__name__ = f"cumulative_{name}"
    run.__doc__ = f"The running {name} along `axis`; with `include_initial` it begins with that of nothing."
    return run


cumulative_sum, cumulative_prod = _running("sum"), _running("prod")


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    """Differences of neighbours along `axis`, `n` times."""
    return F.diff(x, n, axis, prepend, append)
