"""A GraphTask: one backward from its roots, while it runs. Each thread has a stack of them."""

from __future__ import annotations

import itertools
import threading

from .leaf import Leaf
from .side import age

_numbers = itertools.count()


class _Running(threading.local):
    tasks: tuple = ()


_running = _Running()


class GraphTask:
    """One call of `backward` or `grad`.

    roots    list of (place, cotangent Value or None for ones, Spec)
    targets  None for every leaf, else a list of places; only what leads to them is walked
    retain   keep the graph for another sweep; else what it saved is given up
    create   record the rules so that they can be differentiated themselves
    """

    __slots__ = ("_reached", "arriving", "callbacks", "create", "number", "retain", "roots", "sides", "targets")

    def __init__(self, roots: list, targets: list | None = None, *, retain: bool = False, create: bool = False):
        self.number = next(_numbers)
        self.roots, self.targets, self.retain, self.create = roots, targets, retain, create
        self.callbacks: list = []
        self.arriving: tuple = ()  # the gradients at the node whose saved tensors are being unpacked
        self.sides: dict = {}
        self._reached: dict | None = None

    def __enter__(self) -> GraphTask:
        _running.tasks += (self,)
        return self

    def __exit__(self, kind, error, tb):
        _running.tasks = _running.tasks[:-1]
        if kind is None:
            for callback in self.callbacks:
                callback()

    def newest_first(self) -> list:
        return sorted(self.sides.values(), key=age, reverse=True)

    def executes(self, place) -> bool:
        """Whether a gradient goes through `place` in this task."""
        if self._reached is None:
            self._reached = _reached(self)
        if place.__class__ is Leaf:
            return place in self._reached and (self.targets is None or place in self.targets)
        side = self.sides.get(place[0])
        if side is None or place[1] not in self._reached.get(place[0], ()):
            return False
        return side.reach is None or place[1] in side.reach


def _reached(task: GraphTask) -> dict:
    """Tape -> the slots that a gradient of the roots may reach; and the Leafs, as keys."""
    found: dict = {}
    for place, _, _ in task.roots:
        if place.__class__ is Leaf:
            found[place] = True
        else:
            found.setdefault(place[0], set()).add(place[1])
    for side in task.newest_first():
        slots = found.setdefault(side.tape, set())
        for t in reversed(side.steps):
            if slots.isdisjoint(t.outs):
                continue
            slots.update(t.outs)
            edge = side.edge(t.first) if t.op is None else None
            if edge.__class__ is Leaf:
                found[edge] = True
            elif edge is not None:
                found.setdefault(edge[0], set()).add(edge[1])
            slots.update(t.args[i] for i in t.wants)
    return found


def current_task() -> GraphTask | None:
    """The innermost backward that this thread is in."""
    return _running.tasks[-1] if _running.tasks else None


def queue_callback(callback) -> None:
    """Call `callback()` when the backward that this thread is in has ended."""
    task = current_task()
    if task is None:
        raise RuntimeError("Final callbacks can only be installed during backward pass.")
    task.callbacks.append(callback)
