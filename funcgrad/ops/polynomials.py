"""Rows of orthogonal polynomials, by their three-term recurrences; PyTorch does not differentiate them.

Knows `op` and JAX. The degree `n` is an array like the argument: it is promoted with it, and cut to an integer.
Degrees below 0 give 0.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from .pointwise import even

# beyond these degrees PyTorch gives nan rather than Hermite polynomials that overflow
_HERMITE_LIMIT = {np.dtype(np.float32): 128, np.dtype(np.float64): 512}


def polynomial(name, forward):
    """A row for float32 and float64; forward(x, integer n)."""

    def checked(x, n):
        if x.dtype not in (np.float32, np.float64):
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{from_np(x.dtype).legacy}'")
        x, n = even(x, n)
        n = n.astype(np.int64)
        return jnp.where(n < 0, jnp.zeros_like(x), forward(x, n))

    op(name, checked, None, "binary_float", where="special", variants="f", infer=None, sig="input: TS, n: TS",
       samples=lambda: [sample((3, 4), 3), sample((3, 1), np.array([-1, 0, 1, 2, 9])), sample((), 12),
                        sample((0, 2), 1), sample(np.array([1.0, -1.0, 0.0]), np.array([7, 8, 9])),
                        sample(0.5, np.array([4]))])  # fmt: skip


def _recur(x, n, first, step):
    """Of the sequence 1, `first`, ..., step(k, q, p): the element n, which is counted from 0."""
    top = jnp.max(n, initial=0)

    def body(state):
        k, p, q, y = state
        p, q = q, step(k.astype(x.dtype), q, p)
        return k + 1, p, q, jnp.where(n == k + 1, q, y)

    one = jnp.ones_like(x)
    start = (jnp.ones((), np.int64), one, first, jnp.where(n == 0, one, first))
    return lax.while_loop(lambda state: state[0] < top, body, start)[3]


# ---- Chebyshev ---------------------------------------------------------------------------------------
# Inside of (-1, 1) high degrees go by sines and cosines of the angle, as in PyTorch; at -1 and 1 by the exact value.


def _chebyshev(first, ends, wave, from_degree, at=lambda x: x):
    def forward(x, n):
        x = at(x)
        m = n.astype(x.dtype)
        edge = lax.abs(x) == 1
        high = (n > from_degree) & (lax.abs(x) < 1)
        y = _recur(x, jnp.where(edge | high, 0, n), first(x), lambda k, q, p: 2 * x * q - p)
        angle = lax.acos(jnp.where(high, x, 0))
        right, left = ends(m)
        sign = jnp.where(n % 2 == 0, 1, -1).astype(x.dtype)
        return jnp.where(edge, jnp.where(x > 0, right, sign * left), jnp.where(high, wave(m, angle), y))

    return forward


def _shifted(x):
    return 2 * x - 1


_T = (lambda x: x, lambda n: (jnp.ones_like(n),) * 2, lambda n, a: lax.cos(n * a), 6)
_U = (lambda x: 2 * x, lambda n: (n + 1,) * 2, lambda n, a: lax.sin((n + 1) * a) / lax.sin(a), 8)
_V = (
    lambda x: 2 * x - 1, lambda n: (jnp.ones_like(n), 2 * n + 1),
    lambda n, a: lax.cos((n + 0.5) * a) / lax.cos(a / 2), 8,
)  # fmt: skip
_W = (
    lambda x: 2 * x + 1, lambda n: (2 * n + 1, jnp.ones_like(n)),
    lambda n, a: lax.sin((n + 0.5) * a) / lax.sin(a / 2), 8,
)  # fmt: skip

polynomial("chebyshev_polynomial_t", _chebyshev(*_T))
polynomial("chebyshev_polynomial_u", _chebyshev(*_U))
polynomial("chebyshev_polynomial_v", _chebyshev(*_V))
polynomial("chebyshev_polynomial_w", _chebyshev(*_W))
polynomial("shifted_chebyshev_polynomial_t", _chebyshev(*_T, at=_shifted))
polynomial("shifted_chebyshev_polynomial_u", _chebyshev(*_U, at=_shifted))
polynomial("shifted_chebyshev_polynomial_v", _chebyshev(*_V, at=_shifted))
polynomial("shifted_chebyshev_polynomial_w", _chebyshev(*_W, at=_shifted))

# ---- the others --------------------------------------------------------------------------------------


def _hermite(scale):
    def forward(x, n):
        beyond = n > _HERMITE_LIMIT[x.dtype]
        y = _recur(x, jnp.where(beyond, 0, n), scale * x, lambda k, q, p: scale * (x * q - k * p))
        return jnp.where(beyond, jnp.nan, y)

    return forward


def _laguerre(x, n):
    y = _recur(x, jnp.where(x == 0, 0, n), 1 - x, lambda k, q, p: ((2 * k + 1 - x) * q - k * p) / (k + 1))
    return jnp.where(x == 0, 1, y)


def _legendre(x, n):
    edge = lax.abs(x) == 1
    y = _recur(x, jnp.where(edge, 0, n), x, lambda k, q, p: ((2 * k + 1) * x * q - k * p) / (k + 1))
    return jnp.where(edge, jnp.where((x > 0) | (n % 2 == 0), 1, -1).astype(x.dtype), y)


polynomial("hermite_polynomial_h", _hermite(2))
polynomial("hermite_polynomial_he", _hermite(1))
polynomial("laguerre_polynomial_l", _laguerre)
polynomial("legendre_polynomial_p", _legendre)
