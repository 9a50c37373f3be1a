"""A jump: a whole walk remembered on the step where it began, so that the next backward from there costs a
look-up and the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..tape import Tape, Value, local, pending_value, stats
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
    leaves: tuple[tuple, ...]  # (slot of the input, slot of its gradient, Spec of that)
    targets: tuple[tuple, ...]  # (number of the target, slot of its gradient, Spec of that)


def key_of(task: GraphTask, side: Tape) -> tuple:
    """What a walk over the one tape `side` depends on besides the path and the graph."""
    tape = local.tape
    gs = tuple([None if g is None else tape.slot_of(g) for _, g, _ in task.roots])
    graph = None if side is tape else side.trace
    return (graph, tuple([p[1] for p, _, _ in task.roots]), gs, _target_key(side, task.targets), task.create)


def _target_key(tape: Tape, targets):
    """Targets as slots of this tape: a leaf stands for every slot where it entered."""
    if targets is None:
        return None
    slots: dict[Leaf, list[int]] = {t: [] for t in targets if t.__class__ is Leaf}
    for slot in (tape.edges if tape.done else tape.entered) if slots else ():
        leaf = edge_of(tape, slot)
        if leaf.__class__ is Leaf and leaf in slots:
            slots[leaf].append(slot)
    return tuple([tuple(slots[t]) if t.__class__ is Leaf else t[1] for t in targets])


def holds(jump: Jump, side: Tape) -> bool:
    """Whether what the jump relies on is so this time: nothing freed, everything kept, leaves still leaves."""
    return (
        all(jump.visited.isdisjoint(f) for f in side.freed)
        and all([at in side.kept or at in side.scalars for _, at, _ in jump.entries])
        and all([edge_of(side, s).__class__ is Leaf for s, _, _ in jump.leaves])
    )


def take(jump: Jump, task: GraphTask, side: Tape) -> Swept:
    """Go where the walk went, without walking."""
    tape = local.tape
    stats.jumps += 1
    tape.trace, tape.swept = jump.end, True
    for here, there, s in jump.entries:
        v = kept(side, there, s, task.create)
        tape.inputs[v], tape.entered[here] = here, v
    found = Swept()
    leaves, pending = found.leaves, tape.pending
    for slot, at, s in jump.leaves:
        g = pending.get(at)
        if g is None:
            g = pending[at] = Value()
            g.tape, g.slot, g.spec = tape, at, s
        leaf = edge_of(side, slot)
        if leaf in leaves:
            add(leaves, leaf, g)
        else:
            leaves[leaf] = g
    for number, at, s in jump.targets:
        g = found.targets[number] = pending.get(at) or pending_value(tape, at, s)
        pending[at] = g
    mark(side, jump.visited, task.retain)
    return found


def remember(began, key, side: Side, found: Swept, task: GraphTask) -> None:
    """Leave a jump for the walk that was just made, on the step where it began."""
    tape = local.tape
    wanted = None if task.targets is None else {s for t in key[3] if t.__class__ is tuple for s in t}
    leaves = tuple((s, g.slot, g.spec) for s, g in found.ends if wanted is None or s in wanted)
    captured = tuple((i, found.targets[i].slot, found.targets[i].spec) for i, t in enumerate(task.targets or ())
                     if t.__class__ is tuple and i in found.targets)
    entries = tuple((tape.inputs[v], slot, side.specs[slot]) for slot, v in side.held.items() if v in tape.inputs)
    began.jumps[key] = Jump(tape.trace, frozenset(side.visited), entries, leaves, captured)
