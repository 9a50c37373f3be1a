"""Recording a function to replay it: whose Values it read, and which names it gave new ones.

Before the function runs, every Tensor of the process is noted with the Value it names; afterwards those that name
another are what it wrote. So parameters, buffers, the state of optimisers, `.grad` and whatever else it closes over are
found without being declared. What cannot be replayed is told apart here, with the reason in words: a graph that lives
on, Tensors left behind, numbers of before that were looked at.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from itertools import compress
from sys import getrefcount
from types import FrameType

from ..engine import Leaf
from ..random import Generator
from ..tape import LeafValue, Value, local
from ..tape.cache import vary
from ..tape.plan import live_slots, plan_for
from ..tensor import Tensor
from ..tensor.tensor import held, value_of
from .floats import Floats
from .guards import Guards

LOOKED = (
    "compile: the number of a Tensor is looked at inside a compiled function, which is recorded once and then replayed "
    "without its Python. Return what you want to look at, choose with torch.where or func.cond, or take the look out "
    "of the function."
)
_FROZEN = gc.get_freeze_count()  # by Python itself, before there were Tensors


class NotReplayed(Exception):
    """Why what was recorded cannot be replayed. What it did stands.

    expected  that is how such functions are used, so that it is worth neither a warning nor another try
    """

    def __init__(self, why: str, expected: bool = False):
        super().__init__(why)
        self.expected = expected


@contextmanager
def _thawed():
    """Within, the collector tells also of what it was told to leave alone."""
    frozen = gc.get_freeze_count() > _FROZEN
    if frozen:
        gc.unfreeze()
    try:
        yield
    finally:
        if frozen:
            gc.freeze()


class Capture:
    """One recording of a function for `tensors` among its arguments. `local.whole` while the function runs."""

    def __init__(self, tensors: list[Tensor], line: str | None, why: str, floats: Floats):
        self.floats = floats
        self.tensors, self.tape, self.guards, self.line, self.why = tensors, local.tape, Guards(), line, why
        self.root = local.tape.trace
        self.events: list[tuple] = []  # what Python does again before a replay, in order (see `variant`)
        self.steps, self.optimizers = 0, []
        self._own: dict[int, object] = {}
        self._drawn: dict[int, int] = {}  # id of a Value -> its event
        self._within = 0
        with _thawed():
            everything = _alive(Tensor, Generator)
        self.generators = {g: g.key() for g in everything if isinstance(g, Generator)}
        self.before, self.bumps, self.grads, sharing = {}, {}, {}, set()
        for t in everything:
            if not isinstance(t, Tensor):
                continue
            v = held(t)
            if v is not None and id(v) in sharing and getattr(v, "array", None) is not None:
                t._value = v = _twin(v)
            sharing.add(id(v))
            self.before[t], self.bumps[t] = v, t._version
            if t._leaf is not None:
                self.grads[t] = t._leaf.grad
        self.argument = {t: i for i, t in reversed(list(enumerate(tensors)))}
        self.owner_of_grad = {g: t for t, g in self.grads.items() if g is not None}

    # ---- what the tape, the optimisers and the generators tell ----

    def look(self, v) -> None:
        """Somebody asks for the numbers of `v`, or for a run. Raises RuntimeError unless they were made here."""
        if v is None or not self.owns(getattr(v, "array", None)):
            raise RuntimeError(LOOKED)

    def own(self, array) -> None:
        """A constant was made of `array`."""
        self._own[id(array)] = array

    def owns(self, array) -> bool:
        return array is not None and self._own.get(id(array)) is array

    def scalar(self, x):
        """What an operation takes for the number `x`, of a class of its own."""
        return self.floats.scalar(x)

    def drawn(self, v: Value, draw) -> None:
        """`v` is what `draw()` gave: numbers from a generator on the host, drawn again each time."""
        self._drawn[id(v)] = len(self.events)
        self.events.append(("draw", draw, v))

    def numbers(self, places: list[tuple]) -> None:
        """The scalars of the step just recorded were read at these (mapping, key, index or None)."""
        step = self.tape.trace
        for i, (slot, (group, key, index)) in enumerate(zip(step.scalar_slots, places, strict=True)):
            vary(step, i)
            self.events.append(("number", (group, key, index), slot))

    def fixed(self, group, key) -> None:
        """The option `key` of an optimiser's group decided what was recorded."""
        self.guards.hold(group, key)

    def stepped(self, optimizer) -> None:
        self.steps += 1
        self.optimizers.append(optimizer)
        self.guards.optimizer(optimizer)

    def born(self, t: Tensor) -> None:
        """An optimiser's state begins with `t`, and is read as if it had been there before."""
        self.before[t], self.bumps[t] = value_of(t), 0

    def called(self, module) -> None:
        self.guards.module(module)

    @contextmanager
    def again(self, effect):
        """Within, Python changes numbers that optimisers read; `effect()` does it again at a replay."""
        if not self._within:
            self.events.append(("effect", effect, None))
        self._within += 1
        try:
            yield
        finally:
            self._within -= 1

    # ---- afterwards ----

    def roll_back(self) -> None:
        """Every Tensor that was there names what it named, every leaf has the gradient that it had."""
        for t, v in self.before.items():
            if v is not None and held(t) is not v:
                t._value = v
            if t._storage is None:
                t._bumps = self.bumps[t]
        for t, g in self.grads.items():
            t._leaf.grad = g
        for t in self.before:
            if t._leaf is not None and t not in self.grads:
                t._leaf.grad = None
        for g, key in self.generators.items():
            g._key = key

    def written(self) -> list[tuple[Tensor, int, int, bool]]:
        """(Tensor, slot of what it names now, how often it was written to, whether it is a leaf now)."""
        found = []
        for t, v in self.before.items():
            if v is None or getattr(t, "_value", None) is v:
                continue
            now = value_of(t)
            if now.spec.needs and now.__class__ is not LeafValue:
                raise NotReplayed("a Tensor that was there before has a graph afterwards")
            found.append((t, self.slot(now), t._version - self.bumps[t], now.__class__ is LeafValue))
        return found

    def new_grads(self) -> list[tuple[Tensor, int | None]]:
        """(owner, slot of its new gradient), None where the gradient is gone."""
        found = []
        for t in self.before:
            if t._leaf is None or t._leaf.grad is self.grads.get(t):
                continue
            g = t._leaf.grad
            if g is None:
                found.append((t, None))
            elif g in self.before or g.requires_grad:
                raise NotReplayed("a gradient is a Tensor that was there before, or has a graph")
            else:
                found.append((t, self.slot(value_of(g))))
        return found

    def new_keys(self) -> list[tuple[Generator, int]]:
        """(generator, slot of its key) of those that were drawn from within the program."""
        return [(g, self.slot(g.key())) for g, key in self.generators.items() if g.key() is not key]

    def relied(self, grads: list) -> list[Tensor]:
        """Those whose gradient, or that they have none, decided what was recorded."""
        found = {id(t): t for t, _ in grads}
        found.update((id(t), t) for o in self.optimizers for group in o.param_groups for t in group["params"])
        written = ((g, t) for g, t in self.owner_of_grad.items() if getattr(g, "_value", None) is not self.before[g])
        found.update((id(t), t) for _, t in written)
        return list(found.values())

    def steady(self, grads: list) -> bool:
        """Whether the same Tensors have a gradient afterwards as before, as another round would find them."""
        return all((self.grads.get(t) is None) == (s is None) for t, s in grads)

    def slot(self, v) -> int:
        if v.tape is self.tape or (v.__class__ is LeafValue and v.home is self.tape):
            return v.slot
        return self.tape.slot_of(v)

    def closed(self) -> None:
        """Nothing that was recorded can be differentiated any more."""
        self.guards.recorded()
        tape, live = self.tape, set(live_slots(self.tape))
        makers = {slot: t for t in tape.trace.steps() for slot in t.outs}
        todo = [s for s in live if tape.pending[s].spec.needs and tape.pending[s].__class__ is Value]
        seen = set(todo)
        while todo:
            t = makers[todo.pop()]
            if t.op is None:  # a leaf, by a way on which nothing was freed
                raise NotReplayed("its results can be differentiated by a later backward()", True)
            above = {t.args[i] for i in t.wants} - seen if t.first not in tape.freed else set()
            seen |= above
            todo += above
        if plan_for(tape, tuple(live)).readers:
            raise NotReplayed("a graph that it recorded can be differentiated by a later backward()", True)

    def nothing_left(self, out, leaves: list, results: list) -> None:
        """No Tensor is left behind but results and gradients, and nobody else keeps those."""
        with _thawed():
            self._nothing_left(out, leaves, results)

    def _nothing_left(self, out, leaves: list, results: list) -> None:
        known = {id(t) for t in (*self.before, *results)}
        for look in (False, True):
            if look:
                gc.collect()
            found = _alive(Tensor, Leaf)
            # of leaves, also of such whose Tensor is gone
            known.update([id(leaf.grad) for leaf in found if leaf.__class__ is Leaf])
            new = [t for t in found if t.__class__ is not Leaf and id(t) not in known]
            del found
            if not new:
                break
            shape = list(new[0].shape)
            del new
        else:
            raise NotReplayed(f"it leaves a Tensor behind that it does not return, of shape {shape}")
        made = [t for t in results if t not in self.before]
        for t in made:
            if t._storage is not None and any(f.root() in self.before for f in t._storage.families):
                raise NotReplayed("one of its results is a view of a Tensor that was there before")
        fine = {id(x) for x in (leaves, results, made, *_containers(out))}
        for holder in gc.get_referrers(*made) if made else ():
            # 3: the list, the name and the argument; what only they hold is the arguments of the call above
            if id(holder) not in fine and not isinstance(holder, FrameType | Leaf) and getrefcount(holder) > 3:
                raise NotReplayed(f"one of its results is also kept by a {type(holder).__name__}")

    def sources(self, slots) -> list[tuple]:
        """Where the array at each of these slots, inputs of the path, comes from at a replay."""
        by_value = {id(v): t for t, v in self.before.items() if v is not None}
        keys = {id(v): g for g, v in self.generators.items()}
        by_array: dict[int, list] = {}
        for t, v in self.before.items():
            array = getattr(v, "array", None)
            if array is not None:
                by_array.setdefault(id(array), []).append(t)
        return [self._source(self.tape.entered[s], by_value, keys, by_array) for s in slots]

    def _source(self, v, by_value: dict, keys: dict, by_array: dict) -> tuple:
        if id(v) in keys:
            return ("key", keys[id(v)])
        if id(v) in self._drawn:
            return ("event", self._drawn[id(v)])
        t = by_value.get(id(v))
        if t is None:
            if self.owns(getattr(v, "array", None)):
                return ("constant", v.array)
            same = by_array.get(id(v.array), ())
            if len(same) != 1:
                raise NotReplayed("it reads what belongs to no one Tensor, such as what an older graph has saved")
            (t,) = same
        if v.spec.needs and v.__class__ is Value:
            raise NotReplayed("it reads a Tensor whose graph was made outside", True)
        if t in self.argument:
            return ("argument", self.argument[t])
        if t in self.owner_of_grad:
            owner = self.owner_of_grad[t]
            return ("grad", self.argument.get(owner, owner))
        return ("tensor", t)


def _alive(*kinds: type) -> list:
    """Every object of these classes, or of classes made of them. In loops that run in C: a process that holds a data
    set has millions of others."""
    todo, wanted = list(kinds), set(kinds)
    while todo:
        new = [k for k in type.__subclasses__(todo.pop()) if k not in wanted]
        wanted.update(new)
        todo += new
    everything = gc.get_objects()
    return list(compress(everything, map(wanted.__contains__, map(type, everything))))


def _twin(v):
    """Another Value of the same array, so that each Tensor has one of its own."""
    new = v.__class__()
    for name in ("tape", "home", "spec", "array", "graph", "slot", "owner"):
        if hasattr(v, name):
            setattr(new, name, getattr(v, name))
    return new


def _containers(out) -> list:
    """What a result consists of."""
    found, todo = [], [out]
    while todo:
        x = todo.pop()
        if isinstance(x, list | tuple | dict):
            found.append(x)
            todo += x.values() if isinstance(x, dict) else x
        elif hasattr(x, "__dict__") and not isinstance(x, Tensor):
            found.append(vars(x))
            todo += vars(x).values()
    return found
