"""Rows of Bessel functions and Airy's, those of `torch.special` that PyTorch does not differentiate.

Knows `op`, JAX, and SciPy's values, from which the polynomials below are interpolated the first time that a row is
traced: XLA has no Bessel functions but i0e and i1e. Each function is cut into a stretch where something entire is
interpolated and a tail where its asymptotic series has terms enough. All is done in float64 and within 1e-13 of
the largest value nearby; next to a zero that is not a relative error.
"""

from __future__ import annotations

import math
from functools import cache, reduce

import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jax import lax
from numpy.polynomial import chebyshev

from ..dtypes import from_np
from ..op import op

FAR = 25.0  # from here on 22 terms of Hankel's series are exact to rounding


def bessel(name, forward):
    """A row for float32 and float64 without a derivative, as in PyTorch."""

    def checked(x):
        if x.dtype not in (np.float32, np.float64):
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{from_np(x.dtype).legacy}'")
        return forward(x.astype(np.float64)).astype(x.dtype)

    op(name, checked, None, "unary_float", where="special", variants="f", infer=None, domain=(-12.0, 30.0))


@cache
def _coefficients(name: str) -> tuple[float, ...]:
    low, high, degree, f = _ENTIRE[name]

    def stretched(u):  # chebinterpolate samples [-1, 1]
        return f((u + 1) / 2 * (high - low) + low)

    return tuple(chebyshev.chebinterpolate(stretched, degree).tolist())


def _entire(name: str, x):
    """The interpolated function `name` at x, by Clenshaw's recurrence; x is clipped to where it is known."""
    low, high = _ENTIRE[name][:2]
    u = (jnp.clip(x, low, high) - low) * (4 / (high - low)) - 2
    c = _coefficients(name)
    b, after = reduce(lambda b, ck: (u * b[0] - b[1] + ck, b[0]), c[:0:-1], (jnp.zeros_like(x), jnp.zeros_like(x)))
    return u / 2 * b - after + c[0]


def _scipy(name: str):
    import scipy.special

    return getattr(scipy.special, name)


def _without_log(singular, regular, factor, pole, order):
    """Of a function of the second kind, as a function of x*x: what is left without its logarithm and its pole."""

    def f(z):
        x = np.sqrt(z)
        rest = _scipy(singular)(x) - factor * np.log(x / 2) * _scipy(regular)(x) - (pole / x if pole else 0)
        return rest / x**order

    return f


# name: (low, high, degree, function); of x*x for the first eight, of 2/x and (2/x)**1.5 for the tails
_ENTIRE = {
    "j0": (0.0, FAR**2, 36, lambda z: _scipy("j0")(np.sqrt(z))),
    "j1": (0.0, FAR**2, 36, lambda z: _scipy("j1")(np.sqrt(z)) / np.sqrt(z)),
    "y0": (0.0, FAR**2, 36, _without_log("y0", "j0", 2 / math.pi, 0, 0)),
    "y1": (0.0, FAR**2, 36, _without_log("y1", "j1", 2 / math.pi, -2 / math.pi, 1)),
    "k0": (0.0, 4.0, 12, _without_log("k0", "i0", -1, 0, 0)),
    "k1": (0.0, 4.0, 12, _without_log("k1", "i1", 1, 1, 1)),
    "k0e": (0.0, 1.0, 30, lambda t: _scipy("k0e")(2 / t) * np.sqrt(2 / t)),
    "k1e": (0.0, 1.0, 30, lambda t: _scipy("k1e")(2 / t) * np.sqrt(2 / t)),
    "ai": (-10.0, 2.0, 48, lambda x: _scipy("airy")(x)[0]),
    "aie": (0.0, 1.0, 30, lambda t: _scipy("airye")(2 * t ** (-2 / 3))[0] * (2 * t ** (-2 / 3)) ** 0.25),
}

# ---- the first and the second kind -------------------------------------------------------------------


def _alternating(terms, x):
    """Sums of the even and of the odd terms c[k] / x**k, each with alternating signs."""
    inverse = 1 / x
    z = -inverse * inverse
    even, odd = (reduce(lambda s, c: s * z + c, terms[i::2][::-1], jnp.zeros_like(x)) for i in (0, 1))
    return even, odd * inverse


@cache
def _hankel(order: int) -> tuple[float, ...]:
    terms = [1.0]
    for k in range(1, 22):
        terms.append(terms[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return tuple(terms)


def _wave(x, order):
    """(J, Y) of the order for x >= FAR."""
    x = jnp.maximum(x, FAR)
    p, q = _alternating(_hankel(order), x)
    c, s = lax.cos(x), lax.sin(x)
    cos, sin = (c + s, s - c) if order == 0 else (s - c, -s - c)  # of x - (order / 2 + 1 / 4) pi, times sqrt(2)
    size = 1 / lax.sqrt(math.pi * x)
    return size * (p * cos - q * sin), size * (p * sin + q * cos)


def _j(order):
    def forward(x):
        a = lax.abs(x)
        near = _entire(f"j{order}", a * a) * (a if order else 1)
        y = jnp.where(a < FAR, near, _wave(a, order)[0])
        return y * lax.sign(x) if order else y

    return forward


def _y(order):
    def forward(x):
        z = x * x
        near = _entire(f"y{order}", z) * (x if order else 1) - (2 / math.pi / x if order else 0)
        near += 2 / math.pi * lax.log(x / 2) * _entire(f"j{order}", z) * (x if order else 1)
        return jnp.where(x == 0, -jnp.inf, jnp.where(x < FAR, near, _wave(x, order)[1]))

    return forward


bessel("bessel_j0", _j(0))
bessel("bessel_j1", _j(1))
bessel("bessel_y0", _y(0))
bessel("bessel_y1", _y(1))
bessel("spherical_bessel_j0", lambda x: jnp.where(x == 0, 1, jnp.where(jnp.isinf(x), 0, lax.sin(x) / x)))

# ---- modified ----------------------------------------------------------------------------------------


def _k(order, scaled):
    def forward(x):
        z = jnp.minimum(x * x, 4)
        log = lax.log(x / 2)
        if order:
            near = 1 / x + x * _entire("k1", z) + log * jsp.i1(jnp.minimum(x, 2))
        else:
            near = _entire("k0", z) - log * jsp.i0(jnp.minimum(x, 2))
        far = _entire(f"k{order}e", 2 / x) / lax.sqrt(x)
        near, far = (near * lax.exp(jnp.minimum(x, 2)), far) if scaled else (near, far * lax.exp(-x))
        y = jnp.where(x <= 2, near, far)
        return jnp.where(x == 0, jnp.inf, y)

    return forward


bessel("modified_bessel_i0", lambda x: jnp.where(jnp.isinf(x), jnp.nan, jsp.i0(x)))
bessel("modified_bessel_i1", lambda x: jnp.where(jnp.isinf(x), jnp.nan, jsp.i1(x)))
bessel("modified_bessel_k0", _k(0, False))
bessel("modified_bessel_k1", _k(1, False))
bessel("scaled_modified_bessel_k0", _k(0, True))
bessel("scaled_modified_bessel_k1", _k(1, True))

# ---- Airy --------------------------------------------------------------------------------------------


@cache
def _airy_terms() -> tuple[float, ...]:
    terms = [1.0]
    for k in range(1, 20):
        terms.append(terms[-1] * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)))
    return tuple(terms)


def _airy_ai(x):
    right, left = jnp.maximum(x, 2), jnp.maximum(-x, 10)
    fall = lax.exp(-2 / 3 * right * lax.sqrt(right))
    decay = fall * _entire("aie", (2 / right) ** 1.5) / right**0.25
    phase = 2 / 3 * left * lax.sqrt(left)
    even, odd = _alternating(_airy_terms(), phase)
    turned = phase + math.pi / 4
    wave = (even * lax.sin(turned) - odd * lax.cos(turned)) / (left**0.25 * math.sqrt(math.pi))
    y = jnp.where(x > 2, decay, jnp.where(x < -10, wave, _entire("ai", x)))
    return jnp.where(jnp.isinf(x), jnp.nan, y)


bessel("airy_ai", _airy_ai)
