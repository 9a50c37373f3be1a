"""Rows that run along one dimension and keep every step: cumsum, cumprod, cummax, logcumsumexp.

Knows the reverse linear recurrence that their rules are (`recur`). Must not know folds or order.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import op, sample
from ..op.checks import wrap_dim
from .pointwise import logaddexp
from .reduce import inexact, is_complex, isnan, place, total_dtype, unsupported, wide


def along(running, x, dim, reverse=False):
    """One of lax's running folds over `dim`; a 0-d tensor has one element."""
    dim = wrap_dim(dim, x.ndim)
    return running(x, dim, reverse) if x.ndim else x


def shift(x, dim, by, fill):
    """`x` moved `by` one (+1 later, -1 earlier) along `dim`, `fill` moving in."""
    edges = [(0, 0, 0)] * x.ndim
    edges[dim] = (by, -by, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), edges)


def recur(a, b, dim):
    """s with s[k] = b[k] + a[k] * s[k + 1] along `dim`, in logarithmic depth."""
    return lax.associative_scan(
        lambda late, early: (late[0] * early[0], early[1] + early[0] * late[1]),
        (a, b),
        reverse=True,
        axis=dim,
    )[1]


_RUNNING = dict(sig="input: T, dim: int, *, dtype: dtype = None", variants="fmi")


def _samples():
    return [sample((5,), dim=0), sample((3, 4), dim=-1), sample((2, 3, 4), dim=1),
            sample((), dim=0), sample((0, 2), dim=0)]  # fmt: skip


# ---------------------------------------------------------------- sums and products


def _cumsum(x, *, dim, dtype=None):
    out = total_dtype(x, dtype)
    return along(lax.cumsum, wide(x.astype(out)), dim).astype(out)


op("cumsum", _cumsum, lambda g, y, x, *, dim, dtype=None: along(lax.cumsum, g, dim, reverse=True),
   "reduce", casts=True, samples=_samples, **_RUNNING)  # fmt: skip


def _cumprod(x, *, dim, dtype=None):
    out = total_dtype(x, dtype)
    return along(lax.cumprod, wide(x.astype(out)), dim).astype(out)


def _cumprod_rule(g, y, x, *, dim, dtype=None):
    # what stands before times what follows, without division: exact at zeros, its derivative too
    if not x.ndim or not x.size:
        return g
    dim = wrap_dim(dim, x.ndim)
    x = x.astype(y.dtype)
    return shift(y, dim, 1, 1) * recur(shift(x, dim, -1, 0), g, dim)


op("cumprod", _cumprod, _cumprod_rule, "reduce", casts=True,
   samples=lambda: [*_samples(), sample(np.array([2.0, 0.0, 3.0, 0.0, 4.0]), dim=0)],
   **_RUNNING)  # fmt: skip


def _logcumsumexp(x, *, dim):
    if not inexact(x):
        raise unsupported("logcumsumexp_out_cpu", x)
    if is_complex(x):
        return along(_cumulative_logaddexp, x, dim)
    return along(lax.cumlogsumexp, wide(x), dim).astype(x.dtype)


def _cumulative_logaddexp(x, dim, reverse):
    """One after the other: the imaginary part tells in which order."""
    x = jnp.moveaxis(x, dim, 0)
    if not x.shape[0]:
        return jnp.moveaxis(x, 0, dim)

    def step(total, here):
        total = logaddexp(here, total)
        return total, total

    _, later = lax.scan(step, x[0], x[1:])
    return jnp.moveaxis(lax.concatenate([x[:1], later], 0), 0, dim)


def _logcumsumexp_rule(g, y, x, *, dim):
    # every exponent is <= 0, however large x is; PyTorch goes through log |g|, which is not linear
    if not x.size:
        return g
    if x.ndim:
        dim = wrap_dim(dim, x.ndim)
        later = shift(y, dim, -1, 0)
        level = (y == later) & jnp.isinf(y)
        step = jnp.where(level, jnp.zeros_like(y), y - later)
        g = recur(lax.exp(step), g, dim)
    return lax.exp(x - y) * g


op("logcumsumexp", _logcumsumexp, _logcumsumexp_rule, "reduce", sig="input: T, dim: int",
   samples=lambda: [*_samples(), sample(np.array([900.0, -900.0, 0.0, 900.0]), dim=0)])  # fmt: skip


# ---------------------------------------------------------------- running extrema


def _running(name, running):
    def forward(x, *, dim):
        if is_complex(x):
            raise unsupported(f"{name}_cpu", x)
        dim = wrap_dim(dim, x.ndim)
        if x.ndim == 0:
            return x, jnp.zeros((), np.int64)
        best = running(x.astype(np.uint8) if x.dtype == bool else x, dim).astype(x.dtype)
        # an element that ties with the best so far becomes the best, and so does every nan
        rises = (x == best) | isnan(x)
        here = lax.broadcasted_iota(np.dtype(np.int64), x.shape, dim)
        return best, lax.cummax(jnp.where(rises, here, jnp.zeros((), np.int64)), dim)

    return forward


def _running_rule(g, y, x, *, dim):
    return place(g[0], y[1], x, dim)


_EXTREMA = dict(sig="input: T, dim: int", samples=_samples)

op("cummax", _running("cummax", lax.cummax), _running_rule, "reduce", **_EXTREMA)
op("cummin", _running("cummin", lax.cummin), _running_rule, "reduce", **_EXTREMA)
