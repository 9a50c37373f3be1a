"""Rows that the tape and the sweep themselves need: constants of a given shape, identities."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from ..op import checks, op, sample


def _filled(value):
    def forward(*, shape, dtype):
        return lax.full(shape, value, dtype.np)

    return forward


op("blank", _filled(0), None, "internal")
op("unit", _filled(1), None, "internal")
# the same array without its history
op("detach", lambda x: x, None, "internal", samples=lambda: [sample((2, 3))])
# new data under an old history: what an in-place write under no_grad does to a tensor that has one
op("units", lambda *, n, dtype: jnp.eye(n, dtype=dtype.np), None, "internal")  # every unit vector
op("barrier", lambda *arrays: tuple(lax.optimization_barrier(arrays)), None, "internal")
op("with_data", lambda x, new: jnp.broadcast_to(new, x.shape).astype(x.dtype), lambda g, y, x, new: (g, None),
   "internal", samples=lambda: [sample((2, 3), (2, 3))])  # fmt: skip


def _fill_to(x, value):
    if value.ndim > x.ndim and value.size == x.size:  # leading ones of the value may be dropped
        value = lax.reshape(value, x.shape)
    if value.shape != x.shape and checks.broadcast([x.shape, value.shape]) != x.shape:
        raise RuntimeError(
            f"The expanded size of the tensor ({x.shape[-1] if x.ndim else 1}) must match the existing size "
            f"({value.shape[-1]}) at non-singleton dimension {max(x.ndim - 1, 0)}.  Target sizes: {list(x.shape)}.  "
            f"Tensor sizes: {list(value.shape)}"
        )
    return jnp.broadcast_to(value, x.shape).astype(x.dtype)


# `value` in the shape and dtype of `x`: what `copy_`, `fill_` and `x[i] = value` write
op("fill_to", _fill_to, lambda g, y, x, value: (lax.full_like(g, 0), _shrink(g, value)), "internal",
   node="CopyBackwards", samples=lambda: [sample((2, 3), (3,)), sample((2, 3), ())])  # fmt: skip
op("fill_number", _fill_to, lambda g, y, x, value: (lax.full_like(g, 0), None), "internal", node="FillBackward2",
   samples=lambda: [sample((2, 3), 0.5)])  # fmt: skip
op("fill_tensor", _fill_to, lambda g, y, x, value: (lax.full_like(g, 0), g), "internal", node="FillBackward3",
   samples=lambda: [sample((2, 3), ())])  # fmt: skip
op("zero", lambda x: lax.full_like(x, 0), lambda g, y, x: lax.full_like(g, 0), "internal",
   samples=lambda: [sample((2, 3))])  # fmt: skip


def _shrink(g, value):
    return lax.reshape(g, value.shape) if value.ndim > g.ndim else g
