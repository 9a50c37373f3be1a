"""Paths that seldom come again, run operation by operation.

A text that grows by a word, a loop of another length each time (an episode, a sentence, the iterations of a solver) is
another path each time, and a program of its own costs seconds for one run. So where paths that ended at one line have
come once or twice, the next runs operation by operation: by NumPy where arrays are at hand and small enough (see
`interpreter`), else by programs of single operations, which paths share. It is compiled whole once it has come so
often that this would have cost less, or several times with hardly a run between. A long path of small arrays runs so
the first time anyway, in a hundredth of what XLA would take, until it shows that it comes again.

What either costs is estimated from sizes, not timed, so that the same script does the same things each time.
"""

from __future__ import annotations

import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from ..interpreter import interpreted
from .jaxprs import traced
from .mappings import crowded
from .options import little_effort
from .stats import stats
from .stretches import Path, Piece, read_outside, scalars_in, structure
from .trace import Trace

FEW = 3  # paths at one line that came once or twice, before others are run operation by operation
LONG = 2.0  # seconds that XLA would take, from which a path runs so the first time if that takes a `PART` of it
PART = 0.02
MOST = 20_000  # operations of a path that runs so: a longer one is compiled in pieces that repeat, which takes less
ONE, EACH = 0.03, 0.006  # seconds that XLA takes for a program, and for each operation in it
STEADY, NEAR = 3, 4  # runs of a path, each so few runs of others after the last, that make it one that comes again
CALL = 15e-6  # seconds that a call of a compiled operation takes
SMALL = 50_000  # elements that an operation reads and makes, up to which XLA need make little effort
KEPT = 4096  # single operations that are kept
LINES = 256  # lines that are remembered, with so many paths each
PATHS = 12

allowed = True  # see `plan.allow_alone`
_lines: OrderedDict[str, dict[int, weakref.ref]] = OrderedDict()  # line -> plans of paths that ended there
_singles: OrderedDict[tuple, Single] = OrderedDict()


def ended(line: str | None, plan) -> None:
    """Note a path that ended at `line` and has a new program."""
    if line is None:
        return
    here = _lines.setdefault(line, {})
    here[id(plan)] = weakref.ref(plan)
    _lines.move_to_end(line)
    if len(here) > PATHS:
        del here[next(iter(here))]
    if len(_lines) > LINES:
        _lines.popitem(last=False)


def forget() -> None:
    """Begin again: no line is known, no operation kept."""
    _lines.clear()
    _singles.clear()


def seldom(line: str | None, besides) -> bool:
    """Whether paths that end at `line` hardly come again, other than that of the plan `besides`."""
    plans = [ref() for ref in _lines.get(line, {}).values()]
    return sum(p is not None and p is not besides and p.runs <= 2 for p in plans) >= FEW


def price(operations: int) -> float:
    """What compiling a path takes, in seconds."""
    return ONE + EACH * operations


def _drop(singles: int) -> None:
    """Forget those that were used least recently."""
    for _ in range(singles):
        _singles.popitem(last=False)


class Single:
    """One operation: by NumPy until that has cost what compiling it would, then compiled.

    price  what is still to be paid before it runs for the first time, in seconds; `each` what a run takes
    """

    __slots__ = ("_by_numpy", "_call", "_spent", "each", "price")

    def __init__(self, by_numpy: ByNumpy | None):
        self._by_numpy, self._call, self._spent = by_numpy, None, 0.0
        self.each, self.price = (CALL, ONE) if by_numpy is None else (by_numpy.seconds, 0.0)

    def __call__(self, arrays: list, compile_: Callable) -> list:
        """What it makes of `arrays`; `compile_` makes its program when that is wanted."""
        if self._by_numpy is not None:
            if self._spent < ONE:
                self._spent += self.each
                return self._by_numpy(arrays)
            self._by_numpy = None
        if self._call is None:
            start = time.perf_counter()
            self._call = compile_()
            stats.compiled(time.perf_counter() - start)
            self.price, self.each = 0.0, CALL
            if crowded(1):
                _drop(len(_singles) // 2)
        return self._call(*arrays)


class ByNumpy:
    """The operation of a step, of arrays at `reads`, by NumPy."""

    __slots__ = ("_call", "_casts", "_order", "_results", "seconds")

    def __init__(self, call, t: Trace, path: Path, reads: list[int]):
        slots = [path.of(a) for a in t.args if a is not None]
        self._order = [reads.index(s) if s in reads else None for s in slots]  # what is not read is not there
        to = None if t.dtype is None else t.dtype.np
        self._casts = [None if to == path.specs[s].dtype.np else to for s in slots]
        self._results = [s.dtype.np for s in t.specs]
        self._call, self.seconds = call, call.seconds

    def __call__(self, arrays: list) -> list:
        arrays = list(map(np.asarray, arrays))
        given = [None if i is None else arrays[i] for i in self._order]
        cast = [x if to is None or x is None else x.astype(to) for x, to in zip(given, self._casts, strict=True)]
        found = self._call(*cast)
        return [x if x.dtype == dtype else x.astype(dtype) for x, dtype in zip(found, self._results, strict=True)]


class OneByOne:
    """What `Program.call` is of such a path: from arrays at `order`, then scalars in vectors, to arrays at `outputs`.

    each   what a run takes, in seconds
    worth  whether the first takes less than it may; if not, nothing else is set up
    """

    def __init__(
        self, path: Path, order, scalars: list, outputs, constants: dict, lower, once: float, left: float,
        worn: Callable,
    ):  # fmt: skip
        """`scalars`: (slot, dtype) of each in each vector; `constants`: slot -> (kind, number, dtype) of the others;
        `lower`: what traces an operation (see `traced_piece`), what XLA is told, and other settings that it depends on.
        `once`: the seconds that the first run may take, with what it takes before. When runs have taken `left` seconds,
        or come one after the other, `worn` is called."""
        self.order, self.scalars, self.outputs = order, scalars, [path.of(s) for s in outputs]
        self.fixed = {s: np.asarray(number, dtype.np) for s, (_, number, dtype) in constants.items()}
        self.left, self.worn, self.calls, self.each, self.worth = left, worn, [], 0.0, True
        self._ran, self._row = 0, 0  # the number of the last run, and how many came one after the other
        last: dict[int, int] = {}
        known: set[Single] = set()
        for i, t in enumerate(path.steps):
            single, reads, compile_ = _single(t, path, lower)
            self.each += single.each
            once -= single.each if single in known else single.each + single.price
            known.add(single)
            self.worth = once > 0
            if not self.worth:
                return
            self.calls.append((single, reads, compile_, t.first, len(t.specs), []))
            last |= dict.fromkeys((*reads, *t.outs), i)
        for slot, i in last.items():
            if slot not in path.outputs:
                self.calls[i][-1].append(slot)

    def __call__(self, *args):
        env = {**self.fixed, **dict(zip(self.order, args, strict=False))}
        for slots, vector in zip(self.scalars, args[len(self.order) :], strict=True):
            env.update(scalars_in(vector, slots))
        for single, reads, compile_, first, count, dead in self.calls:
            found = single([env[s] for s in reads], compile_)
            if count == 1:
                env[first] = found[0]
            else:
                env.update(zip(range(first, first + count), found, strict=True))
            for s in dead:
                del env[s]
        self.left -= self.each
        self._row = self._row + 1 if stats.runs - self._ran <= NEAR else 1
        self._ran = stats.runs
        if self.left < 0 or self._row >= STEADY:
            self.worn()
        return [_own(env[s]) for s in self.outputs]


def _compiled(piece: Piece, t: Trace, path: Path, trace: Callable, options):
    return trace(piece, list(t.outs), frozenset(), path, {})[0].lower().compile(options)


def _own(array):
    """Not a part of an array that may be given up."""
    if isinstance(array, np.ndarray) and array.flags.owndata and array.flags.c_contiguous and array.flags.writeable:
        return array
    return array if isinstance(array, jax.Array) else np.array(array, order="C")


def _by_numpy(t: Trace, path: Path, reads: list[int]) -> ByNumpy | None:
    """The operation of the step `t` by NumPy, where that can be and takes less than compiling it."""
    if jax.default_backend() != "cpu":
        return None
    specs = [None if a is None else path.specs[a] for a in t.args]
    structs = [s and jax.ShapeDtypeStruct(s.shape, (t.dtype or s.dtype).np) for s in specs]
    call = interpreted(traced(t.op, structs, t.params).jaxpr)
    return None if call is None or call.seconds > ONE else ByNumpy(call, t, path, reads)


def _single(t: Trace, path: Path, lower) -> tuple[Single, list[int], Callable]:
    """The operation of the step `t`, the slots that it reads, and what compiles it."""
    piece, (trace, options, settings) = Piece([t]), lower
    piece.reads = read_outside([t], path, {})
    elements = sum(math.prod(path.specs[s].shape) for s in (*piece.reads, *t.outs))
    if elements <= SMALL and jax.default_backend() == "cpu":
        options = {**(options or {}), **little_effort()}
    key = (structure(piece, path, {}), repr(options), settings)
    single = _singles.get(key)
    if single is None:
        single = _singles[key] = Single(_by_numpy(t, path, piece.reads))
        _drop(len(_singles) - KEPT)
    _singles.move_to_end(key)
    return single, piece.reads, partial(_compiled, piece, t, path, trace, options)
