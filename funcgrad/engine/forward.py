"""Forward mode: a primal with its tangent, which every operation carries along by its tangent operator."""

from __future__ import annotations

import threading

from ..op import REGISTRY, tangent_op
from ..tape import Lifted, exact, force, new_level, promoted, record, remember
from ..tape.uses import uses
from .transform import physical


class _Levels(threading.local):
    """The levels whose tangents this thread carries along."""

    active: frozenset[int] = frozenset()


_levels = _Levels()


def enter_level() -> int:
    """Begin a level of duals in this thread; returns its number."""
    level = new_level()
    _levels.active |= {level}
    return level


def exit_level(level: int) -> None:
    """From now on duals of that level are their primals."""
    _levels.active -= {level}


class Dual(Lifted):
    """A primal (`inner`) and its `tangent`, of the same shape and dtype."""

    __slots__ = ("tangent",)

    def __init__(self, inner, tangent, level: int):
        self.inner, self.tangent, self.level = inner, tangent, level
        self.spec = inner.spec

    @property
    def leaf(self):
        return self.inner.leaf

    def process(self, op, args, params: dict):
        mine = [a.__class__ is Dual and a.level == self.level for a in args]
        primals = [a.inner if own else a for a, own in zip(args, mine, strict=True)]
        out = record(op, primals, params)
        if self.level not in _levels.active:
            return out
        ys = out if out.__class__ is tuple else (out,)
        needs = tuple(own and a.spec.dtype.differentiable for a, own in zip(args, mine, strict=True))
        if op.exact and any(needs):  # a rule: its tangent is none where it reads no number that has one
            specs = tuple(None if a is None else a.spec for a in primals)
            read = uses(op, specs, [s and s.struct for s in specs], params, smoothly=True)
            needs = tuple(need and i in read for i, need in enumerate(needs))
        if op.rule is None or not any(needs) or not any(y.spec.dtype.differentiable for y in ys):
            return out
        op.check_derivable(needs)
        dtype = promoted(op, primals, params)
        tangents = [a.tangent if need else None for a, need in zip(args, needs, strict=True)]
        pushed = iter(
            record(
                tangent_op(op),
                (*tangents, *ys, *(exact(x, dtype) for x in primals)),
                {
                    "nout": None if ys[0] is out else len(ys),
                    "needs": needs,
                    "dtype": dtype,
                    "params": tuple(params.items()),
                },
            )
        )
        made = tuple(self._wrap(y, next(pushed)) if y.spec.dtype.differentiable else y for y in ys)
        return made if out.__class__ is tuple else made[0]

    def _wrap(self, y, t) -> Dual:
        made = Dual(y, t, self.level)
        if y.spec.needs:
            remember(made)
        return made

    def around(self, inner) -> Dual:
        return Dual(inner, self.tangent, self.level)

    def each(self, f) -> Dual:
        return Dual(f(self.inner), f(self.tangent), self.level)

    def shadow(self):
        return _Shadow(physical(self.tangent, self.inner), self.level)

    @property
    def live(self) -> bool:
        """Whether its level has not ended."""
        return self.level in _levels.active

    def force(self):
        return force(self.inner)


class _Shadow:
    """How a Dual sees its Value."""

    def __init__(self, tangent, level: int):
        self.tangent, self.level = tangent, level

    def lift(self, v) -> Dual:
        return Dual(v, self.tangent, self.level)


def dual(primal, tangent, level: int) -> Dual:
    """`primal` with `tangent`, at `level`; it has a place of its own in the graph."""
    made = Dual(record(REGISTRY["alias"], (primal,)), tangent, level)
    if made.spec.needs:
        remember(made)
    return made
