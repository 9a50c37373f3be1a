"""The reverse sweep: from roots to the gradients of leaves and targets, by a jump if there is one, else a walk.

There is no other engine.
"""

from __future__ import annotations

from ..tape import Lifted, Tape, Value, local, ready
from . import anomaly
from .jump import again, key_of, land, leaves_of, remember, take
from .leaf import Leaf
from .task import GraphTask
from .walk import Swept, walk


def sweep(task: GraphTask) -> Swept:
    """The gradients of `task`, recorded on this thread's tape."""
    plain = _unwatched()
    for _, g, _ in task.roots:
        if isinstance(g, Lifted):
            plain = False
        elif g is not None:
            ready(g)
    side = _only_tape(task) if plain else None
    if side is None or _has_guests(side) or not (side is local.tape or side.done):
        return _settle(walk(task), task)
    tape, key = local.tape, key_of(task, side)
    began = tape.trace
    jump = tape.trace.jumps.get(key)
    ends = None if jump is None else leaves_of(jump, side)
    if ends is not None:
        return _settle(take(jump, task, side, ends), task)
    found = walk(task)
    if not found.crossed and local.tape is tape:
        remember(began, key, task.sides[side], found, task)
    return _settle(found, task)


def gradients_again(root: Value, leaves: list[Value], slots: tuple) -> list[Value] | None:
    """The gradients of `root` for leaves that entered this thread's tape at `slots`, if a jump knows one for each; else
    None. What `sweep` finds for leaves without hooks, sooner; the graph is retained."""
    tape = local.tape
    if root.tape is not tape or tape.freed or _has_guests(tape) or not _unwatched():
        return None
    known = again(root.slot, slots)
    if known is None or any([v.owner.hooks for v in leaves]):
        return None
    return land(known.end, known.gradients)


def _unwatched() -> bool:
    return not (local.watch or anomaly.state.enabled)


def _has_guests(tape: Tape) -> bool:
    """Whether something hangs on this taking of the path that another taking may not have."""
    return bool(tape.hooks or tape.attached or tape.packed or tape.lifted)


def _only_tape(task: GraphTask) -> Tape | None:
    """The one tape that the roots and targets are on."""
    if task.targets is None and len(task.roots) == 1:
        place = task.roots[0][0]
        return place[0] if place.__class__ is tuple else None
    tapes = {p[0] if p.__class__ is tuple else None for p, _, _ in task.roots}
    tapes.update(t[0] if t.__class__ is tuple else None for t in task.targets or () if t.__class__ is not Leaf)
    return tapes.pop() if len(tapes) == 1 else None


def _settle(found: Swept, task: GraphTask) -> Swept:
    """The gradients of targets that are leaves."""
    if task.targets is not None:
        for i, t in enumerate(task.targets):
            if t.__class__ is Leaf and t in found.leaves:
                found.targets[i] = found.leaves[t]
    return found
