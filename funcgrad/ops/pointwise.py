"""Rows that work element by element: arithmetic, powers, exp and log, circles, rounding, complex parts.

Knows `op`, the checks in PyTorch's words and JAX. Special functions of mathematics are in `special`,
comparing and choosing in `compare`, activations of networks elsewhere.

A row whose forward refuses a dtype says `infer=None`: only then does the forward run, and raise, at
the user's line. Reflected rows (`rsub`, `rpow`) take the tensor first, as `Tensor.__rsub__` does.
"""

from __future__ import annotations

import math
from math import inf

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import BOOL, COMPLEX, FLOAT, INT, from_np, get_default_dtype
from ..op import checks, op, sample

LN2, LN10 = math.log(2.0), math.log(10.0)


# ---- shared by the rows ----------------------------------------------------------------------------


def even(*arrays):
    """`arrays` broadcast to their common shape; lax, unlike jnp, wants equal shapes."""
    shape = checks.broadcast([a.shape for a in arrays])
    return [a if a.shape == shape else jnp.broadcast_to(a, shape) for a in arrays]


def spread(f):
    """`f` of lax, with broadcasting."""
    return lambda *arrays: f(*even(*arrays))


def in_float32(forward):
    """`forward` of half precision in float32, as PyTorch computes it: XLA would round after every step."""

    def widened(x, *more, **params):
        if x.dtype.itemsize != 2 or not jnp.issubdtype(x.dtype, jnp.floating):
            return forward(x, *more, **params)
        wide = [a.astype(np.float32) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in (x, *more)]
        return forward(*wide, **params).astype(x.dtype)

    return widened


_exp2 = in_float32(lax.exp2)


def kernel(name, forward, *categories):
    """`forward` for dtypes of `categories`; for others PyTorch's refusal by the kernel `name`."""

    def checked(*arrays, **params):
        dtype = from_np(arrays[0].dtype)
        if dtype.category not in categories:
            raise NotImplementedError(f"\"{name}\" not implemented for '{dtype.legacy}'")
        return forward(*arrays, **params)

    return checked


def refuse(error, words, category, forward):
    """`forward`, but raising `error(words)` for dtypes of `category`."""

    def checked(*arrays, **params):
        if from_np(arrays[0].dtype).category == category:
            raise error(words)
        return forward(*arrays, **params)

    return checked


def whole(forward):
    """`forward` for floats; integers, which it would not change, pass."""
    return lambda x, **params: forward(x, **params) if jnp.issubdtype(x.dtype, jnp.inexact) else x


def is_complex(x):
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


def none_for_any(g, y, *arrays, **params):
    """The rule of a row that is `underivable` by all of its arguments: who wants a gradient is told before."""
    raise RuntimeError("PyTorch has no derivative here")


def flat(g, y, *arrays, **params):
    """The rule of a step function: zero wherever there is a derivative at all."""
    zeros = tuple(jnp.zeros_like(g) for _ in arrays)
    return zeros if len(zeros) != 1 else zeros[0]


# ---- arithmetic ------------------------------------------------------------------------------------


def _add(a, b):
    a, b = even(a, b)
    return lax.bitwise_or(a, b) if a.dtype == bool else lax.add(a, b)


def _mul(a, b):
    a, b = even(a, b)
    return lax.bitwise_and(a, b) if a.dtype == bool else lax.mul(a, b)


_TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. "
    "Use the `^` or `logical_xor()` operator instead."
)
_NEG_BOOL = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
    "use the `~` or `logical_not()` operator instead."
)


def _floor_div(a, b):
    """C's rule for floats: by way of the remainder, so that rounding of a/b never lifts the floor."""
    a, b = even(a, b)
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return jnp.floor_divide(a, b)
    mod = lax.rem(a, b)
    down = (mod != 0) & ((b < 0) != (mod < 0))
    floor = jnp.round((a - mod) / b - down.astype(a.dtype))
    return jnp.where(b == 0, a / b, jnp.copysign(floor, a / b))  # a zero keeps its sign


def _trunc_div(a, b):
    a, b = even(a, b)
    return _trunc(lax.div(a, b)) if jnp.issubdtype(a.dtype, jnp.inexact) else lax.div(a, b)


def _trunc(x):
    return lax.select(x < 0, lax.ceil(x), lax.floor(x))


_ROUNDED = {
    "floor": kernel("div_floor_cpu", _floor_div, INT, FLOAT),
    "trunc": kernel("div_trunc_cpu", _trunc_div, INT, FLOAT),
}


def _div(a, b, rounding_mode=None):
    if rounding_mode is None:
        if not jnp.issubdtype(a.dtype, jnp.inexact):
            a, b = (x.astype(get_default_dtype().np) for x in (a, b))
        return lax.div(*even(a, b))
    if rounding_mode not in _ROUNDED:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _ROUNDED[rounding_mode](a, b)


def _div_rule(g, y, a, b, rounding_mode=None):
    if rounding_mode is not None:
        return flat(g, y, a, b)
    return g / b, -g * (a / b) / b


def _remainder(a, b):
    return jnp.remainder(*even(a, b))


def _lerp(x, end, weight):
    """Exact at both ends: computed from the nearer one."""
    x, end, weight = even(x, end, weight)
    step = end - x
    return jnp.where(abs(weight) < 0.5, x + weight * step, end - step * (1 - weight))


_ADDCDIV_WHOLE = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform "
    "a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as "
    "(input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as "
    "(input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter "
    "implementation: (input + value * tensor1 / tensor2), for all dtypes."
)


def _addcdiv(x, a, b, value):
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(_ADDCDIV_WHOLE)
    x, a, b, value = even(x, a, b, value)
    return x + value * (a / b)


def _addcmul(x, a, b, value):
    x, a, b, value = even(x, a, b, value)
    return x + value * a * b


def _triple(*last, **params):
    """Samples for three tensors and what follows them."""
    return lambda: [
        sample((3, 4), (3, 4), (3, 4), *last, **params),
        sample((3, 1), (4,), (2, 1, 1), *last, **params),
        sample((), (2,), (), *last, **params),
    ]


def _modes():
    pairs = (((3, 4), (3, 4)), ((3, 1), (4,)), ((2, 3), 2.0))
    return [sample(*p, **k) for p in pairs for k in ({}, {"rounding_mode": "floor"}, {"rounding_mode": "trunc"})]


op("add", _add, lambda g, y, a, b: (g, g), "binary")
op("sub", refuse(RuntimeError, _TWO_BOOLS, BOOL, spread(lax.sub)), lambda g, y, a, b: (g, -g), "binary",
   infer=None, aliases=("subtract",))  # fmt: skip
op("rsub", refuse(RuntimeError, _TWO_BOOLS, BOOL, lambda a, b: lax.sub(*even(b, a))),
   lambda g, y, a, b: (-g, g), "binary", infer=None, variants="f", node="RsubBackward1")  # fmt: skip
# with `alpha`, which as in PyTorch is no operand that a backward would save
op("add_scaled", lambda a, b, alpha: a + alpha * b, lambda g, y, a, b, alpha: (g, g * alpha, None), "ternary",
   sig="input: T, other: T, alpha: TS", where=None, variants="", node="AddBackward0", reads=lambda params: ((), ()),
   samples=lambda: [sample((3, 4), (4,), 0.5)])  # fmt: skip
op("sub_scaled", lambda a, b, alpha: a - alpha * b, lambda g, y, a, b, alpha: (g, -g * alpha, None), "ternary",
   sig="input: T, other: T, alpha: TS", where=None, variants="", node="SubBackward0", reads=lambda params: ((), ()),
   samples=lambda: [sample((3, 4), (4,), 0.5)])  # fmt: skip
op("mul", _mul, lambda g, y, a, b: (g * b, g * a), "binary", aliases=("multiply",))
op("div", _div, _div_rule, "binary", sig="input: TS, other: TS, *, rounding_mode: str = None", infer=None,
   node=lambda p: "DivBackward0" if p.get("rounding_mode") is None else "DivBackward2",
   domain=(1, 3), samples=_modes, aliases=("divide", "true_divide"))  # fmt: skip
op("floor_divide", _ROUNDED["floor"], none_for_any, "binary", infer=None, domain=(1, 3),
   underivable=dict.fromkeys((0, 1), RuntimeError("derivative for aten::floor_divide is not implemented")),
   node="torch::autograd::NotImplemented", skip="PyTorch has no derivative: the rule refuses")  # fmt: skip
# PyTorch numbers these nodes by overload; these are the ones of a scalar divisor
op("remainder", kernel("remainder_cpu", _remainder, INT, FLOAT),
   lambda g, y, a, b: (g, -g * _floor_div(a, b)), "binary", infer=None, domain=(1, 3))  # fmt: skip
op("fmod", kernel("fmod_cpu", spread(lax.rem), INT, FLOAT), lambda g, y, a, b: (g, -g * _trunc_div(a, b)),
   "binary", sig="input: T, other: TS", infer=None, domain=(1, 3))  # fmt: skip
op("neg", refuse(RuntimeError, _NEG_BOOL, BOOL, lax.neg), lambda g, y, x: -g, "unary", infer=None,
   aliases=("negative",))  # fmt: skip
op("positive", refuse(RuntimeError, "The `+` operator, on a bool tensor is not supported.", BOOL, lambda x: x),
   lambda g, y, x: g, "unary", infer=None, variants="fm")  # fmt: skip
op("reciprocal", lambda x: lax.div(jnp.ones_like(x), x), lambda g, y, x: -g * (y * y), "unary_float",
   domain=(0.5, 2))  # fmt: skip
op("lerp_number", kernel("lerp_kernel_scalar", in_float32(_lerp), FLOAT, COMPLEX),
   lambda g, y, x, end, weight: (g * (1 - weight), g * weight, None), "ternary", sig="input: T, end: T, weight: TS",
   infer=None, where=None, variants="", node="LerpBackward0", reads=lambda params: ((), ()),
   samples=lambda: [sample((3, 4), (4,), 0.75)])  # fmt: skip
op("lerp", kernel("lerp_kernel_scalar", in_float32(_lerp), FLOAT, COMPLEX),
   lambda g, y, x, end, weight: (g * (1 - weight), g * weight, g * (end - x)), "ternary",
   sig="input: T, end: T, weight: TS", casts=False, infer=None, variants="fmi", node="LerpBackward1",
   samples=lambda: [*_triple()(), sample((3, 4), (3, 4), 0.25), sample((3, 4), (4,), 0.75)])  # fmt: skip
op("addcmul", kernel("addcmul_cpu_out", _addcmul, INT, FLOAT, COMPLEX),
   lambda g, y, x, a, b, value: (g, g * (b * value), g * (a * value), None), "ternary",
   sig="input: T, tensor1: T, tensor2: T, *, value: TS = 1", infer=None, variants="fmi",
   samples=_triple(2))  # fmt: skip
op("addcdiv", _addcdiv, lambda g, y, x, a, b, value: (g, g * (value / b), -g * (value * a / (b * b)), None),
   "ternary", sig="input: T, tensor1: T, tensor2: T, *, value: TS = 1", infer=None, variants="fmi",
   domain=(1, 3), samples=_triple(0.5))  # fmt: skip


# ---- powers ----------------------------------------------------------------------------------------


def _pow(x, exponent):
    x, exponent = even(x, exponent)
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return lax.pow(x, exponent)
    # integers: 1/x is 0, except where x is 1 or -1, its own inverse
    power = jnp.power(x, jnp.abs(exponent) if jnp.issubdtype(x.dtype, jnp.signedinteger) else exponent)
    return jnp.where((exponent < 0) & (jnp.abs(x) != 1), jnp.zeros_like(x), power)


def _pow_self(g, x, exponent):
    """0 where the exponent is 0, also at x = 0, and so without a `nan` in the second derivative."""
    return g * exponent * _pow(x, jnp.where(exponent == 0, jnp.ones_like(exponent), exponent) - 1)


def _pow_exponent(g, y, x, exponent):
    """g * y * log(x), and 0 where x is 0 and the exponent is not negative."""
    x, exponent = even(x, exponent)
    flat_there = (x == 0) & (lax.real(exponent) >= 0 if is_complex(exponent) else exponent >= 0)
    return jnp.where(flat_there, jnp.zeros_like(g), g * (y * lax.log(jnp.where(flat_there, jnp.ones_like(x), x))))


def _pow_static(x, exponent):
    """The exponent is part of the program, so that x**2 is one multiplication."""
    integer = isinstance(exponent, int)
    if x.dtype == bool and integer:
        x = x.astype(jnp.int64)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        if integer:
            if exponent < 0:
                raise RuntimeError("Integers to negative integer powers are not allowed.")
            return lax.integer_pow(x, exponent)
        x = x.astype(get_default_dtype().np)
    if isinstance(exponent, complex) and not is_complex(x):
        x = x.astype(from_np(x.dtype).to_complex().np)
    if exponent == 0.5:
        return lax.sqrt(x)
    if exponent == -0.5:
        return lax.rsqrt(x)
    # many multiplications lose digits that the library's pow keeps
    if not isinstance(exponent, complex) and exponent == int(exponent) and abs(exponent) <= 64:
        return lax.integer_pow(x, int(exponent))
    return lax.pow(x, lax.full_like(x, exponent))


def _pow_static_rule(g, y, x, exponent):
    if exponent == 0:
        return jnp.zeros_like(g)
    return g * (exponent * _pow_static(x, exponent - 1))


op("pow", kernel("pow", _pow, INT, FLOAT, COMPLEX),
   lambda g, y, x, exponent: (_pow_self(g, x, exponent), _pow_exponent(g, y, x, exponent)), "binary",
   sig="input: TS, exponent: TS", infer=None, node="PowBackward1", domain=(0.5, 2))  # fmt: skip
op("pow_scalar", kernel("pow", _pow, INT, FLOAT, COMPLEX),
   lambda g, y, x, exponent: (_pow_self(g, x, exponent), None), "binary",
   sig="input: T, exponent: TS", infer=None, where=None, variants="", node="PowBackward0", domain=(0.5, 2),
   samples=lambda: [sample((3, 4), 2.5), sample((3, 4), -1.0), sample((), 0.5), sample((2,), 0.0)])  # fmt: skip
op("pow_int", _pow_static, _pow_static_rule, "unary", sig="input: T, exponent: any", infer=None, where=None,
   variants="", node="PowBackward0", domain=(0.5, 2),
   samples=lambda: [sample((3, 4), exponent=e) for e in (2, 3, 0, 1, 0.5, 1.7, 100)]
   + [sample((), exponent=2), sample((0,), exponent=2)])  # fmt: skip
op("rpow", kernel("pow", lambda x, base: _pow(base, x), INT, FLOAT, COMPLEX),
   lambda g, y, x, base: (_pow_exponent(g, y, base, x), None), "binary", infer=None, where=None, variants="",
   node="PowBackward2",
   samples=lambda: [sample((3, 4), 2.5), sample((), 2.0), sample((3,), 0.0)], domain=(0.5, 2))  # fmt: skip
op("square", lambda x: _pow_static(x, 2), lambda g, y, x: g * (2 * x), "unary", casts=True, infer=None,
   node="PowBackward0")  # fmt: skip
op("sqrt", lax.sqrt, lambda g, y, x: g / (2 * y), "unary_float", domain=(0, inf))
op("rsqrt", lax.rsqrt, lambda g, y, x: -0.5 * g * lax.integer_pow(y, 3), "unary_float", domain=(0, inf))
op("hypot", kernel("hypot_cpu", spread(jnp.hypot), FLOAT), lambda g, y, a, b: (g * (a / y), g * (b / y)),
   "binary", infer=None, sig="input: T, other: T")  # fmt: skip


# ---- exp and log -----------------------------------------------------------------------------------


def _logit(x, eps=None):
    if eps is not None:
        x = lax.clamp(jnp.asarray(eps, x.dtype), x, jnp.asarray(1 - eps, x.dtype))
    return lax.log(x / (1 - x))


def _logit_rule(g, y, x, eps=None):
    """Outside of [eps, 1 - eps] 0; without eps, outside of [0, 1] nan."""
    low, outside = (0.0, jnp.nan) if eps is None else (eps, 0.0)
    there = (x >= low) & (x <= 1 - low)
    x = jnp.where(there, x, jnp.full_like(x, 0.5))
    return jnp.where(there, g / (x * (1 - x)), jnp.full_like(g, outside))


def _xlogy(x, y, log=lax.log):
    x, y = even(x, y)
    known = jnp.where(x == 0, jnp.zeros_like(x), x * log(jnp.where(x == 0, jnp.ones_like(y), y)))
    return jnp.where(y != y, y, known)


def xlogy_rule(log, pole):
    """For log and log1p; 0 for x at x = 0 where the logarithm is not defined."""

    def rule(g, y, x, other):
        by_x = jnp.where((x == 0) & (other <= pole), jnp.zeros_like(g), _xlogy(g, other, log))
        return by_x, g * x / (other - pole)

    return rule


def xlog1py(x, y):
    return _xlogy(x, y, lax.log1p)


def logaddexp(a, b):
    """log(exp(a) + exp(b)); of complex ones the imaginary part goes on from that of the larger, as PyTorch has it."""
    if not jnp.issubdtype(a.dtype, jnp.complexfloating):
        return jnp.logaddexp(a, b)
    a, b = even(a, b)
    less = lax.real(a) < lax.real(b)
    low, high = jnp.where(less, a, b), jnp.where(less, b, a)
    same = (lax.real(a) == lax.real(b)) & jnp.isinf(lax.real(a))
    ends = [jnp.where(same, t, jnp.zeros_like(t)) for t in (low, high)]
    ends = jnp.where(lax.real(a) < 0, low, jnp.log(lax.exp(ends[0]) + lax.exp(ends[1])))
    gap = jnp.where(same, jnp.zeros_like(a), low - high)
    found = jnp.where(same, ends, high + jnp.where(lax.real(gap) == -jnp.inf, 0, lax.log1p(lax.exp(gap))))
    return jnp.where((a != a) | (b != b), jnp.full_like(a, complex(jnp.nan, jnp.nan)), found)


def _logaddexp2(a, b):
    a, b = even(a, b)
    top = lax.max(a, b)
    same = (a == b) & jnp.isinf(a)  # inf - inf
    gap = jnp.where(same, jnp.zeros_like(a), -abs(a - b))
    return jnp.where(same, a, top + lax.log1p(lax.exp2(gap)) / LN2)


op("exp", lax.exp, lambda g, y, x: g * y, "unary_float")
op("exp2", _exp2, lambda g, y, x: g * (y * LN2), "unary_float")
op("expm1", lax.expm1, lambda g, y, x: g * (y + 1), "unary_float")
op("log", lax.log, lambda g, y, x: g / x, "unary_float", domain=(0, inf))
op("log2", jnp.log2, lambda g, y, x: g / (x * LN2), "unary_float", domain=(0, inf))
op("log10", jnp.log10, lambda g, y, x: g / (x * LN10), "unary_float", domain=(0, inf))
op("log1p", lax.log1p, lambda g, y, x: g / (x + 1), "unary_float", domain=(-1, inf), node="Log1PBackward0")
op("sigmoid", lax.logistic, lambda g, y, x: g * ((1 - y) * y), "unary_float")
op("logit", kernel("logit_cpu", _logit, FLOAT), _logit_rule, "unary_float",
   sig="input: T, eps: float = None", infer=None, domain=(0, 1),
   samples=lambda: [sample((3, 4)), sample((3, 4), eps=0.2), sample(())])  # fmt: skip
op("logaddexp", kernel("logaddexp_cpu", logaddexp, FLOAT, COMPLEX),
   lambda g, y, a, b: (g / (1 + lax.exp(b - a)), g / (1 + lax.exp(a - b))), "binary", infer=None,
   sig="input: T, other: T", variants="fm")  # fmt: skip
op("logaddexp2", kernel("logaddexp2_cpu", in_float32(_logaddexp2), FLOAT),
   lambda g, y, a, b: (g / (1 + lax.exp2(b - a)), g / (1 + lax.exp2(a - b))), "binary", infer=None,
   sig="input: T, other: T", variants="fm")  # fmt: skip
op("xlogy", kernel("xlogy_cpu", _xlogy, FLOAT), xlogy_rule(lax.log, 0), "binary_float", infer=None,
   domain=(0, inf))  # fmt: skip
op("ldexp", spread(lambda x, other: x * _exp2(other)),
   lambda g, y, x, other: (g * _exp2(other), g * (y * LN2)), "binary_float", sig="input: T, other: T",
   samples=lambda: [sample((3, 4), (3, 4)), sample((3, 1), (4,)), sample((2,), np.array([2, 3]))])  # fmt: skip


# ---- circles and hyperbolas ------------------------------------------------------------------------


def _atan2_rule(g, y, a, b):
    """0 at the origin, where PyTorch chooses no direction."""
    r = a * a + b * b
    there = r == 0
    scaled = jnp.where(there, jnp.zeros_like(g), g / jnp.where(there, jnp.ones_like(r), r))
    return scaled * b, -scaled * a


def _acosh_rule(g, y, x):
    # sqrt(x + 1) sqrt(x - 1) is sqrt(x*x - 1) only for real x > 1
    return g * (lax.rsqrt(x + 1) * lax.rsqrt(x - 1) if is_complex(x) else lax.rsqrt(x * x - 1))


def _sinc_rule(g, y, x):
    at0 = x == 0
    safe = jnp.where(at0, jnp.ones_like(x), x)
    p = safe * math.pi
    return jnp.where(at0, jnp.zeros_like(g), g * ((p * lax.cos(p) - lax.sin(p)) / (p * safe)))


def _degrees(name, node, scale):
    words = f"{name} is not supported for complex tensors."
    op(name, refuse(RuntimeError, words, COMPLEX, lambda x: x * scale), lambda g, y, x: g * scale, "unary_float",
       infer=None, node=node)  # fmt: skip


op("sin", lax.sin, lambda g, y, x: g * lax.cos(x), "unary_float")
op("cos", lax.cos, lambda g, y, x: g * -lax.sin(x), "unary_float")
op("tan", lax.tan, lambda g, y, x: g * (1 + y * y), "unary_float", domain=(-1, 1))
op("asin", lax.asin, lambda g, y, x: g * lax.rsqrt(1 - x * x), "unary_float", domain=(-1, 1), aliases=("arcsin",))
op("acos", lax.acos, lambda g, y, x: g * -lax.rsqrt(1 - x * x), "unary_float", domain=(-1, 1), aliases=("arccos",))
op("atan", lax.atan, lambda g, y, x: g / (x * x + 1), "unary_float", aliases=("arctan",))
op("sinh", lax.sinh, lambda g, y, x: g * lax.cosh(x), "unary_float")
op("cosh", lax.cosh, lambda g, y, x: g * lax.sinh(x), "unary_float")
op("tanh", lax.tanh, lambda g, y, x: g * (1 - y * y), "unary_float")
op("asinh", lax.asinh, lambda g, y, x: g * lax.rsqrt(x * x + 1), "unary_float", aliases=("arcsinh",))
op("acosh", lax.acosh, _acosh_rule, "unary_float", domain=(1, inf), aliases=("arccosh",))
op("atanh", lax.atanh, lambda g, y, x: g / (1 - x * x), "unary_float", domain=(-1, 1), aliases=("arctanh",))
op("atan2", kernel("atan2_cpu", spread(lax.atan2), FLOAT), _atan2_rule, "binary_float", infer=None,
   sig="input: T, other: T", aliases=("arctan2",))  # fmt: skip
op("sinc", jnp.sinc, _sinc_rule, "unary_float")
_degrees("deg2rad", "Deg2RadBackward0", math.pi / 180)
_degrees("rad2deg", "Rad2DegBackward0", 180 / math.pi)


# ---- signs and steps -------------------------------------------------------------------------------


def _sign(x):
    """0 for nan too, unlike lax.sign."""
    return x if x.dtype == bool else lax.sub(*((t.astype(x.dtype)) for t in (x > 0, x < 0)))


def sgn(x):
    """x / |x|, 0 at 0. `lax.sign` has the same numbers but no derivative for complex ones."""
    if not is_complex(x):
        return _sign(x)
    size = lax.abs(x)
    return jnp.where(size == 0, jnp.zeros_like(x), x / jnp.where(size == 0, jnp.ones_like(size), size))


def _sgn_rule(g, y, x):
    if not is_complex(x):
        return jnp.zeros_like(g)
    size = lax.abs(x)
    safe = jnp.where(size == 0, jnp.ones_like(size), size)
    return jnp.where(size == 0, jnp.zeros_like(g), (g - lax.real(g * y) * lax.conj(y)) / safe)


def _abs_rule(g, y, x):
    return g * (lax.conj(sgn(x)) if is_complex(x) else _sign(x))


def _round(x, decimals=0):
    if not decimals:
        return whole(lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN))(x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise NotImplementedError(f"\"round_cpu\" not implemented for '{from_np(x.dtype).legacy}'")
    ten = 10.0 ** abs(decimals)
    up, down = (lambda v: v * ten), (lambda v: v / ten)
    first, last = (up, down) if decimals > 0 else (down, up)
    return last(lax.round(first(x), lax.RoundingMethod.TO_NEAREST_EVEN))


def _step(name, forward):
    """floor, ceil, trunc: integers pass, bool and complex do not."""
    real = kernel(f"{name}_vml_cpu", whole(forward), INT, FLOAT)
    return refuse(NotImplementedError, f"{name} is not supported for complex inputs", COMPLEX, real)


def _copysign_rule(g, y, x, other):
    ratio = jnp.where(x == 0, jnp.zeros_like(y), y / jnp.where(x == 0, jnp.ones_like(x), x))
    return g * ratio, jnp.zeros_like(g)


def _frexp(x):
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return tuple(jnp.frexp(x))


_SIGN_COMPLEX = "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."

op("abs", kernel("abs_cpu", lax.abs, INT, FLOAT, COMPLEX), _abs_rule, "unary", infer=None,
   aliases=("absolute",))  # fmt: skip
op("sign", refuse(NotImplementedError, _SIGN_COMPLEX, COMPLEX, _sign), flat, "unary", infer=None)
op("sgn", sgn, _sgn_rule, "unary")
op("floor", _step("floor", lax.floor), flat, "unary", infer=None)
op("ceil", _step("ceil", lax.ceil), flat, "unary", infer=None)
op("trunc", _step("trunc", _trunc), flat, "unary", infer=None, aliases=("fix",))
op("round", kernel("round_vml_cpu", _round, INT, FLOAT), flat, "unary", infer=None,
   sig="input: T, *, decimals: int = 0",
   node=lambda p: "RoundBackward1" if p.get("decimals") else "RoundBackward0",
   samples=lambda: [sample((3, 4)), sample((3, 4), decimals=2), sample((3,), decimals=-1)])  # fmt: skip
op("frac", kernel("frac_cpu", lambda x: x - _trunc(x), FLOAT), lambda g, y, x: g, "unary", infer=None)
op("copysign", kernel("copysign_cpu", spread(jnp.copysign), FLOAT), _copysign_rule, "binary_float", infer=None,
   sig="input: T, other: TS")  # fmt: skip
op("nextafter", kernel("nextafter_cpu", spread(lax.nextafter), FLOAT),
   lambda g, y, a, b: (jnp.where(a != b, g, jnp.zeros_like(g)), jnp.zeros_like(g)), "binary", infer=None,
   sig="input: T, other: T")  # fmt: skip
op("frexp", _frexp, lambda g, y, x: g[0] / lax.exp2(y[1].astype(g[0].dtype)), "unary", infer=None, variants="fm")
