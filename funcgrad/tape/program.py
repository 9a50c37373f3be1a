"""A Program: one path, lowered to one pure JAX function and compiled.

Lowering walks the path once, drops every step that no output needs, and evaluates the rest under
`jax.jit` with the arrays as arguments: donated ones first, then the others, then all scalars that vary
as one float64 and one int64 vector. Nothing is closed over but constants of the path itself.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import dtypes, precision
from .alone import OneByOne
from .describe import described
from .disk import cache_from_environment, lowered_before
from .numbers import Numbers
from .options import options_of
from .stats import stats
from .stretches import InPieces, Path, cut, traced_piece
from .trace import INPUT, LEAF, VARIED, Trace, specs_of
from .value import moved, spec

# JAX's own settings that change what a program computes
SETTINGS = ("jax_default_matmul_precision", "jax_default_prng_impl", "jax_threefry_partitionable")


_settings = attrgetter(*SETTINGS)


def settings() -> tuple:
    return (*_settings(jax.config), precision.convolutions_in_tf32)


class Program:
    """What a path computes: `outputs` (slots) from arrays at `donated` and `kept` and from scalars."""

    __slots__ = ("__weakref__", "call", "donated", "hosts", "kept", "numbers", "order", "outputs", "runs", "seconds")

    def __init__(self):
        self.runs = 0

    def run(self, entered: dict, scalars: dict) -> list:
        """The outputs, as arrays that JAX may still be computing."""
        self.runs += 1
        args = [entered[s].array for s in self.order]
        if np.ndarray in map(type, args):
            args = [moved(entered[s]) if type(a) is np.ndarray else a for s, a in zip(self.order, args, strict=True)]
        for n in self.numbers:
            args.append(n.vector([scalars[s] for s in n.slots]))
        with dtypes.x64():
            return self.call(*args)


def needed_steps(trace: Trace, outputs) -> tuple[list[Trace], list[tuple]]:
    """The steps of the path that `outputs` need, in order; and (slot, kind, constant, dtype) of every
    scalar that they read, also of one met first by a step that is not needed itself."""
    wanted, steps, scalars, node = set(outputs), [], [], trace
    while node is not None:
        if node.specs and not wanted.isdisjoint(node.outs):
            steps.append(node)
            wanted.update(a for a in node.args if a is not None)
        for slot, kind, const in zip(node.scalar_slots, node.kinds, node.consts, strict=True):
            if slot in wanted:
                scalars.append((slot, kind, const, node.scalar_spec(slot).dtype))
        node = node.parent
    steps.reverse()
    return steps, scalars


def lower(trace: Trace, outputs: tuple[int, ...], donatable: frozenset[int]) -> Program:
    """Compile the path to `trace` for `outputs`, in any order, donating those of `donatable` that XLA can use.

    Raises whatever tracing or compiling raises; the note says which operation of the user it was.
    """
    cache_from_environment()
    start = time.perf_counter()
    steps, scalars = needed_steps(trace, outputs)
    inputs = {t.first: t.spec for t in steps if t.kind is INPUT}
    p = Program()
    p.hosts = [t for t in steps if t.op is not None and t.op.host]
    # a host callback may raise in the middle: nothing is given away before it has not
    heirs = {} if p.hosts else _heirs(steps, outputs, donatable, specs_of(steps))
    _sorted(p, inputs, scalars, heirs, outputs)
    digest = partial(described, steps, scalars, (p.order, p.donated, p.outputs), settings())
    p.call = _in_pieces(p, steps, scalars) or _whole(_function(p, steps, scalars), p, steps, digest)
    return _counted(p, start)


def lower_alone(
    trace: Trace, outputs: tuple[int, ...], once: float, left: float, worn: Callable
) -> Program | None:
    """The path to `trace`, operation by operation (see `alone`); None if to run it `once` takes more seconds."""
    start = time.perf_counter()
    steps, scalars = needed_steps(trace, outputs)
    if any(t.op is not None and t.op.host for t in steps):
        return None
    path = Path(steps, outputs, specs_of(steps) | {slot: spec((), dtype) for slot, _, _, dtype in scalars})
    p = _sorted(Program(), {t.first: t.spec for t in steps if t.kind is INPUT}, scalars, {}, outputs)
    p.hosts = []
    constants = {slot: (kind, const, dtype) for slot, kind, const, dtype in scalars if const is not VARIED}
    lowering = (_traced, options_of(steps), settings())
    p.call = OneByOne(path, p.order, _dtyped(p, scalars), p.outputs, constants, lowering, once, left, worn)
    p.seconds = time.perf_counter() - start
    return p if p.call.worth else None


def _dtyped(p: Program, scalars: list) -> list[list[tuple]]:
    """(slot, dtype) of the scalars in each vector."""
    dtype = {slot: d for slot, _, _, d in scalars}
    return [[(s, dtype[s]) for s in n.slots] for n in p.numbers]


def lower_loop(trace: Trace, last: tuple, every: tuple, carried: dict, stacked: frozenset, length: int) -> Program:
    """Compile `length` rounds of the path to `trace` as one loop.

    last, every  the slots wanted as they are after the last round, and those wanted of every round, stacked
    carried      input -> the output that is this input of the next round
    stacked      inputs that come stacked, one for each round; so do the scalars that vary
    """
    cache_from_environment()
    start = time.perf_counter()
    outputs = tuple(dict.fromkeys((*last, *every, *carried.values())))
    steps, scalars = needed_steps(trace, outputs)
    inputs = {t.first: t.spec for t in steps if t.kind is INPUT}
    p = _sorted(Program(), inputs, scalars, {i: o for i, o in carried.items() if i in inputs}, outputs)
    p.hosts = [t for t in steps if t.op is not None and t.op.host]
    one, specs = _function(p, steps, scalars), specs_of(steps)
    rest = [s for s in last if s not in carried.values()]

    def loop(*args):
        given = dict(zip(p.order, args, strict=False))
        vectors = args[len(p.order) :]
        kept = {s: x for s, x in given.items() if s not in carried and s not in stacked}

        def body(carry, x):
            now, _ = carry
            arrays, numbers = x
            found = dict(zip(p.outputs, one(*({**kept, **now, **arrays}[s] for s in p.order), *numbers), strict=True))
            following = {i: found[carried[i]] for i in now}
            return (following, [found[s] for s in rest]), [found[s] for s in every]

        first = {i: given[i] for i in p.donated}
        blank = [jnp.zeros(specs[s].shape, specs[s].dtype.np) for s in rest]
        xs = ({s: given[s] for s in stacked if s in given}, vectors)
        (carry, final), all_ = lax.scan(body, (first, blank), xs, length)
        after = {carried[i]: x for i, x in carry.items()} | dict(zip(rest, final, strict=True))
        return [*(after[s] for s in (*(carried[i] for i in p.donated), *last)), *all_]

    p.call = _whole(loop, p, steps, None, {s: length for s in stacked}, length)
    p.outputs = (*(carried[i] for i in p.donated), *last)
    return _counted(p, start)


_KINDS = ((True, np.float64), (False, np.int64))


def _sorted(p: Program, inputs: dict, scalars: list, heirs: dict[int, int], outputs) -> Program:
    """The order of arguments and outputs: JAX gives donated arrays of a shape to its first outputs of that shape."""
    p.donated, p.outputs = tuple(heirs), tuple(dict.fromkeys((*heirs.values(), *outputs)))
    p.kept = tuple(s for s in inputs if s not in p.donated)
    p.order = (*p.donated, *p.kept)
    varied = [(s, kind is float) for s, kind, const, _ in scalars if const is VARIED]
    kinds = [Numbers([s for s, floating in varied if floating is is_float], t) for is_float, t in _KINDS]
    p.numbers = [n for n in kinds if n.slots]
    return p


def _function(p: Program, steps: list[Trace], scalars: list):
    """What the program computes, as JAX traces it."""

    def program(*args):
        env = dict(zip(p.order, args, strict=False))
        vectors = args[len(p.order) :]
        raw = {slot: const for slot, _, const, _ in scalars}
        for n, vector in zip(p.numbers, vectors, strict=True):
            raw.update((s, vector[i]) for i, s in enumerate(n.slots))
        for slot, _, _, dtype in scalars:
            env[slot] = jnp.asarray(raw[slot], dtype.np)
        for t in steps:
            evaluate(t, env)
        return [env[s] for s in p.outputs]

    return program


def _counted(p: Program, start: float) -> Program:
    p.seconds = time.perf_counter() - start
    stats.compiled(p.seconds)
    return p


def _in_pieces(p: Program, steps: list[Trace], scalars: list) -> InPieces | None:
    """The program as calls of smaller ones, where the path repeats itself (see `stretches`)."""
    constants = {slot: (kind, const, dtype) for slot, kind, const, dtype in scalars if const is not VARIED}
    found = None if p.hosts else cut(steps, p.outputs, specs_of(steps), constants)
    if found is None:
        return None
    lowering = (_traced, options_of(steps))
    return InPieces(*found, p.order, frozenset(p.donated), _dtyped(p, scalars), p.outputs, constants, lowering)


def _whole(function, p: Program, steps: list, digest=None, lengths: dict | None = None, rounds: int | None = None):
    """`function` compiled as one program of these steps. `digest` tells its path, where that may be kept on disk.
    `lengths`: of the inputs that come stacked; `rounds`: of stacked scalars."""
    lengths, lead = lengths or {}, () if rounds is None else (rounds,)
    inputs = {t.first: t.spec for t in steps if t.kind is INPUT}
    structs = [
        jax.ShapeDtypeStruct((lengths[s], *inputs[s].shape), inputs[s].dtype.np) if s in lengths else inputs[s].struct
        for s in p.order
    ]
    structs += [jax.ShapeDtypeStruct((*lead, len(n.slots)), n.dtype) for n in p.numbers]
    donated = partial(jax.jit, donate_argnums=tuple(range(len(p.donated))))
    with dtypes.x64(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Some donated buffers were not usable")
        jitted = donated(function)
        before = lowered_before(jitted, structs, digest) if digest is not None else None
        return (jitted if before is None else donated(before)).lower(*structs).compile(options_of(steps))


def evaluate(t: Trace, env: dict) -> None:
    """One step, on arrays or tracers: `env` maps slots to them."""
    if t.kind is INPUT:
        return
    if t.kind is LEAF:
        env[t.first] = env[t.args[0]]
        return
    arrays = [None if s is None else env[s] for s in t.args]
    if t.dtype is not None:
        to = t.dtype.np
        arrays = [x if x is None or x.dtype == to else lax.convert_element_type(x, to) for x in arrays]
    try:
        with precision.as_pytorch(), jax.named_scope("/".join((*t.mode.scope, t.op.name))):
            out = t.op.forward(*arrays, **t.params)
    except Exception as error:
        error.add_note(f"while lowering {t.op.name}, recorded at {t.line}")
        error.funcgrad_step = t
        raise
    for slot, s, x in zip(t.outs, t.specs, (out,) if t.single else out, strict=True):
        if x.shape != s.shape:
            raise AssertionError(f"{t.op.name} at {t.line} made shape {x.shape}, inferred {s.shape}")
        env[slot] = x if x.dtype == s.dtype.np else lax.convert_element_type(x, s.dtype.np)


def _traced(piece, made: list, given: frozenset, path: Path, constants: dict):
    return traced_piece(piece, made, given, path, constants, evaluate, _heirs)


def useful_donations(trace: Trace, outputs, donatable: frozenset[int]) -> int:
    """How many of these donations XLA can use."""
    steps, _ = needed_steps(trace, outputs)
    return len(_heirs(steps, outputs, donatable, specs_of(steps)))


FAR = 64  # steps between what is given up and what takes its place


def _heirs(steps: list[Trace], outputs, donatable: frozenset[int], specs: dict) -> dict[int, int]:
    """Input that may be given up -> the output of its shape and dtype that is written where it lay.

    That is the nearest one computed from it. Given to any other, it would have to be copied first, because it is still
    read when that is written.
    """
    makers = {slot: t for t in steps for slot in t.outs}
    wanted, heirs = set(outputs), {}
    for t in reversed(steps):
        mine = [s for s in t.outs if s in wanted] if t.kind is not INPUT else []
        for slot in mine:
            found = _nearest(slot, makers, specs, donatable, heirs)
            if found is not None:
                heirs[found] = slot
    return heirs


def _nearest(slot: int, makers: dict, specs: dict, donatable: frozenset, taken: dict) -> int | None:
    """The input nearest above `slot` that it can take the place of."""
    like, seen, todo = specs[slot].plain, {slot}, [slot]
    for _ in range(FAR):
        following = []
        for s in todo:
            for a in makers[s].args if s in makers else ():
                if a is None or a in seen or specs[a].plain is not like:
                    continue
                seen.add(a)
                if a in donatable and a not in taken:
                    return a
                following.append(a)
        if not following:
            return None
        todo = following
    return None
