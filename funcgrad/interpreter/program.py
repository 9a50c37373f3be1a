"""A jaxpr laid open as a list of calls of NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import numpy as np

from .draws import DRAWS, MOVES
from .elementwise import ELEMENTWISE
from .indexing import INDEXING
from .products import PRODUCTS, work
from .reductions import REDUCTIONS
from .shapes import SHAPES, Aval

TABLE = {**ELEMENTWISE, **SHAPES, **REDUCTIONS, **INDEXING, **PRODUCTS, **DRAWS}
CALL = 1.5  # microseconds that a call of NumPy takes before its elements
# jaxprs within jaxprs: name of the primitive -> name of its parameter
NESTED = {
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "remat2": "jaxpr",
    "checkpoint": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr",
}  # fmt: skip


class Step(NamedTuple):
    """One call: from what is at `reads` to `makes`, several of them as a sequence; `dead` is read no more.

    call  None where the primitive, or the kind of number, is not interpreted
    """

    call: Callable | None
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    several: bool
    seconds: float
    dead: tuple[int, ...] = ()


class Interpreted:
    """A jaxpr as calls of NumPy: `f(*arrays)` returns its results, as a list.

    Results may be parts of the arguments, and must not be written to.

    seconds  what a call takes, estimated from the sizes
    """

    __slots__ = ("_blank", "_count", "_steps", "outputs", "seconds")

    def __init__(self, steps: list[Step], count: int, blank: list, outputs: list[int]):
        self._steps, self._count, self._blank, self.outputs = steps, count, blank, outputs
        self.seconds = sum(s.seconds for s in steps)

    def __call__(self, *arrays) -> list:
        env = self._blank.copy()
        env[: self._count] = arrays
        with np.errstate(all="ignore"):
            for call, reads, makes, several, _, dead in self._steps:
                found = call(*[env[i] for i in reads])
                if several:
                    for i, x in zip(makes, found, strict=True):
                        env[i] = x
                else:
                    env[makes[0]] = found
                for i in dead:
                    env[i] = None
        return [env[i] for i in self.outputs]


def interpreted(jaxpr) -> Interpreted | None:
    """A jaxpr as calls of NumPy; None if something in it is in no table."""
    return LaidOpen(jaxpr).program()


class LaidOpen:
    """A jaxpr, closed or without constants, with none within: every variable has a place, every primitive is a Step."""

    def __init__(self, jaxpr):
        consts, jaxpr = getattr(jaxpr, "consts", ()), getattr(jaxpr, "jaxpr", jaxpr)
        self.count = len(jaxpr.invars)
        self.steps: list[Step] = []
        self.blank: list = [None] * self.count  # what is at each place before the first step
        self.outputs = self._lay_open(jaxpr, consts, range(self.count))
        self.effects = bool(jaxpr.effects)

    def program(self, wanted: slice = slice(None)) -> Interpreted | None:
        """What computes the results, or a part of them; None if something that it needs is in no table."""
        outputs = self.outputs[wanted]
        steps = _living(self.steps, outputs)
        if self.effects or any(s.call is None for s in steps):
            return None
        return Interpreted(steps, self.count, self.blank, outputs)

    def _place(self, value=None) -> int:
        self.blank.append(value)
        return len(self.blank) - 1

    def _lay_open(self, jaxpr, consts, given: Iterable[int]) -> list[int]:
        """The places of the results, of `jaxpr` given its arguments at those places."""
        where = dict(zip(jaxpr.invars, given, strict=True))
        where.update((v, self._place(_constant(c, v.aval))) for v, c in zip(jaxpr.constvars, consts, strict=True))

        def at(v) -> int:
            return self._place(_constant(v.val, v.aval)) if hasattr(v, "val") else where[v]

        for eqn in jaxpr.eqns:
            name = eqn.primitive.name
            reads = [at(v) for v in eqn.invars]
            if name in NESTED:
                inner = eqn.params[NESTED[name]]
                made = self._lay_open(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), reads)
            else:
                made = [self._place() for _ in eqn.outvars]
                call, seconds = _called(name, eqn)
                self.steps.append(Step(call, tuple(reads), tuple(made), eqn.primitive.multiple_results, seconds))
            where.update(zip(eqn.outvars, made, strict=True))
        return [at(v) for v in jaxpr.outvars]


def _called(name: str, eqn) -> tuple[Callable | None, float]:
    """What does this equation, and what it takes in seconds."""
    ins, outs = ([_words(v.aval) for v in vs] for vs in (eqn.invars, eqn.outvars))
    if not all(map(_known, (*ins, *outs))):
        return None, 0.0
    if name not in MOVES and any(a.__class__ is Aval for a in (*ins, *outs)):
        return None, 0.0
    if name == "scan":
        return _scan(eqn.params, ins, outs)
    make, each = TABLE.get(name, (None, 0.0))
    call = make(eqn.params, ins, outs) if make is not None else None
    elements = max((math.prod(a.shape) for a in (*ins, *outs)), default=0)
    more = work(name, eqn.params, ins, outs) if name in PRODUCTS else 0.0
    return call, CALL * 1e-6 + (each * elements + more) * 1e-9


def _words(aval):
    """Of keys: as the words that they are."""
    is_key = str(getattr(aval, "dtype", None)) == "key<fry>"
    return Aval((*aval.shape, 2), np.dtype(np.uint32)) if is_key else aval


def _constant(value, aval):
    """Not to be written to, whoever is handed it."""
    words = _words(aval)
    if not _known(words):
        return None
    made = np.array(value if words is aval else jax.random.key_data(value), words.dtype)
    made.flags.writeable = False
    return made


def _known(aval) -> bool:
    dtype = getattr(aval, "dtype", None)
    return isinstance(dtype, np.dtype) and (dtype.kind in "biuc" or (dtype.kind == "f" and dtype.itemsize >= 4))


def _scan(params, ins, outs) -> tuple[Callable | None, float]:
    """Constants come first, then what is carried, then what is stacked, which has one dimension more outside."""
    body, length, inner = interpreted(params["jaxpr"]), params["length"], params["jaxpr"]
    if body is None:
        return None, 0.0
    inner = getattr(inner, "jaxpr", inner)
    last = sum(a.shape == v.aval.shape for a, v in zip(ins, inner.invars, strict=True))
    carried = sum(a.shape == v.aval.shape for a, v in zip(outs, inner.outvars, strict=True))
    first, stacked = last - carried, outs[carried:]
    order = range(length - 1, -1, -1) if params["reverse"] else range(length)

    def scan(*args):
        fixed, carry, xs = args[:first], args[first:last], args[last:]
        ys = [np.empty(a.shape, a.dtype) for a in stacked]
        for i in order:
            found = body(*fixed, *carry, *[x[i] for x in xs])
            carry = found[:carried]
            for whole, y in zip(ys, found[carried:], strict=True):
                whole[i] = y
        return [*carry, *ys]

    return scan, length * body.seconds


def _living(steps: list[Step], outputs: list[int]) -> list[Step]:
    """The steps that the outputs need, each with what it is the last to read."""
    wanted, read, found = set(outputs), set(outputs), []
    for s in reversed(steps):
        if wanted.isdisjoint(s.makes):
            continue
        wanted.update(s.reads)
        dead = {*s.reads, *s.makes}.difference(read)
        read.update(s.reads)
        found.append(s._replace(dead=tuple(dead)))
    found.reverse()
    return found
