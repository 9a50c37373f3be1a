"""Rows of the special functions: error functions, gamma and its family, Bessel functions, zeta.

Knows `op`, JAX and the helpers of `pointwise`. What `torch.special` only renames (`expit`, `gammaln`,
`gammainc`, ...) is the namespace's business; a row here says where="special" if torch has it only there.
"""

from __future__ import annotations

import math
from math import inf

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jax import lax

from ..dtypes import FLOAT
from ..op import op, sample
from .pointwise import even, in_float32, kernel, xlog1py, xlogy_rule

SQRT_PI, SQRT_2PI = math.sqrt(math.pi), math.sqrt(2 * math.pi)


def special(name, forward, rule, family="unary_float", refused=None, **over):
    """A row for real numbers; `refused` is the kernel PyTorch names when it refuses others."""
    op(name, kernel(refused or f"{name}_cpu", in_float32(forward), FLOAT), rule, family, infer=None, **over)


# ---- error functions and the normal distribution ---------------------------------------------------


def _erfcx(x):
    """exp(x*x) erfc(x), in float64: exp(x*x) multiplies the rounding of x*x. Far out, where erfc underflows,
    by the asymptotic series; 8 terms leave an error below 1e-12."""
    wide = x.astype(jnp.float64)
    far = wide > 16
    near = jnp.where(far, jnp.ones_like(wide), wide)
    t = jnp.where(far, wide, jnp.full_like(wide, 16))
    series = jnp.ones_like(t)
    for k in range(8, 0, -1):
        series = 1 - (2 * k - 1) * series / (2 * t * t)
    return jnp.where(far, series / (t * SQRT_PI), lax.exp(near * near) * lax.erfc(near)).astype(x.dtype)


def _entr(x):
    inside = 0 - x * lax.log(jnp.where(x > 0, x, jnp.ones_like(x)))
    return jnp.where(x < 0, jnp.full_like(x, -inf), inside)


special("erf", lax.erf, lambda g, y, x: g * (2 / SQRT_PI * lax.exp(-x * x)), refused="erf_vml_cpu")
special("erfc", lax.erfc, lambda g, y, x: g * (-2 / SQRT_PI * lax.exp(-x * x)), refused="erfc_vml_cpu")
special("erfinv", lax.erf_inv, lambda g, y, x: g * (SQRT_PI / 2 * lax.exp(y * y)), refused="erfinv_vml_cpu",
        domain=(-1, 1))  # fmt: skip
special("erfcx", _erfcx, lambda g, y, x: g * (2 * x * y - 2 / SQRT_PI), where="special", variants="f",
        node="SpecialErfcxBackward0")  # fmt: skip
special("ndtr", lambda x: 0.5 * lax.erfc(x * -math.sqrt(0.5)),
        lambda g, y, x: g * (lax.exp(-x * x / 2) / SQRT_2PI), refused="erf_vml_cpu",
        where="special", variants="f", node="MulBackward1")  # fmt: skip
special("ndtri", jsp.ndtri, lambda g, y, x: g * (SQRT_2PI * lax.exp(y * y / 2)), where="special", variants="f",
        domain=(0, 1), node="SpecialNdtriBackward0")  # fmt: skip
special("log_ndtr", jsp.log_ndtr, lambda g, y, x: g / SQRT_2PI * lax.exp(-(y + x * x / 2)), where="special",
        variants="f", node="SpecialLogNdtrBackward0")  # fmt: skip
special("entr", _entr, lambda g, y, x: g * -(1 + lax.log(x)), where="special", variants="f", domain=(0, inf),
        node="SpecialEntrBackward0")  # fmt: skip
special("xlog1py", xlog1py, xlogy_rule(lax.log1p, -1), "binary_float", where="special", variants="f",
        domain=(0, inf), node="SpecialXlog1PyBackward0")  # fmt: skip


# ---- gamma and its family --------------------------------------------------------------------------


def _digamma(x):
    """At 0 the pole has a sign, that of -x."""
    return jnp.where(x == 0, jnp.copysign(jnp.full_like(x, inf), -x), lax.digamma(x))


@jax.custom_jvp
def _zeta(s, q):
    """Hurwitz's zeta; inf at every pole in q and nan for s < 1, where lax.zeta wavers.

    Below 0, where lax.zeta stops short, its terms there are those of two others above, the other way round.
    """
    s, q = even(s, q)
    pole = (q <= 0) & (q == lax.floor(q))
    q = jnp.where(pole, jnp.ones_like(q), q)
    below = (q < 0) & (s > 1) & (s == lax.floor(s))
    part = q - lax.floor(q)
    mirrored = lax.zeta(s, 1 - part) - lax.zeta(s, jnp.where(below, 1 - q, 1))
    known = lax.zeta(s, jnp.where(below, part, q)) + jnp.where(below, (1 - 2 * (s % 2)) * mirrored, 0)
    return jnp.where(s < 1, jnp.full_like(q, jnp.nan), jnp.where(pole, jnp.full_like(q, inf), known))


@_zeta.defjvp
def _zeta_jvp(primals, tangents):
    """JAX has none. By q only; by s no closed form is known here, and nan says so."""
    (s, q), (ds, dq) = primals, tangents
    return _zeta(s, q), ds * jnp.nan + dq * (-s * _zeta(s + 1, q))


def _polygamma(x, n):
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return _digamma(x)
    if n == 1:
        return in_float32(_trigamma)(x)
    return (-1) ** (n + 1) * math.factorial(n) * _zeta(jnp.full_like(x, n + 1), x)


def _trigamma(x):
    """By reflection below 1/2, where Hurwitz's zeta of a negative number is no help."""
    below = x < 0.5
    y = _zeta(jnp.full_like(x, 2), jnp.where(below, 1 - x, x))
    y = jnp.where(x == inf, jnp.zeros_like(y), y)
    return jnp.where(below, (math.pi / jnp.sin(math.pi * jnp.where(below, x, 1))) ** 2 - y, y)


def _mvlgamma(x, p):
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    return sum(lax.lgamma(x - j / 2) for j in range(p)) + p * (p - 1) / 4 * math.log(math.pi)


def _igamma(a, x):
    """lax has nan at the ends of a: at 0 all of the mass lies below x, at inf none."""
    a, x = even(a, x)
    y = jnp.where((a == 0) & (x > 0), jnp.ones_like(x), lax.igamma(a, x))
    return jnp.where((a == inf) & (x >= 0) & (x < inf), jnp.zeros_like(x), y)


def _igammac(a, x):
    a, x = even(a, x)
    return jnp.where((a == inf) & (x >= 0) & (x < inf), jnp.ones_like(x), lax.igammac(a, x))


def _gamma_density(g, a, x):
    return g * lax.exp((a - 1) * lax.log(x) - x - lax.lgamma(a))


def _by_first(name: str) -> dict:
    return {0: NotImplementedError(f"the derivative for '{name}' is not implemented.")}


def _whole(*shape):
    """An integer argument: promoted with the others, but asked for no gradient."""
    return np.arange(1, 1 + math.prod(shape)).reshape(shape)


special("lgamma", lax.lgamma, lambda g, y, x: g * _digamma(x), refused="lgamma_vml_cpu", domain=(0, inf))
special("digamma", _digamma, lambda g, y, x: g * _polygamma(x, 1), refused="digamma", domain=(0, inf))
special("polygamma", _polygamma, lambda g, y, x, n: g * _polygamma(x, n + 1), sig="n: int, input: T",
        refused="polygamma", domain=(0.5, inf),
        samples=lambda: [sample((3, 4), n=n) for n in (0, 1, 2, 4)] + [sample((), n=1)])  # fmt: skip
special("mvlgamma", _mvlgamma, lambda g, y, x, p: g * sum(_digamma(x - j / 2) for j in range(p)),
        sig="input: T, p: int", refused="mvlgamma", domain=(2, inf),
        samples=lambda: [sample((3, 4), p=p) for p in (1, 2, 4)])  # fmt: skip
# PyTorch has no derivative by the first argument (N2 in its messages)
special("igamma", _igamma,
        lambda g, y, a, x: (None, _gamma_density(g, a, x)), "binary",
        sig="input: T, other: T", domain=(0.5, inf), underivable=_by_first("igamma: input"),
        samples=lambda: [sample(_whole(3, 1), (3, 4)), sample(_whole(2), (2,))])  # fmt: skip
special("igammac", _igammac,
        lambda g, y, a, x: (None, -_gamma_density(g, a, x)), "binary",
        sig="input: T, other: T", domain=(0.5, inf), underivable=_by_first("igammac: input"),
        samples=lambda: [sample(_whole(3, 1), (3, 4)), sample(_whole(2), (2,))])  # fmt: skip
special("zeta", _zeta,
        lambda g, y, x, q: (None, g * (-x * _zeta(x + 1, q))), "binary_float",
        where="special", variants="f", domain=(1.5, inf), node="SpecialZetaBackward0",
        underivable=_by_first("zeta"),
        samples=lambda: [sample(2.5, (3, 4)), sample(_whole(3) + 1, (3,))])  # fmt: skip


# ---- modified Bessel functions ---------------------------------------------------------------------


def _i1_rule(g, y, x):
    at0 = x == 0
    return g * jnp.where(at0, jnp.full_like(x, 0.5), jsp.i0(x) - y / jnp.where(at0, jnp.ones_like(x), x))


def _i1e_rule(g, y, x):
    at0 = x == 0
    slope = lax.bessel_i0e(x) - y * (lax.sign(x) + 1 / jnp.where(at0, jnp.ones_like(x), x))
    return g * jnp.where(at0, jnp.full_like(x, 0.5), slope)


special("i0", jsp.i0, lambda g, y, x: g * jsp.i1(x), refused="i0_vml_cpu")
special("i0e", lax.bessel_i0e, lambda g, y, x: g * (lax.bessel_i1e(x) - lax.sign(x) * y), where="special",
        variants="f", node="SpecialI0EBackward0")  # fmt: skip
special("i1", jsp.i1, _i1_rule, where="special", variants="f", node="SpecialI1Backward0")
special("i1e", lax.bessel_i1e, _i1e_rule, where="special", variants="f", node="SpecialI1EBackward0")
