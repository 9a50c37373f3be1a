"""Primitives of JAX that reduce, accumulate or order along axes."""

from __future__ import annotations

import numpy as np


def _reduced(f):
    """A ufunc's `reduce`, in the dtype of what it reduces."""

    def make(params, ins, outs):
        axes, dtype, start = tuple(params["axes"]), outs[0].dtype, _start(f, outs[0].dtype)
        if dtype.kind == "c" and f in (np.maximum, np.minimum):
            return None
        if start is None:
            return lambda x: f.reduce(x, axes, dtype)
        return lambda x: f.reduce(x, axes, dtype, initial=start)

    return make


def _start(f, dtype):
    """What there is before anything, where NumPy does not know it."""
    if f not in (np.maximum, np.minimum):
        return None
    if dtype.kind == "b":
        return f is np.minimum
    ends = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return dtype.type(ends[f is np.minimum])


def _accumulated(f):
    def make(params, ins, outs):
        axis, dtype = params["axis"], outs[0].dtype
        if dtype.kind == "c" and f not in (np.add, np.multiply):
            return None
        if params["reverse"]:
            return lambda x: np.flip(f.accumulate(np.flip(x, axis), axis, dtype), axis)
        return lambda x: f.accumulate(x, axis, dtype)

    return make


def _position(f):
    """The first place of the largest or smallest; of NaN, where there is one."""

    def make(params, ins, outs):
        (axis,), dtype = params["axes"], outs[0].dtype
        return lambda x: np.asarray(f(x, axis)).astype(dtype)

    return make


def _sort(params, ins, outs):
    axis, keys = params["dimension"], params["num_keys"]
    if any(a.dtype.kind == "c" for a in ins[:keys]):
        return None
    if len(ins) == 1:
        return lambda x: [np.sort(x, axis, kind="stable")]

    def sort(*xs):
        order = np.lexsort(xs[keys - 1 :: -1], axis) if keys > 1 else np.argsort(xs[0], axis, kind="stable")
        return [np.take_along_axis(x, order, axis) for x in xs]

    return sort


def _top(params, ins, outs):
    """The largest first, equal ones in order; NaN is larger than all."""
    k, axis, dtype = params["k"], params.get("axis", params.get("operand_axis", -1)), outs[1].dtype
    if ins[0].dtype.kind == "c":
        return None

    def top(x):
        n = x.shape[axis]
        order = n - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
        order = np.take(order, range(k), axis)
        return [np.take_along_axis(x, order, axis), order.astype(dtype)]

    return top


REDUCTIONS = {
    "reduce_sum": (_reduced(np.add), 1.0),
    "reduce_prod": (_reduced(np.multiply), 1.0),
    "reduce_max": (_reduced(np.maximum), 1.0),
    "reduce_min": (_reduced(np.minimum), 1.0),
    "reduce_and": (_reduced(np.bitwise_and), 1.0),
    "reduce_or": (_reduced(np.bitwise_or), 1.0),
    "reduce_xor": (_reduced(np.bitwise_xor), 1.0),
    "cumsum": (_accumulated(np.add), 3.0),
    "cumprod": (_accumulated(np.multiply), 3.0),
    "cummax": (_accumulated(np.maximum), 3.0),
    "cummin": (_accumulated(np.minimum), 3.0),
    "cumlogsumexp": (_accumulated(np.logaddexp), 30.0),
    "argmax": (_position(np.argmax), 2.0),
    "argmin": (_position(np.argmin), 2.0),
    "sort": (_sort, 60.0),
    "top_k": (_top, 80.0),
}
