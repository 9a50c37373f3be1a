"""Whether the result of a transform has a history outside it, and must keep one."""

from __future__ import annotations

from ..engine import Leaf, gradients_again, place
from ..engine.side import collect
from ..tape import Value, base, local, only_leaves
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap_all


def depends_outside(value: Tensor, inputs: list[Tensor]) -> bool:
    """Whether `value` has history besides that of `inputs`, the arguments of the transform."""
    where = place(value_of(value))
    if where.__class__ is not tuple:
        return where is not None
    tape = local.tape
    if where[0] is not tape:
        return _depends(where, {place(value_of(t)) for t in inputs})
    facts, key = tape.trace.facts, _key(where[1], tuple([_slot(tape, value_of(t)) for t in inputs]))
    if key not in facts:
        facts[key] = _depends(where, {place(value_of(t)) for t in inputs})
    return facts[key]


def found_again(value: Tensor, inputs: list[Tensor]) -> list[Tensor] | None:
    """The gradients of a scalar with no history besides that of `inputs`, if this path was gone before, each of
    `inputs` used and a leaf of its own; else None."""
    root, leaves, tape = value_of(value), list(map(value_of, inputs)), local.tape
    if root.__class__ is not Value or not only_leaves(leaves):
        return None
    slots = tuple(map(tape.inputs.get, leaves))
    if tape.trace.facts.get(_key(root.slot, slots)) is not False:
        return None
    found = gradients_again(root, leaves, slots)
    return None if found is None else wrap_all(found)


def _key(root: int, slots: tuple) -> tuple:
    return ("outside", root, slots)


def _slot(tape, v):
    """Where an argument is on the tape, None if it has not been read there."""
    v = base(v)
    return v.slot if v.tape is tape else tape.inputs.get(v)


def _depends(where, ours: set) -> bool:
    sides = collect([where])
    reached = {where[0]: {where[1]}}
    for side in sorted(sides.values(), key=lambda s: s.tape.serial if s.tape.done else float("inf"), reverse=True):
        slots = reached.get(side.tape, set())
        for t in reversed(side.steps):
            if slots.isdisjoint(t.outs):
                continue
            if any((side.tape, slot) in ours for slot in t.outs):
                continue
            edge = side.edge(t.first) if t.op is None and t.specs else None
            if edge in ours:
                continue
            if edge.__class__ is Leaf:
                return True
            if edge is not None:
                reached.setdefault(edge[0], set()).add(edge[1])
            slots.update(t.args[i] for i in t.wants)
    return False
