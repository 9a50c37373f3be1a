"""What must outlive a run for a later backward: the slots that the rules of live graphs will read.

Never declared by an operator: its rule is traced once for these shapes and what the jaxpr does not
use is not kept.
"""

from __future__ import annotations

from ..op import backward_op
from .trace import Trace
from .uses import uses

_reads: dict[tuple, tuple] = {}


def reads(t: Trace, arg_specs: tuple) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(positions among the outputs, positions among the arguments) that `t`'s rule reads.

    `arg_specs` are the Specs of its arguments, None for absent ones.
    """
    if t.op.reads is not None:
        return t.op.reads(t.params)
    key = (t.op, arg_specs, tuple(t.params.items()), t.specs, t.dtype, t.wants)
    found = _reads.get(key)
    if found is None:
        if len(_reads) > 20_000:
            _reads.clear()
        found = _reads[key] = _trace_rule(t, arg_specs)
    return found


def backward_params(t: Trace) -> dict:
    """The parameters of `t`'s backward operator."""
    return {
        "nout": None if t.single else len(t.specs),
        "needs": tuple(i in t.wants for i in range(len(t.args))),
        "dtype": t.dtype,
        "params": tuple(t.params.items()),
    }


def _trace_rule(t: Trace, arg_specs: tuple):
    gs = [s.struct if s.dtype.differentiable else None for s in t.specs]
    ys = [s.struct for s in t.specs]
    xs = [None if s is None else s.struct for s in arg_specs]
    params = backward_params(t)
    if t.op.underivable:  # what the others need
        params["needs"] = tuple(need and i not in t.op.underivable for i, need in enumerate(params["needs"]))
        if not any(params["needs"]):
            return (), ()
    used = uses(backward_op(t.op), (t.specs, arg_specs, t.wants), [*gs, *ys, *xs], params)
    n = len(gs)
    return (
        tuple(i - n for i in sorted(used) if n <= i < 2 * n),
        tuple(i - 2 * n for i in sorted(used) if i >= 2 * n),
    )


def keep(steps: list[Trace], roots: set[int], freed: set[int], packed, specs) -> dict[int, list[int]]:
    """slot -> the steps (by first slot) whose rules read it, over the graphs that lead to `roots`. What is `packed`,
    (first slot of a step, position), needs no keeping."""
    live, readers = set(roots), {}
    for t in reversed(steps):
        if t.op is None or live.isdisjoint(t.outs):
            if t.args and not live.isdisjoint(t.outs):
                live.update(t.args)
            continue
        if not any(s.needs for s in t.specs):
            continue
        arg_specs = tuple(None if a is None else specs[a] for a in t.args)
        live.update(t.args[i] for i in t.wants)
        if t.first in freed:
            continue
        outs, ins = reads(t, arg_specs)
        for slot, position in (*((t.first + i, -1 - i) for i in outs), *((t.args[i], i) for i in ins)):
            if (t.first, position) not in packed:
                readers.setdefault(slot, []).append(t.first)
    return readers


