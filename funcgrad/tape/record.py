"""Recording an operation: one step down the trie, one new Value."""

from __future__ import annotations

from ..op import Op
from . import boundary, cache, run
from .lifted import Lifted, innermost
from .tape import VALUES, local, pending_value
from .trace import extend, scalar_key
from .value import LeafValue, Value

WATCHED = "watched"


def record(op: Op, args, params: dict | None = None):
    """Record `op` of Values, Python scalars and None. A Value, or a tuple of them; Lifted if an operand is.

    Raises the operator's own errors (wrong shapes, dtypes, dims) and records nothing then.
    """
    params = params or {}
    if local.cast is not None:
        args = local.cast(op, args)
    if local.body is not None:
        args = [local.body.own(a) for a in args]
    for a in args:
        if a.__class__ in VALUES:
            if a.tape is not local.tape:
                ready(a)
        elif isinstance(a, Lifted):
            return innermost(args).process(op, args, params)
    tape = local.tape
    key: list = [op]
    numbers = []
    for a in args:
        if a.__class__ in VALUES:
            key.append(tape.slot_of(a))
        elif a is None:
            key.append(None)
        else:
            key.append(scalar_key(a))
            numbers.append(a)
    found = (*key, *params.items())
    if local.watch:  # not where the hot path would find it
        found = (WATCHED, *found)
    child = tape.trace.children.get(found)
    if child is None:
        if boundary.cuts(tape):
            run.run()
            return record(op, args, params)
        child = extend(tape.trace, found, op, key[1:], args, numbers, params)
    made = _made(tape, child, numbers)
    for see in local.watch:
        other = see(tape, child, args, made if made.__class__ is tuple else (made,))
        if other is not None:
            made = other if made.__class__ is tuple else other[0]
    return made


def _made(tape, child, numbers):
    """Take the step `child`: the Values it makes."""
    for i, slot in enumerate(child.scalar_slots):
        if numbers[i] is not child.consts[i]:
            cache.met(child, i, numbers[i])
        tape.scalars[slot] = numbers[i]
    pending = tape.pending
    if child.single:
        v = Value()
        v.tape, v.slot, v.spec = tape, child.first, child.spec
        pending[child.first] = v
        tape.trace = child
        return v
    made = []
    for slot, s in zip(child.outs, child.specs, strict=True):
        v = pending[slot] = pending_value(tape, slot, s)
        made.append(v)
    tape.trace = child
    return tuple(made)


def ready(v: Value) -> None:
    """Make `v` usable on this thread's tape: computed, pending here, or a leaf whose source is.

    A leaf whose update is still on this tape after a backward ends the tape (the hand-written SGD
    loop: one program a step, not one that grows).
    """
    tape = local.tape
    if v.__class__ is LeafValue:
        if v.home is None:
            return
        if v.home is not tape:
            run.lend(v)
        elif tape.swept and local.grad and local.whole is None:
            run.run()
    elif v.tape is not None and v.tape is not tape:
        run.lend(v)
