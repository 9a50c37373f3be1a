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
        forward = partial(_push, op)
        op.tangent = derived(op, "tangent", forward)
    return op.tangent


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

    _, push = jax.vjp(pull, *(jnp.zeros(ys[i].shape, ys[i].dtype) for i in inexact))
    found = push(tuple(conj(t) for t, need in zip(ts, needs, strict=True) if need))
    return tuple(conj(t) for t in found)
