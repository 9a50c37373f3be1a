"""Running a tape: find or compile its program, call it, hand the arrays to the Values still alive.

A run is a transaction. Until the program has been called nothing changes, so an error or an interrupt
leaves every Value as it was: what depends on the operation that failed is marked so, what was rebound
in place gets its old Value back, everything else stays pending and is computed by the next run.
"""

from __future__ import annotations

import itertools

import jax
import numpy as np

from . import cache
from .inline import values_of
from .lifted import Lifted
from .plan import live_slots, plan_for, program_for
from .program import lower
from .stats import stats
from .tape import Tape, fresh, local
from .trace import INPUT
from .transaction import Uninterrupted, roll_back
from .value import Failed, LeafValue, Value, place

_serial = itertools.count(1)


def run() -> None:
    """Run this thread's tape and begin a new one. Returns without waiting for the device."""
    tape = local.tape
    if local.body is not None:
        local.body.refuse()
    if local.whole is not None:
        local.whole.look(None)
    with tape.lock:
        _unread(tape)
        live = live_slots(tape)
        if not live:
            if tape.pending:
                cache.ended(tape.trace)
                finish(tape, {}, {})
            return
        plan = plan_for(tape, live)
        if local.traced is not None:
            arrays = values_of(tape.trace, plan.outputs, tape.entered, tape.scalars)
            local.traced.extend(v for v in map(tape.pending.get, plan.outputs) if v is not None)
            finish(tape, dict(zip(plan.outputs, arrays, strict=True)), plan.readers)
            return
        try:
            program = program_for(tape, plan)
            with Uninterrupted():
                arrays = program.run(tape.entered, tape.scalars)
                if program.hosts:
                    for a in arrays:
                        a.block_until_ready()
                stats.runs += 1
                cache.ended(tape.trace)
                finish(tape, dict(zip(program.outputs, arrays, strict=True)), plan.readers)
        except Exception as error:
            roll_back(tape, live, error)
            raise


def wait() -> None:
    """Run this thread's tape, and wait until whatever was dispatched is there."""
    run()
    for array in jax.live_arrays():
        array.block_until_ready()


def _unread(tape: Tape) -> None:
    """Take back what entered last, for an operation that then did not come: it is no part of the path."""
    while tape.trace.kind is INPUT and tape.trace.first not in tape.lifted:
        del tape.inputs[tape.entered.pop(tape.trace.first)]
        tape.trace = tape.trace.parent


def settle() -> None:
    """Run what was recorded so far where something new begins, so that it is recorded alike each time. Not while a
    function is recorded to be replayed, as the body of a loop, or for JAX."""
    if local.whole is None and local.body is None and local.traced is None:
        run()


def force(v: Value):
    """The array of `v`, after a run if it takes one."""
    if isinstance(v, Lifted):
        return v.force()
    if local.whole is not None:
        local.whole.look(v)
    if not hasattr(v, "array"):
        if _home(v) is local.tape:
            run()
        else:
            lend(v)
    if v.array.__class__ is Failed:
        v.array.throw()
    return v.array


def known_array(v: Value):
    """The array of `v` if it is computed, and its numbers may decide what is recorded; else None."""
    array = getattr(v, "array", None)
    return array if local.whole is None or local.whole.owns(array) else None


def _home(v: Value) -> Tape | None:
    """The tape a Value is pending on."""
    return v.home if v.__class__ is LeafValue else v.tape


def lend(v: Value) -> None:
    """Compute a Value that is pending on another thread's tape, leaving that tape as it is.

    The other thread may go on recording meanwhile, but it cannot run: the lock is held."""
    tape = _home(v)
    if tape is None:
        return
    with tape.lock:
        if hasattr(v, "array"):
            return
        if v.slot in tape.scalars:
            v.array = np.asarray(tape.scalars[v.slot], v.spec.dtype.np)
            return
        program = lower(tape.trace, (v.slot,), frozenset())
        stats.runs += 1
        (array,) = program.run(dict(tape.entered), dict(tape.scalars))
        array.block_until_ready()
        v.array = array


def finish(tape: Tape, arrays: dict, readers: dict) -> None:
    """Commit: arrays to Values, what later backwards need to the Tape, and a new Tape to the thread."""
    entered, pending = tape.entered, tape.pending
    stays = bool(readers or tape.nodes)  # whether a graph outlives the run
    for slot, array in arrays.items():
        v = pending.get(slot)
        if v is None:
            continue
        v.array = array
        v.tape = v.home = v.graph = None
        if v.spec.needs:
            stays = True
            if v.__class__ is Value:
                v.graph = tape
    tape.edges = _edges(entered) if stays else {}
    tape.kept = {
        slot: arrays[slot] if slot in arrays else entered[slot].array
        for slot in readers
        if slot in arrays or slot in entered
    }
    tape.readers = {slot: set(steps) for slot, steps in readers.items()}
    tape.serial, tape.done = next(_serial), True
    tape.pending, tape.inputs, tape.entered, tape.journal = {}, {}, {}, {}
    if tape is local.tape:
        fresh()


def _edges(entered: dict) -> dict:
    """Where the gradients of what entered go on."""
    return {s: v.owner if v.__class__ is LeafValue else place(v) for s, v in entered.items() if v.spec.needs}
