"""The tapes that a backward goes over, each from its last step to its first: one Side for each."""

from __future__ import annotations

import numpy as np

from ..op import REGISTRY
from ..tape import (
    INPUT,
    LEAF,
    LeafValue,
    Tape,
    Value,
    constant,
    lift_again,
    local,
    place,
    record,
    specs_of,
)
from .leaf import Leaf


class Side:
    """One tape of the graph during a walk.

    steps    from the first to the last
    specs    slot -> Spec
    grads    slot -> the gradient gathered so far
    visited  the steps whose rules were recorded, by their first slots; `~slot` where it was for that gradient only
    held     slot -> the Value that rules read there
    reach    the slots through which a target is reached; None if everything is walked
    """

    def __init__(self, tape: Tape):
        self.tape = tape
        self.steps = tape.trace.steps()
        self.specs = specs_of(self.steps)
        self.grads: dict[int, Value] = {}
        self.visited: set[int] = set()
        self.held: dict[int, Value] = {}
        self.reach: set[int] | None = None

    def edge(self, slot: int):
        """The Leaf or older (tape, slot) behind an input that wants a gradient."""
        return edge_of(self.tape, slot) if self.specs[slot].needs else None

    def value(self, slot: int, create: bool) -> Value:
        """The forward Value at `slot`, to be read by a rule."""
        found = self.held.get(slot)
        if found is not None:
            return found
        if not self.tape.done:
            with self.tape.lock:  # it may be another thread's
                v = self.tape.at(slot, self.specs[slot])
            return lift_again(self.tape, slot, v) if self.tape.lifted else v
        s = self.specs[slot]
        if slot in self.tape.kept or slot in self.tape.scalars:
            found = kept(self.tape, slot, s, create)
        else:  # the rule asks for its shape only
            found = blank(s)
        found = self.held[slot] = lift_again(self.tape, slot, found) if self.tape.lifted else found
        return found


def blank(s) -> Value:
    """A Value of that Spec which nobody reads."""
    return record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype})


def edge_of(tape: Tape, slot: int):
    """The Leaf or older (tape, slot) behind an input; None if it wants no gradient."""
    return tape.edges.get(slot) if tape.done else place(tape.entered[slot])


def kept(tape: Tape, slot: int, s, create: bool) -> Value:
    """What a finished tape kept at `slot`, as a Value to read; with its history if `create`."""
    if slot in tape.scalars:
        return constant(np.asarray(tape.scalars[slot], s.dtype.np), s.dtype)
    return with_edge(tape.kept[slot], _history(tape, slot) if create and s.needs else None, s)


def with_edge(array, edge, s) -> Value:
    """A computed Value of `array` whose gradient goes to `edge`: a Leaf, (tape, slot), or None."""
    v = LeafValue() if edge.__class__ is Leaf else Value()
    v.tape, v.home, v.array, v.graph = None, None, array, None
    v.spec = s if edge is not None else s.plain
    if edge.__class__ is Leaf:
        v.owner = edge
    elif edge is not None:
        v.graph, v.slot = edge
    return v


def _history(tape: Tape, slot: int):
    return edge_of(tape, slot) if slot in tape.edges else (tape, slot)


def mark(tape: Tape, visited: frozenset, retain: bool) -> None:
    """Give up what the `visited` steps saved, unless the graph is to be retained."""
    if retain or not visited:
        return
    tape.freed |= visited
    tape.freeings.append(visited)
    for key in [k for k in tape.packed if k[0] in visited]:
        del tape.packed[key]
    if tape.done:
        for slot, readers in list(tape.readers.items()):
            readers -= visited
            if not readers:
                del tape.readers[slot]
                tape.kept.pop(slot, None)


def age(side: Side) -> float:
    """Newer tapes come first; this thread's own is the newest."""
    if side.tape.done:
        return side.tape.serial
    return float("inf") if side.tape is local.tape else 1e18


def collect(places) -> dict[Tape, Side]:
    """Every tape that the graphs of `places` reach."""
    sides: dict[Tape, Side] = {}
    stack = [p[0] for p in places if p.__class__ is tuple]
    while stack:
        tape = stack.pop()
        if tape in sides:
            continue
        sides[tape] = side = Side(tape)
        for t in side.steps:
            if t.kind is INPUT:
                edge = side.edge(t.first)
                if edge.__class__ is tuple:
                    stack.append(edge[0])
    return sides


def reach(sides: dict, wanted: dict) -> None:
    """Mark, on every side, the slots through which a target is reached."""
    for side in sorted(sides.values(), key=age):
        found = side.reach = {p[1] for p in wanted if p.__class__ is tuple and p[0] is side.tape}
        for t in side.steps:
            if t.kind is INPUT or t.kind is LEAF:
                edge = side.edge(t.first)
                if edge in wanted or (edge.__class__ is tuple and edge[1] in (sides[edge[0]].reach or ())):
                    found.add(t.first)
            elif not found.isdisjoint(t.args[i] for i in t.wants):
                found.update(slot for slot, s in zip(t.outs, t.specs, strict=True) if s.needs)
