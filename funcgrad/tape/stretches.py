"""A long path in pieces: what repeats is compiled once and called again and again.

XLA takes time that grows with a program, on a CPU faster than it, and so does a run of one long chain of elementwise
operations. So a path of many operations is cut where it repeats (the layers of a deep net, the rounds of a loop): each
stretch is a program of its own, and stretches of the same structure share one. Cheap elementwise values of an earlier
stretch, which a backward reads, are computed again rather than handed over one by one.
"""

from __future__ import annotations

import atexit
import functools
import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np

from .. import dtypes
from .trace import LEAF, Trace
from .uses import arguments_read

LONG = 600  # operations from which a path is looked at
SHORTEST = 60  # operations that a repeated stretch covers, or it is left
PIECE = 150  # small operations in one piece
GAP = 512  # operations in a piece that does not repeat
MUCH = 50_000  # elements computed in one repetition that are worth a call of their own
HANDED = 24  # values from the piece before, more than which are computed again
WORTH = 0.6  # of all operations, the part that is compiled once each, above which nothing is gained
CHEAP = frozenset({"unary", "unary_float", "unary_bool", "binary", "binary_float", "compare", "ternary", "activation"})


class Piece:
    """Consecutive steps.

    own     steps of its stretch; `again` those of earlier ones that are computed here a second time
    reads   slots from outside, in order of first use; `makes` the slots that others read
    """

    __slots__ = ("again", "dead", "key", "local", "makes", "own", "reads")

    def __init__(self, own: list[Trace]):
        self.own, self.again, self.makes = own, [], []


class Path:
    """The steps that some outputs need, with leaves resolved to what they name."""

    def __init__(self, steps: list[Trace], outputs, specs: dict):
        self.specs = specs
        self.alias: dict[int, int] = {}
        for t in steps:
            if t.kind is LEAF:
                self.alias[t.first] = self.of(t.args[0])
        wanted, self.steps = {self.of(s) for s in outputs}, []
        self.outputs = frozenset(wanted)
        for t in reversed(steps):
            if t.op is not None and not wanted.isdisjoint(t.outs):
                self.steps.append(t)
                wanted.update(self.args(t))
        self.steps.reverse()

    def of(self, slot: int) -> int:
        return self.alias.get(slot, slot)

    def args(self, t: Trace) -> list[int]:
        """The slots whose numbers a step reads."""
        return [self.of(t.args[i]) for i in arguments_read(t, self.specs)]


def cut(steps: list[Trace], outputs, specs: dict, constants: dict) -> tuple[Path, list[Piece]] | None:
    """A path and its pieces, None if it is better left whole.

    constants  slot -> (kind, number, dtype) of the scalars that are part of the program
    """
    if sum(t.op is not None for t in steps) < LONG:
        return None
    path = Path(steps, outputs, specs)
    numbers: dict = {}
    found = _repeats([numbers.setdefault(k, len(numbers)) for k in kinds(path.steps, path.specs)])
    if not found:
        return None
    pieces = [Piece(path.steps[a:b]) for a, b in _bounds(found, path)]
    _connect(pieces, path, constants)
    keys: dict = {}
    for p in pieces:
        p.key = structure(p, path, constants)
        keys.setdefault(p.key, p)
    whole = sum(len(p.own) for p in pieces)
    return (path, pieces) if sum(len(p.own) for p in keys.values()) <= WORTH * whole else None


def kinds(steps: list[Trace], specs: dict) -> list[tuple]:
    """For each step, what is equal for steps that do the same to arrays of the same kind."""
    return [
        (t.op, tuple(t.params.items()), t.dtype, tuple([None if a is None else specs[a].plain for a in t.args]))
        for t in steps
    ]


def _repeats(tokens: list[int]) -> list[tuple[int, int, int]]:
    """(start, period, repetitions) of stretches that repeat, the longest found first; in order of their starts."""
    last: dict[int, int] = {}
    distances: Counter = Counter()
    for i, x in enumerate(tokens):
        if x in last:
            distances[i - last[x]] += 1
        last[x] = i
    periods = sorted(p for p, _ in distances.most_common(16))
    free, found = [True] * len(tokens), []
    while True:
        best = (SHORTEST - 1, 0, 0)
        for p in periods:
            start, n = 0, 0
            for i in range(len(tokens) - p + 1):
                if i < len(tokens) - p and free[i] and free[i + p] and tokens[i] == tokens[i + p]:
                    start, n = (i, 1) if n == 0 else (start, n + 1)
                    continue
                if n >= p and n + p > best[0]:
                    best = (n + p, start, p)
                n = 0
        length, start, p = best
        if not p:
            return sorted(found)
        times = length // p
        found.append((start, p, times))
        free[start : start + p * times] = [False] * (p * times)


def _bounds(found: list, path: Path) -> list[tuple[int, int]]:
    """Where the pieces begin and end."""
    bounds, at = [], 0
    for start, p, times in found:
        bounds += _chopped(at, start)
        # as many as of the stretches that repeat as often: a forward and its backward are cut at the same rounds
        longest = max(q for _, q, n in found if abs(n - times) <= times // 10)
        k = _together(path.steps[start : start + p], longest, times)
        ends = [start + p * min(times, i) for i in range(k, times + k, k)]
        bounds += zip([start, *ends], ends, strict=False)
        at = ends[-1]
    return [b for b in (*bounds, *_chopped(at, len(path.steps))) if b[0] < b[1]]


def _chopped(start: int, end: int) -> list[tuple[int, int]]:
    return [(i, min(i + GAP, end)) for i in range(start, end, GAP)]


def _together(steps: list[Trace], p: int, times: int) -> int:
    """How many repetitions make a piece."""
    if sum(math.prod(s.shape) for t in steps for s in t.specs) >= MUCH:
        return 1
    return max(1, min(times, PIECE // p))


def _connect(pieces: list[Piece], path: Path, constants: dict) -> None:
    """What each piece reads from outside, computes again, and makes for others."""
    home, maker = {}, {}
    for i, p in enumerate(pieces):
        for t in p.own:
            for slot in t.outs:
                home[slot], maker[slot] = i, t
    readers: dict[int, int] = {}
    for i, p in enumerate(pieces):
        read = read_outside(p.own, path, constants)
        near = sum(home.get(s) == i - 1 for s in read)
        again: dict[int, Trace] = {}
        todo = [s for s in read if _cheap(s, i, near, home, maker)]
        while todo:
            t = maker[todo.pop()]
            if t.first in again:
                continue
            again[t.first] = t
            todo += [s for s in path.args(t) if home.get(s) == home[t.first] and _cheap(s, i, HANDED + 1, home, maker)]
        p.again = [again[k] for k in sorted(again)]
        p.reads = read_outside([*p.again, *p.own], path, constants)
        for s in p.reads:
            readers[s] = i
    for i, p in enumerate(pieces):
        p.makes = [s for t in p.own for s in t.outs if s in path.outputs or readers.get(s, i) > i]
        p.dead = [s for s in p.reads if readers[s] == i and s not in path.outputs]


def _cheap(slot: int, i: int, near: int, home: dict, maker: dict) -> bool:
    """Whether piece `i` had better compute a slot of an earlier piece itself."""
    made = home.get(slot)
    return made is not None and maker[slot].op.family in CHEAP and (made < i - 1 or (made == i - 1 and near > HANDED))


def read_outside(steps: list[Trace], path: Path, constants: dict) -> list[int]:
    """The slots that some steps read and do not make."""
    own = {s for t in steps for s in t.outs}
    return list(dict.fromkeys(s for t in steps for s in path.args(t) if s not in own and s not in constants))


def structure(p: Piece, path: Path, constants: dict) -> tuple:
    """Equal for pieces that one program computes. Numbers a piece's slots as they come."""
    p.local = {s: i for i, s in enumerate(p.reads)}
    steps = []
    for t in (*p.again, *p.own):
        read = set(arguments_read(t, path.specs))
        args = []
        for i, a in enumerate(t.args):
            slot = None if a is None else path.of(a)
            if i in read:
                args.append(repr(constants[slot]) if slot in constants else p.local[slot])
            else:
                args.append(None if a is None else path.specs[a].plain)
        for slot in t.outs:
            p.local[slot] = len(p.local)
        steps.append((t.op, tuple(t.params.items()), t.dtype, t.specs, t.mode.scope, tuple(args)))
    return (tuple(steps), tuple(path.specs[s].plain for s in p.reads))


@functools.cache
def _wait_at_exit() -> None:
    """The last pieces may still run when a process ends that waited for a number of an earlier one."""
    atexit.register(lambda: [a.block_until_ready() for a in jax.live_arrays()])


class InPieces:
    """A program as calls of the programs of its pieces: what `Program.call` is of a path that is cut.

    order, scalars  what its arguments are: the slots of arrays, and (slot, dtype) in each vector of scalars after them
    donated         those of `order` that are given up
    """

    def __init__(self, path: Path, pieces: list[Piece], order, donated, scalars, outputs, constants: dict, lower):
        self.order, self.scalars = order, scalars
        self.outputs = [path.of(s) for s in outputs]
        self.fixed = {s: np.asarray(constants[s][1], constants[s][2].np) for s in self.outputs if s in constants}
        makes: dict[tuple, set] = {}
        gives: dict[tuple, set] = {}
        for p in pieces:
            makes.setdefault(p.key, set()).update(p.local[s] for s in p.makes)
            mine = {p.local[s] for s in p.dead if s in donated}
            gives[p.key] = gives.get(p.key, mine) & mine
        codes: dict = {}
        self.calls = []
        for p in pieces:
            slots = {i: s for s, i in p.local.items()}
            if p.key not in codes:
                made, given = ([slots[i] for i in sorted(found[p.key])] for found in (makes, gives))
                trace, options = lower
                traced, made = trace(p, made, frozenset(given), path, constants)
                call = traced.lower().compile(options)
                codes[p.key] = call, [p.local[s] for s in made]
            call, made = codes[p.key]
            mine = set(p.makes)
            self.calls.append((call, p.reads, [(i, slots[x]) for i, x in enumerate(made) if slots[x] in mine], p.dead))
        self.programs = len(codes)
        self._kept: list = [(None, {})] * len(scalars)
        _wait_at_exit()

    def __call__(self, *args):
        env = {**self.fixed, **dict(zip(self.order, args, strict=False))}
        for i, vector in enumerate(args[len(self.order) :]):
            env.update(self._numbers(i, vector))
        for code, reads, made, dead in self.calls:
            found = code(*[env[s] for s in reads])
            for s in dead:
                del env[s]
            for i, s in made:
                env[s] = found[i]
        return [env[s] for s in self.outputs]

    def _numbers(self, i: int, vector) -> dict:
        """The scalars in a vector; those of one that stays on the device stay there too."""
        kept, found = self._kept[i]
        if kept is vector:
            return found
        stays = type(vector) is not np.ndarray
        slots = self.scalars[i]
        found = scalars_in(vector, slots)
        if stays:
            found = jax.device_put(found)
            self._kept[i] = vector, found
        return found


def scalars_in(vector, slots: list[tuple]) -> dict:
    """slot -> what stands in `vector` for each (slot, dtype)."""
    return {s: np.asarray(x, dtype.np) for x, (s, dtype) in zip(np.asarray(vector), slots, strict=True)}


def traced_piece(p: Piece, made: list, given: frozenset, path: Path, constants: dict, evaluate, heirs_of):
    """The program of a piece as JAX traced it, from what it reads to what it makes; and that, in the order of its
    outputs. `evaluate` does one step on tracers, `heirs_of` finds which outputs take the places of those `given` up
    (see `program`)."""
    heirs = heirs_of(p.own, made, given, path.specs)
    donated = [i for i, s in enumerate(p.reads) if s in heirs]
    made = list(dict.fromkeys((*(heirs[p.reads[i]] for i in donated), *made)))

    def piece(*arrays):
        env = dict(zip(p.reads, arrays, strict=True))
        for t in (*p.again, *p.own):
            for a in t.args:
                if a is not None and a not in env:
                    env[a] = _array(path.of(a), env, path, constants)
            evaluate(t, env)
        return [env[s] for s in made]

    with dtypes.x64():
        jitted = jax.jit(piece, donate_argnums=donated)
        return jitted.trace(*(path.specs[s].struct for s in p.reads)), made


def _array(slot: int, env: dict, path: Path, constants: dict):
    """What a step is given at `slot`; zeros where it does not read the numbers."""
    if slot in env:
        return env[slot]
    if slot in constants:
        _, const, dtype = constants[slot]
        return jnp.asarray(const, dtype.np)
    s = path.specs[slot]
    return jnp.zeros(s.shape, s.dtype.np)
