"""Rows that copy elements to other places: join, flip, repeat, pad, write into a view, cast, fill.

Knows `op`, JAX and the views whose way back it shares. Must not know Tensors.
"""

from __future__ import annotations

import numpy as np
from jax import lax
from jax import numpy as jnp

from ..dtypes import float64, int64
from ..op import REGISTRY, op, sample
from ..op.checks import wrap_dim, wrap_dims
from . import pieces  # noqa: F401  (the rows of the views that are written here)

# ---- joining ---------------------------------------------------------------------------------


def _is_legacy_empty(x):
    """PyTorch's cat skips tensors of shape (0,), whatever the others' shapes."""
    return x.shape == (0,)


def _cat(*tensors, dim=0):
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if not x.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    some = [(i, x) for i, x in enumerate(tensors) if not _is_legacy_empty(x)]
    if not some:
        return tensors[0]
    first = some[0][1]
    dim = wrap_dim(dim, first.ndim)
    for i, x in some:
        if x.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}"
            )
        for d, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
            if a != b and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} "
                    f"but got size {b} for tensor number {i} in the list."
                )
    return lax.concatenate([x for _, x in some], dim)


def _cat_rule(g, y, *tensors, dim=0):
    dim, start, found = wrap_dim(dim, y.ndim), 0, []
    for x in tensors:
        if _is_legacy_empty(x):
            found.append(lax.full(x.shape, 0, g.dtype))
        else:
            found.append(lax.slice_in_dim(g, start, start + x.shape[dim], axis=dim))
            start += x.shape[dim]
    return tuple(found)


def _stack(*tensors, dim=0):
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                "stack expects each tensor to be equal size, but got "
                f"{list(tensors[0].shape)} at entry 0 and {list(x.shape)} at entry {i}"
            )
    dim = wrap_dim(dim, tensors[0].ndim + 1)
    return lax.concatenate([lax.expand_dims(x, (dim,)) for x in tensors], dim)


def _stack_rule(g, y, *tensors, dim=0):
    dim = wrap_dim(dim, y.ndim)
    return tuple(lax.index_in_dim(g, i, dim, keepdims=False) for i in range(len(tensors)))


op(
    "cat",
    _cat,
    _cat_rule,
    "shape",
    sig="tensors: Ts, dim: int = 0",
    casts=True,
    promote="numeric",
    variants="f",
    aliases=("concat", "concatenate"),
    samples=lambda: [
        sample((2, 3), (1, 3)),
        sample((2, 3), (2, 0), (2, 2), dim=-1),
        sample((0,), (2, 3), (2, 1), dim=1),
        sample((0,), (0,)),
        sample((3,), np.array([1, 2])),
    ],
)
op(
    "stack",
    _stack,
    _stack_rule,
    "shape",
    sig="tensors: Ts, dim: int = 0",
    casts=True,
    promote="numeric",
    variants="f",
    samples=lambda: [
        sample((2, 3), (2, 3), dim=-1),
        sample((), ()),
        sample((0, 2), (0, 2), dim=1),
        sample((2,), np.array([1, 2])),
    ],
)

# ---- turning ---------------------------------------------------------------------------------


def _flip(x, *, dims):
    return lax.rev(x, wrap_dims(dims, x.ndim) if dims else ())


def _roll(x, *, shifts, dims=()):
    shifts, dims = ((n,) if isinstance(n, int) else n or () for n in (shifts, dims))
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return lax.reshape(_roll(lax.reshape(x, (x.size,)), shifts=shifts, dims=(0,)), x.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    for shift, dim in zip(shifts, dims, strict=True):
        if not x.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        dim = wrap_dim(dim, x.ndim)
        n = x.shape[dim]
        cut = -shift % n if n else 0
        if cut:
            ends = lax.slice_in_dim(x, cut, n, axis=dim), lax.slice_in_dim(x, 0, cut, axis=dim)
            x = lax.concatenate(ends, dim)
    return x


def _roll_rule(g, y, x, *, shifts, dims=()):
    back = -shifts if isinstance(shifts, int) else tuple(-n for n in shifts)
    return _roll(g, shifts=back, dims=dims)


def _rot90(x, *, k=1, dims=(0, 1)):
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if x.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.ndim}")
    a, b = (wrap_dim(d, x.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    order = tuple(b if d == a else a if d == b else d for d in range(x.ndim))
    x = lax.rev(x, ((), (b,), (a, b), (a,))[k % 4])
    return lax.transpose(x, order) if k % 2 else x


op(
    "flip",
    _flip,
    lambda g, y, x, *, dims: _flip(g, dims=dims),
    "shape",
    sig="input: T, dims: shape",
    samples=lambda: [
        sample((2, 3), dims=(0,)),
        sample((2, 3, 2), dims=(0, -1)),
        sample((3,), dims=()),
        sample((), dims=(0,)),
        sample((0, 2), dims=(1,)),
    ],
)
op(
    "roll",
    _roll,
    _roll_rule,
    "shape",
    sig="input: T, shifts: ints, dims: ints = ()",
    samples=lambda: [
        sample((3, 4), shifts=1),
        sample((3, 4), shifts=(1, -6), dims=(0, -1)),
        sample((3, 4), shifts=-2, dims=1),
        sample((), shifts=1),
        sample((0, 2), shifts=1, dims=0),
    ],
)
op(
    "rot90",
    _rot90,
    lambda g, y, x, *, k=1, dims=(0, 1): _rot90(g, k=-k, dims=dims),
    "shape",
    sig="input: T, k: int = 1, dims: ints = (0, 1)",
    samples=lambda: [
        sample((2, 3)),
        sample((2, 3, 4), k=-1, dims=(0, -1)),
        sample((2, 3), k=2),
        sample((2, 3), k=3, dims=(1, 0)),
        sample((2, 3), k=4),
    ],
)

# ---- repeating -------------------------------------------------------------------------------


def _repeat_sizes(shape, repeats):
    """Each dimension as (repeats, size), new leading dimensions with size 1."""
    if len(repeats) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of "
            "dimensions of tensor"
        )
    pairs = list(zip(repeats, (1,) * (len(repeats) - len(shape)) + shape, strict=True))
    result = [r * n for r, n in pairs]
    for n in result:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {result}")
    return pairs, result


def _repeat(x, *, repeats):
    pairs, result = _repeat_sizes(x.shape, repeats)
    at = [2 * i + 1 for i in range(len(repeats) - x.ndim, len(repeats))]
    return lax.reshape(lax.broadcast_in_dim(x, [n for pair in pairs for n in pair], at), result)


def _repeat_rule(g, y, x, *, repeats):
    pairs, _ = _repeat_sizes(x.shape, repeats)
    g = lax.reshape(g, [n for pair in pairs for n in pair])
    return lax.reshape(jnp.sum(g, tuple(range(0, g.ndim, 2))), x.shape)


def _tile_repeats(x, dims):
    return (1,) * (x.ndim - len(dims)) + tuple(dims)


def _interleave_sizes(x, repeats, dim):
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    if dim is None:
        return (x.size,), (x.size, repeats), (x.size * repeats,)
    shape = x.shape or (1,)
    dim = wrap_dim(dim, x.ndim)
    head, n, tail = shape[:dim], shape[dim], shape[dim + 1 :]
    return shape, (*head, n, repeats, *tail), (*head, n * repeats, *tail)


def _interleave(x, *, repeats, dim=None):
    flat, wide, result = _interleave_sizes(x, repeats, dim)
    new = 1 if dim is None else wrap_dim(dim, x.ndim) + 1
    at = [d for d in range(len(wide)) if d != new]
    return lax.reshape(lax.broadcast_in_dim(lax.reshape(x, flat), wide, at), result)


def _interleave_rule(g, y, x, *, repeats, dim=None):
    _, wide, _ = _interleave_sizes(x, repeats, dim)
    new = 1 if dim is None else wrap_dim(dim, x.ndim) + 1
    return lax.reshape(jnp.sum(lax.reshape(g, wide), new), x.shape)


op(
    "repeat",
    _repeat,
    _repeat_rule,
    "shape",
    sig="input: T, repeats: shape",
    variants="m",
    samples=lambda: [
        sample((2, 3), repeats=(2, 2)),
        sample((3,), repeats=(2, 1, 3)),
        sample((), repeats=(2,)),
        sample((2, 3), repeats=(1, 0)),
    ],
)
op(
    "tile",
    lambda x, *, dims: _repeat(x, repeats=_tile_repeats(x, dims)),
    lambda g, y, x, *, dims: _repeat_rule(g, y, x, repeats=_tile_repeats(x, dims)),
    "shape",
    sig="input: T, dims: shape",
    node="RepeatBackward0",
    samples=lambda: [
        sample((2, 3), dims=(2,)),
        sample((3,), dims=(2, 1, 3)),
        sample((), dims=(2, 2)),
    ],
)
# repeat_interleave with a tensor of repeats has a size that depends on data: a composite
op(
    "repeat_interleave_int",
    _interleave,
    _interleave_rule,
    "shape",
    sig="input: T, repeats: int, dim: int = None",
    where=None,
    node="ViewBackward0",
    samples=lambda: [
        sample((2, 3), repeats=2),
        sample((2, 3), repeats=3, dim=-1),
        sample((), repeats=2, dim=0),
        sample((2, 3), repeats=0, dim=0),
    ],
)

# ---- writing into a view ---------------------------------------------------------------------


def _scatter_of(view):
    """forward and rule of `input` with `src` written where the row `view` looks."""
    row = REGISTRY[view]

    def forward(x, src, **params):
        seen = row.forward(x, **params)
        if seen.shape != src.shape:
            raise RuntimeError(
                "expected src to have a size equal to the slice of self. "
                f"src size = {list(src.shape)}, slice size = {list(seen.shape)}"
            )
        return row.write(x, _cast(src, x.dtype), **params)

    def rule(g, y, x, src, **params):
        return row.write(g, lax.full(src.shape, 0, g.dtype), **params), row.forward(g, **params)

    return forward, rule


op(
    "diagonal_scatter",
    *_scatter_of("diagonal"),
    "shape",
    sig="input: T, src: T, offset: int = 0, dim1: int = 0, dim2: int = 1",
    samples=lambda: [sample((3, 4), (3,)), sample((2, 3, 3), (2, 2), offset=-1, dim1=1, dim2=-1)],
)
op(
    "select_scatter",
    *_scatter_of("select"),
    "shape",
    sig="input: T, src: T, dim: int, index: int",
    samples=lambda: [sample((3, 4), (3,), dim=1, index=-1), sample((3,), (), dim=0, index=1)],
)
op(
    "slice_scatter",
    *_scatter_of("slice"),
    "shape",
    sig="input: T, src: T, dim: int = 0, start: int = None, end: int = None, step: int = 1",
    samples=lambda: [
        sample((4, 3), (2, 3), start=1, end=3),
        sample((3, 5), (3, 2), dim=-1, start=1, step=2),
        sample((3, 2), (3, 2)),
    ],
)

# ---- copying, casting, filling ---------------------------------------------------------------


def _cast(x, to):
    """Between any two dtypes, as PyTorch does it on CPU."""
    to = np.dtype(to)
    if jnp.issubdtype(x.dtype, jnp.complexfloating) and not jnp.issubdtype(to, jnp.complexfloating):
        if to == np.bool_:
            return x != 0
        x = lax.real(x)
    if jnp.issubdtype(x.dtype, jnp.floating) and jnp.issubdtype(to, jnp.integer):
        # by way of int64, so that what is too large for a small integer wraps instead of saturating
        x = lax.convert_element_type(x, np.int64)
    return lax.convert_element_type(x, to)


op(
    "clone",
    lambda x, *, memory_format=None: x,
    lambda g, y, x, **_: g,
    "shape",
    sig="input: T, *, memory_format: any = None",
    samples=lambda: [sample((2, 3)), sample(()), sample((0,))],
)
op(
    "to_dtype",
    lambda x, *, dtype: _cast(x, dtype.np),
    lambda g, y, x, **_: g,
    "internal",
    sig="input: T, dtype: dtype",
    node="ToCopyBackward0",
    samples=lambda: [sample((2, 3), dtype=float64), sample((3,), dtype=int64)],
)
op(
    "full",
    lambda fill_value, *, size, dtype: lax.full(size, _cast(fill_value, dtype.np)),
    lambda g, y, fill_value, **_: g,
    "internal",
    sig="fill_value: TS, *, size: shape, dtype: dtype",
    samples=lambda: [sample(2.5, size=(2, 3), dtype=float64), sample((), size=(), dtype=float64)],
)

# ---- cross product ---------------------------------------------------------------------------


def _cross_dim(a, b, dim):
    if a.ndim != b.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if dim is None:
        for d, n in enumerate(a.shape):
            if n == 3:
                return d
        raise RuntimeError("no dimension of size 3 in input")
    wrapped = wrap_dim(dim, a.ndim)
    if (a.shape[wrapped], b.shape[wrapped]) != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. "
            f"Got {a.shape[wrapped]} and {b.shape[wrapped]}"
        )
    return wrapped


def _cross(a, b, *, dim=None):
    dim = _cross_dim(a, b, dim)
    a1, b1 = (_roll(x, shifts=-1, dims=dim) for x in (a, b))
    a2, b2 = (_roll(x, shifts=1, dims=dim) for x in (a, b))
    return a1 * b2 - a2 * b1


def _cross_rule(g, y, a, b, *, dim=None):
    dim = _cross_dim(a, b, dim)
    return _cross(b, g, dim=dim), _cross(g, a, dim=dim)


op(
    "cross",
    _cross,
    _cross_rule,
    "shape",
    sig="input: T, other: T, dim: int = None",
    promote="numeric",
    node="LinalgCrossBackward0",
    samples=lambda: [
        sample((2, 3), (2, 3), dim=1),
        sample((3, 4), (3, 4)),
        sample((3, 4), (3, 1), dim=0),
        sample((3,), (3,), dim=-1),
    ],
)
