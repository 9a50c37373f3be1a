"""Paths that seldom come again, run operation by operation.

A loop of another length each time (an episode, a sentence, the iterations of a solver) is another path each time, and a
program of its own costs seconds for one run. So where several paths that ended at one line have come once or twice,
the next is run by programs of single operations, which paths share: its numbers are inputs of them, too. It is compiled
whole once it has come so often that this would have cost less.
"""

from __future__ import annotations

import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from .moves import mover
from .options import little_effort
from .stats import stats
from .stretches import Path, Piece, kinds, read_outside, scalars_in, structure
from .trace import Trace, specs_of
from .uses import arguments_read

FEW = 3  # paths at one line that came once or twice, before others are run operation by operation
SHORTEST = 48  # operations of a path for which that is asked
REPEATS = 3  # times that an operation of it comes, in the mean
SHARED = 0.6  # of its operations, the part that those others had, too
SMALL = 50_000  # elements that an operation reads and makes, up to which XLA need make little effort
KEPT = 4096  # programs of single operations that are kept
LINES = 256  # lines that are remembered


class Seen(NamedTuple):
    """A path that was compiled whole: its Program, held weakly; seconds for an operation; what its operations do, to
    arrays of which kinds."""

    program: weakref.ref
    rate: float
    kinds: frozenset


_lines: OrderedDict[str, dict[int, Seen]] = OrderedDict()  # line -> paths that ended there, by `id`
_codes: OrderedDict[tuple, Callable] = OrderedDict()


def compiled_whole(line: str | None, trace: Trace, program) -> None:
    """Note the program of the path to `trace`, which ended at `line`."""
    if line is None or trace.nops < SHORTEST:
        return
    here = _lines.setdefault(line, {})
    here[id(trace)] = Seen(weakref.ref(program), program.seconds / trace.nops, _kinds(trace))
    _lines.move_to_end(line)
    if len(here) > 4 * FEW:
        del here[next(iter(here))]
    if len(_lines) > LINES:
        _lines.popitem(last=False)


def forget() -> None:
    """Begin again: no line is known, no program of an operation kept."""
    _lines.clear()
    _codes.clear()


def price(line: str | None, trace: Trace) -> float | None:
    """What it may cost to run the path to `trace`, which ends at `line`, operation by operation, in seconds: what
    compiling it would. None where paths come again, or have little in common."""
    here = _lines.get(line, {}) if trace.nops >= SHORTEST else {}
    seldom = [s for s in here.values() if s.program() is not None and s.program().runs <= 2]
    if len(seldom) < FEW:
        return None
    mine, known = _kinds(trace), frozenset().union(*[s.kinds for s in seldom])
    return trace.nops * max(s.rate for s in seldom) if len(mine & known) >= SHARED * len(mine) else None


def _kinds(trace: Trace) -> frozenset:
    steps = trace.steps()
    return frozenset(kinds([t for t in steps if t.op is not None], specs_of(steps)))


def repeated(path: Path) -> bool:
    """Whether a path consists of much the same operations over and over."""
    found = kinds(path.steps, path.specs)
    return len(found) >= SHORTEST and len(found) >= REPEATS * len(set(found))


class OneByOne:
    """What `Program.call` is of such a path: from arrays at `order`, then scalars in vectors, to arrays at `outputs`.

    compiled  how many operations had to be compiled for it
    """

    def __init__(self, path: Path, order, scalars: list, outputs, constants: dict, lower, price: float, worn: Callable):
        """`scalars`: (slot, dtype) of each in each vector; `constants`: slot -> (kind, number, dtype) of the others;
        `lower`: what compiles (see `compiled_piece`), what XLA is told, and other settings that it depends on. When the
        runs have taken `price` seconds, `worn` is called."""
        self.order, self.scalars, self.outputs = order, scalars, [path.of(s) for s in outputs]
        self.fixed = {s: np.asarray(number, dtype.np) for s, (_, number, dtype) in constants.items()}
        self.left, self.worn, self.compiled, self.calls = price, worn, 0, []
        last: dict[int, int] = {}
        for i, t in enumerate(path.steps):
            code, reads = self._code(t, path, lower)
            self.calls.append((code, reads, t.first, len(t.specs), []))
            last |= dict.fromkeys((*reads, *t.outs), i)
        for slot, i in last.items():
            if slot not in path.outputs:
                self.calls[i][4].append(slot)

    def _code(self, t: Trace, path: Path, lower) -> tuple[Callable, list[int]]:
        positions = arguments_read(t, path.specs)
        moves = mover(t, positions, path.specs)
        if moves is not None:
            return moves, [path.of(t.args[i]) for i in positions]
        piece, (compile_, options, settings) = Piece([t]), lower
        piece.reads = read_outside([t], path, {})
        elements = sum(math.prod(path.specs[s].shape) for s in (*piece.reads, *t.outs))
        if elements <= SMALL and jax.default_backend() == "cpu":
            options = {**(options or {}), **little_effort()}
        key = (structure(piece, path, {}), repr(options), settings)
        code = _codes.get(key)
        if code is None:
            start = time.perf_counter()
            code, _ = compile_(piece, list(t.outs), frozenset(), path, {}, options=options)
            _codes[key] = code
            self.compiled += 1
            stats.compiles += 1
            stats.seconds += time.perf_counter() - start
            while len(_codes) > KEPT:
                _codes.popitem(last=False)
        _codes.move_to_end(key)
        return code, piece.reads

    def __call__(self, *args):
        start = time.perf_counter()
        env = {**self.fixed, **dict(zip(self.order, args, strict=False))}
        for slots, vector in zip(self.scalars, args[len(self.order) :], strict=True):
            env.update(scalars_in(vector, slots))
        for code, reads, first, count, dead in self.calls:
            found = code(*[env[s] for s in reads])
            if count == 1:
                env[first] = found[0]
            else:
                env.update(zip(range(first, first + count), found, strict=True))
            for s in dead:
                del env[s]
        self.left -= time.perf_counter() - start
        if self.left < 0:
            self.worn()
        return [env[s] for s in self.outputs]
