"""Rows with one index for each element: gather, scatter and its reductions, along one dimension.

Indices out of range cannot raise inside a program: reads there are clamped, writes dropped; one whose numbers
are there is checked before (`indices`). Knows `op` and JAX. Must not know Tensors.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import op, sample
from ..op.checks import Indices, broadcast, wrap_dim


def update(at, method, values):
    """`at.add(values)` and the like; for bool, PyTorch adds by `or` and multiplies by `and`."""
    if values.dtype == np.bool_:
        method = {"add": "max", "multiply": "min"}.get(method, method)
    return getattr(at, method)(values)


def zeros(shape, like):
    return lax.full(shape, 0, like.dtype)


def is_index(index):
    return index.dtype in (np.int32, np.int64)


def at_least_1d(*arrays):
    """0-d tensors as one element: PyTorch indexes them along dimension 0."""
    return [lax.reshape(x, (1,)) if x.ndim == 0 else x for x in arrays]


# ---- one index for each element --------------------------------------------------------------


def _at(x, dim, index):
    """`x.at[...]` of the positions that `index` names along `dim` (ranks agree)."""
    rest = [lax.broadcasted_iota(index.dtype, index.shape, d) for d in range(index.ndim)]
    return x.at[tuple(index if d == dim else r for d, r in enumerate(rest))]


def _head(src, index):
    """The part of `src` that `index` covers."""
    return lax.slice(src, (0,) * src.ndim, index.shape)


def _check_gather(name, x, dim, index, src=None):
    dim = wrap_dim(dim, x.ndim)
    if index.size == 0 and (name == "gather" or is_index(index)):
        return dim
    if not is_index(index):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    whom = "input" if src is None and name == "gather" else "self"
    if max(index.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {whom} tensor")
    if src is not None and max(index.ndim, 1) != max(src.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    shape, limit = (index.shape or (1,)), (x.shape or (1,))
    outside = [d for d in range(len(shape)) if d != dim and shape[d] > limit[d]]
    if name == "gather":
        if outside:
            raise RuntimeError(
                f"Size does not match at dimension {outside[0]} expected index {list(index.shape)} "
                f"to be no larger than self {list(x.shape)} apart from dimension {dim}"
            )
    elif outside or (
        src is not None and any(a > b for a, b in zip(shape, src.shape or (1,), strict=True))
    ):
        also = "" if src is None else f" and to be no larger size than src {list(src.shape)}"
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(x.shape)} "
            f"apart from dimension {dim}{also}"
        )
    return dim


def _check_scatter(x, dim, index, src):
    if src.dtype != x.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    return _check_gather("scatter", x, dim, index, src)


def _gather(x, index, *, dim, sparse_grad=False):
    dim = _check_gather("gather", x, dim, index)
    if not index.size:
        return zeros(index.shape, x)
    x, i = at_least_1d(x, index)
    return lax.reshape(_at(x, dim, i).get(mode="clip"), index.shape)


def _gather_rule(g, y, x, index, *, dim, **_):
    return _add(zeros(x.shape, g), index, g, dim=dim), None


def _scatter(x, index, src, *, dim, method="set"):
    """`src` put, added, ... at the positions of `index` along `dim`."""
    if not index.size:
        return x
    dim = wrap_dim(dim, x.ndim)
    base, i, src = at_least_1d(x, index, src)
    return lax.reshape(update(_at(base, dim, i), method, _head(src, i)), x.shape)


def _add(x, index, src, *, dim):
    return _scatter(x, index, src, dim=dim, method="add")


def _fill(x, index, value, *, dim):
    return _scatter(x, index, lax.full(index.shape, value, x.dtype), dim=dim)


def _taken(g, index, src, dim):
    """The cotangent of `src`: g where `index` put it, zero where `index` does not reach."""
    if not index.size:
        return zeros(src.shape, g)
    found = _gather(g, index, dim=dim)
    if found.shape == src.shape:
        return found
    return lax.pad(
        found,
        np.zeros((), g.dtype),
        [(0, n - m, 0) for n, m in zip(src.shape, found.shape, strict=True)],
    )


def _scatter_src(x, index, src, *, dim):
    _check_scatter(x, dim, index, src)
    return _scatter(x, index, src, dim=dim)


def _scatter_rule(g, y, x, index, src, *, dim):
    return _fill(g, index, 0, dim=dim), None, _taken(g, index, src, dim)


def _scatter_value(x, index, value, *, dim):
    _check_gather("scatter", x, dim, index)
    return _scatter(x, index, lax.broadcast(value.astype(x.dtype), index.shape), dim=dim)


def _scatter_add(x, index, src, *, dim):
    _check_scatter(x, dim, index, src)
    return _add(x, index, src, dim=dim)


def _take_along_dim(x, indices, *, dim=None):
    if dim is None:
        return _gather(lax.reshape(x, (x.size,)), lax.reshape(indices, (indices.size,)), dim=0)
    x, indices, dim = _along(x, indices, dim)
    return _gather(x, indices, dim=dim)


def _along(x, indices, dim):
    """Both broadcast against each other apart from `dim`."""
    if x.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {x.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, x.ndim)

    def but(shape, n):
        return (*shape[:dim], n, *shape[dim + 1 :])

    common = broadcast((but(x.shape, indices.shape[dim]), indices.shape))
    indices = indices % max(x.shape[dim], 1)  # PyTorch's, with a dim, wrap around
    return jnp.broadcast_to(x, but(common, x.shape[dim])), jnp.broadcast_to(indices, common), dim


def _take_along_dim_rule(g, y, x, indices, *, dim=None):
    if dim is None:
        flat = lax.reshape(indices, (indices.size,))
        return lax.reshape(_add(zeros((x.size,), g), flat, g, dim=0), x.shape), None
    wide, indices, dim = _along(x, indices, dim)
    return _add(zeros(wide.shape, g), indices, g, dim=dim), None


op(
    "gather",
    _gather,
    _gather_rule,
    "index",
    sig="input: T, dim: int, index: T, *, sparse_grad: bool = False",
    indices=Indices(),
    samples=lambda: [
        sample((3, 4), np.array([[0, 1, 2, 0], [2, 2, 1, 0]]), dim=0),
        sample((3, 4), np.array([[3, 3], [0, 1]]), dim=-1),
        sample((), np.array(0), dim=0),
        sample((3, 2), np.zeros((0,), np.int64), dim=0),
        sample((3,), np.array([2, 2, 0, 1], np.int32), dim=0),
    ],
)
op(
    "take_along_dim",
    _take_along_dim,
    _take_along_dim_rule,
    "index",
    sig="input: T, indices: T, dim: int = None",
    indices=Indices(name="indices", flat=True),
    node="GatherBackward0",
    samples=lambda: [
        sample((3, 4), np.array([[0, 1], [5, 5]])),
        sample((3, 4), np.array([[0, 1, 2, 0]]), dim=0),
        sample((1, 4), np.array([[0], [3], [3]]), dim=-1),
    ],
)
op(
    "scatter",
    _scatter_src,
    _scatter_rule,
    "index",
    sig="input: T, dim: int, index: T, src: T",
    indices=Indices(),
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([[0, 1, 2, 0]]), (1, 4), dim=0),
        sample((3, 4), np.array([[3, 2], [0, 1]]), (2, 2), dim=-1),
        sample((), np.array(0), (), dim=0),
        sample((3,), np.zeros((0,), np.int64), (0,), dim=0),
    ],
)
op(
    "scatter_value",
    _scatter_value,
    lambda g, y, x, index, value, *, dim: (_fill(g, index, 0, dim=dim), None, None),
    "internal",
    sig="input: T, dim: int, index: T, value: TS",
    indices=Indices(),
    node="ScatterBackward1",
    samples=lambda: [
        sample((3, 4), np.array([[0, 1, 2, 0]]), 2.5, dim=0),
        sample((3,), np.array([1, 1]), 1, dim=-1),
    ],
)
op(
    "scatter_add",
    _scatter_add,
    lambda g, y, x, index, src, *, dim: (g, None, _taken(g, index, src, dim)),
    "index",
    sig="input: T, dim: int, index: T, src: T",
    indices=Indices(),
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([[0, 1, 2, 0], [0, 1, 0, 0]]), (2, 4), dim=0),
        sample((3, 4), np.array([[3, 3], [0, 1]]), (2, 2), dim=-1),
        sample((), np.array(0), (), dim=0),
    ],
)

# ---- scatter with a reduction ----------------------------------------------------------------

_REDUCTIONS = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "max", "amin": "min"}


def _identity(dtype, reduce):
    """What changes nothing in `reduce`."""
    if reduce in ("sum", "mean", "prod"):
        return np.asarray(reduce == "prod", dtype)
    if dtype == np.bool_:
        return np.asarray(reduce == "amin")
    low = reduce == "amax"
    if jnp.issubdtype(dtype, jnp.floating):
        return np.asarray(-np.inf if low else np.inf, dtype)
    return np.asarray(jnp.iinfo(dtype).min if low else jnp.iinfo(dtype).max, dtype)


def _counts(x, index, src, dim, include_self):
    """How many elements each result was made of, at least 1."""
    start = lax.full(x.shape, 1 if include_self else 0, x.dtype)
    n = _add(start, index, lax.full(src.shape, 1, x.dtype), dim=dim)
    return lax.max(n, lax.full_like(n, 1)) if n.dtype.kind != "c" else jnp.where(n == 0, 1, n)


def reduced(x, index, src, dim, reduce, include_self):
    start = x if include_self else _fill(x, index, _identity(x.dtype, reduce), dim=dim)
    if reduce == "prod":
        return _product(start, index, src, dim)
    y = _scatter(start, index, src, dim=dim, method=_REDUCTIONS[reduce])
    if reduce != "mean":
        return y
    n = _counts(x, index, src, dim, include_self)
    return jnp.floor_divide(y, n) if jnp.issubdtype(y.dtype, jnp.integer) else y / n


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _product(x, index, src, dim):
    return _scatter(x, index, src, dim=dim, method="multiply")


def _product_fwd(x, index, src, dim):
    y = _product(x, index, src, dim)
    return y, (y, x, index, src)


def _product_bwd(dim, saved, g):
    y, x, index, src = saved
    gx, gsrc = _prod_rule(g, y, x, index, src, dim, True)
    return gx, None, gsrc


# JAX has no derivative of a product scatter, and second derivatives are taken through the rule
_product.defvjp(_product_fwd, _product_bwd)


def _scatter_reduce(x, index, src, *, dim, reduce, include_self=True):
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    _check_scatter(x, dim, index, src)
    return reduced(x, index, src, dim, reduce, include_self)


def reduced_rule(g, y, x, index, src, dim, reduce, include_self):
    """PyTorch's formulas: ties of amax and amin share; a single zero in a product has its own."""
    if reduce == "sum":
        gx, gsrc = g, _taken(g, index, src, dim)
    elif reduce == "mean":
        gx = g / _counts(x, index, src, dim, include_self)
        gsrc = _taken(gx, index, src, dim)
    elif reduce == "prod":
        gx, gsrc = _prod_rule(g, y, x, index, src, dim, include_self)
    else:
        best = (x == y).astype(g.dtype)
        best_src = (src == _taken(y, index, src, dim)).astype(g.dtype)
        share = g / _add(best, index, best_src, dim=dim)
        gx, gsrc = best * share, best_src * _taken(share, index, src, dim)
    return (gx if include_self else _fill(gx, index, 0, dim=dim)), None, gsrc


def _prod_rule(g, y, x, index, src, dim, include_self):
    one = lax.full_like
    safe = jnp.where(x == 0, one(x, 1), x)
    gx = g * reduced(safe, index, src, dim, "prod", include_self) / safe
    zero = src == 0
    count = _add(lax.full(x.shape, 0, np.int32), index, zero.astype(np.int32), dim=dim)
    single = zero & (_taken(count, index, src, dim) == 1)
    rest = reduced(x, index, jnp.where(single, one(src, 1), src), dim, "prod", include_self)
    through_zero = _taken(g * rest, index, src, dim)
    gsrc = _taken(g * y, index, src, dim) / jnp.where(zero, one(src, 1), src)
    return gx, jnp.where(single, through_zero, gsrc)


def _scatter_reduce_rule(g, y, x, index, src, *, dim, reduce, include_self=True):
    return reduced_rule(g, y, x, index, src, dim, reduce, include_self)


def _scatter_reduce_samples():
    index, row = np.array([[0, 1, 2, 0], [0, 1, 0, 0]]), np.array([0, 0, 2])
    some_zero = np.array([0.0, 2.0, 0.0, 0.0, 3.0])
    return [
        *(sample((3, 4), index, (2, 4), dim=0, reduce=r) for r in _REDUCTIONS),
        *(sample((4,), row, (3,), dim=-1, reduce=r, include_self=False) for r in _REDUCTIONS),
        sample((3,), np.array([0, 0, 1, 1, 1]), some_zero, dim=0, reduce="prod"),
        sample(
            np.array([1.0, 2.0]),
            np.array([0, 0, 1]),
            np.array([1.0, 1.0, 1.0]),
            dim=0,
            reduce="amax",
        ),
    ]


op(
    "scatter_reduce",
    _scatter_reduce,
    _scatter_reduce_rule,
    "index",
    sig="input: T, dim: int, index: T, src: T, reduce: str, *, include_self: bool = True",
    indices=Indices(),
    variants="fmi",
    samples=_scatter_reduce_samples,
)
