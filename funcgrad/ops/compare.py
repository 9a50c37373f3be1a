"""Rows that compare and choose: truth values, the bits of integers, the larger of two, clamp, where.

Knows `op`, JAX and the helpers of `pointwise`. Comparisons that end in one Python bool (`equal`,
`allclose`) are composed elsewhere.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import BOOL, COMPLEX, FLOAT, INT, from_np, get_default_dtype
from ..op import op, sample
from .pointwise import even, is_complex, kernel, none_for_any, refuse, spread


def _real(name, f):
    """An order, which complex numbers have not."""
    return kernel(f"{name}_cpu", spread(f), BOOL, INT, FLOAT)


# ---- comparisons -----------------------------------------------------------------------------------

op("eq", spread(lax.eq), None, "compare")
op("ne", spread(lax.ne), None, "compare", aliases=("not_equal",))
op("lt", _real("lt", lax.lt), None, "compare", infer=None, aliases=("less",))
op("le", _real("le", lax.le), None, "compare", infer=None, aliases=("less_equal",))
op("gt", _real("gt", lax.gt), None, "compare", infer=None, aliases=("greater",))
op("ge", _real("ge", lax.ge), None, "compare", infer=None, aliases=("greater_equal",))


def _isclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    if x.dtype != other.dtype:
        raise RuntimeError(f"{from_np(x.dtype).legacy} did not match {from_np(other.dtype).legacy}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    x, other = even(x, other)
    close = x == other
    if equal_nan:
        close = close | ((x != x) & (other != other))
    if not rtol and not atol:
        return close
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        x, other = (t.astype(get_default_dtype().np) for t in (x, other))
    gap = lax.abs(x - other)
    return close | (jnp.isfinite(gap) & (gap <= atol + lax.abs(rtol * other)))


op("isclose", _isclose, None, "compare", promote=None, infer=None, variants="fm",
   sig="input: T, other: T, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False",
   samples=lambda: [sample((3, 4), (4,)), sample((3,), (3,), rtol=0.5), sample((3,), (3,), rtol=0.0, atol=0.0),
                    sample((2, 3), (3,), rtol=0.1, atol=1.0, equal_nan=True), sample((), ())])  # fmt: skip


# ---- what a number is ------------------------------------------------------------------------------


def _never(x):
    return jnp.zeros(x.shape, bool)


def _isinf(x):
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return _never(x)
    return _isinf(lax.real(x)) | _isinf(lax.imag(x)) if is_complex(x) else lax.abs(x) == jnp.inf


def _isfinite(x):
    return jnp.isfinite(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.ones(x.shape, bool)


def _signed_inf(name, inf):
    words = f"{name} does not support complex inputs."
    forward = lambda x: x == inf if jnp.issubdtype(x.dtype, jnp.floating) else _never(x)  # noqa: E731
    op(name, refuse(RuntimeError, words, COMPLEX, forward), None, "unary_bool", infer=None)


def _signbit(x):
    if jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.signbit(x)
    return x < 0 if jnp.issubdtype(x.dtype, jnp.signedinteger) else _never(x)


op("isnan", lambda x: lax.ne(x, x), None, "unary_bool")
op("isinf", _isinf, None, "unary_bool")
op("isfinite", _isfinite, None, "unary_bool")
_signed_inf("isposinf", jnp.inf)
_signed_inf("isneginf", -jnp.inf)
op("isreal", lambda x: lax.imag(x) == 0 if is_complex(x) else jnp.ones(x.shape, bool), None, "unary_bool")
op("signbit", refuse(NotImplementedError, "signbit is not implemented for complex tensors.", COMPLEX, _signbit),
   None, "unary_bool", infer=None)  # fmt: skip


# ---- logic: any dtype, each operand by itself is true where it is not 0 -----------------------------


def _logical(name, f):
    op(name, lambda a, b: f(*even(a != 0, b != 0)), None, "compare", promote=None, sig="input: T, other: T")


_logical("logical_and", lax.bitwise_and)
_logical("logical_or", lax.bitwise_or)
_logical("logical_xor", lax.bitwise_xor)
op("logical_not", lambda x: x == 0, None, "unary_bool", casts=True, variants="fmi")


# ---- bits and divisors of integers -----------------------------------------------------------------


def _integers(low=-6, high=7):
    draw = np.random.default_rng(3).integers
    return lambda: [
        sample(draw(low, high, (3, 4)), draw(low, high, (3, 4))),
        sample(draw(low, high, (3, 1)), draw(low, high, (4,))),
        sample(np.array(12), np.array(5)),
    ]


def _bits(name, f, kernel_name=None, categories=(BOOL, INT), sig="input: TS, other: TS"):
    forward = kernel(kernel_name or f"{name}_cpu", spread(f), *categories)
    op(name, forward, None, "binary", infer=None, sig=sig, samples=_integers())


def _shift_right(a, b):
    signed = jnp.issubdtype(a.dtype, jnp.signedinteger)
    return (lax.shift_right_arithmetic if signed else lax.shift_right_logical)(a, b)


_bits("bitwise_and", lax.bitwise_and)
_bits("bitwise_or", lax.bitwise_or)
_bits("bitwise_xor", lax.bitwise_xor)
op("bitwise_not", kernel("bitwise_not_cpu", lax.bitwise_not, BOOL, INT), None, "unary", infer=None,
   samples=lambda: [sample(np.arange(-3, 4)), sample(np.array([True, False])), sample(np.array(7))])  # fmt: skip
# lax, like PyTorch, shifts everything out when the distance is negative or too long
_bits("bitwise_left_shift", lax.shift_left, "lshift_cpu", (INT,))
_bits("bitwise_right_shift", _shift_right, "rshift_cpu", (INT,))
_bits("gcd", jnp.gcd, None, (INT,), "input: T, other: T")
_bits("lcm", jnp.lcm, None, (INT,), "input: T, other: T")


# ---- choosing --------------------------------------------------------------------------------------


def _larger(name, better):
    """maximum and minimum: a tie shares the gradient, nan gives it to both."""
    forward = refuse(RuntimeError, f"{name} not implemented for complex tensors.", COMPLEX, spread(better))

    def rule(g, y, a, b):
        zero, half = jnp.zeros_like(g), jnp.where(a == b, g / 2, g)
        a_less, b_less = (a < b, a > b) if better is lax.max else (a > b, a < b)
        return jnp.where(a_less, zero, half), jnp.where(b_less, zero, half)

    op(name, forward, rule, "binary", infer=None, variants="fm", sig="input: T, other: T")


def _larger_known(name, better):
    """fmax and fmin: nan loses, a tie goes to the first."""

    def choose(a, b):
        wins = a >= b if better is lax.max else a <= b
        return wins | (b != b)

    def forward(a, b):
        a, b = even(a, b)
        return jnp.where((a != a) | (b != b), jnp.where(choose(a, b), a, b), better(a, b))

    def rule(g, y, a, b):
        first, zero = choose(a, b), jnp.zeros_like(g)
        return jnp.where(first, g, zero), jnp.where(first, zero, g)

    forward = refuse(RuntimeError, f"{name} not implemented for complex tensors.", COMPLEX, forward)
    op(name, forward, rule, "binary", infer=None, variants="fm", sig="input: T, other: T")


def _clamp(x, min, max):
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    # min first: where min > max, the result is max
    if min is not None:
        x = lax.max(*even(x, min))
    return x if max is None else lax.min(*even(x, max))


def _clamp_rule(g, y, x, min, max):
    """At the bound itself the gradient goes to x; bounds that cross leave all of it to max."""
    zero = jnp.zeros_like(g)
    if max is None:
        return jnp.where(x >= min, g, zero), jnp.where(x < min, g, zero), None
    if min is None:
        return jnp.where(x <= max, g, zero), None, jnp.where(x > max, g, zero)
    return (
        jnp.where((x >= min) & (x <= max), g, zero),
        jnp.where((min < max) & (x < min), g, zero),
        jnp.where((x > max) | (max < min), g, zero),
    )


def _clamp_samples():
    a, low, high = (3, 4), np.full((4,), -0.5), np.full((3, 1), 0.5)
    return [
        sample(a, -0.5, 0.5),
        sample(a, None, 0.5),
        sample(a, -0.5, None),
        sample(a, low, high),
        sample(a, None, high),
        sample((), 0.1, -0.1),
    ]


def _where(condition, input, other):
    condition, input, other = even(condition, input, other)
    return lax.select(condition.astype(bool), input, other)


def _where_rule(g, y, condition, input, other):
    zero, condition = jnp.zeros_like(g), condition.astype(bool)
    return None, jnp.where(condition, g, zero), jnp.where(condition, zero, g)


def _nan_to_num(x, nan=None, posinf=None, neginf=None):
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    if is_complex(x):
        return lax.complex(*(_nan_to_num(part, nan, posinf, neginf) for part in (lax.real(x), lax.imag(x))))
    return jnp.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


def _heaviside(x, values):
    if x.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    x, values = even(x, values)
    return jnp.where(x == 0, values, (x > 0).astype(x.dtype))


def _masks():
    return [
        sample(np.array([[True, False], [False, True]]), (2, 2), (2, 2)),
        sample(np.array([True, False]), (3, 1), (2,)),
        sample(np.array(True), (), (2,)),
        sample(np.array([True, False]), (2,), 1.5),
    ]


_COMPLEX_CLAMP = "clamp is not supported for complex types"

_larger("maximum", lax.max)
_larger("minimum", lax.min)
_larger_known("fmax", lax.max)
_larger_known("fmin", lax.min)
# PyTorch numbers the nodes of clamp by overload: these are the ones of scalar bounds
op("clamp", refuse(NotImplementedError, _COMPLEX_CLAMP, COMPLEX, _clamp), _clamp_rule, "ternary",
   sig="input: T, min: OTS = None, max: OTS = None", infer=None, variants="fmi", node="ClampBackward1",
   samples=_clamp_samples, aliases=("clip",))  # fmt: skip
op("clamp_min", refuse(NotImplementedError, _COMPLEX_CLAMP, COMPLEX, spread(lax.max)),
   lambda g, y, x, min: _clamp_rule(g, y, x, min, None)[:2], "binary", sig="input: T, min: TS",
   infer=None)  # fmt: skip
op("clamp_max", refuse(NotImplementedError, _COMPLEX_CLAMP, COMPLEX, spread(lax.min)),
   lambda g, y, x, max: _clamp_rule(g, y, x, None, max)[::2], "binary", sig="input: T, max: TS",
   infer=None)  # fmt: skip
# the condition is promoted with the rest (bool is the lowest dtype, so it decides nothing) and read back
op("where", _where, _where_rule, "ternary", sig="condition: T, input: TS, other: TS", casts=False, samples=_masks)
op("nan_to_num", _nan_to_num, lambda g, y, x, **_: jnp.where(jnp.isfinite(x), g, jnp.zeros_like(g)), "unary",
   sig="input: T, nan: float = None, posinf: float = None, neginf: float = None",
   samples=lambda: [sample((3, 4)), sample(np.array([1.0, np.nan, np.inf, -np.inf])),
                    sample(np.array([1.0, np.nan, np.inf, -np.inf]), nan=1.0, posinf=2.0)])  # fmt: skip
op("heaviside", refuse(RuntimeError, "heaviside is not yet implemented for complex tensors.", COMPLEX, _heaviside),
   none_for_any, "binary", sig="input: T, values: T", casts=False, promote=None, infer=None,
   underivable=dict.fromkeys((0, 1), RuntimeError("derivative for aten::heaviside is not implemented")),
   node="torch::autograd::NotImplemented", skip="PyTorch has no derivative: the rule refuses")  # fmt: skip
