"""The batched operator of a row, made once for all rows: the row over a leading dimension of some inputs.

Its rule is the row's own rule over that dimension, so derivatives at kinks stay as the row says.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from .derive import fit
from .row import Op


def batch_op(op: Op) -> Op:
    """The operator that does `op` for each example of a batch.

    Arrays: those of `op`, the batched ones with one more dimension in front. Parameters: `axes` (0 for a batched
    array, None for one that all examples share), `size` of the batch, `dtype` (what the inputs are promoted to, or
    None), `params`, the items of `op`'s own. Results have the dimension in front.
    """
    if op.batch is None:
        rule = None if op.rule is None else _rule_of(op)
        more = {"node": partial(_name, op), "options": op.options}
        op.batch = Op(f"{op.name}_batch", partial(_each, op), rule, "internal", **more)
    return op.batch


def _name(op, params: dict) -> str:
    return op.node_name(dict(params["params"]))


def _cast(x, dtype):
    return x if x is None or dtype is None else x.astype(dtype.np)


def _each(op, *arrays, axes, size, dtype, params):
    def one(*xs):
        return op.forward(*(_cast(x, dtype) for x in xs), **dict(params))

    return jax.vmap(one, in_axes=axes, axis_size=size)(*arrays)


def _rule_of(op):
    def rule(g, y, *arrays, axes, size, dtype, params):
        # what has no array cannot be mapped over
        over_g = jax.tree.map(lambda _: 0, g)

        def one(g, y, *xs):
            cast = [_cast(x, dtype) for x in xs]
            if isinstance(y, tuple):
                g = tuple(_zeros(a) if b is None else b for b, a in zip(g, y, strict=True))
            found = op.rule(g, y, *cast, **dict(params))
            found = found if isinstance(found, tuple) else (found,)
            return tuple(None if x is None else fit(c, x) for c, x in zip(found, xs, strict=True))

        found = jax.vmap(one, in_axes=(over_g, 0, *axes), axis_size=size)(g, y, *arrays)
        return tuple(
            c if c is None or axis == 0 else jnp.sum(c, 0, dtype=c.dtype) for c, axis in zip(found, axes, strict=True)
        )

    return rule


def _zeros(y):
    return jnp.zeros(y.shape, y.dtype) if jnp.issubdtype(y.dtype, jnp.inexact) else None
