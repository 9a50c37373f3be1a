"""Primitives of JAX that move data, or make it out of nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Aval(NamedTuple):
    """As much of JAX's as is asked for here."""

    shape: tuple[int, ...]
    dtype: np.dtype


def _broadcast(params, ins, outs):
    shape, dims, of = outs[0].shape, params["broadcast_dimensions"], ins[0].shape
    if len(ins) > 1:
        return None  # sizes that are not known
    between = [1] * len(shape)
    for d, n in zip(dims, of, strict=True):
        between[d] = n
    between, kept = tuple(between), [of[dims.index(d)] == n if d in dims else False for d, n in enumerate(shape)]
    if 0 in shape:
        return lambda x: np.broadcast_to(np.reshape(x, between), shape)

    def broadcast(x):
        x = x.reshape(between)
        if not x.flags.c_contiguous:
            return np.broadcast_to(x, shape)
        strides = tuple([n if keep else 0 for n, keep in zip(x.strides, kept, strict=True)])
        return np.ndarray(shape, x.dtype, x, 0, strides)  # a third of what `broadcast_to` takes

    return broadcast


def _reshape(params, ins, outs):
    shape, order = outs[0].shape, params["dimensions"]
    if len(ins) > 1:
        return None
    return (lambda x: np.reshape(x, shape)) if order is None else lambda x: np.transpose(x, order).reshape(shape)


def _squeeze(params, ins, outs):
    shape = outs[0].shape
    return lambda x: np.reshape(x, shape)


def _transpose(params, ins, outs):
    order = params["permutation"]
    return lambda x: np.transpose(x, order)


def _reverse(params, ins, outs):
    dims = params["dimensions"]
    return lambda x: np.flip(x, dims)


def _slice(params, ins, outs):
    strides = params["strides"] or (1,) * len(ins[0].shape)
    where = tuple(map(slice, params["start_indices"], params["limit_indices"], strides))
    return lambda x: x[where]


def _pad(params, ins, outs):
    """What is cut off counts after the elements have been moved apart."""
    shape, config = outs[0].shape, params["padding_config"]
    to, of = [], []
    for n, (low, _, apart), size in zip(ins[0].shape, config, shape, strict=True):
        step = apart + 1
        first = max(0, -(low // step)) if low < 0 else 0  # the first element that is left
        last = min(n, -((low - size) // step))  # and the first that is not
        of.append(slice(first, max(first, last)))
        begin = low + first * step
        to.append(slice(begin, max(begin, begin + (last - first) * step), step))
    to, of = tuple(to), tuple(of)

    def pad(x, value):
        made = np.full(shape, value, x.dtype)
        made[to] = x[of]
        return made

    return pad


def _concatenate(params, ins, outs):
    dim = params["dimension"]
    return lambda *xs: np.concatenate(xs, dim)


def _tile(params, ins, outs):
    times = params["reps"]
    return lambda x: np.tile(x, times)


def _iota(params, ins, outs):
    shape, dim, dtype = outs[0].shape, params["dimension"], outs[0].dtype
    along = [1] * len(shape)
    along[dim] = shape[dim]
    made = np.broadcast_to(np.arange(shape[dim], dtype=dtype).reshape(along), shape)
    return lambda: made


def _split(params, ins, outs):
    ends, axis = np.cumsum(params["sizes"])[:-1], params["axis"]
    return lambda x: np.split(x, ends, axis)


def _stack(params, ins, outs):
    axis = params["axis"]
    return lambda *xs: np.stack(xs, axis)


def _unstack(params, ins, outs):
    axis = params["axis"]
    return lambda x: list(np.moveaxis(x, axis, 0))


def _starts(starts, shape, sizes) -> tuple:
    """Where a window of `sizes` begins, moved inside."""
    return tuple(min(max(int(s), 0), n - size) for s, n, size in zip(starts, shape, sizes, strict=True))


def _dynamic_slice(params, ins, outs):
    of, sizes = ins[0].shape, outs[0].shape

    def cut(x, *starts):
        begin = _starts(starts, of, sizes)
        return x[tuple(slice(b, b + n) for b, n in zip(begin, sizes, strict=True))]

    return cut


def _dynamic_update(params, ins, outs):
    of, sizes = ins[0].shape, ins[1].shape

    def put(x, update, *starts):
        made = np.array(x)
        begin = _starts(starts, of, sizes)
        made[tuple(slice(b, b + n) for b, n in zip(begin, sizes, strict=True))] = update
        return made

    return put


def _barrier(params, ins, outs):
    return lambda *xs: xs


SHAPES = {
    "squeeze": (_squeeze, 0.0),
    "expand_dims": (_squeeze, 0.0),
    "broadcast_in_dim": (_broadcast, 0.0),
    "reshape": (_reshape, 0.5),
    "transpose": (_transpose, 0.0),
    "rev": (_reverse, 0.0),
    "slice": (_slice, 0.0),
    "pad": (_pad, 1.0),
    "concatenate": (_concatenate, 1.0),
    "tile": (_tile, 1.0),
    "iota": (_iota, 0.0),
    "split": (_split, 0.0),
    "stack": (_stack, 1.0),
    "unstack": (_unstack, 0.0),
    "dynamic_slice": (_dynamic_slice, 0.0),
    "dynamic_update_slice": (_dynamic_update, 1.0),
    "optimization_barrier": (_barrier, 0.0),
}
