"""Operations of many arrays that only move data, done by NumPy on the host.

XLA makes a kernel for each of their many results, and another for each number of them: 0.5 s for the 40 elements of a
vector. Beside a CPU the arrays are at hand. Only where a path is run operation by operation (see `alone`).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from .trace import Trace

MANY = 4  # arrays, from which it is done here


def mover(t: Trace, reads: tuple[int, ...], specs: dict) -> Callable | None:
    """What does the step `t`, from the arguments at the positions `reads` to its results; None for most steps."""
    make = _MOVERS.get(t.op.name)
    if make is None or len(t.outs) + len(reads) <= MANY or jax.default_backend() != "cpu":
        return None
    one_dtype = len({specs[t.args[i]].dtype for i in reads} | {s.dtype for s in t.specs}) == 1
    return make(t, reads, specs) if one_dtype else None


def _unbind(t, reads, specs):
    dim = t.params.get("dim", 0)
    return lambda x: _rows(x, dim)


def _stack(t, reads, specs):
    dim = t.params.get("dim", 0)
    return lambda *xs: [np.stack(xs, dim)]


def _cat(t, reads, specs):
    dim, ndim = t.params.get("dim", 0), len(t.specs[0].shape)
    if any(len(specs[a].shape) != ndim for a in t.args):
        return None
    return lambda *xs: [np.concatenate(xs, dim)]


def _stack_backward(t, reads, specs):
    dim, needs = dict(t.params["params"]).get("dim", 0), t.params["needs"]
    return (lambda g: _chosen(_rows(g, dim), needs)) if reads == (0,) else None


def _cat_backward(t, reads, specs):
    dim, needs = dict(t.params["params"]).get("dim", 0), t.params["needs"]
    shapes = [specs[a].shape for a in t.args[2:]]
    if reads != (0,) or any(len(s) != len(shapes[0]) for s in shapes):
        return None
    ends = np.cumsum([s[dim] for s in shapes])[:-1]
    return lambda g: _chosen(np.split(np.array(g), ends, dim), needs)


def _unbind_backward(t, reads, specs):
    dim, n = dict(t.params["params"]).get("dim", 0), t.params["nout"]
    return (lambda *gs: [np.stack(gs, dim)]) if reads == tuple(range(n)) else None


_MOVERS = {
    "unbind": _unbind, "stack": _stack, "cat": _cat, "unbind_backward": _unbind_backward,
    "stack_backward": _stack_backward, "cat_backward": _cat_backward,
}  # fmt: skip


def _rows(x, dim: int) -> list[np.ndarray]:
    """What lies along `dim`. A copy: the array may be given up."""
    x = np.moveaxis(np.array(x), dim, 0)
    return [x[i, ...] for i in range(len(x))]


def _chosen(arrays: list, needs) -> list:
    return [a for a, need in zip(arrays, needs, strict=True) if need]
