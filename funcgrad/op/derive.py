"""The backward operator of a row, made once for all rows.

`MulBackward0` is an operator like any other: its forward is mul's rule, its own rule is `jax.vjp` of
that. Here, and nowhere else, cotangents are conjugated, un-broadcast and cast back.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from .family import FAMILIES
from .row import Op


class jax_rule:
    """Stands in the rule column of a row whose derivative JAX already does best: `jax.vjp(forward)`."""

    own = False

    @staticmethod
    def bind(forward):
        return vjp_of(forward)


def vjp_of(forward):
    """The rule of `forward` by `jax.vjp`, with respect to its inexact inputs."""

    def rule(g, y, *inputs, **params):
        where = [i for i, x in enumerate(inputs) if x is not None and jnp.issubdtype(x.dtype, jnp.inexact)]

        def of_inexact(*some):
            full = list(inputs)
            for i, x in zip(where, some, strict=True):
                full[i] = x
            return forward(*full, **params)

        out, pull = jax.vjp(of_inexact, *(inputs[i] for i in where))
        found = iter(pull(jax.tree.map(_cotangent, out, g, is_leaf=lambda x: x is None)))
        cotangents = tuple(next(found) if i in where else None for i in range(len(inputs)))
        return cotangents if len(inputs) != 1 else cotangents[0]

    return rule


def _cotangent(out, g):
    """What `jax.vjp` wants: float0 for integer outputs, the gradient for the others."""
    if out is None:
        return None
    if not jnp.issubdtype(out.dtype, jnp.inexact):
        return jnp.zeros(out.shape, jax.dtypes.float0)
    return jnp.zeros(out.shape, out.dtype) if g is None else g


def backward_op(op: Op) -> Op:
    """The operator that records `op`'s rule.

    Arrays: the cotangents of the outputs (None where there is none), the outputs, the inputs.
    Parameters: `nout` (None for a bare output), `needs` (which inputs' cotangents to return), `dtype`
    (what the inputs were promoted to, or None) and `params`, the items of `op`'s own. Result: a tuple.
    """
    if op.backward is None:
        op.backward = derived(op, "backward", partial(_apply_rule, op.rule), _results)
    return op.backward


# Rows whose gradient is a mask times what arrives, in PyTorch's formula: it has no gradient with respect to what the
# mask was made of. For the others that is 0, but there.
MASKED = frozenset(
    "amax amin aminmax clamp clamp_max clamp_min max_all maximum median_all min_all minimum nanmedian_all".split()
)


def derived(op: Op, what: str, forward, results=None) -> Op:
    """An operator made from `op`, whose own rule is `jax.vjp` of its forward."""
    fields = {"node": partial(_second_name, op), "results": results, "exact": True, "masked": op.name in MASKED}
    return Op(f"{op.name}_{what}", forward, _own_vjp(forward), FAMILIES["internal"], options=op.options, **fields)


def _results(specs, params: dict):
    """Cotangents are as the inputs they belong to."""
    inputs = specs[2 * (params["nout"] or 1) :]
    return [(s.shape, s.dtype) for s, need in zip(inputs, params["needs"], strict=True) if need]


def _second_name(op, params: dict) -> str:
    return op.node_name(dict(params["params"])) + "Backward0"


def _own_vjp(forward):
    rule = vjp_of(forward)
    return type("second", (), {"own": False, "bind": staticmethod(lambda _: rule)})


def _apply_rule(rule, *arrays, nout, needs, dtype, params):
    n = nout or 1
    gs, ys, xs = arrays[:n], arrays[n : 2 * n], arrays[2 * n :]
    cast = xs if dtype is None else tuple(None if x is None else x.astype(dtype.np) for x in xs)
    if not getattr(rule, "takes_none", False):
        gs = map(_materialise, gs, ys)
    gs = tuple(map(conj, gs))
    g, y = (gs[0], ys[0]) if nout is None else (gs, ys)
    found = rule(g, y, *cast, **dict(params))
    if len(xs) == 1 and not isinstance(found, tuple):
        found = (found,)
    return tuple(
        fit(conj(c), x) for c, x, need in zip(found, xs, needs, strict=True) if need
    )


def _materialise(g, y):
    if g is not None or not jnp.issubdtype(y.dtype, jnp.inexact):
        return g
    return jnp.zeros(y.shape, y.dtype)


def conj(x):
    """PyTorch's gradient is the conjugate of JAX's."""
    return lax.conj(x) if x is not None and jnp.issubdtype(x.dtype, jnp.complexfloating) else x


def fit(ct, x):
    """The cotangent as the input is: summed over broadcast dimensions, real for a real input, its dtype."""
    if ct is None:
        return jnp.zeros(x.shape, x.dtype)
    if ct.shape != x.shape:
        lead = ct.ndim - x.ndim
        axes = (*range(lead), *(lead + i for i, n in enumerate(x.shape) if n == 1 and ct.shape[lead + i] != 1))
        ct = lax.reshape(jnp.sum(ct, axes), x.shape) if axes else jnp.broadcast_to(ct, x.shape)
    if ct.dtype != x.dtype:
        if jnp.issubdtype(ct.dtype, jnp.complexfloating) and not jnp.issubdtype(x.dtype, jnp.complexfloating):
            ct = lax.real(ct)
        ct = lax.convert_element_type(ct, x.dtype)
    return ct
