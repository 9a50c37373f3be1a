"""One recording of a function, to be replayed: gather the arrays it reads, call its program, hand out what it made.

A replay runs no Python of the user's but what changes numbers on the host: a scheduler's step, a draw from the CPU
stream. Everything else is an input or an output of the one program, and the arrays that it replaces are given up to it.
Where somebody else still holds such an array, a copy is given up instead.
"""

from __future__ import annotations

import copy
from itertools import islice, repeat
from operator import attrgetter, is_, itemgetter
from sys import getrefcount

import jax
import jax.numpy as jnp
import numpy as np

from .. import dtypes
from ..engine import no_grad
from ..tape import INPUT, LeafValue, Value, computed, leaf_value, reasons, stats
from ..tape.cache import vary
from ..tape.plan import exactly
from ..tape.program import lower_loop, moved, settings
from ..tape.run import finish
from ..tape.transaction import Uninterrupted
from ..tensor import Tensor
from ..tensor.alias import forget_dead, put
from ..tensor.tensor import leaf_of, value_of, wrap
from .capture import Capture, NotReplayed

_value, _spec, _array, _storage, _grad = map(attrgetter, ("_value", "spec", "array", "_storage", "_leaf.grad"))


def _probe() -> tuple[int, int]:
    """The reference counts of a Value that only one Tensor names, and of its array, as `replay` sees them."""
    t = wrap(computed(object(), None))
    values = list(map(_value, [t]))
    arrays = list(map(_array, values))
    return next(map(getrefcount, values)), next(map(getrefcount, arrays))


_ALONE = _probe()


class Variant:
    """What was recorded for one kind of arguments.

    root, specs   the mode and the arguments it is for; `guards` says what else must hold
    floats        the float arguments it is for, or ANY where that is an input; `links`: the scalars made of those
    state         what it reads of before that is no argument, first the `given` ones whose arrays the program takes
                  over and replaces
    others        where the rest of its inputs come from: ("grad", owner), ("key", generator), ("event", number),
                  ("constant", array)
    pick          from all these arrays and those of the arguments, in this order, the program's own arguments
    given_at      outputs that replace the given ones; `bumps` how often each was written to
    written       (Tensor or number of an argument, output, writes, whether a leaf) of all others that get a new Value
    grads         (owner, output or None, whether there was a gradient to write to) of gradients that change
    """

    def __init__(self, capture: Capture, results: list):
        self.root, self.guards, self.steps, self.rounds = capture.root, capture.guards, capture.steps, None
        self.settings, self.tape, self.events = settings(), capture.tape, capture.events
        self.floats, self.links = capture.floats.values, {}
        for slot, (step, i, of) in capture.floats.links(capture.tape).items():
            vary(step, i)
            self.links[slot] = of
        self._line, self._why, before = capture.line, capture.why, capture.before
        who = lambda t: capture.argument.get(t, t)  # noqa: E731
        written, grads, self._keys = capture.written(), capture.new_grads(), capture.new_keys()
        self.results = [self._result(t, capture) for t in results]
        inputs = [t.first for t in self.tape.trace.steps() if t.kind is INPUT]
        self._source = dict(zip(inputs, capture.sources(inputs), strict=True))
        read = [x for kind, x in self._source.values() if kind == "tensor"]
        self._specs = {id(t): (before[t].spec, type(before[t])) for t in read}
        self._arguments = len(capture.tensors)
        owners = capture.owner_of_grad
        alike = (t for t, _, _, leaf in written if leaf == (before[t].__class__ is LeafValue))
        self._replaced = {_name(("tensor", t)) for t in alike}
        self._written = [(who(t), s, n, leaf) for t, s, n, leaf in written if t not in owners]
        self._grads = [(who(owners[t]), s, True) for t, s, _, _ in written if t in owners]
        self._grads += [(who(t), s, False) for t, s in grads]
        relied = capture.relied(grads)
        self.relied = [t for t in relied if t not in capture.argument]
        self.no_grad = [capture.grads.get(t) is None for t in self.relied]
        self.relied_arguments = [(who(t), capture.grads.get(t) is None) for t in relied if t in capture.argument]
        self._steady = capture.steady(grads)
        for t in self.relied:
            leaf_of(t)
        self._once()

    def _result(self, t: Tensor, capture: Capture) -> tuple:
        """("argument", number), ("same", Tensor) or ("new", slot, Spec)."""
        if t in capture.argument:
            return ("argument", capture.argument[t])
        if t in capture.before:
            return ("same", t)
        if type(t) is not Tensor:
            raise NotReplayed(f"one of its results is a {type(t).__name__}")
        v = value_of(t)
        return ("new", capture.slot(v), v.spec)

    def _once(self) -> None:
        """The program of one round."""
        outputs = {*self._targets().values(), *(r[1] for r in self.results if r[0] == "new")}
        names = [_name(s) for s in self._source.values()]
        mine = self._replaced | {_name(("key", g)) for g, _ in self._keys}
        free = frozenset(i for i, s in self._source.items() if _name(s) in mine and names.count(_name(s)) == 1)
        self.program = p = exactly(self.tape.trace, tuple(sorted(outputs)), free, self._line, self._why)
        at = {slot: i for i, slot in enumerate(p.outputs)}
        self._place(p, at, at, max((i for i, e in enumerate(self.events) if e[0] != "effect"), default=-1) + 1)

    def _targets(self) -> dict[tuple, int]:
        """What is given something new -> its slot."""
        found = {_name(("tensor" if t.__class__ is not int else "argument", t)): s for t, s, _, _ in self._written}
        found |= {_name(("grad", t)): s for t, s, _ in self._grads if s is not None}
        return found | {_name(("key", g)): s for g, s in self._keys}

    def loop(self, rounds: int) -> Variant | None:
        """The same for `rounds` rounds, of arguments that come stacked; None if one round does not leave things as the
        next would find them, or writes to its arguments."""
        targets = self._targets()
        to_arguments = any(t.__class__ is int for t, *_ in (*self._written, *self._grads))
        if not self._steady or to_arguments or any(r[0] == "argument" for r in self.results):
            return None
        made = copy.copy(self)
        made.rounds, made.alone_result = rounds, None
        carried = {slot: targets[_name(s)] for slot, s in self._source.items() if _name(s) in targets}
        if len({_name(self._source[slot]) for slot in carried}) < len(carried):
            return None  # one array entered twice, and may be given up once
        stacked = frozenset(slot for slot, s in self._source.items() if s[0] in ("argument", "event"))
        every = tuple(r[1] for r in self.results if r[0] == "new")
        last = tuple(dict.fromkeys(targets.values()))
        made.program = p = lower_loop(self.tape.trace, last, every, carried, stacked, rounds)
        reasons.compiled(self._line, f"compile: {rounds} rounds as one loop", p.seconds)
        at = {slot: i for i, slot in reversed(list(enumerate(p.outputs)))}
        made.events = [*self.events, *self.after]
        made._place(p, at, {slot: len(p.outputs) + i for i, slot in enumerate(every)}, len(made.events))
        return made

    def _place(self, p, at: dict, every: dict, before: int) -> None:
        """Where inputs come from and outputs go: `at` says where each target's output is, `every` each result's. The
        first events happen `before` the program runs."""
        needed = [self._source[s] for s in p.order]
        given = {id(x) for kind, x in (self._source[s] for s in p.donated) if kind == "tensor"}
        state = {id(x): x for kind, x in needed if kind == "tensor"}
        self.state = sorted(state.values(), key=lambda t: id(t) not in given)
        self.given = self.state[: len(given)]
        self.state_specs, self.state_kinds = ([self._specs[id(t)][i] for t in self.state] for i in (0, 1))
        self.alone = [[n] * len(self.given) for n in _ALONE]
        others = {_name(s): s for s in needed if s[0] not in ("tensor", "argument")}
        with dtypes.x64():
            self.others = [(k, jax.device_put(x)) if k == "constant" else (k, x) for k, x in others.values()]
        pool = [("tensor", id(t)) for t in self.state] + [("argument", i) for i in range(self._arguments)]
        place = {name: i for i, name in enumerate([*pool, *others])}
        order = [place[_name(s)] for s in needed]
        self.pick = itemgetter(*order) if len(order) > 1 else lambda pool: [pool[i] for i in order]
        target = {id(t): (at[s], n) for t, s, n, _ in self._written}
        self.given_at, self.bumps = ([target[id(t)][i] for t in self.given] for i in (0, 1))
        self.bumps = [n * (self.rounds or 1) for n in self.bumps]
        self.written = [(t, at[s], n, leaf) for t, s, n, leaf in self._written if id(t) not in given]
        self.grads = [(t, None if s is None else at[s], in_place) for t, s, in_place in self._grads]
        self.keys = [(g, at[s]) for g, s in self._keys]
        self.results = [(*r[:3], every[r[1]]) if r[0] == "new" else r for r in self.results]
        self.events, self.after = self.events[:before], self.events[before:]
        numbers = {slot: i for i, (kind, _, slot) in enumerate(self.events) if kind == "number"}
        self.scalars = [
            ([numbers.get(s, self.links.get(s)) for s in n.slots], [self.tape.scalars[s] for s in n.slots], n)
            for n in p.numbers
        ]

    # ---- each time ----

    def fits(self, given) -> list | None:
        """The Values of `state` if this is what would be recorded now, else None. The arguments have the right Specs.
        Raises AttributeError where a Tensor must be made again or computed first."""
        values = list(map(_value, self.state))
        if (
            list(map(_spec, values)) == self.state_specs
            and list(map(type, values)) == self.state_kinds
            and self.settings == settings()
            and self.guards.keep()
            and list(map(is_, map(_grad, self.relied), repeat(None))) == self.no_grad
            and not (self.relied_arguments and self._other_grads(given))
            and not (any(map(_storage, self.given)) and self._shares(given))
        ):
            return values
        return None

    def _other_grads(self, given) -> bool:
        return any((given[i].grad is None) is not none for i, none in self.relied_arguments)

    def _shares(self, given) -> bool:
        """Whether an argument shares memory with what is written."""
        mine = {id(t._storage) for t in self.given if t._storage is not None}
        return any(id(t._storage) in mine for t in given)

    def replay(self, given, floats: tuple, values: list | None = None, first: Capture | None = None):
        """What the function returns, once every Tensor that it writes has its new Value. If the program raises, nothing
        has changed. `floats`: the float arguments. `values`: of `state`, in a list of its own."""
        events = self._happen(first) if self.events else ()
        p = self.program
        if values is None:
            values = list(map(_value, self.state))
        arrays = list(map(_array, values))
        n = len(self.given)
        counts = [list(map(getrefcount, islice(values, n))), list(map(getrefcount, islice(arrays, n)))]
        alone = counts == self.alone
        if not alone or np.ndarray in map(type, islice(arrays, n)):
            for i in range(n):
                if counts[0][i] > _ALONE[0] or counts[1][i] > _ALONE[1] or arrays[i].__class__ is np.ndarray:
                    with dtypes.x64():
                        arrays[i] = jnp.array(arrays[i], copy=True)
        arrays += map(_array, map(_value, given))
        if np.ndarray in map(type, islice(arrays, n, None)):
            rest = [*values[n:], *map(_value, given)]
            arrays[n:] = [moved(v) if v.array.__class__ is np.ndarray else v.array for v in rest]
        if self.others:
            arrays += [self._other(s, given, events) for s in self.others]
        args = self.pick(arrays)
        if self.scalars:
            args = [*args, *[self._vector(v, events, floats) for v in self.scalars]]
        del arrays
        with Uninterrupted():
            with dtypes.x64():
                outs = p.call(*args)
            if p.hosts:
                for a in outs:
                    a.block_until_ready()
            stats.runs += 1
            stats.steps += self.steps * (self.rounds or 1)
            self._hand_out(given, values, outs, None if alone else counts[0])
        for _, effect, _ in self.after:
            if first is None:
                effect()
        if self.alone_result is not None:
            return self._new(*self.alone_result, outs)
        return self.out([self._new(*r[1:], outs) if r[0] == "new" else given[r[1]] if r[0] == "argument" else r[1]
                         for r in self.results])  # fmt: skip

    def _happen(self, first: Capture | None) -> list:
        """What each event gives; for several rounds, one after the other, stacked."""
        if self.rounds is None:
            return [self._event(e, first) for e in self.events]
        rounds = [[self._event(e, first if i == 0 else None) for e in self.events] for i in range(self.rounds)]
        return [None if e[0] == "effect" else np.stack(x) for e, *x in zip(self.events, *rounds, strict=True)]

    def _event(self, event: tuple, first: Capture | None):
        kind, what, seen = event
        if kind == "draw":
            return what() if first is None else seen.array
        if kind == "number":
            if first is not None:
                return self.tape.scalars[seen]
            group, key, index = what
            return group[key] if index is None else group[key][index]
        return what() if first is None else None

    def _other(self, source: tuple, given, events: list):
        kind, x = source
        if kind == "grad":
            owner = given[x] if x.__class__ is int else x
            return value_of(owner._leaf.grad).array
        if kind == "key":
            return x.key().array
        return events[x] if kind == "event" else x

    def _vector(self, scalars: tuple, events: list, floats: tuple):
        places, constants, numbers = scalars
        found = [
            c if i is None else events[i] if i.__class__ is int else i(floats)
            for i, c in zip(places, constants, strict=True)
        ]
        if self.rounds is None:
            return numbers.vector(found)
        return np.stack([np.broadcast_to(np.asarray(x, numbers.dtype), self.rounds) for x in found], 1)

    def _hand_out(self, given, values: list, outs: list, counts: list | None) -> None:
        """New Values to everybody; where nobody else has the old one, the array goes to that."""
        shared = any(map(_storage, self.given))
        if shared:
            for t in self.given:
                if t._storage is not None:
                    forget_dead(t)
        if counts is None and not shared:
            for t, v, i, n in zip(self.given, values, self.given_at, self.bumps, strict=False):
                v.array = outs[i]
                t._bumps += n
        else:
            for j, (t, v, i, n) in enumerate(zip(self.given, values, self.given_at, self.bumps, strict=False)):
                if t._storage is None and (counts is None or counts[j] <= _ALONE[0]):
                    v.array = outs[i]
                    t._bumps += n
                else:
                    _rename(t, outs[i], v.__class__ is LeafValue, n)
        for t, i, n, leaf in self.written:
            _rename(given[t] if t.__class__ is int else t, outs[i], leaf, n)
        for t, i, in_place in self.grads:
            owner = given[t] if t.__class__ is int else t
            if in_place:
                _rename(owner._leaf.grad, outs[i], False, 1)
            else:
                leaf_of(owner).grad = None if i is None else wrap(computed(outs[i], value_of(owner).spec.plain))
        for g, i in self.keys:
            g._key = computed(outs[i], g._key.spec)

    def _new(self, slot: int, spec, at: int, outs: list) -> Tensor:
        v = Value()
        v.tape = v.home = None
        v.slot, v.spec, v.array = slot, spec, outs[at]
        v.graph = self.tape if spec.needs else None
        return wrap(v)

    def changed(self, given) -> str:
        """Why it does not fit."""
        why = self.guards.changed()
        if why is not None:
            return why
        for t, s in zip(self.state, self.state_specs, strict=True):
            if value_of(t).spec is not s:
                return f"a Tensor it reads is {value_of(t).spec} now, was {s}"
        if list(map(is_, map(_grad, self.relied), repeat(None))) != self.no_grad:
            return "other Tensors have a gradient before it"
        return "other settings of JAX" if self.settings != settings() else "other memory is shared"

    def settle(self, given) -> list[Tensor]:
        """What a replay reads, each naming a Value now."""
        owners = [*self.relied, *[given[i] for i, _ in self.relied_arguments]]
        grads = [t._leaf.grad for t in owners if t._leaf is not None and t._leaf.grad is not None]
        read = [*self.state, *given, *grads]
        for t in read:
            value_of(t)
        return read

    def took_over(self, out, alone: bool) -> None:
        """What the recording left on the tape is its graph from now on, all of it freed. `out` puts results where the
        recorded ones were; `alone` says that there is one, and nothing around it."""
        finish(self.tape, {}, {})
        self.out = out
        self.alone_result = self.results[0][1:] if alone and self.results[0][0] == "new" else None


def _name(source: tuple) -> tuple:
    kind, x = source
    return (kind, x if x.__class__ is int else id(x))


def _rename(t: Tensor, array, leaf: bool, writes: int) -> None:
    """`t`, and whatever shares its memory, names `array` now."""
    v = computed(array, value_of(t).spec.plain)
    if t._storage is not None:
        with no_grad():
            put(t, v)
        return
    t._value = leaf_value(v, leaf_of(t)) if leaf else v
    t._bumps += writes
