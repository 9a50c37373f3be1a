"""Values that a transform sees through: a primal with its tangent, a batch that looks like one example.

A Lifted is on no tape. An operation that reads one is given to the innermost transform among its
operands, which records what the operation means there on what it wraps, and wraps the results.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .value import Spec, place

_levels = itertools.count(1)


def new_level() -> int:
    """A level further inside than all that there are."""
    return next(_levels)


class Lifted:
    """A Value as one transform sees it.

    level  the number of the transform: the higher, the further inside
    inner  the Value (or Lifted of a lower level) that it wraps
    spec   what it looks like from within the transform
    """

    __slots__ = ("__weakref__", "inner", "level", "spec")

    inner: object
    level: int
    spec: Spec

    @property
    def leaf(self):
        return None

    def process(self, op, args: Sequence, params: dict):
        """Record `op` of `args`, none of which is of a higher level: a Value or Lifted, or a tuple of them."""
        raise NotImplementedError

    def around(self, inner) -> Lifted:
        """The same transform's view of another `inner`."""
        raise NotImplementedError

    def each(self, f) -> Lifted:
        """The same with `f` of every Value in it."""
        raise NotImplementedError

    def shadow(self):
        """What makes a Lifted like this of the Value it wraps, without holding that: `shadow.lift(inner)`. None where
        a backward does not go through the transform."""
        raise NotImplementedError

    def force(self):
        """Its array, or what is said to a user who looks."""
        raise NotImplementedError


def innermost(args: Sequence) -> Lifted | None:
    """The operand whose transform an operation belongs to."""
    found = None
    for a in args:
        if isinstance(a, Lifted) and (found is None or a.level > found.level):
            found = a
    return found


def base(v):
    """The Value under all transforms."""
    while isinstance(v, Lifted):
        v = v.inner
    return v


def remember(v: Lifted) -> None:
    """Let the graph know how `v` is lifted, so that a backward through it goes through the transform too."""
    where = place(base(v))
    shadow = v.shadow() if where.__class__ is tuple else None
    if shadow is not None:
        where[0].lifted.setdefault(where[1], []).append(shadow)


def lift_again(tape, slot: int, v):
    """The Value at `slot` as the transforms have seen it."""
    for shadow in tape.lifted.get(slot, ()):
        v = shadow.lift(v)
    return v
