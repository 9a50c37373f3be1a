"""The walk: every step of the graph backwards, the rule of each recorded on this thread's tape."""

from __future__ import annotations

from ..op import REGISTRY, backward_op
from ..tape import (
    INPUT,
    LEAF,
    Tape,
    Value,
    backward_params,
    local,
    reads,
    record,
    run,
    set_grad,
    stats,
)
from ..tape.boundary import CHECK
from ..tape.uses import uses
from . import anomaly
from .attached import FREED, Attached, run_after, run_before
from .leaf import Leaf
from .node import edge_places
from .side import Side, collect, mark, reach
from .task import GraphTask


class Swept:
    """What a sweep found: the gradient of each leaf reached, and of each target asked for.

    ends     (slot of an input, its gradient), where the graph ended in leaves
    crossed  it went on in an older tape
    """

    __slots__ = ("crossed", "ends", "leaves", "targets")

    def __init__(self):
        self.leaves: dict[Leaf, Value] = {}
        self.targets: dict[int, Value] = {}
        self.ends: list[tuple[int, Value]] = []
        self.crossed = False


def walk(task: GraphTask) -> Swept:
    """Record the gradients of `task`. The Values of targets that are leaves are among `leaves` too."""
    stats.walks += 1
    found, mode = Swept(), local.grad
    numbers: dict = {}
    for i, t in enumerate(task.targets or ()):
        numbers.setdefault(t, []).append(i)
    sides = task.sides = collect([p for p, _, _ in task.roots])
    if task.targets is not None:
        reach(sides, numbers)
    set_grad(task.create)
    try:
        for p, g, s in task.roots:
            if g is None:
                g = record(REGISTRY["unit"], (), {"shape": s.shape, "dtype": s.dtype})
            if p.__class__ is Leaf:
                if task.targets is None or p in numbers:
                    add(found.leaves, p, g)
            else:
                add(sides[p[0]].grads, p[1], g)
        for side in task.newest_first():
            if side.tape.done and len(side.steps) > CHECK and local.tape.trace.nops > CHECK and local.whole is None:
                run()  # long tapes that follow the same path are gone over by the same programs
            _over(side, task, numbers, found)
            mark(side.tape, frozenset(side.visited), task.retain)
        anomaly.look()
    finally:
        set_grad(mode)
    local.tape.swept = True
    return found


def _over(side: Side, task: GraphTask, numbers: dict, found: Swept) -> None:
    """All steps of one tape, from the last to the first."""
    for t in reversed(side.steps):
        if t.op is None and not t.specs:
            continue
        if not any(slot in side.grads for slot in t.outs):
            continue
        if side.reach is not None and len(task.roots) > 1 and side.reach.isdisjoint(t.outs):
            continue  # a root that leads to no target; the hooks of a single one run all the same
        arrived = [side.grads.pop(slot, None) for slot in t.outs]
        gs = [_hooked(side, slot, g) for slot, g in zip(t.outs, arrived, strict=True)]
        # as in PyTorch, a target whose node goes on to others is what arrived, before its hooks
        asked = arrived if t.op is not None and any(side.reach and t.args[i] in side.reach for i in t.wants) else gs
        for slot, g in zip(t.outs, asked, strict=True):
            for i in numbers.get((side.tape, slot), ()) if g is not None else ():
                found.targets[i] = g
        if t.kind is not INPUT and t.kind is not LEAF:
            _step(side, t, gs, task)
            continue
        edge = side.edge(t.first)
        if edge.__class__ is Leaf:
            found.ends.append((t.first, gs[0]))
            if task.targets is None or edge in numbers:
                add(found.leaves, edge, gs[0])
        elif edge is not None:
            found.crossed = True
            add(task.sides[edge[0]].grads, edge[1], gs[0])


def _hooked(side: Side, slot: int, g: Value | None) -> Value | None:
    if g is not None:
        for hook in list(side.tape.hooks.get(slot, ())):
            g = hook(g) or g
    return g


def add(sums: dict, key, g: Value) -> None:
    """Add `g` to what is gathered at `key`."""
    old = sums.get(key)
    sums[key] = g if old is None else record(REGISTRY["add"], (old, g))


def _step(side: Side, t, gs: list, task: GraphTask) -> None:
    """Record the rule of one step and hand its cotangents on."""
    arg_specs = tuple(None if a is None else side.specs[a] for a in t.args)
    wants = tuple(
        i in t.wants and (side.reach is None or a in side.reach) for i, a in enumerate(t.args)
    )
    if t.op.exact and any(g is None for g in gs):
        wants = _of_those(t, gs, arg_specs, wants)
    if not any(wants):
        return
    t.op.check_derivable(wants)
    attached = side.tape.attached.get(t.first)
    if attached is None and not anomaly.state.enabled:
        cotangents = _rule(side, t, gs, arg_specs, wants, task)
    else:
        cotangents = _watched(side, t, gs, arg_specs, wants, task, attached or _NONE)
    for a, want, g in zip(t.args, wants, cotangents, strict=True):
        if want and g is not None:
            add(side.grads, a, g)


def _of_those(t, gs: list, arg_specs, wants) -> tuple:
    """`wants` of a rule only some of whose results have a gradient: without the inputs that those do not depend on."""
    there = tuple([i for i, g in enumerate(gs) if g is not None])
    used = uses(t.op, arg_specs, [s and s.struct for s in arg_specs], t.params, t.op.masked, there)
    return tuple([want and i in used for i, want in enumerate(wants)])


_NONE = Attached()


def _watched(side: Side, t, gs: list, arg_specs, wants, task: GraphTask, attached: Attached) -> tuple:
    """`_rule` of a step that has something attached, or while anomalies are looked for."""
    name = t.op.node_name(t.params)
    with anomaly.named(name, attached.traceback):
        if attached.before:
            gs = run_before(attached.before, tuple(gs))
        if not any(g is not None for g in gs):
            return (None,) * len(wants)
        if attached.custom is not None:
            side.visited.add(t.first)
            task.arriving = tuple(gs)
            found = attached.custom(gs, wants)
        else:
            found = _rule(side, t, gs, arg_specs, wants, task)
        anomaly.note(name, attached.traceback, found)
    if attached.after:
        places = edge_places(t, arg_specs)
        out = run_after(attached.after, tuple(found[i] for i in places), tuple(gs))
        found = list(found)
        for i, g in zip(places, out, strict=True):
            found[i] = g
    return tuple(found)


def _rule(side: Side, t, gs, arg_specs, wants, task: GraphTask) -> tuple:
    """The cotangents of the arguments of `t` by the rule of its operator, None where none is wanted."""
    visits, freed = _visits(side.tape, t, gs)
    if freed:
        _refuse_freed(side, t, arg_specs)
    side.visited |= visits
    create = task.create
    params = {**backward_params(t), "needs": wants}
    ys = [side.value(slot, create) for slot in t.outs]
    xs = [None if a is None else side.value(a, create) for a in t.args]
    if side.tape.packed:
        outs, ins = reads(t, arg_specs)
        task.arriving = tuple(gs)
        for i in outs:
            ys[i] = _unpacked(side, t, -1 - i, ys[i], create)
        for i in ins:
            xs[i] = _unpacked(side, t, i, xs[i], create)
    found = iter(record(backward_op(t.op), (*gs, *ys, *xs), params))
    return tuple([next(found) if want else None for want in wants])


def _visits(tape: Tape, t, gs: list) -> tuple[set[int], bool]:
    """(what to note of a visit to a step, whether one before has freed it).

    The gradients that a rule gave are given up one by one, because each is an operation of its own in PyTorch: `~slot`
    is noted for those that have been, and the step itself with the last."""
    now = {~slot for slot, g in zip(t.outs, gs, strict=True) if g is not None}
    before = tape.freed.intersection([~slot for slot in t.outs])
    part = t.op.exact and len(now | before) < len(gs)
    return (now if part else {t.first}), t.first in tape.freed or not now.isdisjoint(before)


def _refuse_freed(side: Side, t, arg_specs) -> None:
    outs, ins = reads(t, arg_specs)
    if t.dtype is None:  # only a promoted operator wraps its scalars into tensors, which PyTorch saves
        ins = [i for i in ins if side.specs[t.args[i]].shape or t.args[i] not in side.tape.scalars]
    if outs or ins or t.op.node == "CopySlices":  # which gives up what it copied into
        raise RuntimeError(FREED)


def _unpacked(side: Side, t, position: int, v: Value | None, create: bool) -> Value | None:
    """What stands for a saved Value: itself, or what its unpack hook gives."""
    packed = side.tape.packed.get((t.first, position))
    slot = t.args[position] if position >= 0 else t.first - 1 - position
    return v if packed is None else packed.unpack(side.tape, slot, side.specs[slot], create)
