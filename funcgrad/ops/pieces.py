"""Rows that look at parts of a tensor: windows, strides, diagonals, triangles, several at once.

Knows `op`, JAX and how `view` writes slices back. Must not know Tensors.
"""

from __future__ import annotations

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import op, sample
from ..op.checks import wrap_dim
from .view import clamp, list_of, one_dim, spread

# ---- windows and strides ---------------------------------------------------------------------


def _unfold_index(shape, dimension, size, step):
    """(the wrapped dimension, index of shape (windows, size)); a 0-d tensor is one element."""
    dim, n = wrap_dim(dimension, len(shape)), (shape or (1,))[dimension]
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    windows = (n - size) // step + 1
    return dim, lax.iota(np.int64, windows)[:, None] * step + lax.iota(np.int64, size)


def _unfold(x, *, dimension, size, step):
    dim, index = _unfold_index(x.shape, dimension, size, step)
    if not x.ndim:
        return lax.broadcast(x, (size,))  # PyTorch counts no windows here
    return jnp.moveaxis(jnp.take(x, index, axis=dim, mode="clip"), dim + 1, -1)


def _unfold_place(base, value, dimension, size, step):
    """The `.at[]` of the windows in `base`, and `value` in its order."""
    dim, index = _unfold_index(base.shape, dimension, size, step)
    value = jnp.moveaxis(value, -1, dim + 1) if base.ndim else value[None]
    return jnp.atleast_1d(base).at[(slice(None),) * dim + (index,)], value


def _unfold_rule(g, y, x, *, dimension, size, step):
    at, g = _unfold_place(jnp.zeros(x.shape, g.dtype), g, dimension, size, step)
    return lax.reshape(at.add(g), x.shape)


def _unfold_write(base, value, *, dimension, size, step):
    at, value = _unfold_place(base, value, dimension, size, step)
    return lax.reshape(at.set(value), base.shape)


op(
    "unfold",
    _unfold,
    _unfold_rule,
    "view",
    sig="input: T, dimension: int, size: int, step: int",
    variants="m",
    write=_unfold_write,
    samples=lambda: [
        sample((7, 2), dimension=0, size=3, step=2),
        sample((2, 5), dimension=-1, size=2, step=1),
        sample((), dimension=0, size=1, step=1),
        sample((4,), dimension=0, size=0, step=1),
    ],
)


def _strided_index(x, size, stride, storage_offset):
    offset = storage_offset or 0
    size, stride = ((n,) if isinstance(n, int) else n for n in (size, stride))
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list_of(stride)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1
    if 0 not in size and last > x.size:
        one = x.dtype.itemsize
        raise RuntimeError(
            f"setStorage: sizes {list_of(size)}, strides {list_of(stride)}, storage "
            f"offset {offset}, and itemsize {one} "
            f"requiring a storage size of {last * one} are out of bounds for storage of "
            f"size {x.size * one}"
        )
    index = lax.full(size, offset, np.int64)
    for d, s in enumerate(stride):
        index = index + lax.broadcasted_iota(np.int64, size, d) * s
    return index


def _as_strided(x, *, size, stride, storage_offset=None):
    return (
        lax.reshape(x, (x.size,))
        .at[_strided_index(x, size, stride, storage_offset)]
        .get(mode="clip")
    )


def _as_strided_rule(g, y, x, *, size, stride, storage_offset=None):
    index = _strided_index(x, size, stride, storage_offset)
    return lax.reshape(jnp.zeros(x.size, g.dtype).at[index].add(g), x.shape)


def _as_strided_write(base, value, *, size, stride, storage_offset=None):
    index = _strided_index(base, size, stride, storage_offset)
    return lax.reshape(lax.reshape(base, (base.size,)).at[index].set(value), base.shape)


# the storage is that of the tensor given, taken as contiguous
op(
    "as_strided",
    _as_strided,
    _as_strided_rule,
    "view",
    sig="input: T, size: ints, stride: ints, storage_offset: int = None",
    variants="fmi",
    write=_as_strided_write,
    samples=lambda: [
        sample((3, 4), size=(2, 2), stride=(1, 2)),
        sample((3, 4), size=(2, 2), stride=(4, 1), storage_offset=1),
        sample((6,), size=(4, 3), stride=(1, 1)),
        sample((3,), size=(), stride=(), storage_offset=2),
    ],
)

# ---- diagonals -------------------------------------------------------------------------------
# A diagonal of rows x cols is a slice with step cols + 1 of the flattened matrix.


def _diagonal_slice(shape, offset, dim1, dim2):
    """(order that puts dim1, dim2 last, rows, cols, first flat position, length)."""
    a, b = wrap_dim(dim1, len(shape)), wrap_dim(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    order = (*(d for d in range(len(shape)) if d not in (a, b)), a, b)
    rows, cols = shape[a], shape[b]
    count = max(0, min(rows, cols - offset) if offset >= 0 else min(rows + offset, cols))
    first = (offset if offset >= 0 else -offset * cols) if count else 0
    return order, rows, cols, first, count


def diagonal_of(x, *, offset=0, dim1=0, dim2=1):
    order, rows, cols, first, count = _diagonal_slice(x.shape, offset, dim1, dim2)
    x = lax.transpose(x, order)
    flat = lax.reshape(x, (*x.shape[:-2], rows * cols))
    return lax.slice_in_dim(
        flat, first, first + (count - 1) * (cols + 1) + 1 if count else first, cols + 1, -1
    )


def spread_diagonal(value, shape, *, offset=0, dim1=0, dim2=1):
    """`value` on that diagonal of zeros of `shape`."""
    order, rows, cols, first, _ = _diagonal_slice(shape, offset, dim1, dim2)
    lead = value.ndim - 1
    flat = spread(
        value, (*value.shape[:-1], rows * cols), (0,) * lead + (first,), (1,) * lead + (cols + 1,)
    )
    return lax.transpose(lax.reshape(flat, (*value.shape[:-1], rows, cols)), np.argsort(order))


def write_diagonal(base, value, **params):
    on = spread_diagonal(lax.full_like(value, True, bool), base.shape, **params)
    return lax.select(on, spread_diagonal(value, base.shape, **params), base)


op(
    "diagonal",
    diagonal_of,
    lambda g, y, x, **params: spread_diagonal(g, x.shape, **params),
    "view",
    sig="input: T, offset: int = 0, dim1: int = 0, dim2: int = 1",
    write=write_diagonal,
    samples=lambda: [
        sample((3, 4)),
        sample((4, 3), offset=-1),
        sample((2, 3, 4), offset=1, dim1=-1, dim2=0),
        sample((3, 3), offset=9),
        sample((0, 3)),
    ],
)

# ---- their way back, and triangles ------------------------------------------------------------


def _triangle(name, keep):
    """tril or triu: zeros where `keep(row - column, diagonal)` is false; its own rule."""

    def forward(x, *, diagonal=0):
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        below = [lax.broadcasted_iota(np.int32, x.shape, d) for d in (x.ndim - 2, x.ndim - 1)]
        return lax.select(keep(below[1] - below[0], diagonal), x, lax.full_like(x, 0))

    return forward, lambda g, y, x, *, diagonal=0: forward(g, diagonal=diagonal)


def _diag_embed_shape(x, offset, dim1, dim2):
    ndim = x.ndim + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not x.ndim:
        wrap_dim(-2, 0)  # PyTorch's message speaks of the tensor given
    batch = iter(x.shape[:-1])
    return tuple(x.shape[-1] + abs(offset) if d in (a, b) else next(batch) for d in range(ndim))


def _diag_embed(x, *, offset=0, dim1=-2, dim2=-1):
    shape = _diag_embed_shape(x, offset, dim1, dim2)
    return spread_diagonal(x, shape, offset=offset, dim1=dim1, dim2=dim2)


def _diag(x, *, diagonal=0):
    if x.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D")
    return _diag_embed(x, offset=diagonal) if x.ndim == 1 else diagonal_of(x, offset=diagonal)


def _diag_rule(g, y, x, *, diagonal=0):
    if x.ndim == 1:
        return diagonal_of(g, offset=diagonal)
    return spread_diagonal(g, x.shape, offset=diagonal)


op(
    "tril",
    *_triangle("tril", lambda above, diagonal: above <= diagonal),
    "shape",
    sig="input: T, diagonal: int = 0",
    variants="fmi",
    samples=lambda: [
        sample((3, 4)),
        sample((2, 4, 3), diagonal=-1),
        sample((0, 2)),
        sample((2, 2), diagonal=5),
    ],
)
op(
    "triu",
    *_triangle("triu", lambda above, diagonal: above >= diagonal),
    "shape",
    sig="input: T, diagonal: int = 0",
    variants="fmi",
    samples=lambda: [
        sample((3, 4)),
        sample((2, 4, 3), diagonal=1),
        sample((0, 2)),
        sample((2, 2), diagonal=-5),
    ],
)
op(
    "diag_embed",
    _diag_embed,
    lambda g, y, x, *, offset=0, dim1=-2, dim2=-1: diagonal_of(
        g, offset=offset, dim1=dim1, dim2=dim2
    ),
    "shape",
    sig="input: T, offset: int = 0, dim1: int = -2, dim2: int = -1",
    samples=lambda: [
        sample((3,)),
        sample((2, 3), offset=1),
        sample((2, 3), offset=-2, dim1=0, dim2=-1),
        sample((0,), offset=1),
    ],
)
# a vector's node in PyTorch; a matrix's is DiagonalBackward0_copy
op(
    "diag",
    _diag,
    _diag_rule,
    "shape",
    sig="input: T, diagonal: int = 0",
    node="DiagEmbedBackward0",
    samples=lambda: [
        sample((3,)),
        sample((3, 4), diagonal=1),
        sample((2,), diagonal=-1),
        sample((4, 3)),
    ],
)

# ---- several views at once -------------------------------------------------------------------
# These have no write: PyTorch forbids in-place changes to what they return.


def _pieces(x, bounds, dim):
    return tuple(lax.slice_in_dim(x, a, max(a, b), axis=dim) for a, b in bounds)


def _joined(g, y, x, *, dim=0, **_):
    return lax.concatenate(g, wrap_dim(dim, x.ndim))


def _bounds(sizes):
    ends = np.cumsum(sizes).tolist()
    return [(end - n, end) for end, n in zip(ends, sizes, strict=True)]


def _split(x, *, split_size_or_sections, dim=0):
    sizes = split_size_or_sections
    if not isinstance(sizes, int):
        return _split_with_sizes(x, split_sizes=sizes, dim=dim)
    if not x.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, x.ndim)
    n = x.shape[dim]
    if sizes < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={sizes}")
    if sizes == 0 and n:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
        )
    starts = range(0, n, sizes) if n else (0,)
    return _pieces(x, [(a, min(a + sizes, n)) for a in starts], dim)


def _split_with_sizes(x, *, split_sizes, dim=0):
    if not x.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, x.ndim)
    given = f"but got split_sizes={list_of(split_sizes)}"
    if any(n < 0 for n in split_sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, {given}"
        )
    if sum(split_sizes) != x.shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {x.shape[dim]} "
            f"(input tensor's size at dimension {dim}), {given}"
        )
    return _pieces(x, _bounds(split_sizes), dim)


def _chunk(x, *, chunks, dim=0):
    if not x.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = x.shape[wrap_dim(dim, x.ndim)]
    if n == 0:
        return (x,) * chunks
    return _split(x, split_size_or_sections=-(-n // chunks), dim=dim)


def _unbind(x, *, dim=0):
    if not x.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, x.ndim)
    return tuple(lax.index_in_dim(x, i, dim, keepdims=False) for i in range(x.shape[dim]))


def section_bounds(shape, sections, dim):
    if not shape:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    dim = wrap_dim(dim, len(shape))
    n = shape[dim]
    if isinstance(sections, int):
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        return dim, _bounds([n // sections + (i < n % sections) for i in range(sections)])
    edges = [0, *sections, n]
    return dim, [clamp(a, b, n) for a, b in pairwise(edges)]


def _tensor_split(x, *, indices_or_sections, dim=0):
    dim, bounds = section_bounds(x.shape, indices_or_sections, dim)
    return _pieces(x, bounds, dim)


def _tensor_split_rule(g, y, x, *, indices_or_sections, dim=0):
    # sections given by descending indices overlap, so a concatenation would not do
    dim, bounds = section_bounds(x.shape, indices_or_sections, dim)
    ones = (1,) * x.ndim
    return sum(
        spread(c, x.shape, one_dim(x.shape, dim, *ab)[0], ones)
        for c, ab in zip(g, bounds, strict=True)
    )


def _of_dim(name, dim, least):
    """forward and rule of hsplit, vsplit, dsplit: tensor_split along a dimension of their own."""

    def axis(ndim):
        return 0 if ndim == 1 else dim

    def forward(x, *, indices_or_sections):
        if x.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, "
                f"but got a tensor with {x.ndim} dimensions!"
            )
        if isinstance(indices_or_sections, int):
            n = x.shape[axis(x.ndim)]
            if indices_or_sections == 0 or n % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {axis(x.ndim)}, but "
                    "the size of the dimension "
                    f"{n} is not divisible by the split_size {indices_or_sections}!"
                )
        return _tensor_split(x, indices_or_sections=indices_or_sections, dim=axis(x.ndim))

    def rule(g, y, x, *, indices_or_sections):
        return _tensor_split_rule(
            g, y, x, indices_or_sections=indices_or_sections, dim=axis(x.ndim)
        )

    return forward, rule


op(
    "split",
    _split,
    _joined,
    "view",
    sig="tensor: T, split_size_or_sections: ints, dim: int = 0",
    node=lambda p: (
        "SplitBackward0"
        if isinstance(p["split_size_or_sections"], int)
        else "SplitWithSizesBackward0"
    ),
    samples=lambda: [
        sample((5, 2), split_size_or_sections=2),
        sample((2, 5), split_size_or_sections=3, dim=-1),
        sample((2, 5), split_size_or_sections=(1, 0, 4), dim=1),
        sample((0,), split_size_or_sections=0),
    ],
)
op(
    "split_with_sizes",
    _split_with_sizes,
    _joined,
    "view",
    sig="input: T, split_sizes: ints, dim: int = 0",
    samples=lambda: [
        sample((5, 2), split_sizes=(2, 3)),
        sample((2, 5), split_sizes=(5, 0), dim=-1),
    ],
)
op(
    "chunk",
    _chunk,
    _joined,
    "view",
    sig="input: T, chunks: int, dim: int = 0",
    node="SplitBackward0",
    samples=lambda: [
        sample((5, 2), chunks=2),
        sample((2, 4), chunks=3, dim=-1),
        sample((0, 2), chunks=3),
    ],
)
op(
    "unbind",
    _unbind,
    lambda g, y, x, *, dim=0: jnp.stack(g, dim),
    "view",
    sig="input: T, dim: int = 0",
    samples=lambda: [sample((3, 2)), sample((2, 3), dim=-1), sample((2, 0))],
)
op(
    "tensor_split",
    _tensor_split,
    _tensor_split_rule,
    "view",
    sig="input: T, indices_or_sections: ints, dim: int = 0",
    node="SliceBackward0",
    samples=lambda: [
        sample((5, 2), indices_or_sections=3),
        sample((2, 5), indices_or_sections=(3, 1, 9), dim=-1),
        sample((4,), indices_or_sections=(-1,)),
        sample((2,), indices_or_sections=4),
    ],
)
op(
    "hsplit",
    *_of_dim("hsplit", 1, 1),
    "view",
    sig="input: T, indices_or_sections: ints",
    node="SliceBackward0",
    samples=lambda: [
        sample((4,), indices_or_sections=2),
        sample((2, 5), indices_or_sections=(1, 2)),
    ],
)
op(
    "vsplit",
    *_of_dim("vsplit", 0, 2),
    "view",
    sig="input: T, indices_or_sections: ints",
    node="SliceBackward0",
    samples=lambda: [
        sample((4, 2), indices_or_sections=2),
        sample((5, 2), indices_or_sections=(1, 2)),
    ],
)
op(
    "dsplit",
    *_of_dim("dsplit", 2, 3),
    "view",
    sig="input: T, indices_or_sections: ints",
    node="SliceBackward0",
    samples=lambda: [
        sample((2, 1, 4), indices_or_sections=2),
        sample((1, 2, 5), indices_or_sections=(1, 2)),
    ],
)
