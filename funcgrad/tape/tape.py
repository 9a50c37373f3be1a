"""The tape: where Values are recorded, one current Tape a thread.

Recording takes one step down the trie and makes one Value. A Tape ends with a run (see `run`); a
finished Tape lives on only while the graph of some live Value needs it.
"""

from __future__ import annotations

import threading
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from .. import dtypes
from .trace import INPUT, Mode, Trace, input_step, leaf_step, mode_step, root
from .value import Failed, LeafValue, Spec, Value, computed, spec

VALUES = frozenset({Value, LeafValue})


class Inputs(dict):
    """Value -> slot. Asking for a computed Value that has not entered, or for a leaf that is pending here, makes it
    enter; except a pending leaf after a backward: then the reader must first ask whether the tape ends here
    (`record.ready`), and gets a KeyError."""

    __slots__ = ("tape",)

    def __missing__(self, v: Value) -> int:
        tape = self.tape
        trace = tape.trace
        if v.home is not None:
            if v.home is not tape or tape.swept or not trace.mode.grad:
                raise KeyError(v)
            child = leaf_step(trace, v.slot, v.spec)
        elif v.tape is not None or v.array.__class__ is Failed:
            raise KeyError(v)
        else:
            child = trace.children.get((INPUT, v.spec))
            if child is None:
                child = input_step(trace, v.spec)
        tape.trace = child
        slot = child.first
        self[v] = slot
        tape.entered[slot] = v
        return slot


class Entry(NamedTuple):
    """Where a path goes when several Values enter at once, and their slots."""

    end: Trace
    slots: tuple[int, ...]


_spec_of, _array_of = attrgetter("spec"), attrgetter("array")


class Tape:
    """A path being recorded, or, once `done`, the graph it left behind.

    trace    the last step so far
    pending  slot -> Value made here and not computed yet
    inputs   Value -> slot, of the computed Values that entered; `entered` is its inverse
    scalars  slot -> the Python scalar met there this time
    swept    a backward has been recorded here
    freed    the steps (by first slot; `~slot`: a part of one) of graphs that backwards have freed; `freeings`: those of
             each, in order
    hooks    slot -> list of hooks on the gradient of what is there
    attached first slot of a step -> what the engine keeps of this one taking of it (hooks, a backward in Python)
    packed   (first slot of a step, position) -> what its backward asks for that saved array instead of having it
             kept; positions are 0, 1, ... among the arguments and -1, -2, ... among the outputs
    lifted   slot -> how the transforms see what is there, the outermost first (see `lifted`)
    nodes    first slot -> weak reference to its grad_fn facade
    journal  what to put back when a run fails: id -> (weak reference, attribute, old value)
    kept     once done: slot -> array, what the rules of the live graphs will read
    readers  once done: slot -> the steps whose rules read it
    edges    once done: slot of an input -> its Leaf, or (tape, slot) in an older graph
    serial   once done: the order of runs
    """

    __slots__ = (
        "__weakref__", "attached", "done", "edges", "entered", "freed", "freeings", "hooks", "inputs", "journal",
        "kept", "lifted", "lock", "nodes", "packed", "pending", "readers", "scalars", "serial", "swept", "trace",
    )  # fmt: skip

    def __init__(self, trace: Trace):
        self.trace = trace
        self.pending: dict[int, Value] = {}
        self.inputs = Inputs()
        self.inputs.tape = self
        self.entered: dict[int, Value] = {}
        self.scalars: dict[int, object] = {}
        self.hooks: dict[int, list] = {}
        self.attached: dict[int, object] = {}
        self.packed: dict[tuple[int, int], object] = {}
        self.lifted: dict[int, list] = {}
        self.nodes: dict[int, object] = {}
        self.journal: dict[int, tuple] = {}
        self.freed: set[int] = set()
        self.freeings: list[frozenset] = []
        self.swept = self.done = False
        self.lock = threading.RLock()

    def slot_of(self, v: Value) -> int:
        """The slot of a Value that is ready; a computed one enters."""
        if v.tape is self:
            return v.slot
        slot = self.inputs.get(v)
        if slot is None:
            slot = self.enter(v)
        return slot

    def enter(self, v: Value) -> int:
        if v.__class__ is LeafValue and v.home is self:
            if not self.trace.mode.grad:
                return v.slot
            self.trace = child = leaf_step(self.trace, v.slot, v.spec)
        else:
            if v.array.__class__ is Failed:
                v.array.throw()
            self.trace = child = input_step(self.trace, v.spec)
        slot = child.first
        self.inputs[v] = slot
        self.entered[slot] = v
        return slot

    def enter_all(self, values: list) -> None:
        """`enter` computed Values, none of which is here yet: by one look-up where such ones entered before."""
        key = (INPUT, tuple(map(_spec_of, values)))
        known = self.trace.jumps.get(key)
        if known is None or Failed in map(type, map(_array_of, values)):
            began = self.trace
            slots = tuple(map(self.enter, values))
            began.jumps[key] = Entry(self.trace, slots)
            return
        self.trace = known.end
        self.inputs.update(zip(values, known.slots, strict=True))
        self.entered.update(zip(known.slots, values, strict=True))

    def at(self, slot: int, spec_: Spec) -> Value:
        """The Value at `slot` of a Tape that is not done, made now if nobody held it."""
        found = self.pending.get(slot) or self.entered.get(slot)
        if found is None:
            found = pending_value(self, slot, spec_)
            self.pending[slot] = found
        return found

    def spec_of(self, slot: int | None) -> Spec | None:
        return None if slot is None else self.spec_at(slot)

    def spec_at(self, slot: int) -> Spec:
        """Found by going back over the path: `specs_of` is for those who ask often."""
        node = self.trace
        while not (node.first <= slot < node.nslots or slot in node.scalar_slots):
            node = node.parent
        if slot in node.scalar_slots:
            return node.scalar_spec(slot)
        return node.specs[slot - node.first]


class _Local(threading.local):
    """This thread's tape and modes.

    traced Values that have JAX's tracers for arrays, while JAX traces what is recorded; else None
    body   what records the body of a loop: no number is there, and what it closes over stands in; else None
    watch  callables (tape, step, arguments, Values made) that see every operation as it is recorded; one may return
           other Values to go on with
    plain  whether no class of Tensors takes over what is done with its Tensors
    cast   None, or a callable (op, arguments) -> arguments, asked before an operation is recorded
    whole  what keeps this thread's tape whole until a function has been recorded, to replay it: no run is made
           meanwhile, its `look(Value)` refuses whoever asks for a number of before, and its `own(array)` hears of
           every constant that is made; its `scalar(number)` says what an operation takes for one of a class of its own
    """

    def __init__(self):
        self.grad, self.scope, self.watch, self.cast = True, (), (), None
        self.traced: list | None = None
        self.plain = False
        self.body = self.whole = None
        self.tape = Tape(root(_mode(self)))


def _mode(local: _Local) -> Mode:
    return Mode(local.grad, dtypes.get_default_dtype(), local.scope, bool(local.watch), local.cast)


local = _Local()


def current() -> Tape:
    return local.tape


def fresh() -> Tape:
    """Begin a new Tape in this thread."""
    local.tape = Tape(root(_mode(local)))
    return local.tape


def set_grad(mode: bool) -> None:
    """Whether what this thread records from here on wants gradients."""
    if mode != local.grad:
        local.grad = mode
        _mode_changed()


def set_scope(scope: tuple[str, ...]) -> None:
    """The names under which the compiled program shows what this thread records from here on."""
    local.scope = scope
    _mode_changed()


def set_watch(watch: tuple) -> None:
    """Who sees every operation that this thread records from here on (see `_Local`)."""
    local.watch = watch
    _mode_changed()


def set_cast(cast) -> None:
    """What casts the arguments of what this thread records from here on (see `_Local`)."""
    local.cast = cast
    _mode_changed()


def set_default_dtype(d: dtypes.DType) -> None:
    dtypes.assign_default_dtype(d)
    _mode_changed()


def _mode_changed() -> None:
    tape, mode = local.tape, _mode(local)
    if tape.trace.parent is None:
        tape.trace = root(mode)
    elif tape.trace.mode != mode:
        tape.trace = mode_step(tape.trace, mode)


def pending_value(tape: Tape, slot: int, spec_: Spec) -> Value:
    v = Value()
    v.tape, v.slot, v.spec = tape, slot, spec_
    return v


def exact(a, dtype: dtypes.DType | None):
    """A Python number in that dtype, as an operator that promotes would read it: not by way of the default dtype."""
    if dtype is None or a is None or hasattr(a, "spec"):
        return a
    return constant(np.asarray(a, dtype.np), dtype)


def constant(array, dtype: dtypes.DType | None = None, needs: bool = False) -> Value:
    """A computed Value of an array that nobody will write to."""
    if local.whole is not None:
        local.whole.own(array)
    return computed(array, spec(tuple(array.shape), dtype or dtypes.from_np(array.dtype), needs))

