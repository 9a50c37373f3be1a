"""What must outlive a run for a later backward: the slots that the rules of live graphs will read.

Never declared by an operator: its rule is traced once for these shapes and what the jaxpr does not
use is not kept.
"""

from __future__ import annotations

from functools import partial

import jax

from .. import dtypes
from ..op import backward_op
from .trace import Trace

_reads: dict[tuple, tuple] = {}


def reads(t: Trace, arg_specs: tuple) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(positions among the outputs, positions among the arguments) that `t`'s rule reads.

    `arg_specs` are the Specs of its arguments, None for absent ones.
    """
    key = (t.op, arg_specs, tuple(t.params.items()), t.specs, t.dtype)
    found = _reads.get(key)
    if found is None:
        if len(_reads) > 20_000:
            _reads.clear()
        found = _reads[key] = _trace_rule(t, arg_specs)
    return found


def backward_params(t: Trace, arg_specs) -> dict:
    """The parameters of `t`'s backward operator."""
    return {
        "nout": None if t.single else len(t.specs),
        "needs": tuple(s is not None and s.needs for s in arg_specs),
        "dtype": t.dtype,
        "params": tuple(t.params.items()),
    }


def _trace_rule(t: Trace, arg_specs: tuple):
    gs = [s.struct if s.dtype.differentiable else None for s in t.specs]
    ys = [s.struct for s in t.specs]
    xs = [None if s is None else s.struct for s in arg_specs]
    rule = partial(backward_op(t.op).forward, **backward_params(t, arg_specs))
    flat = [*gs, *ys, *xs]
    where = [i for i, s in enumerate(flat) if s is not None]

    def of_present(*arrays):
        full: list = [None] * len(flat)
        for i, a in zip(where, arrays, strict=True):
            full[i] = a
        return rule(*full)

    with dtypes.x64():
        closed = jax.make_jaxpr(of_present)(*(flat[i] for i in where))
    used = {where[i] for i in used_inputs(closed.jaxpr)}
    n = len(gs)
    return (
        tuple(i - n for i in sorted(used) if n <= i < 2 * n),
        tuple(i - 2 * n for i in sorted(used) if i >= 2 * n),
    )


def used_inputs(jaxpr) -> list[int]:
    """Positions of the inputs that some output depends on; looks into nested jits."""
    live = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for eqn in reversed(jaxpr.eqns):
        if not any(v in live for v in eqn.outvars) and not eqn.effects:
            continue
        inner = eqn.params.get("jaxpr") if eqn.primitive.name in ("jit", "pjit", "closed_call") else None
        operands = eqn.invars
        if inner is not None:
            operands = [eqn.invars[i] for i in used_inputs(inner.jaxpr)]
        live.update(v for v in operands if not hasattr(v, "val"))
    return [i for i, v in enumerate(jaxpr.invars) if v in live]


def keep(steps: list[Trace], roots: set[int], freed: tuple[frozenset, ...], specs) -> dict[int, list[int]]:
    """slot -> the steps (by first slot) whose rules read it, over the graphs that lead to `roots`."""
    live, readers = set(roots), {}
    for t in reversed(steps):
        if t.op is None or live.isdisjoint(t.outs):
            if t.args and not live.isdisjoint(t.outs):
                live.update(t.args)
            continue
        if not any(s.needs for s in t.specs):
            continue
        arg_specs = tuple(None if a is None else specs[a] for a in t.args)
        live.update(a for a, s in zip(t.args, arg_specs, strict=True) if s is not None and s.needs)
        if any(t.first in f for f in freed):
            continue
        outs, ins = reads(t, arg_specs)
        for slot in (*(t.first + i for i in outs), *(t.args[i] for i in ins)):
            readers.setdefault(slot, []).append(t.first)
    return readers


