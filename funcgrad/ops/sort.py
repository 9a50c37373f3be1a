"""Rows about order: sort, topk, order statistics, quantiles, searching, counting into bins.

Knows PyTorch's order (a nan is the largest; equal elements keep their places) and that a cotangent
goes back through the saved indices. Must not know folds other than the order statistics.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import op, sample
from ..op.checks import wrap_dim, wrap_dims
from .reduce import (
    fold,
    inexact,
    is_complex,
    isnan,
    legacy,
    nonempty,
    pick_rule,
    place,
    share_same,
    unsupported,
)

INT = np.dtype(np.int64)
# PyTorch leaves open which of equal elements topk and kthvalue name, so these samples have none
_DISTINCT = np.array(
    [[0.3, -1.2, 2.0, 0.7, 1.1], [2.5, 0.1, -0.4, 1.9, -2.0], [1.4, 3.0, 0.9, -0.8, 0.2]]
)


def ordered(x, dim, descending=False):
    """(values, indices) along `dim`, stable; descending is ascending, reversed before and after."""
    dim = wrap_dim(dim, x.ndim)
    if x.ndim == 0:
        return x, jnp.zeros((), INT)
    here = lax.broadcasted_iota(INT, x.shape, dim)
    if not descending:
        return lax.sort((x, here), dim)
    values, indices = lax.sort((lax.rev(x, (dim,)), lax.rev(here, (dim,))), dim)
    return lax.rev(values, (dim,)), lax.rev(indices, (dim,))


def _place_rule(g, y, x, *, dim=-1, **params):
    return place(g[0], y[1], x, dim, unique=True)


# ---------------------------------------------------------------- sorting


def _sort(x, *, dim=-1, descending=False, stable=None):
    if is_complex(x):
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    return ordered(x, dim, descending)


def _sort_samples():
    return [sample((3, 4)), sample((3, 4), dim=0, descending=True), sample((2, 3, 4), dim=-2),
            sample(()), sample((0, 2), dim=0),
            sample(np.array([1.0, np.nan, 0.0, np.nan, -np.inf, 1.0]), descending=True),
            sample(np.array([1.0, np.nan, 0.0, np.nan, -np.inf, 1.0]), stable=True)]  # fmt: skip


op("sort", _sort, _place_rule, "reduce", samples=_sort_samples,
   sig="input: T, dim: int = -1, descending: bool = False, *, stable: bool = None",
   node=lambda p: f"SortBackward{int(p.get('stable') is not None)}")  # fmt: skip
op("argsort", lambda x, **params: _sort(x, **params)[1], None, "reduce", samples=_sort_samples,
   sig="input: T, dim: int = -1, descending: bool = False, *, stable: bool = False")  # fmt: skip


def _topk(x, *, k, dim=-1, largest=True, sorted=True):
    if x.dtype == bool or is_complex(x):
        kind = " topk does not support complex" if is_complex(x) else "topk does not support bool"
        raise RuntimeError(f"{kind} dtypes on CPU")
    dim = wrap_dim(dim, x.ndim)
    if not 0 <= k <= (x.shape[dim] if x.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if x.ndim == 0:
        return x, jnp.zeros((), INT)
    if not largest:
        return tuple(lax.slice_in_dim(a, 0, k, axis=dim) for a in ordered(x, dim))
    if inexact(x):  # lax.top_k puts a nan of negative sign last
        x = jnp.where(isnan(x), jnp.asarray(jnp.nan, x.dtype), x)
    values, indices = lax.top_k(x, k, axis=dim)
    return values, indices.astype(INT)


op("topk", _topk, _place_rule, "reduce",
   sig="input: T, k: int, dim: int = -1, largest: bool = True, sorted: bool = True",
   samples=lambda: [sample(_DISTINCT, k=2), sample(_DISTINCT, k=3, dim=0), sample((), k=1),
                    sample(_DISTINCT, k=4, largest=False), sample((3, 2), k=0)])  # fmt: skip


# ---------------------------------------------------------------- order statistics


def _at(ranks, pair, dim, keepdim):
    """Values and indices at `ranks` (ones along `dim`, or one number) of sorted ones."""
    if pair[0].ndim == 0:
        return pair
    if isinstance(ranks, int):
        return tuple(lax.index_in_dim(a, ranks, dim, keepdims=keepdim) for a in pair)
    found = tuple(jnp.take_along_axis(a, ranks, dim) for a in pair)
    return found if keepdim else tuple(lax.squeeze(a, (dim,)) for a in found)


def _kthvalue(x, *, k, dim=-1, keepdim=False):
    dim = wrap_dim(dim, x.ndim)
    nonempty("kthvalue()", x, dim)
    if x.ndim and (x.dtype == bool or is_complex(x)):
        raise unsupported("kthvalue_cpu", x)
    if not 1 <= k <= (x.shape[dim] if x.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _at(k - 1, ordered(x, dim), dim, keepdim)


op("kthvalue", _kthvalue, pick_rule, "reduce",
   sig="input: T, k: int, dim: int = -1, keepdim: bool = False",
   samples=lambda: [sample(_DISTINCT, k=2), sample(_DISTINCT, k=3, dim=0, keepdim=True),
                    sample((), k=1), sample(np.array([np.nan, 1.0, 0.0, 2.0]), k=4)])  # fmt: skip


def _middle(x, dim, ignore_nan):
    """The rank of the lower median; the first nan, if there is one, unless nans are ignored."""
    n = x.shape[dim]
    if not inexact(x):
        return (n - 1) // 2
    nans = fold(lax.reduce_sum, isnan(x).astype(INT), dim, True)
    if ignore_nan:
        return jnp.maximum((n - nans - 1) // 2, 0)
    return jnp.where(nans > 0, n - nans, (n - 1) // 2)


def _median_all(ignore_nan):
    def forward(x):
        if x.dtype == bool or is_complex(x):
            raise unsupported("median_cpu", x)
        if not x.size:
            return jnp.asarray(jnp.nan if inexact(x) else jnp.iinfo(x.dtype).min, x.dtype)
        x = lax.reshape(x, (x.size,))
        rank = _middle(x, 0, ignore_nan)
        s = lax.sort(x)
        return s[rank] if isinstance(rank, int) else s[rank[0]]

    return forward


def _median_dim(name, ignore_nan):
    def forward(x, *, dim, keepdim=False):
        dim = wrap_dim(dim, x.ndim)
        nonempty(f"{name}()", x, dim)
        if x.dtype == bool or is_complex(x):
            raise unsupported("median_out", x)
        if x.ndim == 0:
            return ordered(x, dim)
        return _at(_middle(x, dim, ignore_nan), ordered(x, dim), dim, keepdim)

    return forward


# torch.median is two functions: of all (ties share), along a dimension (the index takes all).
_ALL = dict(
    sig="input: T", variants="", where=None,
    samples=lambda: [sample((3, 5)), sample((2, 2)), sample(())],
)  # fmt: skip
_DIM = dict(
    sig="input: T, dim: int, keepdim: bool = False", variants="", where=None,
    samples=lambda: [sample((3, 5), dim=1), sample((2, 4, 3), dim=-2, keepdim=True),
                     sample((), dim=0), sample(np.array([1.0, np.nan, 2.0, np.nan]), dim=0)],
)  # fmt: skip

op("median_all", _median_all(False), share_same, "reduce", node="MedianBackward0", **_ALL)
op("median_dim", _median_dim("median", False), pick_rule, "reduce", node="MedianBackward1", **_DIM)
op("nanmedian_all", _median_all(True), share_same, "reduce", node="NanmedianBackward0", **_ALL)
op("nanmedian_dim", _median_dim("nanmedian", True), pick_rule, "reduce", node="NanmedianBackward1",
   **_DIM)  # fmt: skip


def _mode(x, *, dim=-1, keepdim=False):
    dim = wrap_dim(dim, x.ndim)
    nonempty("mode()", x, dim)
    if is_complex(x):
        raise unsupported("mode_cpu", x)
    if x.ndim == 0:
        return ordered(x, dim)
    # the longest run, of equals the smallest value, its last place; nans are first, each alone
    here = lax.broadcasted_iota(INT, x.shape, dim)
    _, values, indices = lax.sort((~isnan(x), x, here), dim, num_keys=2)
    n = x.shape[dim]
    before = lax.slice_in_dim(values, 0, n - 1, axis=dim)
    fresh = lax.slice_in_dim(values, 1, n, axis=dim) != before
    edges = [(0, 0, 0)] * x.ndim
    edges[dim] = (1, 0, 0)
    start = jnp.where(lax.pad(fresh, jnp.asarray(True), edges), here, jnp.zeros((), INT))
    run = here - lax.cummax(start, dim)
    rank = lax.expand_dims(lax.argmax(run, dim, INT), (dim,))
    return _at(rank, (values, indices), dim, keepdim)


op("mode", _mode, pick_rule, "reduce", sig="input: T, dim: int = -1, keepdim: bool = False",
   samples=lambda: [sample((3, 5)), sample((5, 3), dim=0, keepdim=True), sample(()), sample((0, 2)),
                    sample(np.array([3.0, 1.0, 2.0, 2.0, 1.0, np.nan]))])  # fmt: skip


# ---------------------------------------------------------------- quantiles

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _ranks(x, q, interpolation, ignore_nan):
    """(slope of the rank in q, place below, place above, weight of above) along the last."""
    n = x.shape[-1]
    nans = fold(lax.reduce_sum, isnan(x).astype(x.dtype), -1, True)
    if ignore_nan:
        slope = jnp.maximum(n - nans - 1, jnp.zeros_like(nans))
        rank = q * slope
    else:  # a nan is sorted last and is the answer
        slope = jnp.where(nans > 0, jnp.zeros_like(nans), jnp.full_like(nans, n - 1))
        rank = jnp.where(nans > 0, jnp.full_like(nans, n - 1), q * (n - 1))
    if interpolation == "lower":
        rank = lax.floor(rank)
    elif interpolation == "higher":
        rank = lax.ceil(rank)
    elif interpolation == "nearest":
        rank = lax.round(rank, lax.RoundingMethod.TO_NEAREST_EVEN)
    below = lax.floor(rank)
    weight = jnp.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
    return slope, below.astype(INT), lax.ceil(rank).astype(INT), weight


def _rows(x, dim):
    """The dimension that is folded, last."""
    return jnp.moveaxis(x, dim, -1) if dim is not None and x.ndim else lax.reshape(x, (x.size,))


def _quantile(ignore_nan):
    def forward(x, q, *, dim=None, keepdim=False, interpolation="linear"):
        if q.ndim > 1:
            raise RuntimeError("quantile() q must be a scalar or 1D tensor")
        if not x.size:
            raise RuntimeError("quantile() input tensor must be non-empty")
        if x.dtype not in (np.float32, np.float64):
            raise RuntimeError("quantile() input tensor must be either float or double dtype")
        if interpolation not in _INTERPOLATIONS:
            raise RuntimeError(
                "quantile() interpolation must be one of linear, lower, higher, midpoint or "
                f"nearest, but got {interpolation}"
            )
        where = None if dim is None else wrap_dim(dim, x.ndim)
        rows = _rows(x, where)
        _, below, above, weight = _ranks(rows, q.reshape(-1), interpolation, ignore_nan)
        s = lax.sort(rows)
        a, b = jnp.take_along_axis(s, below, -1), jnp.take_along_axis(s, above, -1)
        if interpolation in ("linear", "midpoint"):  # from the nearer end, as PyTorch's lerp
            a = jnp.where(weight < 0.5, a + weight * (b - a), b - (b - a) * (1 - weight))
        return _shaped(a, x, q, where, keepdim)

    return forward


def _shaped(a, x, q, dim, keepdim):
    """(..., len(q)) as PyTorch gives it: q's dimension first, or gone if q is a number."""
    a = jnp.moveaxis(a, -1, 0)
    if keepdim:
        a = lax.reshape(a, (q.size, *(1 if dim in (None, i) else n for i, n in enumerate(x.shape))))
    return a if q.ndim else lax.squeeze(a, (0,))


def _quantile_rule(ignore_nan):
    def rule(g, y, x, q, *, dim=None, keepdim=False, interpolation="linear"):
        where = None if dim is None else wrap_dim(dim, x.ndim)
        rows = _rows(x, where)
        slope, below, above, weight = _ranks(rows, q.reshape(-1), interpolation, ignore_nan)
        s, order = ordered(rows, -1)
        g = jnp.moveaxis(lax.reshape(g, (q.size, *rows.shape[:-1])), 0, -1)
        at, after = (jnp.take_along_axis(order, i, -1) for i in (below, above))
        gx = place(g * (1 - weight), at, rows, -1) + place(g * weight, after, rows, -1)
        gx = (
            lax.reshape(gx, x.shape) if where is None or not x.ndim else jnp.moveaxis(gx, -1, where)
        )
        if interpolation != "linear":
            return gx, None
        rise = jnp.take_along_axis(s, above, -1) - jnp.take_along_axis(s, below, -1)
        gq = lax.reduce_sum(g * rise * slope, tuple(range(g.ndim - 1)))
        return gx, lax.reshape(gq, q.shape)

    return rule


_QUANTILE = dict(
    sig="input: T, q: TS, dim: int = None, keepdim: bool = False, *, interpolation: str = 'linear'",
    promote="numeric", node="SqueezeBackward4",
    samples=lambda: [sample((3, 5), 0.3), sample((3, 5), np.array([0.25, 0.9]), dim=1),
                     sample((4, 5), 0.6, dim=0, keepdim=True, interpolation="midpoint"),
                     sample((2, 5, 3), np.array([0.1, 0.6, 1.0]), dim=-2, keepdim=True),
                     sample((4, 5), 0.3, dim=0, interpolation="lower"),
                     sample((4, 5), np.array(0.3), dim=1, interpolation="nearest"),
                     sample((4, 5), 0.3, interpolation="higher"), sample((), 0.5),
                     sample(np.array([[1.0, 4.0, 2.0, np.nan], [3.0, 1.0, 0.0, 5.0]]), 0.3, dim=1)],
)  # fmt: skip

op("quantile", _quantile(False), _quantile_rule(False), "reduce", **_QUANTILE)
op("nanquantile", _quantile(True), _quantile_rule(True), "reduce", **_QUANTILE)


# ---------------------------------------------------------------- searching


def _search(s, v, right):
    """The first place in s[..., :] not left of v[..., :]; a nan is right of everything."""
    look = (lambda i: s[i]) if s.ndim == 1 else (lambda i: jnp.take_along_axis(s, i, -1))
    n = s.shape[-1]
    low, high = jnp.zeros(v.shape, INT), jnp.full(v.shape, n, INT)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        found = look(jnp.minimum(middle, n - 1))
        left = ~(found > v if right else found >= v) & (low < high)
        low, high = jnp.where(left, middle + 1, low), jnp.where(left, high, middle)
    return low


def _searchsorted(s, v, sorter=None, *, out_int32=False, right=False, side=None):
    name = "torch.searchsorted()"
    if side not in (None, "left", "right"):
        raise RuntimeError(f"{name}: side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"{name}: side and right can't be set to opposites, got side of left while right was "
            "True"
        )
    if s.ndim == 0:
        raise RuntimeError(
            f"{name}: boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if s.ndim > 1 and v.ndim == 0:
        raise RuntimeError(
            f"{name}: input value can be a scalar only when boundaries tensor dimension is 1, "
            f"but we got boundaries tensor dim({s.ndim}) and input value's dim(0) numel(1)"
        )
    if s.ndim > 1 and s.shape[:-1] != v.shape[:-1]:
        raise RuntimeError(
            f"{name}: boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            "boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(s.shape)} and input value tensor {list(v.shape)}"
        )
    if is_complex(s) or s.dtype == bool:
        raise unsupported("searchsorted_out_cpu", s)
    if sorter is not None:
        # promotion casts the indices too: fine as long as the dtype can count that far
        if inexact(s) and s.shape[-1] > 2 ** (jnp.finfo(s.dtype).nmant + 1):
            raise NotImplementedError(
                f"{name}: sorter for a long {legacy(s)} sequence; sort the sequence first"
            )
        s = jnp.take_along_axis(s, sorter.astype(INT), -1)
    found = _search(s, v, right or side == "right")
    return found.astype(np.int32) if out_int32 else found


def _bucketize(v, boundaries, *, out_int32=False, right=False):
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _searchsorted(boundaries, v, out_int32=out_int32, right=right)


_SORTED = np.array([-1.0, 0.0, 0.0, 1.0, 2.0])

op("searchsorted", _searchsorted, None, "reduce", promote="numeric", variants="f",
   sig="sorted_sequence: T, input: TS, *, out_int32: bool = False, right: bool = False, "
       "side: str = None, sorter: OT = None",
   samples=lambda: [sample(_SORTED, (2, 3), None), sample(_SORTED, 0.0, None, right=True),
                    sample(_SORTED, np.array([np.nan, 0.0]), None, side="right", out_int32=True),
                    sample(np.stack([_SORTED, _SORTED + 1]), (2, 3), None),
                    sample((0,), (3,), None),
                    sample(np.array([2.0, 1.0, 3.0]), (4,), np.array([1, 0, 2]))])  # fmt: skip
op("bucketize", _bucketize, None, "reduce", promote="numeric", variants="f",
   sig="input: TS, boundaries: T, *, out_int32: bool = False, right: bool = False",
   samples=lambda: [sample((2, 3), _SORTED), sample((3,), _SORTED, right=True, out_int32=True),
                    sample(1.5, _SORTED)])  # fmt: skip


def _isin(elements, test_elements, *, assume_unique=False, invert=False):
    if is_complex(elements) or elements.dtype == bool:
        raise RuntimeError(f"Unsupported input type encountered for isin(): {legacy(elements)}")
    if not test_elements.size:
        return jnp.full(elements.shape, invert)
    s = lax.sort(lax.reshape(test_elements, (test_elements.size,)))
    found = (
        s[jnp.minimum(jnp.searchsorted(s, elements), s.size - 1)] == elements
    )  # a nan is in nothing
    return ~found if invert else found


op("isin", _isin, None, "reduce", promote="numeric", variants="f",
   sig="elements: TS, test_elements: TS, *, assume_unique: bool = False, invert: bool = False",
   samples=lambda: [sample(np.array([[1, 2], [3, 4]]), np.array([2, 4, 4])),
                    sample(np.array([1.0, np.nan, 3.0]), np.array([3.0, np.nan]), invert=True),
                    sample((3,), (0,)), sample(2, np.array([1, 2])),
                    sample(np.array([1, 2]), 2)])  # fmt: skip


# ---------------------------------------------------------------- counting into bins


def _histc(x, *, bins=100, min=0, max=0):
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("histogram_cpu", x)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    x = lax.reshape(x, (x.size,))
    low, high = jnp.asarray(min, x.dtype), jnp.asarray(max, x.dtype)
    if min == max:
        if x.size:
            low, high = lax.reduce_min(x, (0,)), lax.reduce_max(x, (0,))
        flat = low == high
        low, high = jnp.where(flat, low - 1, low), jnp.where(flat, high + 1, high)
    inside = (x >= low) & (x <= high)
    at = jnp.minimum(((x - low) / (high - low) * bins).astype(np.int64), bins - 1)
    return jnp.zeros(bins, x.dtype).at[jnp.where(inside, at, bins)].add(1, mode="drop")


op("histc", _histc, None, "reduce", sig="input: T, bins: int = 100, min: any = 0, max: any = 0",
   samples=lambda: [sample((20,), bins=4), sample((4, 5), bins=7, min=-1, max=1.5),
                    sample((), bins=3),
                    sample(np.array([1.0, 2.0, 3.0, 5.0]), bins=4, min=1, max=5)])  # fmt: skip


def _bincount(x, weights=None, *, minlength):
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise unsupported("bincount_cpu", x)
    if x.ndim != 1:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        weights = jnp.ones((), np.int64)
    elif jnp.issubdtype(weights.dtype, jnp.complexfloating):
        raise unsupported("bincount_cpu", weights)
    elif weights.dtype != np.float32:
        weights = weights.astype(np.float64)
    return jnp.zeros(minlength, weights.dtype).at[x].add(weights, mode="drop")


# torch.bincount's length depends on the data: who records this row has read the largest element.
op("bincount", _bincount, None, "reduce", sig="input: T, weights: OT = None, minlength: int = 0",
   where=None, variants="",
   samples=lambda: [sample(np.array([0, 2, 2, 3]), None, minlength=5),
                    sample(np.array([0, 2, 2, 3]), (4,), minlength=4)])  # fmt: skip


def _hash(x, *, dim=None, keepdim=False, mode=0):
    """All bits, of the widest type of the kind, by exclusive or."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if dim in (None, ()) and not x.size:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise unsupported("xor_sum_cpu", x)
    wide = x.astype(np.float64 if inexact(x) else np.int64)
    dims = wrap_dims(dim, x.ndim)
    found = lax.reduce(lax.bitcast_convert_type(wide, np.uint64), np.uint64(0), lax.bitwise_xor, dims)
    return lax.expand_dims(found, dims) if keepdim else found


op("hash_tensor", _hash, None, "reduce", sig="input: T, dim: ints = None, *, keepdim: bool = False, mode: int = 0",
   samples=lambda: [sample((3, 4)), sample((3, 4), dim=1, keepdim=True), sample(np.array([1, 0, 3]))])  # fmt: skip
