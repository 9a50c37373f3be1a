"""The hot path of recording, written out for each operator.

A function made here does on a hit exactly what `tape.record` does, without a call in between: the slots of its
operands, one look-up in the trie, one Value, one Tensor. Anything out of the ordinary (a miss, a stale view, an
input that has not entered, an operand of another type) raises KeyError or AttributeError before anything has changed,
and goes the general way.
"""

from __future__ import annotations

import types
import weakref

from ..op import Op
from ..tape import LeafValue, Value, local, pending_value
from ..tape.cache import met
from ..tape.trace import SCALARS, VARIED
from .tensor import Tensor, wrap


def _met(tape, child, operands) -> None:
    """Note the scalars among `operands` at the places of this step."""
    i = 0
    for number in operands:
        if number.__class__ in SCALARS:
            const = child.consts[i]
            if number is not const and const is not VARIED:
                met(child, i, number)
            tape.scalars[child.scalar_slots[i]] = number
            i += 1


def _note(tape, t: Tensor, old: Value) -> None:
    """What `t` named before this tape changed it, should the run fail."""
    noted = tape.journal.get(id(t))
    if noted is None or noted[0]() is not t:
        tape.journal[id(t)] = (weakref.ref(t), "_value", old)


def _several(tape, child) -> tuple:
    """The Tensors of a step with several outputs."""
    made = []
    for slot, s in zip(child.outs, child.specs, strict=True):
        v = tape.pending[slot] = pending_value(tape, slot, s)
        made.append(wrap(v))
    tape.trace = child
    return tuple(made)


SCOPE = {
    "LeafValue": LeafValue, "Tensor": Tensor, "Value": Value, "_met": _met, "_note": _note, "_several": _several,
    "local": local, "new": object.__new__,
}  # fmt: skip


def body(arrays: list[tuple[str, str]], params: list[tuple[str, str]], slow: str, before: str = "") -> str:
    """The lines of such a function.

    arrays  (expression, kind): "T" a Tensor, "OT" a Tensor or None, "TS"/"OTS" also a scalar
    params  (name, expression)
    slow    the expression for the general way
    before  lines that run first
    """
    lines, key = [], ["op"]
    for i, (x, kind) in enumerate(arrays):
        get = f"a{i} = {x}._value; s{i} = a{i}.slot if a{i}.tape is tape else tape.inputs[a{i}]"
        if kind == "T":
            lines.append(get)
        elif kind == "OT":
            lines += [f"if {x} is None: s{i} = None", f"else: {get}"]
        else:
            lines += [f"k = {x}.__class__", f"if k is Tensor: {get}", f"elif k is float or k is int: s{i} = k"]
            lines += [f"elif {x} is None: s{i} = None"] if kind == "OTS" else []
            lines.append(f"else: {get}")
        key.append(f"s{i}")
    key += [f"({name!r}, {x})" for name, x in params]
    lines.append(f"child = tape.trace.children[{', '.join(key)}]")
    text = before + "    tape = local.tape\n    try:\n"
    text += "".join(f"        {line}\n" for line in lines)
    text += f"    except (KeyError, AttributeError):\n        return {slow}\n"
    numbers = "".join(f"{x}, " for x, kind in arrays if "S" in kind)
    if numbers:
        text += f"    if child.odd: _met(tape, child, ({numbers}))\n"
    return text


MAKE = """\
    if child.odd and not child.single: return _several(tape, child)
    v = new(Value)
    v.tape = tape
    v.slot = slot = child.first
    v.spec = child.spec
    tape.pending[slot] = v
    tape.trace = child
    t = new(Tensor)
    t._value = v
    return t
"""


# In place, while no gradients are recorded: the same Tensor names the new Value. A leaf stays a leaf; what it was
# before needs no note for a rollback, because it has entered this tape (see `transaction`).
RENAME = """\
    v = new(Value)
    v.tape = tape
    v.slot = slot = child.first
    v.spec = child.spec
    tape.pending[slot] = v
    tape.trace = child
    old = a0.spec
    if child.spec is not old.plain: return _write(self, v)
    if old.needs:
        if a0.__class__ is not LeafValue: return _write(self, v)
        v.__class__ = LeafValue
        v.tape = v.graph = None
        v.home = tape
        v.owner = a0.owner
        v.spec = old
    self._bumps += 1
    if not old.needs: _note(tape, self, a0)
    self._value = v
    return self
"""


def _trampoline(*args, **kwargs):
    return _become()(*args, **kwargs)  # noqa: F821  in the scope that `function` gives it


def function(name: str, source, op: Op, scope: dict):
    """A function whose text, `source()`, is compiled when it is first called: there are a thousand of them, and a
    program uses fifty. It becomes itself in place, so whoever holds it already has the compiled one."""
    space = {**SCOPE, **scope, "op": op}
    f = types.FunctionType(_trampoline.__code__, space, name)

    def become():
        found: dict = {}
        exec(compile(source(), f"<funcgrad {name}>", "exec"), space, found)
        made = found[name]
        f.__code__, f.__defaults__, f.__kwdefaults__ = made.__code__, made.__defaults__, made.__kwdefaults__
        return f

    space["_become"] = become
    return f


def compiled(f):
    """`f` with its real signature, for those who want to read it."""
    become = getattr(f, "__globals__", {}).get("_become")
    return f if become is None or f.__code__ is not _trampoline.__code__ else become()
