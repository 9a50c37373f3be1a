"""The tangent operator of a row, made once for all rows: its rule, transposed.

A rule is linear in the cotangent, so its transpose takes tangents of the inputs to tangents of the
outputs. Forward mode needs no second table.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from .derive import backward_op, conj, derived


def tangent_op(op):
    """The operator that pushes tangents through `op`.

    Arrays: a tangent for each input (None where there is none), the outputs, the inputs. Parameters: as of
    `backward_op`; `needs` says which inputs have a tangent. Result: a tuple, one for each differentiable output.
    """
    if op.tangent is None:
        forward = partial(_push if op.own_rule else _by_jax, op)
        op.tangent = derived(op, "tangent", forward)
    return op.tangent


def _by_jax(op, *arrays, nout, needs, dtype, params):
    """For a row whose derivative is left to JAX."""
    n = nout or 1
    k = len(needs)
    ts, xs = arrays[:k], arrays[k + n :]
    where = [i for i, need in enumerate(needs) if need]

    def f(*some):
        full = list(xs)
        for i, x in zip(where, some, strict=True):
            full[i] = x
        cast = full if dtype is None else [None if x is None else x.astype(dtype.np) for x in full]
        out = op.forward(*cast, **dict(params))
        outs = out if isinstance(out, tuple | list) else (out,)
        return tuple(y for y in outs if jnp.issubdtype(y.dtype, jnp.inexact))

    return jax.jvp(f, tuple(xs[i] for i in where), tuple(ts[i] for i in where))[1]


def _push(op, *arrays, nout, needs, dtype, params):
    n = nout or 1
    k = len(needs)
    ts, ys, xs = arrays[:k], arrays[k : k + n], arrays[k + n :]
    inexact = [i for i, y in enumerate(ys) if jnp.issubdtype(y.dtype, jnp.inexact)]

    def pull(*some):
        gs = [None] * n
        for i, g in zip(inexact, some, strict=True):
            gs[i] = g
        return backward_op(op).forward(*gs, *ys, *xs, nout=nout, needs=needs, dtype=dtype, params=params)

    # a rule is linear, so any gradient will do; not 0, where some leave out what would be 0 times infinity
    _, push = jax.vjp(pull, *(jnp.ones(ys[i].shape, ys[i].dtype) for i in inexact))
    found = push(tuple(conj(t) for t, need in zip(ts, needs, strict=True) if need))
    return tuple(conj(t) for t in found)
