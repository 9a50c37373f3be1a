"""What a step does to one parameter, and how it is recorded: one operation for all parameters of a group.

A Rule is two pure JAX functions. `coefficients` reads the group's numbers and the step's, all in float64, once;
`update` is the algebra of one parameter, in its own dtype. `record_step` gathers what they read, records, and gives
parameters and states their new Values. The step that parameters of a group have in common is one tensor, shared for as
long as they take the same steps, so that it is one input and one output. Knows the tape. Must not know Optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import dtypes
from ..op import Op
from ..op.derive import jax_rule
from ..tape import constant, force, local, record
from ..tape.cache import vary
from ..tensor import Tensor
from ..tensor.alias import check_writable, write_fresh
from ..tensor.tensor import seen, value_of, wrap

CLOCK = "step"


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """What an optimizer does.

    name          of the recorded operation
    coefficients  (h, t) -> what `update` reads as `k`; t is the number of this step from 1, None without a clock
    update        (p, g, s, k, h) -> (new p, {name: new state}); s has a state's name for each attribute
    slots         (options) -> {name: what it starts as}: a number everywhere, or a function of the parameter's Spec
                  giving an array, or None where it has no such state; None for a state that the first update makes
    numbers       the options that are numbers, which may change from step to step; a tuple of numbers counts as several
    flags         the options on which the algebra itself depends
    zeros         the numbers that are left out of the algebra while they are 0; `h` has None for them
    clock         whether each parameter has a "step"
    check         raises for options that are refused when a step is taken, not before
    """

    name: str
    coefficients: Callable
    update: Callable
    slots: Callable
    numbers: tuple[str, ...]
    flags: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ("weight_decay",)
    clock: bool = True
    check: Callable | None = None

    def __post_init__(self):
        fields = {"numbers": dtypes.float64, "results": _results}
        object.__setattr__(self, "op", Op(self.name, _forward, jax_rule, "internal", **fields))

    def __repr__(self) -> str:
        return self.name

    @staticmethod
    def own_clocks(state):
        """The state of a parameter with a step of its own, for others to read."""
        if isinstance(state, dict) and isinstance(state.get(CLOCK), Tensor):
            return {**state, CLOCK: wrap(seen(state[CLOCK]))}
        return state

    @staticmethod
    def share_clocks(states: dict) -> None:
        """Parameters that are at the same step share it from now on. Looks at the steps."""
        known: dict = {}
        for state in states.values():
            clock = state.get(CLOCK) if isinstance(state, dict) else None
            if isinstance(clock, Tensor):
                state[CLOCK] = known.setdefault((float(force(seen(clock))), clock.dtype), clock)
        for clock in known.values():
            clock._sharers = sum(s.get(CLOCK) is clock for s in states.values() if isinstance(s, dict))


def record_step(rule: Rule, group: dict, states: dict, unless: Tensor | None = None) -> None:
    """Update the parameters of `group` that have a gradient, and their states; where `unless` is not 0 everything
    stays."""
    if rule.check is not None:
        rule.check(group)
    batches: dict = {}
    slots = rule.slots(group)
    for p in group["params"]:
        leaf = p._leaf
        if leaf is None or leaf.grad is None:
            continue
        state = states.get(p)
        if state is None:
            state = {}
        if any(state.get(name) is None for name in slots) or (rule.clock and CLOCK not in state):
            _begin(rule, slots, p, state)
        if state or slots:
            states[p] = state
        have = tuple([name for name in slots if state.get(name) is not None])
        batches.setdefault((id(state.get(CLOCK)), have), []).append((p, leaf.grad, state))
    for (_, have), batch in batches.items():
        _record(rule, group, slots, have, batch, unless)


def begin(rule: Rule, groups: list[dict], states: dict) -> None:
    """The states of all parameters before their first step."""
    for group in groups:
        slots = rule.slots(group)
        for p in group["params"]:
            _begin(rule, slots, p, states[p])
            states[p][CLOCK] = wrap(constant(np.zeros((), np.float32)))
    Rule.share_clocks(states)


def _begin(rule: Rule, slots: dict, p: Tensor, state: dict) -> None:
    """What a parameter's state lacks before its first step."""
    s = value_of(p).spec
    if rule.clock:
        state.setdefault(CLOCK, _FIRST)
    for name, start in slots.items():
        if start is None or state.get(name) is not None:
            continue
        array = start(s) if callable(start) else np.full(s.shape, start, s.dtype.np)
        if array is not None:
            state[name] = _born(constant(array, dtypes.from_np(array.dtype)))


def _born(v) -> Tensor:
    t = wrap(v)
    if local.whole is not None:
        local.whole.born(t)
    return t


_SCHEDULED = frozenset({"lr", "momentum", "betas"})
_FIRST = object()  # the step of a parameter that has taken none


def _record(rule: Rule, group: dict, slots: dict, have: tuple, batch: list, unless: Tensor | None) -> None:
    args = [value_of(p) for p, _, _ in batch]
    args += [value_of(g) for _, g, _ in batch]
    for name in have:
        args += [value_of(state[name]) for _, _, state in batch]
    clock = None
    if rule.clock:
        clock = _clock(batch)
        args.append(value_of(clock))
    fixed = [(name, group[name]) for name in rule.flags]
    names, places = [], []
    for name in rule.numbers:
        x = group[name]
        several = x if x.__class__ is tuple or x.__class__ is list else (x,)
        if x is None or (name in rule.zeros and not isinstance(x, Tensor) and x == 0):
            fixed.append((name, None))
            continue
        names.append((name, len(several) if x is not several[0] else None))
        places += [(group, name, i if x is not several[0] else None) for i, n in enumerate(several)
                   if not isinstance(n, Tensor)]  # fmt: skip
        args += [value_of(n) if isinstance(n, Tensor) else float(n) for n in several]
    params = {
        "rule": rule, "count": len(batch), "have": have, "names": tuple(names), "fixed": tuple(fixed),
        "makes": tuple([name for name, start in slots.items() if start is None or name in have]),
        "guarded": unless is not None,
    }  # fmt: skip
    if unless is not None:
        args.append(value_of(unless))
    made = record(rule.op, args, params)
    step = local.tape.trace
    if "initial_lr" in group and step.op is rule.op:  # what a schedule will change is an input from the beginning
        for i, (_, name, _) in enumerate(places):
            if name in _SCHEDULED:
                vary(step, i)
    if local.whole is not None:
        local.whole.numbers(places)
        for name, _ in fixed:
            local.whole.fixed(group, name)
    made = iter(made if made.__class__ is tuple else (made,))
    if local.grad:
        for p, _, _ in batch:
            check_writable(p)
    for p, _, _ in batch:
        write_fresh(p, next(made))
    for name in params["makes"]:
        for _, _, state in batch:
            v = next(made)
            if name in have:
                write_fresh(state[name], v)
            else:
                state[name] = wrap(v)
    if rule.clock:
        write_fresh(clock, next(made))


def _clock(batch: list) -> Tensor:
    """The step of a batch, shared by nobody outside it."""
    clock = batch[0][2][CLOCK]
    if clock is not _FIRST and getattr(clock, "_sharers", 1) == len(batch):
        return clock
    v = None
    if clock is _FIRST:
        v = constant(np.zeros((), np.float32))
    else:
        clock._sharers -= len(batch)
    clock = _born(v) if v is not None else wrap(seen(clock))
    clock._sharers = len(batch)
    for _, _, state in batch:
        state[CLOCK] = clock
    return clock


def _forward(*arrays, rule: Rule, count: int, have: tuple, names: tuple, fixed: tuple, makes: tuple,
             guarded: bool):
    """New parameters, the states that `makes` names, and the new step."""
    rest = iter(arrays)

    def take() -> list:
        return [next(rest) for _ in range(count)]

    params, grads = take(), take()
    states = {name: take() for name in have}
    step = next(rest) + 1 if rule.clock else None
    h = SimpleNamespace(**dict(fixed))
    for name, several in names:
        numbers = [jnp.asarray(next(rest), jnp.float64).reshape(()) for _ in range(several or 1)]
        setattr(h, name, tuple(numbers) if several else numbers[0])
    coefficients = _In(rule.coefficients(h, None if step is None else step.astype(jnp.float64)))
    skip = next(rest) if guarded else None
    new_params, new_states = [], {name: [] for name in makes}
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        s = SimpleNamespace(**{name: states[name][i] if name in have else None for name in {*have, *makes}})
        new, state = _one(rule, p, g, s, coefficients, h)
        new_params.append(_unless(skip, p, new))
        for name in makes:
            old = states[name][i] if name in have else jnp.zeros_like(state[name])
            new_states[name].append(_unless(skip, old, state[name]))
    if step is not None:
        step = _unless(skip, step - 1, step)
    return (*new_params, *(x for name in makes for x in new_states[name]), *(() if step is None else (step,)))


def _results(specs, params: dict):
    """What a step makes is as what it renews; of a state that it makes anew only running it tells."""
    count, have, makes = params["count"], params["have"], params["makes"]
    if not set(makes).issubset(have):
        return None
    old = [specs[i : i + count] for i in range(2 * count, (2 + len(have)) * count, count)]
    states = dict(zip(have, old, strict=True))
    step = specs[(2 + len(have)) * count :][:1] if params["rule"].clock else ()
    return [(s.shape, s.dtype) for s in (*specs[:count], *(s for name in makes for s in states[name]), *step)]


def _unless(skip, old, new):
    return new if skip is None else jnp.where(skip != 0, old, new)


class _In(dict):
    """dtype -> the coefficients in it, cast once for all parameters."""

    def __init__(self, coefficients: dict):
        self.coefficients = coefficients

    def __missing__(self, dtype) -> SimpleNamespace:
        cast = {name: None if x is None else jnp.asarray(x, dtype) for name, x in self.coefficients.items()}
        self[dtype] = SimpleNamespace(**cast)
        return self[dtype]


def _one(rule: Rule, p, g, s, coefficients: _In, h):
    """One parameter; a complex one as pairs of real numbers, a narrow one in float32."""
    kept = {name: None if x is None else x.dtype for name, x in vars(s).items()}
    if jnp.issubdtype(p.dtype, jnp.complexfloating):
        pair = SimpleNamespace(**{name: _pairs(x) for name, x in vars(s).items()})
        new, state = _one(rule, _pairs(p), _pairs(g), pair, coefficients, h)
        whole = {name: _complex(x) if kept[name] is None or jnp.issubdtype(kept[name], jnp.complexfloating) else x
                 for name, x in state.items()}  # fmt: skip
        return _complex(new), whole
    wide = jnp.dtype(jnp.float32) if p.dtype in (jnp.bfloat16, jnp.float16) else p.dtype
    k = coefficients[wide]
    wider = SimpleNamespace(**{name: None if x is None else x.astype(wide) for name, x in vars(s).items()})
    g = g.astype(wide)
    new, state = rule.update(p.astype(wide), -g if getattr(h, "maximize", False) else g, wider, k, h)
    state = {name: x.astype(kept[name] or p.dtype) for name, x in state.items()}
    return new.astype(p.dtype), state


def _pairs(x):
    """A complex array as a real one with a last dimension of two."""
    if x is None or not jnp.issubdtype(x.dtype, jnp.complexfloating):
        return x
    return jnp.stack([lax.real(x), lax.imag(x)], -1)


def _complex(x):
    return lax.complex(x[..., 0], x[..., 1])
