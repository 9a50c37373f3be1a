"""The reverse sweep: walks a path backwards and records each operator's rule on the same tape.

There is no other engine. The walk over a path is remembered as a jump (see `jump`), so that the next
backward from the same step costs a look-up and the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..op import REGISTRY, backward_op
from ..tape import (
    INPUT,
    LEAF,
    LeafValue,
    Tape,
    Value,
    backward_params,
    constant,
    local,
    pending_value,
    place,
    reads,
    ready,
    record,
    set_grad,
    specs_of,
    stats,
)
from .leaf import Leaf

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
    "if you need to access saved tensors after calling backward."
)


@dataclass
class Swept:
    """What a sweep found: the gradient of each leaf reached, and of each target asked for."""

    leaves: dict[Leaf, Value] = field(default_factory=dict)
    targets: dict[int, Value] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Jump:
    """A whole walk, remembered on the step where it began.

    The graph is on the tape itself, or on one finished tape whose kept Values then enter again.
    """

    end: object
    visited: frozenset
    entries: tuple[tuple, ...]  # (slot here, slot on the finished tape, Spec of that)
    leaves: tuple[tuple, ...]  # (slot of the input, slot of its gradient, Spec of that)
    targets: tuple[tuple, ...]  # (number of the target, slot of its gradient, Spec of that)


def sweep(roots, targets=None, *, retain: bool = False, create: bool = False) -> Swept:
    """Gradients of `roots`, a list of (place, cotangent Value or None for ones, Spec).

    targets  None for every leaf, else a list of places; only what leads to them is walked
    retain   keep the graph for another sweep; else what it saved is given up
    create   record the rules so that they can be differentiated themselves
    """
    for _, g, _ in roots:
        if g is not None:
            ready(g)
    tape, side = local.tape, _only_tape(roots, targets)
    if side is None or side.hooks or not (side is tape or side.done):
        return _walk(roots, targets, retain, create, None)
    gs = tuple([None if g is None else tape.slot_of(g) for _, g, _ in roots])
    graph = None if side is tape else side.trace
    key = (graph, tuple([p[1] for p, _, _ in roots]), gs, _target_key(side, targets), create)
    jump = tape.trace.jumps.get(key)
    if jump is None or not _holds(jump, side):
        return _walk(roots, targets, retain, create, key)
    return _take(tape, side, jump, retain, create, targets)


def _only_tape(roots, targets) -> Tape | None:
    """The one tape that the roots and targets are on."""
    tapes = {p[0] if p.__class__ is tuple else None for p, _, _ in roots}
    tapes.update(t[0] if t.__class__ is tuple else None for t in targets or () if t.__class__ is not Leaf)
    return tapes.pop() if len(tapes) == 1 else None


def _edge(tape: Tape, slot: int):
    """The Leaf or older (tape, slot) behind an input; None if it wants no gradient."""
    return tape.edges.get(slot) if tape.done else place(tape.entered[slot])


def _holds(jump: Jump, side: Tape) -> bool:
    """Whether what the jump relies on is so this time: nothing freed, everything kept, leaves still leaves."""
    return (
        all(jump.visited.isdisjoint(f) for f in side.freed)
        and all([at in side.kept or at in side.scalars for _, at, _ in jump.entries])
        and all([_edge(side, s).__class__ is Leaf for s, _, _ in jump.leaves])
    )


def _target_key(tape: Tape, targets):
    """Targets as slots of this tape: a leaf stands for every slot where it entered."""
    if targets is None:
        return None
    slots: dict[Leaf, list[int]] = {t: [] for t in targets if t.__class__ is Leaf}
    for slot in (tape.edges if tape.done else tape.entered) if slots else ():
        leaf = _edge(tape, slot)
        if leaf.__class__ is Leaf and leaf in slots:
            slots[leaf].append(slot)
    return tuple([tuple(slots[t]) if t.__class__ is Leaf else t[1] for t in targets])


def _take(tape: Tape, side: Tape, jump: Jump, retain: bool, create: bool, targets) -> Swept:
    stats.jumps += 1
    tape.trace, tape.swept = jump.end, True
    for here, there, s in jump.entries:
        v = _kept(side, there, s, create)
        tape.inputs[v], tape.entered[here] = here, v
    found = Swept()
    leaves, pending = found.leaves, tape.pending
    for slot, at, s in jump.leaves:
        g = pending.get(at)
        if g is None:
            g = pending[at] = Value()
            g.tape, g.slot, g.spec = tape, at, s
        leaf = _edge(side, slot)
        if leaf in leaves:
            _add(leaves, leaf, g)
        else:
            leaves[leaf] = g
    for number, at, s in jump.targets:
        g = found.targets[number] = pending.get(at) or pending_value(tape, at, s)
        pending[at] = g
    _mark(side, jump.visited, retain)
    return _settle(found, targets)


def _kept(tape: Tape, slot: int, s, create: bool) -> Value:
    """What a finished tape kept at `slot`, as a Value to read; with its history if `create`."""
    if slot in tape.scalars:
        return constant(np.asarray(tape.scalars[slot], s.dtype.np), s.dtype)
    edge = (_edge(tape, slot) if slot in tape.edges else (tape, slot)) if create and s.needs else None
    v = LeafValue() if edge.__class__ is Leaf else Value()
    v.tape, v.home, v.array, v.graph = None, None, tape.kept[slot], None
    v.spec = s if edge is not None else s.plain
    if edge.__class__ is Leaf:
        v.owner = edge
    elif edge is not None:
        v.graph, v.slot = edge
    return v


def _settle(found: Swept, targets) -> Swept:
    """The gradients of targets that are leaves."""
    for i, t in enumerate(targets or ()):
        if t.__class__ is Leaf and t in found.leaves:
            found.targets[i] = found.leaves[t]
    return found


def _mark(tape: Tape, visited: frozenset, retain: bool) -> None:
    if retain or not visited:
        return
    tape.freed = (*tape.freed, visited)
    if tape.done:
        for slot, readers in list(tape.readers.items()):
            readers -= visited
            if not readers:
                del tape.readers[slot]
                tape.kept.pop(slot, None)


def _add(sums: dict, key, g: Value) -> None:
    old = sums.get(key)
    sums[key] = g if old is None else record(REGISTRY["add"], (old, g))


class _Side:
    """One tape of the graph during a walk: its steps, what is known of its slots, its gradients."""

    def __init__(self, tape: Tape):
        self.tape = tape
        self.steps = tape.trace.steps()
        self.specs = specs_of(self.steps)
        self.grads: dict[int, Value] = {}
        self.visited: set[int] = set()
        self.held: dict[int, Value] = {}
        self.reach: set[int] | None = None

    def edge(self, slot: int):
        return _edge(self.tape, slot) if self.specs[slot].needs else None

    def value(self, slot: int, create: bool) -> Value:
        """The forward Value at `slot`, to be read by a rule."""
        if not self.tape.done:
            with self.tape.lock:  # it may be another thread's
                return self.tape.at(slot)
        found = self.held.get(slot)
        if found is None:
            s = self.specs[slot]
            if slot in self.tape.kept or slot in self.tape.scalars:
                found = _kept(self.tape, slot, s, create)
            else:  # the rule asks for its shape only
                found = record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype})
            self.held[slot] = found
        return found


def _walk(roots, targets, retain: bool, create: bool, key) -> Swept:
    """The walk itself; remembers itself under `key` on the step where it began, if it can."""
    stats.walks += 1
    tape, mode = local.tape, local.grad
    began = tape.trace
    sides: dict[Tape, _Side] = {}
    found = Swept()
    numbers: dict = {}
    for i, t in enumerate(targets or ()):
        numbers.setdefault(t, []).append(i)
    _collect(sides, [p for p, _, _ in roots])
    if targets is not None:
        _reach(sides, numbers)
    ends: list[tuple[int, Value]] = []
    simple = key is not None
    set_grad(create)
    try:
        for p, g, s in roots:
            if g is None:
                g = record(REGISTRY["unit"], (), {"shape": s.shape, "dtype": s.dtype})
            if p.__class__ is Leaf:
                if targets is None or p in numbers:
                    _add(found.leaves, p, g)
            else:
                _add(sides[p[0]].grads, p[1], g)
        for side in sorted(sides.values(), key=_age, reverse=True):
            for t in reversed(side.steps):
                if t.op is None and not t.specs:
                    continue
                if not any(slot in side.grads for slot in t.outs):
                    continue
                gs = [_hooked(side, slot, side.grads.pop(slot, None)) for slot in t.outs]
                for slot, g in zip(t.outs, gs, strict=True):
                    for i in numbers.get((side.tape, slot), ()):
                        found.targets[i] = g
                if t.kind is INPUT or t.kind is LEAF:
                    leaf = side.edge(t.first)
                    if leaf.__class__ is Leaf:
                        ends.append((t.first, gs[0]))
                        if targets is None or leaf in numbers:
                            _add(found.leaves, leaf, gs[0])
                    elif leaf is not None:
                        simple = False
                        _add(sides[leaf[0]].grads, leaf[1], gs[0])
                    continue
                _step(side, t, gs, create)
    finally:
        set_grad(mode)
    local.tape.swept = True
    for side in sides.values():
        _mark(side.tape, frozenset(side.visited), retain)
    if simple and local.tape is tape:
        _remember(began, key, sides[roots[0][0][0]], ends, found, targets)
    return _settle(found, targets)


def _remember(began, key, side: _Side, ends, found: Swept, targets) -> None:
    tape = local.tape
    wanted = None if targets is None else {s for t in key[3] if t.__class__ is tuple for s in t}
    leaves = tuple((s, g.slot, g.spec) for s, g in ends if wanted is None or s in wanted)
    captured = tuple((i, found.targets[i].slot, found.targets[i].spec) for i, t in enumerate(targets or ())
                     if t.__class__ is tuple and i in found.targets)
    entries = tuple((tape.inputs[v], slot, side.specs[slot]) for slot, v in side.held.items() if v in tape.inputs)
    began.jumps[key] = Jump(tape.trace, frozenset(side.visited), entries, leaves, captured)


def _age(side: _Side) -> float:
    """Newer tapes come first; this thread's own is the newest."""
    if side.tape.done:
        return side.tape.serial
    return float("inf") if side.tape is local.tape else 1e18


def _collect(sides: dict, places) -> None:
    """Every tape that the graphs of `places` reach."""
    stack = [p[0] for p in places if p.__class__ is tuple]
    while stack:
        tape = stack.pop()
        if tape in sides:
            continue
        sides[tape] = side = _Side(tape)
        for t in side.steps:
            if t.kind is INPUT:
                edge = side.edge(t.first)
                if edge.__class__ is tuple:
                    stack.append(edge[0])


def _reach(sides: dict, wanted: dict) -> None:
    """Mark, on every side, the slots through which a target is reached."""
    for side in sorted(sides.values(), key=_age):
        reach = side.reach = {p[1] for p in wanted if p.__class__ is tuple and p[0] is side.tape}
        for t in side.steps:
            if t.kind is INPUT or t.kind is LEAF:
                edge = side.edge(t.first)
                if edge in wanted or (edge.__class__ is tuple and edge[1] in (sides[edge[0]].reach or ())):
                    reach.add(t.first)
            elif t.op is not None and not reach.isdisjoint(a for a in t.args if a is not None):
                reach.update(slot for slot, s in zip(t.outs, t.specs, strict=True) if s.needs)


def _hooked(side: _Side, slot: int, g: Value | None) -> Value | None:
    if g is not None:
        for hook in list(side.tape.hooks.get(slot, ())):
            g = hook(g) or g
    return g


def _step(side: _Side, t, gs: list, create: bool) -> None:
    """Record the rule of one step and hand its cotangents on."""
    arg_specs = tuple(None if a is None else side.specs[a] for a in t.args)
    wants = tuple(
        s is not None and s.needs and (side.reach is None or a in side.reach)
        for a, s in zip(t.args, arg_specs, strict=True)
    )
    if not any(wants):
        return
    if side.tape.freed and any(t.first in f for f in side.tape.freed):
        outs, ins = reads(t, arg_specs)
        if t.dtype is None:  # only a promoted operator wraps its scalars into tensors, which PyTorch saves
            ins = [i for i in ins if side.specs[t.args[i]].shape or t.args[i] not in side.tape.scalars]
        if outs or ins:
            raise RuntimeError(FREED)
    side.visited.add(t.first)
    params = {**backward_params(t, arg_specs), "needs": wants}
    ys = [side.value(slot, create) for slot in t.outs]
    xs = [None if a is None else side.value(a, create) for a in t.args]
    found = iter(record(backward_op(t.op), (*gs, *ys, *xs), params))
    for a, want in zip(t.args, wants, strict=True):
        if want:
            _add(side.grads, a, next(found))

