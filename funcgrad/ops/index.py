"""Rows that read and write at positions given by tensors: slices, x[index], flat positions, masks.

Indices out of range cannot raise inside a program: reads there are clamped, writes dropped; one whose numbers
are there is checked before (`indices`). Knows `op` and JAX. Must not know Tensors.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import dtypes
from ..op import op, sample
from ..op.checks import Indices, broadcast, check_real, wrap_dim
from .scatter import at_least_1d, is_index, reduced, reduced_rule, update, zeros


def _legacy(x) -> str:
    return dtypes.from_np(x.dtype).legacy


_SELF = Indices(IndexError, "index out of range in self")
_FLAT = Indices(
    IndexError, "out of range: tried to access index {index} on a tensor of {size} elements.", negative=True, flat=True
)

# ---- one index for each slice ----------------------------------------------------------------


def _slices(x, dim, index):
    """(`x.at[...]` of the slices along `dim`, with x at least 1-d; the wrapped dim)."""
    dim = wrap_dim(dim, x.ndim)
    (x, index) = at_least_1d(x, index)
    return x.at[(slice(None),) * dim + (index,)], dim


def _index_select(x, index, *, dim):
    if not is_index(index):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    at, _ = _slices(x, dim, index)
    y = at.get(mode="clip")
    return y if x.ndim else lax.reshape(y, ())


def _index_select_rule(g, y, x, index, *, dim):
    at, _ = _slices(zeros(x.shape, g), dim, index)
    return lax.reshape(at.add(g), x.shape), None


def _check_source(name, x, index, source, dim):
    dim = wrap_dim(dim, x.ndim)
    count = source.shape[dim] if source.ndim else 1
    if name != "index_copy_":
        if source.dtype != x.dtype:
            raise RuntimeError(
                f"{name}(): self ({_legacy(x)}) and source ({_legacy(source)}) must have "
                "the same scalar type"
            )
        if not is_index(index):
            raise RuntimeError(
                f"{name}(): Expected dtype int32/int64 for index but got: {_legacy(index)}"
            )
        mine, theirs = (t.shape[:dim] + t.shape[dim + 1 :] for t in (x, source))
        if x.ndim != source.ndim or mine != theirs:
            raise RuntimeError(
                "source tensor shape must match self tensor shape, excluding the "
                "specified dimension. "
                f"Got self.shape = {list(x.shape)} source.shape = {list(source.shape)}"
            )
        if index.size != count:
            raise RuntimeError(
                f"{name}(): Number of indices ({index.size}) should be equal to "
                f"source.size(dim): ({count}), "
                f"for dim: {dim}"
            )
        return
    if x.ndim and source.ndim and x.ndim != source.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their "
            "dimensionality must match. "
            f"Source dimensionality ({source.ndim}), destination dimensionality ({x.ndim})"
        )
    if index.dtype != np.int64:
        raise RuntimeError(
            "index_copy_(): Expected a long tensor for index, but got " + _legacy(index)
        )
    if source.dtype != x.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got "
            f"(self) {_legacy(x)} and (source) {_legacy(source)}"
        )
    mine, theirs = ([n for d, n in enumerate(t.shape) if d != dim] for t in (x, source))
    if mine != theirs:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. "
            "Destination slice shape: "
            f"{' '.join(map(str, mine))} at dimension {dim} and source slice shape: "
            f"{' '.join(map(str, theirs))} at dimension {dim if source.ndim else 0}."
        )
    if index.size != count:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.size}) should be equal to "
            f"source.size(dim) ({count})"
        )


def _index_add(x, index, source, *, dim, alpha=1):
    _check_source("index_add_", x, index, source, dim)
    at, _ = _slices(x, dim, index)
    (source,) = at_least_1d(source)
    return lax.reshape(update(at, "add", _scaled(source, alpha)), x.shape)


def _scaled(x, alpha):
    return x if alpha == 1 else x * np.asarray(alpha).astype(x.dtype)


def _index_add_rule(g, y, x, index, source, *, dim, alpha=1):
    return g, None, lax.reshape(_scaled(_index_select(g, index, dim=dim), alpha), source.shape)


def _index_copy(x, index, source, *, dim):
    _check_source("index_copy_", x, index, source, dim)
    at, _ = _slices(x, dim, index)
    (source,) = at_least_1d(source)
    return lax.reshape(at.set(source), x.shape)


def _index_copy_rule(g, y, x, index, source, *, dim):
    kept, _ = _split_by_index(g, index, dim)
    return kept, None, lax.reshape(_index_select(g, index, dim=dim), source.shape)


def _split_by_index(g, index, dim):
    """g with zeros in the slices of `index`, and g with zeros outside them."""
    at, _ = _slices(lax.full(g.shape, False), dim, index)
    hit, zero = lax.reshape(at.set(True), g.shape), lax.full_like(g, 0)
    return lax.select(hit, zero, g), lax.select(hit, g, zero)


def _index_fill(x, index, value, *, dim):
    if index.dtype != np.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if value.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.ndim} dimension(s)."
        )
    at, _ = _slices(x, dim, index)
    return lax.reshape(at.set(value.astype(x.dtype)), x.shape)


def _index_fill_rule(g, y, x, index, value, *, dim):
    kept, filled = _split_by_index(g, index, dim)
    return kept, None, filled


def _as_scatter(x, index, source, dim):
    """`index` of slices as scatter wants it: one for each element of `source`."""
    at = wrap_dim(dim, source.ndim)
    return (
        lax.broadcast_in_dim(lax.reshape(index, (index.size,)), source.shape, (at,))
        if source.ndim
        else lax.reshape(index, ())
    )


def _index_reduce(x, index, source, *, dim, reduce, include_self=True):
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but "
            f"got {reduce}."
        )
    _check_source("index_reduce_", x, index, source, dim)
    return reduced(x, _as_scatter(x, index, source, dim), source, dim, reduce, include_self)


def _index_reduce_rule(g, y, x, index, source, *, dim, reduce, include_self=True):
    return reduced_rule(
        g, y, x, _as_scatter(x, index, source, dim), source, dim, reduce, include_self
    )


op(
    "index_select",
    _index_select,
    _index_select_rule,
    "index",
    sig="input: T, dim: int, index: T",
    indices=_SELF,
    samples=lambda: [
        sample((3, 4), np.array([2, 0, 2]), dim=0),
        sample((3, 4), np.array([1], np.int32), dim=-1),
        sample((3, 4), np.array(1), dim=1),
        sample((), np.array([0]), dim=0),
        sample((3, 2), np.zeros((0,), np.int64), dim=0),
    ],
)
op(
    "index_add",
    _index_add,
    _index_add_rule,
    "index",
    sig="input: T, dim: int, index: T, source: T, *, alpha: any = 1",
    indices=Indices(),
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([2, 0, 2]), (3, 4), dim=0),
        sample((3, 4), np.array([1, 3]), (3, 2), dim=-1, alpha=2),
        sample((), np.array(0), (), dim=0),
    ],
)
op(
    "index_copy",
    _index_copy,
    _index_copy_rule,
    "index",
    sig="input: T, dim: int, index: T, source: T",
    indices=Indices(IndexError, "index_copy_(): " + Indices.words),
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([2, 0]), (2, 4), dim=0),
        sample((3, 4), np.array([3]), (3, 1), dim=-1),
        sample((3,), np.array([1]), (), dim=0),
        sample((), np.array([0]), (1,), dim=0),
    ],
)
op(
    "index_fill",
    _index_fill,
    _index_fill_rule,
    "index",
    sig="input: T, dim: int, index: T, value: TS",
    indices=Indices(IndexError, negative=True),
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([2, 0, 2]), 2.5, dim=0),
        sample((3, 4), np.array([3]), (), dim=-1),
        sample((), np.array([-1]), 1, dim=0),
    ],
)
op(
    "index_reduce",
    _index_reduce,
    _index_reduce_rule,
    "index",
    sig="input: T, dim: int, index: T, source: T, reduce: str, *, include_self: bool = True",
    indices=_SELF,
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([2, 0, 2]), (3, 4), dim=0, reduce="prod"),
        sample((3, 4), np.array([1, 1]), (3, 2), dim=-1, reduce="mean"),
        sample((3,), np.array([1, 1]), (2,), dim=0, reduce="amax", include_self=False),
        sample((3, 2), np.array([0]), (1, 2), dim=0, reduce="amin"),
    ],
)

# ---- x[index tensors] ------------------------------------------------------------------------
# `pattern` says for each leading dimension whether an "array" or a full "slice" stands there; ints,
# slices and None are taken before by `getitem`. Arrays apart from each other put the broadcast
# dimensions in front, as in NumPy.


def _places(pattern, indices):
    arrays = iter(indices)
    return tuple(next(arrays) if kind == "array" else slice(None) for kind in pattern)


def _check_index(x, pattern, indices):
    if len(pattern) > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    try:
        np.broadcast_shapes(*(i.shape for i in indices))
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(i.shape)) for i in indices)
        ) from None


def _index(x, *indices, pattern):
    _check_index(x, pattern, indices)
    return x.at[_places(pattern, indices)].get(mode="clip")


def _index_rule(g, y, x, *indices, pattern):
    return zeros(x.shape, g).at[_places(pattern, indices)].add(g), *(None for _ in indices)


def _index_put(x, values, *indices, pattern, accumulate=False):
    _check_index(x, pattern, indices)
    if values.dtype != x.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {_legacy(x)} for the destination and {_legacy(values)} for the source."
        )
    at = x.at[_places(pattern, indices)]
    shape = jnp.broadcast_shapes(*(i.shape for i in indices))
    return update(at, "add" if accumulate else "set", _fitting(values, x, pattern, shape))


def _fitting(values, x, pattern, broadcasted):
    """`values`, or PyTorch's error if it cannot be broadcast to what is indexed."""
    arrays = [d for d, kind in enumerate(pattern) if kind == "array"]
    kept = [(d, n) for d, n in enumerate(x.shape) if d not in arrays]
    together = arrays == list(range(arrays[0], arrays[-1] + 1))
    first = arrays[0] if together else 0
    shape = (
        *(n for d, n in kept if together and d < first),
        *broadcasted,
        *(n for d, n in kept if not (together and d < first)),
    )
    have = values.shape
    if len(have) > len(shape) or any(
        a not in (1, b) for a, b in zip(have[::-1], shape[::-1], strict=False)
    ):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(have)} cannot be broadcast to "
            "indexing result of "
            f"shape {list(shape)}"
        )
    return values


def _index_put_rule(g, y, x, values, *indices, pattern, accumulate=False):
    gx = g if accumulate else g.at[_places(pattern, indices)].set(0)
    return gx, _index(g, *indices, pattern=pattern), *(None for _ in indices)


op(
    "index",
    _index,
    _index_rule,
    "internal",
    sig="input: T, indices: Ts, *, pattern: any",
    samples=lambda: [
        sample((3, 4), np.array([0, 2, -1]), pattern=("array",)),
        sample((3, 4), np.array([[0, 3]]), pattern=("slice", "array")),
        sample(
            (3, 4, 5), np.array([0, 1]), np.array([[1], [4]]), pattern=("array", "slice", "array")
        ),
        sample((3, 4, 5), np.array([0, 1]), np.array(-1), pattern=("slice", "array", "array")),
        sample((3, 2), np.zeros((0,), np.int64), pattern=("array",)),
    ],
)
op(
    "index_put",
    _index_put,
    _index_put_rule,
    "internal",
    sig="input: T, values: T, indices: Ts, *, pattern: any, accumulate: bool = False",
    samples=lambda: [
        sample((3, 4), (4,), np.array([0, 2]), pattern=("array",)),
        sample((3, 4), (), np.array([0, 2]), np.array([1, -1]), pattern=("array", "array")),
        sample(
            (3, 4, 5),
            (2, 4),
            np.array([0, 1]),
            np.array([1, 4]),
            pattern=("array", "slice", "array"),
        ),
        sample((3, 4), (3, 4), np.array([0, 2, 0]), pattern=("array",), accumulate=True),
        sample((3, 4), (3, 1), np.array([1, 1]), pattern=("slice", "array"), accumulate=True),
    ],
)

# ---- positions in the flattened tensor -------------------------------------------------------


def _flat_at(x, index):
    return lax.reshape(x, (x.size,)).at[index]


def _take(x, index):
    if index.dtype != np.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {_legacy(index)}")
    return _flat_at(x, index).get(mode="clip")


def _put(x, index, source, *, accumulate=False):
    if index.dtype != np.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {_legacy(index)}")
    if source.dtype != x.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got "
            f"self.dtype = {_legacy(x)} and source.dtype = {_legacy(source)}"
        )
    if source.size != index.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.size}, index.numel() = {index.size}"
        )
    at, source = _flat_at(x, index), lax.reshape(source, index.shape)
    return lax.reshape(update(at, "add" if accumulate else "set", source), x.shape)


def _put_rule(g, y, x, index, source, *, accumulate=False):
    gx = g if accumulate else lax.reshape(_flat_at(g, index).set(0), x.shape)
    return gx, None, lax.reshape(_take(g, index), source.shape)


op(
    "take",
    _take,
    lambda g, y, x, index: (lax.reshape(_flat_at(zeros(x.shape, g), index).add(g), x.shape), None),
    "index",
    sig="input: T, index: T",
    indices=_FLAT,
    samples=lambda: [
        sample((3, 4), np.array([[0, 11], [-1, 5]])),
        sample((), np.array(0)),
        sample((3,), np.zeros((0,), np.int64)),
    ],
)
op(
    "put",
    _put,
    _put_rule,
    "index",
    sig="input: T, index: T, source: T, accumulate: bool = False",
    indices=_FLAT,
    variants="fmi",
    samples=lambda: [
        sample((3, 4), np.array([[0, 11], [-2, 5]]), (4,)),
        sample((3, 4), np.array([0, 0, 1]), (3,), accumulate=True),
    ],
)

# ---- masks -----------------------------------------------------------------------------------
# What a mask selects has a size that depends on data (a composite); what it fills has not.


def _masked_fill(x, mask, value):
    if mask.dtype != np.bool_:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype "
            f"{dtypes.from_np(mask.dtype).legacy.lower()}"
        )
    if value.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.ndim} dimension(s)."
        )
    broadcast((mask.shape, x.shape))
    if x.dtype != np.bool_:
        check_real(value, x)
    return jnp.where(mask, value.astype(x.dtype), x)


def _kept(g, mask):
    return jnp.where(mask, lax.full_like(g, 0), g)


def _masked_ranks(x, mask):
    """(mask broadcast with x, for each element how many selected ones stand before it)."""
    mask = jnp.broadcast_to(mask, broadcast((x.shape, mask.shape)))
    flat = lax.reshape(mask, (mask.size,)).astype(np.int64)
    return mask, lax.reshape(lax.cumsum(flat) - flat, mask.shape)


def _masked_scatter(x, mask, source):
    if source.dtype != x.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{_legacy(x)} and {_legacy(source)}"
        )
    if mask.dtype != np.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {_legacy(mask)}"
        )
    mask, rank = _masked_ranks(x, mask)
    if not source.size:
        return jnp.broadcast_to(x, mask.shape)
    return jnp.where(mask, _flat_at(source, rank).get(mode="clip"), x)


def _masked_scatter_rule(g, y, x, mask, source):
    mask, rank = _masked_ranks(x, mask)
    if not source.size:
        return _kept(g, mask), None, zeros(source.shape, g)
    place = jnp.where(mask, rank, source.size)  # past the end, where nothing is written
    gsource = zeros((source.size,), g).at[place].add(g, mode="drop")
    return _kept(g, mask), None, lax.reshape(gsource, source.shape)


# `x[mask] = value`
op(
    "mask_put",
    _masked_fill,
    lambda g, y, x, mask, value: (_kept(g, mask), None, _kept(g, ~mask)),
    "internal",
    sig="input: T, mask: T, value: TS",
    node="IndexPutBackward0",
    samples=lambda: [sample((3, 4), np.eye(3, 4) > 0, 2.5), sample((3,), np.array([True, False, True]), ())],
)
op(
    "masked_fill",
    _masked_fill,
    lambda g, y, x, mask, value: (_kept(g, mask), None, _kept(g, ~mask)),
    "index",
    sig="input: T, mask: T, value: TS",
    variants="fmi",
    samples=lambda: [
        sample((2, 3), np.array([True, False, True]), 2.5),
        sample((3,), np.array([[True, False, True], [False, False, True]]), ()),
        sample((), np.array(True), 1),
    ],
)
op(
    "masked_scatter",
    _masked_scatter,
    _masked_scatter_rule,
    "index",
    sig="input: T, mask: T, source: T",
    variants="fmi",
    samples=lambda: [
        sample((2, 3), np.array([True, False, True]), (5,)),
        sample((2, 3), np.array([[True, False, True], [False, False, True]]), (2, 2)),
        sample((3,), np.array([[True, False, True], [False, False, True]]), (3,)),
        sample((2,), np.array([False, False]), (0,)),
    ],
)
