"""What a step saved for its backward: kept by the tape, or packed by the user's hooks; and the names under which a
node shows it.

A tensor argument has its argument's name ("input" is "self"), an output is "result", a parameter has its
own name: `node._saved_<name>`. `node._raw_saved_<name>` is the SavedTensor itself, which takes hooks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..op import REGISTRY
from ..tape import Tape, Trace, Value, place, reads, record
from .attached import FREED
from .face import Face
from .side import kept, with_edge

AFTER_FREE = (
    "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are "
    "freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through "
    "the graph a second time or if you need to access saved variables after calling backward."
)


class Packed:
    """What stands for a saved tensor: `hook(object)` gives it back."""

    __slots__ = ("hook", "object")

    def __init__(self, object, hook: Callable):
        self.object, self.hook = object, hook

    def unpack(self, tape: Tape, slot: int, s, create: bool) -> Value:
        """The saved Value that was at `slot` with Spec `s`; with its history if `create`."""
        t = self.hook(self.object)
        if not isinstance(t, Face.kind):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}"
            )
        v = Face.value(t)
        if not create or not s.needs:
            return v
        where = history(tape, slot)
        return v if place(v) == where else _hung(v, where, s)


def history(tape: Tape, slot: int):
    """Where the gradient of what is at `slot` goes: through an input to what is behind it."""
    if tape.done:
        return tape.edges[slot] if slot in tape.edges else (tape, slot)
    return place(tape.entered[slot]) if slot in tape.entered else (tape, slot)


def _hung(v: Value, where, s) -> Value:
    """The array of `v` with the history of `where`."""
    if hasattr(v, "array"):
        return with_edge(v.array, where, s)
    if where.__class__ is tuple and not where[0].done:
        old = where[0].at(where[1], s)
    else:
        old = with_edge(np.broadcast_to(np.zeros((), s.dtype.np), s.shape), where, s)
    return record(REGISTRY["with_data"], (old, v))


def pack(tape: Tape, step: Trace, position: int, hooks: tuple, value: Value) -> None:
    """Replace what `step` saves at `position` by what `hooks`, a pair (pack, unpack), make of it."""
    tape.packed[step.first, position] = Packed(hooks[0](Face.wrap(value)), hooks[1])


def positions(step: Trace, specs) -> dict[str, int]:
    """name -> position of the tensors that `step` saves for its backward, in PyTorch's order: arguments first."""
    outs, ins = reads(step, tuple(specs))
    arrays = step.op.sig.arrays
    names = {}
    for i in sorted(ins):
        name = arrays[min(i, len(arrays) - 1)].name if arrays else f"tensor{i}"
        names["self" if name == "input" else name] = i
    for i in sorted(outs):
        names["result" if step.single else f"result{i}"] = -1 - i
    return names


def saved_value(tape: Tape, step: Trace, position: int) -> Value | None:
    """The Value that `step` saved at `position`, with its history."""
    if step.first in tape.freed:
        raise RuntimeError(FREED)
    slot = step.args[position] if position >= 0 else step.first - 1 - position
    if slot is None:
        return None
    s = tape.spec_at(slot)
    packed = tape.packed.get((step.first, position))
    if packed is not None:
        return packed.unpack(tape, slot, s, create=True)
    return kept(tape, slot, s, create=True) if tape.done else tape.at(slot, s)


class SavedTensor:
    """One tensor that a node saved."""

    def __init__(self, node, position: int):
        self._node, self._position = node, position

    def register_hooks(self, pack_hook, unpack_hook) -> None:
        """Keep `pack_hook(tensor)` instead of the tensor; the backward uses what `unpack_hook` makes of that.

        Raises RuntimeError when it has hooks already, when it has been freed, and when there is no tensor.
        """
        tape, step = self._node.tape, self._node.step
        if (step.first, self._position) in tape.packed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        if step.first in tape.freed:
            raise RuntimeError(AFTER_FREE)
        value = saved_value(tape, step, self._position)
        if value is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        pack(tape, step, self._position, (pack_hook, unpack_hook), value)
        release(tape, step, self._position)


def release(tape: Tape, step: Trace, position: int) -> None:
    """A finished tape need not keep an array for `step` that is packed now."""
    if not tape.done:
        return
    slot = step.args[position] if position >= 0 else step.first - 1 - position
    readers = tape.readers.get(slot)
    others = [i for i, a in enumerate(step.args) if a == slot and (step.first, i) not in tape.packed]
    if readers is not None and not others:
        readers.discard(step.first)
        if not readers:
            del tape.readers[slot]
            tape.kept.pop(slot, None)


def saved_names(node, specs) -> list[str]:
    tensors = positions(node.step, specs)
    params = [] if node.step.op.reads is not None else list(node.step.params)
    return [f"_saved_{n}" for n in (*tensors, *params)] + [f"_raw_saved_{n}" for n in tensors]


def saved_attribute(node, name: str, specs):
    """`node.name` for the names of `saved_names`; raises AttributeError for others."""
    kind = next((k for k in ("_saved_", "_raw_saved_") if name.startswith(k)), None)
    if kind is not None:
        short = name.removeprefix(kind)
        position = positions(node.step, specs).get(short)
        if position is not None:
            if kind == "_raw_saved_":
                return SavedTensor(node, position)
            v = saved_value(node.tape, node.step, position)
            return None if v is None else Face.wrap(v)
        if kind == "_saved_" and short in node.step.params:
            return node.step.params[short]
    raise AttributeError(f"'{type(node).__name__}' object has no attribute '{name}'")
