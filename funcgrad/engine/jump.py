"""A jump: a whole walk remembered on the step where it began, so that the next backward from there costs a
look-up and the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..tape import LeafValue, Tape, Value, local, pending_value, stats
from .leaf import Leaf
from .side import Side, edge_of, kept, mark
from .task import GraphTask
from .walk import Swept, add


@dataclass(frozen=True, eq=False)
class Jump:
    """A whole walk.

    The graph is on the tape itself, or on one finished tape whose kept Values then enter again.
    """

    end: object
    visited: frozenset
    entries: tuple[tuple, ...]  # (slot here, slot on the finished tape, Spec of that)
    leaves: tuple[int, ...]  # the slots where the leaves it ended at entered
    gradients: tuple[tuple, ...]  # (slot, Spec) of the gradient of each
    targets: tuple[tuple, ...]  # (number of the target, slot of its gradient, Spec of that)


def key_of(task: GraphTask, side: Tape) -> tuple:
    """What a walk over the one tape `side` depends on besides the path and the graph."""
    tape = local.tape
    gs = tuple([None if g is None else tape.slot_of(g) for _, g, _ in task.roots])
    graph = None if side is tape else side.trace
    return (graph, tuple([p[1] for p, _, _ in task.roots]), gs, _target_key(side, task.targets), task.create)


def leaves_key(root: int, slots: tuple) -> tuple:
    """`key_of` a walk from ones at the slot `root` of this tape to leaves that entered once each, at `slots`."""
    return (None, (root,), (None,), tuple([(s,) for s in slots]), False)


@dataclass(frozen=True, eq=False)
class Again:
    """A jump whose leaves, which entered once each, all got a gradient: (slot, Spec) of each, in their order."""

    end: object
    gradients: tuple[tuple, ...]


def again(root: int, slots: tuple) -> Again | None:
    """What a walk like that of `leaves_key` found here, if every leaf got a gradient."""
    jumps = local.tape.trace.jumps
    known = jumps.get((root, slots))
    if known is None:
        jump = None if None in slots else jumps.get(leaves_key(root, slots))
        if jump is None or jump.entries:
            return None
        found = dict(zip(jump.leaves, jump.gradients, strict=True))
        if not found.keys() >= set(slots):
            return None
        known = jumps[root, slots] = Again(jump.end, tuple([found[s] for s in slots]))
    return known


def _target_key(tape: Tape, targets):
    """Targets as slots of this tape: a leaf stands for every slot where it entered."""
    if targets is None:
        return None
    slots: dict[Leaf, list[int]] = {t: [] for t in targets if t.__class__ is Leaf}
    if slots:
        for slot, edge in tape.edges.items() if tape.done else _ends(tape):
            if edge in slots:
                slots[edge].append(slot)
    return tuple([tuple(slots[t]) if t.__class__ is Leaf else t[1] for t in targets])


def _ends(tape: Tape) -> list:
    """(slot, Leaf) of the leaves that entered a tape that is not done."""
    return [(slot, v.owner) for slot, v in tape.entered.items() if v.__class__ is LeafValue]


def leaves_of(jump: Jump, side: Tape) -> list[Leaf] | None:
    """Where the jump ends; None if what it relies on is not so this time: something freed or not kept, a leaf no
    more."""
    if not jump.visited.isdisjoint(side.freed):
        return None
    if jump.entries and not all([at in side.kept or at in side.scalars for _, at, _ in jump.entries]):
        return None
    leaves = [edge_of(side, slot) for slot in jump.leaves]
    return leaves if ONLY_LEAVES.issuperset(map(type, leaves)) else None


ONLY_LEAVES = frozenset({Leaf})


def land(end, gradients) -> list[Value]:
    """Go where the walk went, without walking: the Values at each (slot, Spec)."""
    tape = local.tape
    stats.jumps += 1
    tape.trace, tape.swept = end, True
    pending, found = tape.pending, []
    for at, s in gradients:
        g = pending.get(at)
        if g is None:
            g = pending[at] = Value()
            g.tape, g.slot, g.spec = tape, at, s
        found.append(g)
    return found


def take(jump: Jump, task: GraphTask, side: Tape, ends: list[Leaf]) -> Swept:
    """What the walk of `task` would find, by a jump; `ends` are the leaves this time."""
    tape, found = local.tape, Swept()
    for here, there, s in jump.entries:
        v = kept(side, there, s, task.create)
        tape.inputs[v], tape.entered[here] = here, v
    for g, leaf in zip(land(jump.end, jump.gradients), ends, strict=True):
        if leaf in found.leaves:
            add(found.leaves, leaf, g)
        else:
            found.leaves[leaf] = g
    for number, at, s in jump.targets:
        g = found.targets[number] = tape.pending.get(at) or pending_value(tape, at, s)
        tape.pending[at] = g
    mark(side, jump.visited, task.retain)
    return found


def remember(began, key, side: Side, found: Swept, task: GraphTask) -> None:
    """Leave a jump for the walk that was just made, on the step where it began."""
    tape = local.tape
    wanted = None if task.targets is None else {s for t in key[3] if t.__class__ is tuple for s in t}
    ends = [(s, g) for s, g in found.ends if wanted is None or s in wanted]
    leaves, gradients = tuple(s for s, _ in ends), tuple((g.slot, g.spec) for _, g in ends)
    captured = tuple((i, found.targets[i].slot, found.targets[i].spec) for i, t in enumerate(task.targets or ())
                     if t.__class__ is tuple and i in found.targets)
    entries = tuple((tape.inputs[v], slot, side.specs[slot]) for slot, v in side.held.items() if v in tape.inputs)
    began.jumps[key] = Jump(tape.trace, frozenset(side.visited), entries, leaves, gradients, captured)
