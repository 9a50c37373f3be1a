"""Where transforms meet the graph: a backward goes over what is under all of them.

A Value under `vmap` looks like one example (logical) and is a batch on the tape (physical). The walk is
physical; here are the ways across, and the start of a gradient inside a transform.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager

from ..op import REGISTRY
from ..tape import (
    Lifted,
    Value,
    base,
    become_leaf,
    leaf_value,
    local,
    only_leaves,
    record,
    remember,
    set_grad,
)
from .batch import Batched, batches
from .leaf import Leaf


class _Going(threading.local):
    names: tuple[str, ...] = ()


_going = _Going()


@contextmanager
def taking(name: str):
    """Within, the transform `name` is going on in this thread."""
    before, _going.names = _going.names, (*_going.names, name)
    try:
        yield
    finally:
        _going.names = before


def going_on() -> tuple[str, ...]:
    """The transforms that this thread is in, the outermost first."""
    return _going.names


class _Nobody:
    """Owns the leaves of a gradient that a transform takes."""

    _value = None


_nobody = _Nobody()
_nobody_at = weakref.ref(_nobody)


def fresh_values(values: list) -> list:
    """Each at a place of its own in the graph, with its history.

    Inside `vmap` every example has its own, whether or not it has a number of its own, unless they are all alike.
    """
    own = [b for b in batches() if not b.alike]
    made = [
        leaf_value(v, Leaf(_nobody_at))
        if v.__class__ is Value and not v.spec.needs and not own and hasattr(v, "array")
        else _fresh(v, own)
        for v in values
    ]
    if local.body is None and only_leaves(made):
        local.tape.enter_all(made)
    return made


def _fresh(v, own: list):
    """`v`, whatever it is, as `fresh_values` gives it; `own` are the batches whose examples have each their own."""
    for batch in own:
        v = _with_batch(v, batch.level, batch.size)
    mode = local.grad
    set_grad(True)
    try:
        return _nest(v, _aliased(base(v)))
    finally:
        set_grad(mode)


def _aliased(v):
    """A step of its own above `v`, whose gradient is wanted."""
    if not v.spec.needs:
        leaf = Leaf(_nobody_at)
        v = leaf_value(v, leaf) if hasattr(v, "array") else become_leaf(record(REGISTRY["detach"], (v,)), leaf)
    return record(REGISTRY["alias"], (v,))


def _nest(v, new):
    """`new` within the transforms that `v` is in."""
    if not isinstance(v, Lifted):
        return new
    made = v.around(_nest(v.inner, new))
    remember(made)
    return made


def _with_batch(v, level: int, size: int):
    """`v` with a batch at `level`: if it has none, the same number for every example."""
    if isinstance(v, Lifted) and v.level == level:
        return v
    if isinstance(v, Lifted) and v.level > level:
        return v.each(lambda part: _with_batch(part, level, size))
    return Batched(repeated(v, size), level)


def repeated(v, size: int):
    """`v` that many times, along a new dimension in front."""
    return record(REGISTRY["expand"], (v,), {"size": (size, *v.spec.shape)})


def _swapped(v):
    return record(REGISTRY["transpose"], (v,), {"dim0": 0, "dim1": 1})


def physical(g, like):
    """A cotangent of `like` as the walk needs it: with the batches of `like` as leading dimensions."""
    while isinstance(like, Lifted):
        if like.__class__ is Batched:
            g = _physical(g, like.level, like.size)
        like = like.inner
    return g


def _physical(g, level: int, size: int):
    if isinstance(g, Lifted) and g.level == level:
        return g.inner
    if g.__class__ is Batched and g.level > level:  # its own dimension stays in front
        return Batched(_swapped(_physical(g.inner, level, size)), g.level)
    if isinstance(g, Lifted) and g.level > level:
        return g.each(lambda part: _physical(part, level, size))
    return repeated(g, size)


def logical(g, like):
    """The inverse: a gradient that the walk found for `like`, as `like` is seen."""
    if not isinstance(like, Lifted):
        return g
    g = logical(g, like.inner)
    return _logical(g, like.level) if like.__class__ is Batched else g


def _logical(g, level: int):
    if g.__class__ is Batched and g.level > level:
        return Batched(_logical(_swapped(g.inner), level), g.level)
    if isinstance(g, Lifted) and g.level > level:
        return g.each(lambda part: _logical(part, level))
    return Batched(g, level)


def separate(root, target) -> bool:
    """Whether `root` is under a `vmap` that `target` is not under: its gradient would be summed over the batch."""
    return not _batch_levels(root) <= _batch_levels(target)


def _batch_levels(v) -> set[int]:
    levels = set()
    while isinstance(v, Lifted):
        if v.__class__ is Batched:
            levels.add(v.level)
        v = v.inner
    return levels
