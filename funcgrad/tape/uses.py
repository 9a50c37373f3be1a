"""Which inputs the results of an operator depend on, read off its jaxpr."""

from __future__ import annotations

import jax.numpy as jnp

from ..op import Op
from .jaxprs import traced

_uses: dict[tuple, frozenset] = {}


def uses(
    op: Op, specs: tuple, structs, params: dict, smoothly: bool = False, results: tuple[int, ...] | None = None
) -> frozenset[int]:
    """Positions of the arrays on whose numbers, not only shapes, some result of `op` depends, or one of `results`, by
    their numbers; with `smoothly`, those that a derivative can go to: not by way of a comparison or an index.

    A rule is given all inputs and outputs of its operator and reads few: the gradient of a sum does not depend on what
    was summed. `structs` are the shapes and dtypes of the arrays, None for absent ones; `specs` names them in a key.
    """
    key = (op, specs, tuple(params.items()), smoothly, results)
    found = _uses.get(key)
    if found is None:
        if len(_uses) > 20_000:
            _uses.clear()
        where = [i for i, s in enumerate(structs) if s is not None]
        try:
            jaxpr = traced(op, structs, params).jaxpr.jaxpr
        except ValueError:  # a loop that JAX cannot reverse: said when a backward comes to it
            found = _uses[key] = frozenset(where)
        else:
            found = _uses[key] = frozenset(where[i] for i in used_inputs(jaxpr, smoothly, results))
    return found


def arguments_read(t, specs: dict) -> tuple[int, ...]:
    """The positions of the arguments whose numbers a step reads; of the others it needs the shape. `specs` by slot."""
    there = tuple([i for i, a in enumerate(t.args) if a is not None])
    if t.op is None or not t.op.exact:
        return there
    arg_specs = tuple(None if a is None else specs[a] for a in t.args)
    used = uses(t.op, arg_specs, [s and s.struct for s in arg_specs], t.params)
    return tuple([i for i in there if i in used])


def used_inputs(jaxpr, smoothly: bool = False, results: tuple[int, ...] | None = None) -> list[int]:
    """Positions of the inputs that some output, or one of `results`, depends on; looks into nested jits."""
    outputs = jaxpr.outvars if results is None else [jaxpr.outvars[i] for i in results]
    live = {v for v in outputs if not hasattr(v, "val")}
    for eqn in reversed(jaxpr.eqns):
        if not any(v in live for v in eqn.outvars) and not eqn.effects:
            continue
        inner = eqn.params.get("jaxpr") if eqn.primitive.name in ("jit", "pjit", "closed_call") else None
        operands = eqn.invars
        if inner is not None:
            operands = [eqn.invars[i] for i in used_inputs(inner.jaxpr, smoothly)]
        live.update(v for v in operands if not hasattr(v, "val") and (not smoothly or _inexact(v)))
    return [i for i, v in enumerate(jaxpr.invars) if v in live]


def _inexact(v) -> bool:
    return jnp.issubdtype(v.aval.dtype, jnp.inexact)
