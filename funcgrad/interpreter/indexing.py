"""Gather and scatter: one indexing of NumPy each.

Both are said by index vectors, each the corner of a window. Axes of the operand that a window covers whole, from the
beginning, are moved behind the others and left out of the index.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.lax import GatherScatterMode as Mode


class Corners(NamedTuple):
    """How the windows of a gather or a scatter lie in the operand.

    sizes    of a window, by axis of the operand
    indexed  axes of the operand that are indexed; `whole` those that windows cover
    order    of them all, the indexed first
    where    axis of the operand -> its place in an index vector
    batched  axis of the operand -> the axis of the indices that it goes along with
    inner    axes of the operand that are axes of a window
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    indexed: tuple[int, ...]
    whole: tuple[int, ...]
    where: dict[int, int]
    batched: dict[int, int]
    inner: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        return (*self.indexed, *self.whole)

    def index(self, indices, clip: bool):
        """(one index array for each indexed axis, which corners lie inside; None: all of them).

        The arrays broadcast to the batch of the indices and, behind it, the indexed axes of a window."""
        batch = indices.shape[:-1]
        windows = [d for d in self.indexed if d in self.inner]
        arrays, inside = [], None
        for d in self.indexed:
            last = self.shape[d] - self.sizes[d]
            if d in self.where:
                corner = indices[..., self.where[d]]
                if clip:
                    corner = np.clip(corner, 0, last)
                else:
                    good = (corner >= 0) & (corner <= last)
                    inside = good if inside is None else inside & good
                    corner = np.where(good, corner, 0)
            elif d in self.batched:
                along = [1] * len(batch)
                along[self.batched[d]] = self.shape[d]
                corner = np.arange(self.shape[d]).reshape(along)
            else:
                corner = np.zeros((1,) * len(batch), np.intp)
            corner = corner.reshape(corner.shape + (1,) * len(windows))
            if d in windows:
                along = [1] * len(windows)
                along[windows.index(d)] = self.sizes[d]
                corner = corner + np.arange(self.sizes[d]).reshape(along)
            arrays.append(corner)
        return tuple(arrays), None if inside is None or inside.all() else inside

    def axes(self, batch: int, window_dims) -> list[int]:
        """For each axis of (batch, indexed axes of a window, whole axes), its axis in the result or the updates."""
        n = batch + len(window_dims)
        outer = [d for d in range(n) if d not in window_dims]
        of = dict(zip(self.inner, window_dims, strict=True))
        return outer + [of[d] for d in self.order if d in of]


def _corners(shape, sizes, where, collapsed, batching, index_batching) -> Corners:
    where = {d: i for i, d in enumerate(where)}
    batched = dict(zip(batching, index_batching, strict=True))
    inner = tuple(d for d in range(len(shape)) if d not in collapsed and d not in batched)
    whole = tuple(d for d in inner if d not in where and sizes[d] == shape[d])
    indexed = tuple(d for d in range(len(shape)) if d not in whole)
    return Corners(tuple(shape), tuple(sizes), indexed, whole, where, batched, inner)


def _gather(params, ins, outs):
    mode, dn = params["mode"], params["dimension_numbers"]
    if mode not in (Mode.CLIP, Mode.FILL_OR_DROP, Mode.PROMISE_IN_BOUNDS):
        return None
    at = _corners(
        ins[0].shape, params["slice_sizes"], dn.start_index_map, dn.collapsed_slice_dims,
        dn.operand_batching_dims, dn.start_indices_batching_dims,
    )  # fmt: skip
    if not at.indexed or 0 in outs[0].shape or any(n < size for n, size in zip(at.shape, at.sizes, strict=True)):
        return None
    fill = _fill(params.get("fill_value"), outs[0].dtype)
    batch = len(ins[1].shape) - 1
    back, order = np.argsort(at.axes(batch, dn.offset_dims)), at.order
    clip, straight = mode is not Mode.FILL_OR_DROP, order == tuple(range(len(order)))

    def gather(x, indices):
        where, inside = at.index(indices, clip)
        found = (x if straight else np.transpose(x, order))[where]
        if inside is not None:
            found = np.where(inside.reshape(inside.shape + (1,) * (found.ndim - batch)), found, fill)
        return np.transpose(found, back)

    return gather


def _fill(value, dtype):
    if value is not None:
        return dtype.type(value)
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    return dtype.type(True if dtype.kind == "b" else np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


def _put(x, where, updates):
    x[where] = updates


def _scatter(put):
    def make(params, ins, outs):
        mode, dn = params["mode"], params["dimension_numbers"]
        if mode not in (Mode.CLIP, Mode.FILL_OR_DROP, Mode.PROMISE_IN_BOUNDS):
            return None
        if ins[0].dtype.kind == "c" and put in (np.maximum.at, np.minimum.at):
            return None
        inserted = {*dn.inserted_window_dims, *dn.operand_batching_dims}
        windows = iter(dn.update_window_dims)
        sizes = [1 if d in inserted else ins[2].shape[next(windows)] for d in range(len(ins[0].shape))]
        at = _corners(
            ins[0].shape, sizes, dn.scatter_dims_to_operand_dims, dn.inserted_window_dims,
            dn.operand_batching_dims, dn.scatter_indices_batching_dims,
        )  # fmt: skip
        if not at.indexed or 0 in ins[2].shape or any(n < size for n, size in zip(at.shape, at.sizes, strict=True)):
            return None
        batch = len(ins[1].shape) - 1
        axes, order = at.axes(batch, dn.update_window_dims), at.order
        clip, back = mode is not Mode.FILL_OR_DROP, np.argsort(order)

        def scatter(x, indices, updates):
            where, inside = at.index(indices, clip)
            made = np.array(np.transpose(x, order))
            updates = np.transpose(updates, axes)
            if inside is not None:
                full = updates.shape[: updates.ndim - len(at.whole)]
                keep = np.broadcast_to(inside.reshape(inside.shape + (1,) * (len(full) - batch)), full)
                where = tuple(np.broadcast_to(w, full)[keep] for w in where)
                updates = updates[keep]
            put(made, where, updates)
            return np.transpose(made, back)

        return scatter

    return make


INDEXING = {
    "gather": (_gather, 5.0),
    "scatter": (_scatter(_put), 10.0),
    "scatter-add": (_scatter(np.add.at), 20.0),
    "scatter-sub": (_scatter(np.subtract.at), 20.0),
    "scatter-mul": (_scatter(np.multiply.at), 20.0),
    "scatter-min": (_scatter(np.minimum.at), 20.0),
    "scatter-max": (_scatter(np.maximum.at), 20.0),
}
