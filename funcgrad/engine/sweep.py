"""The reverse sweep: from roots to the gradients of leaves and targets, by a jump if there is one, else a walk.

There is no other engine.
"""

from __future__ import annotations

from ..tape import Lifted, Tape, local, ready
from . import anomaly
from .jump import holds, key_of, remember, take
from .leaf import Leaf
from .task import GraphTask
from .walk import Swept, walk


def sweep(task: GraphTask) -> Swept:
    """The gradients of `task`, recorded on this thread's tape."""
    plain = not (local.watch or anomaly.state.enabled)
    for _, g, _ in task.roots:
        if isinstance(g, Lifted):
            plain = False
        elif g is not None:
            ready(g)
    side = _only_tape(task) if plain else None
    if side is None or side.hooks or side.attached or side.packed or side.lifted or not (
        side is local.tape or side.done
    ):
        return _settle(walk(task), task)
    tape, key = local.tape, key_of(task, side)
    began = tape.trace
    jump = tape.trace.jumps.get(key)
    if jump is not None and holds(jump, side):
        return _settle(take(jump, task, side), task)
    found = walk(task)
    if not found.crossed and local.tape is tape:
        remember(began, key, task.sides[side], found, task)
    return _settle(found, task)


def _only_tape(task: GraphTask) -> Tape | None:
    """The one tape that the roots and targets are on."""
    tapes = {p[0] if p.__class__ is tuple else None for p, _, _ in task.roots}
    tapes.update(t[0] if t.__class__ is tuple else None for t in task.targets or () if t.__class__ is not Leaf)
    return tapes.pop() if len(tapes) == 1 else None


def _settle(found: Swept, task: GraphTask) -> Swept:
    """The gradients of targets that are leaves."""
    for i, t in enumerate(task.targets or ()):
        if t.__class__ is Leaf and t in found.leaves:
            found.targets[i] = found.leaves[t]
    return found
