"""The row behind `x[...]` with ints, slices, None and an ellipsis: one window into a tensor.

Knows `op`, JAX and how `view` spreads slices. Must not know Tensors.
"""

from __future__ import annotations

import numpy as np
from jax import lax

from ..op import op, sample
from .view import _lengths, clamp, spread

# ---- x[...] --------------------------------------------------------------------------------------
# Where a window begins is an operand, not a parameter: `x[i : i + n]` in a loop is one program.


def getitem_window(shape, *, index):
    """`index` holds ("int", i), ("slice", start, stop, step), "newaxis" and "ellipsis"."""
    taken = sum(item not in ("newaxis", "ellipsis") for item in index)
    if taken and not shape and len(index) == 1:
        raise IndexError(
            "slice() cannot be applied to a 0-dim tensor."
            if index[0][0] == "slice"
            else "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
            "`tensor.item<T>()` in C++ to "
            "convert a 0-dim tensor to a number"
        )
    if taken > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    if index.count("ellipsis") > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    rest = len(shape) - taken
    starts, limits, steps, result = [], [], [], []
    at = 0  # the place in the index, which PyTorch's message calls a dimension
    for item in index if "ellipsis" in index else (*index, "ellipsis"):
        used = len(starts)
        if item == "newaxis":
            result.append(1)
        elif item == "ellipsis":
            kept = shape[used : used + rest]
            starts, limits, steps = starts + [0] * rest, [*limits, *kept], steps + [1] * rest
            result.extend(kept)
        elif item[0] == "int":
            i, n = item[1], shape[used]
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of bounds for dimension {at} with size {n}")
            i = i + n if i < 0 else i
            starts, limits, steps = [*starts, i], [*limits, i + 1], [*steps, 1]
        else:
            _, start, stop, step = item
            step = 1 if step is None else step
            if step <= 0:
                raise ValueError(
                    "step must be greater than zero" if step else "slice step cannot be zero"
                )
            start, stop = clamp(start, stop, shape[used])
            starts, limits, steps = [*starts, start], [*limits, stop], [*steps, step]
            result.append(-((start - stop) // step))
        at += 1
    return tuple(starts), tuple(limits), tuple(steps), tuple(result)


def getitem_node(index) -> str:
    """The name of the last view that PyTorch would take; a full slice within a tuple takes none."""
    if len(index) == 1 and index[0][0] == "slice":
        return "SliceBackward0"
    for item in reversed(index):
        if item == "newaxis":
            return "UnsqueezeBackward0"
        if item[0] == "int":
            return "SelectBackward0"
        if item[0] == "slice" and not (
            item[1] in (None, 0) and item[2] is None and item[3] in (None, 1)
        ):
            return "SliceBackward0"
    return "AliasBackward0"


def _begin(x, dims, starts):
    begin = [np.int64(0)] * x.ndim
    for dim, start in zip(dims, starts, strict=True):
        begin[dim] = start
    return begin


def _getitem(x, *starts, dims, extents, steps, shape, node):
    """`extents` elements from each start on, every `steps`-th of them, in `shape`."""
    out = lax.dynamic_slice(x, _begin(x, dims, starts), extents)
    if any(s != 1 for s in steps):
        out = lax.slice(out, (0,) * x.ndim, extents, steps)
    return lax.reshape(out, shape)


def _getitem_write(base, value, *starts, dims, extents, steps, shape, node):
    begin = _begin(base, dims, starts)
    value = lax.reshape(value, _lengths((0,) * base.ndim, extents, steps))
    if any(s != 1 for s in steps):
        seen = spread(lax.full_like(value, True, bool), extents, (0,) * base.ndim, steps)
        value = spread(value, extents, (0,) * base.ndim, steps)
        value = lax.select(seen, value, lax.dynamic_slice(base, begin, extents))
    return lax.dynamic_update_slice(base, value, begin)


def _getitem_rule(g, y, x, *starts, **params):
    zeros = lax.full(x.shape, np.zeros((), g.dtype))
    return (_getitem_write(zeros, g, *starts, **params), *(None for _ in starts))


op(
    "getitem",
    _getitem,
    _getitem_rule,
    "view",
    where=None,
    write=_getitem_write,
    node=lambda params: params["node"],
    samples=lambda: [
        sample((3, 4, 5), 1, 2, dims=(0, 2), extents=(1, 4, 3), steps=(1, 1, 2), shape=(4, 1, 2), node="n"),
        sample((3, 4), 2, dims=(0,), extents=(0, 4), steps=(1, 1), shape=(0, 4), node="n"),
        sample((3,), 0, dims=(0,), extents=(1,), steps=(1,), shape=(), node="n"),
    ],
)
