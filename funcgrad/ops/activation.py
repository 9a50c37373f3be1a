"""Activations and softmaxes: forward and rule of each, with PyTorch's derivative at every kink.

Knows pure JAX only. Slopes, bounds and temperatures are parameters of the program. An activation
whose variants are "fi" is one PyTorch gives an `inplace` argument (always its last) but no method.
Where PyTorch writes `x <= 0 ? 0 : g`, so do the rules: a NaN must take the same branch.
"""

from __future__ import annotations

from math import inf, pi, sqrt

import jax.numpy as jnp
from jax import lax

from ..dtypes import float64, from_np
from ..op import checks, op, sample
from .pointwise import sgn


def floating(kernel: str, *arrays, also_complex: bool = False) -> None:
    """PyTorch's words when a kernel has no version for a dtype."""
    for x in arrays:
        if x is None:
            continue
        dtype = from_np(x.dtype)
        if not (dtype.is_floating_point or (also_complex and dtype.is_complex)):
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtype.legacy}'")


def _of_floats(kernel, forward, also_complex=False):
    def checked(input, **params):
        floating(kernel, input, also_complex=also_complex)
        return forward(input, **params)

    return checked


def _activation(name, forward, rule, sig="input: T", *, kernel=None, also_complex=False, **over):
    """A row of an elementwise function; `kernel` is the name PyTorch blames for a wrong dtype.

    No quick inference: the check must run at the user's line.
    """
    forward = _of_floats(kernel, forward, also_complex) if kernel else forward
    op(name, forward, rule, "activation", sig=sig, infer=None, **over)


def _negative(x):
    """x where it is negative, else 0: a rule is differentiated again, and exp() must stay finite there."""
    return jnp.where(x < 0, x, 0)


# ---- piecewise linear --------------------------------------------------------------------------


def _bounded(x, low, high):
    """clamp for hardtanh; the bounds take the dtype of x."""
    if x.dtype == jnp.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise NotImplementedError("clamp is not supported for complex types")
    return jnp.clip(x, jnp.asarray(low).astype(x.dtype), jnp.asarray(high).astype(x.dtype))


def relu(input):
    if input.dtype == jnp.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    if jnp.issubdtype(input.dtype, jnp.complexfloating):
        raise NotImplementedError("clamp is not supported for complex types")
    return jnp.maximum(input, 0)


def _hardtanh(input, *, min_val=-1.0, max_val=1.0):
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _bounded(input, min_val, max_val)


def _hardtanh_rule(g, y, input, *, min_val=-1.0, max_val=1.0):
    return jnp.where((input <= min_val) | (input >= max_val), 0, g)


def _threshold(input, *, threshold, value):
    if input.dtype == jnp.bool_ or jnp.iscomplexobj(input):
        floating("threshold_cpu", input)
    return jnp.where(input <= threshold, jnp.asarray(value).astype(input.dtype), input)


def _softshrink(input, *, lambd=0.5):
    floating("softshrink_check", input)
    if not 0 <= lambd:
        dtype = from_np(input.dtype)
        raise RuntimeError(
            f"lambda must be in range [0, {float(jnp.finfo(input.dtype).max):g}] "
            f"for input dtype {dtype.legacy}, but found {lambd:g}"
        )
    # x * 0 and not 0, so that NaN stays
    return jnp.where(
        input > lambd, input - lambd, jnp.where(input < -lambd, input + lambd, input * 0)
    )


def _hardswish_rule(g, y, x):
    return jnp.where(x <= -3, 0, jnp.where(x < 3, g * (x / 3 + 0.5), g))


_activation(
    "relu", relu, lambda g, y, input: jnp.where(y <= 0, 0, g), where="torch", variants="fmi"
)
_activation(
    "relu6",
    lambda input: _bounded(input, 0, 6),
    lambda g, y, input: jnp.where((input <= 0) | (input >= 6), 0, g),
    variants="fi",
    domain=(-4.0, 8.0),
    node="HardtanhBackward0",
)
_activation(
    "hardtanh",
    _hardtanh,
    _hardtanh_rule,
    "input: T, min_val: float = -1.0, max_val: float = 1.0",
    variants="fi",
    samples=lambda: [sample((3, 4)), sample((5,), min_val=-0.5, max_val=0.75), sample(())],
)
_activation(
    "leaky_relu",
    lambda x, *, negative_slope=0.01: jnp.where(x > 0, x, x * negative_slope),
    lambda g, y, x, *, negative_slope=0.01: jnp.where(x > 0, g, g * negative_slope),
    "input: T, negative_slope: float = 0.01",
    kernel="leaky_relu_cpu",
    variants="fi",
    samples=lambda: [sample((3, 4)), sample((5,), negative_slope=0.2), sample((0, 2))],
)
_activation(
    "threshold",
    _threshold,
    lambda g, y, input, *, threshold, value: jnp.where(input <= threshold, 0, g),
    "input: T, threshold: float, value: float",
    variants="fi",
    samples=lambda: [sample((3, 4), threshold=0.1, value=20.0), sample((), threshold=0, value=-1)],
)
_activation(
    "hardshrink",
    lambda x, *, lambd=0.5: jnp.where((x >= -lambd) & (x <= lambd), 0, x),
    lambda g, y, x, *, lambd=0.5: jnp.where((x >= -lambd) & (x <= lambd), 0, g),
    "input: T, lambd: float = 0.5",
    kernel="hardshrink_cpu",
    where="torch",
    variants="fm",
    samples=lambda: [sample((3, 4)), sample((5,), lambd=1.0), sample(())],
)
_activation(
    "softshrink",
    _softshrink,
    lambda g, y, x, *, lambd=0.5: jnp.where((x >= -lambd) & (x <= lambd), 0, g),
    "input: T, lambd: float = 0.5",
    samples=lambda: [sample((3, 4)), sample((5,), lambd=1.0), sample(())],
)
_activation(
    "hardsigmoid",
    lambda x: jnp.clip(x + 3, 0, 6) / 6,
    lambda g, y, x: jnp.where((x > -3) & (x < 3), g * (1 / 6), 0),
    kernel="hardsigmoid_cpu",
    variants="fi",
    domain=(-5.0, 5.0),
)
_activation(
    "hardswish",
    lambda x: x * (jnp.clip(x + 3, 0, 6) / 6),
    _hardswish_rule,
    kernel="hardswish_cpu",
    variants="fi",
    domain=(-5.0, 5.0),
)

# ---- exponential below zero --------------------------------------------------------------------

# Klambauer et al. 2017, the fixed point for zero mean and unit variance
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _elu(x, *, alpha=1.0, scale=1.0):
    return jnp.where(x > 0, scale * x, scale * alpha * jnp.expm1(x))


def _elu_rule(g, y, input, *, alpha=1.0, scale=1.0):
    return jnp.where(input <= 0, g * (scale * alpha * jnp.exp(_negative(input))), g * scale)


def _celu(x, *, alpha=1.0):
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return jnp.where(x > 0, x, alpha * jnp.expm1(x / alpha))


_activation(
    "elu",
    lambda x, *, alpha=1.0: _elu(x, alpha=alpha),
    lambda g, y, x, *, alpha=1.0: _elu_rule(g, y, x, alpha=alpha),
    "input: T, alpha: float = 1.0",
    kernel="elu_cpu",
    variants="fi",
    samples=lambda: [sample((3, 4)), sample((5,), alpha=0.3), sample(())],
)
_activation(
    "selu",
    lambda x: _elu(x, alpha=SELU_ALPHA, scale=SELU_SCALE),
    lambda g, y, x: _elu_rule(g, y, x, alpha=SELU_ALPHA, scale=SELU_SCALE),
    kernel="elu_cpu",
    variants="fi",
    node="EluBackward0",
)
_activation(
    "celu",
    _celu,
    lambda g, y, x, *, alpha=1.0: jnp.where(x <= 0, g * jnp.exp(_negative(x) / alpha), g),
    "input: T, alpha: float = 1.0",
    kernel="elu_cpu",
    variants="fi",
    samples=lambda: [sample((3, 4)), sample((5,), alpha=0.3), sample(())],
)

# ---- smooth ------------------------------------------------------------------------------------

_TANH_SCALE, _TANH_CUBE = sqrt(2 / pi), 0.044715


def _gelu(x, *, approximate="none"):
    if approximate == "none":
        return x * (0.5 * (1 + lax.erf(x * sqrt(0.5))))
    if approximate == "tanh":
        return 0.5 * x * (1 + jnp.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x)))
    raise RuntimeError("approximate argument must be either none or tanh.")


def _gelu_rule(g, y, input, *, approximate="none"):
    x = input
    if approximate == "none":
        cdf = 0.5 * (1 + lax.erf(x * sqrt(0.5)))
        return g * (cdf + x * jnp.exp(-0.5 * x * x) * (1 / sqrt(2 * pi)))
    t = jnp.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x))
    slope = _TANH_SCALE * (1 + 3 * _TANH_CUBE * x * x)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


def _silu_rule(g, y, input):
    s = lax.logistic(input)
    return g * (s * (1 + input * (1 - s)))


def _mish_rule(g, y, input):
    t = jnp.tanh(jnp.logaddexp(input, 0))
    return g * (t + input * lax.logistic(input) * (1 - t * t))


def _softplus(x, *, beta=1.0, threshold=20.0):
    return jnp.where(x * beta > threshold, x, jnp.logaddexp(x * beta, 0) / beta)


def _softplus_rule(g, y, input, *, beta=1.0, threshold=20.0):
    return jnp.where(input * beta > threshold, g, g * lax.logistic(input * beta))


def _tanhshrink(input):
    if input.dtype == jnp.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return input - jnp.tanh(input)


def _softsign(input):
    if input.dtype == jnp.bool_:
        raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")
    return input / (1 + jnp.abs(input))


def _softsign_rule(g, y, input):
    if not jnp.iscomplexobj(input):
        d = 1 + input * lax.sign(input)  # not abs: its derivative at 0 would be 1
        return g / (d * d)
    d = 1 + jnp.abs(input)
    return g / d - jnp.real(g * input) / (d * d) * jnp.conj(sgn(input))  # |x| is not holomorphic


_activation(
    "gelu",
    _gelu,
    _gelu_rule,
    "input: T, *, approximate: str = 'none'",
    kernel="GeluKernelImpl",
    samples=lambda: [sample((3, 4)), sample((5,), approximate="tanh"), sample(()), sample((0, 2))],
)
_activation(
    "silu",
    lambda x: x * lax.logistic(x),
    _silu_rule,
    kernel="silu_cpu",
    also_complex=True,
    variants="fi",
)
_activation(
    "mish",
    lambda x: x * jnp.tanh(jnp.logaddexp(x, 0)),
    _mish_rule,
    kernel="mish_cpu",
    variants="fi",
)
_activation(
    "softplus",
    _softplus,
    _softplus_rule,
    "input: T, beta: float = 1.0, threshold: float = 20.0",
    kernel="softplus_cpu",
    samples=lambda: [sample((3, 4)), sample((5,), beta=2.0, threshold=1.0), sample(())],
)
_activation(
    "logsigmoid",
    lambda x: jnp.minimum(x, 0) - jnp.log1p(jnp.exp(-jnp.abs(x))),
    lambda g, y, input: g * lax.logistic(-input),
    kernel="log_sigmoid_cpu",
    node="LogSigmoidBackward0",
)


_activation(
    "tanhshrink",
    _tanhshrink,
    lambda g, y, input: g * lax.square(jnp.tanh(input)),
    promote="float",
    node="SubBackward0",
)
_activation("softsign", _softsign, _softsign_rule, promote="float", node="DivBackward0")

# ---- more than one element at a time -----------------------------------------------------------


def _per_channel(weight, x):
    """prelu's weight as it broadcasts against x: one number, or one for each channel (dimension 1)."""
    return weight.reshape(()) if weight.size == 1 else weight.reshape((-1,) + (1,) * (x.ndim - 2))


def _prelu(input, weight):
    floating("prelu_cpu", input)
    if input.dtype != weight.dtype:
        a, b = from_np(input.dtype).legacy, from_np(weight.dtype).legacy
        raise RuntimeError(f"prelu: Type promoting not supported. Got {a} and {b}")
    if weight.size != 1:
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.size:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. "
                f"Found parameter numbers = {weight.size} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    return jnp.where(input > 0, input, _per_channel(weight, input) * input)


def _prelu_rule(g, y, input, weight):
    of_weight = jnp.where(input > 0, 0, g * input)
    axes = tuple(i for i in range(input.ndim) if weight.size == 1 or i != 1)
    return (
        jnp.where(input > 0, g, g * _per_channel(weight, input)),
        jnp.sum(of_weight, axes).reshape(weight.shape),
    )


def _halves(x, dim):
    if not x.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    axis = checks.wrap_dim(dim, x.ndim)
    n = x.shape[axis]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis} is size {n}")
    return (
        lax.slice_in_dim(x, 0, n // 2, axis=axis),
        lax.slice_in_dim(x, n // 2, n, axis=axis),
        axis,
    )


def _glu(input, *, dim=-1):
    floating("glu_cpu", input)
    a, b, _ = _halves(input, dim)
    return a * lax.logistic(b)


def _glu_rule(g, y, input, *, dim=-1):
    a, b, axis = _halves(input, dim)
    s = lax.logistic(b)
    return lax.concatenate([g * s, g * a * s * (1 - s)], axis)


op(
    "prelu",
    _prelu,
    _prelu_rule,
    "nn",
    sig="input: T, weight: T",
    promote=None,
    where="torch",
    variants="fm",
    node="PreluKernelBackward0",
    samples=lambda: [
        sample((2, 3, 4), (3,)),
        sample((2, 3), (1,)),
        sample((), ()),
        sample((5,), (1,)),
    ],
)
op(
    "glu",
    _glu,
    _glu_rule,
    "nn",
    sig="input: T, dim: int = -1",
    samples=lambda: [sample((3, 4)), sample((4, 3, 2), dim=0), sample((2, 0))],
)

# ---- softmax -----------------------------------------------------------------------------------


def _shifted(kernel, x, dim, dtype):
    """x minus its maximum along `dim` (an empty one is allowed), and the axis."""
    axis = checks.wrap_dim(dim, x.ndim)
    if dtype is not None:
        x = (x if dtype.is_complex or not jnp.iscomplexobj(x) else lax.real(x)).astype(dtype.np)
    floating(kernel if axis < x.ndim - 1 else kernel.replace("softmax_", "softmax_lastdim_"), x)
    axis = axis if x.ndim else None
    return x - jnp.max(x, axis, keepdims=True, initial=-inf), axis


def _along(x, dim):
    return checks.wrap_dim(dim, x.ndim) if x.ndim else None


def _softmax(input, *, dim, dtype=None):
    shifted, axis = _shifted("softmax_kernel_impl", input, dim, dtype)
    e = jnp.exp(shifted)
    return e / jnp.sum(e, axis, keepdims=True)


def _softmax_rule(g, y, input, *, dim, dtype=None):
    gy = g * y
    return gy - y * jnp.sum(gy, _along(y, dim), keepdims=True)


def _log_softmax(input, *, dim, dtype=None):
    shifted, axis = _shifted("log_softmax_kernel_impl", input, dim, dtype)
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))


def _log_softmax_rule(g, y, input, *, dim, dtype=None):
    return g - jnp.exp(y) * jnp.sum(g, _along(y, dim), keepdims=True)


def _logsumexp(input, *, dim, keepdim=False):
    axes = checks.wrap_dims(dim, input.ndim)
    top = jnp.max(jnp.real(input), axes, keepdims=True, initial=-inf)
    top = jnp.where(jnp.isinf(top), 0, top)
    out = jnp.log(jnp.sum(jnp.exp(input - top), axes, keepdims=True)) + top
    return out if keepdim else jnp.squeeze(out, axes)


def _logsumexp_rule(g, y, input, *, dim, keepdim=False):
    if not keepdim:
        axes = checks.wrap_dims(dim, input.ndim)
        g, y = jnp.expand_dims(g, axes), jnp.expand_dims(y, axes)
    return g * jnp.exp(input - y)


def _softmax_samples():
    return [
        sample((3, 4), dim=1),
        sample((2, 3, 4), dim=-2),
        sample((), dim=0),
        sample((0, 3), dim=0, dtype=float64),
    ]


op(
    "softmax",
    _softmax,
    _softmax_rule,
    "nn",
    sig="input: T, dim: int, dtype: dtype = None",
    promote=None,
    where="torch",
    variants="fm",
    samples=_softmax_samples,
)
op(
    "log_softmax",
    _log_softmax,
    _log_softmax_rule,
    "nn",
    sig="input: T, dim: int, dtype: dtype = None",
    promote=None,
    where="torch",
    variants="fm",
    samples=_softmax_samples,
)
op(
    "logsumexp",
    _logsumexp,
    _logsumexp_rule,
    "reduce",
    sig="input: T, dim: ints, keepdim: bool = False",
    promote="float",
    casts=True,
    samples=lambda: [
        sample((3, 4), dim=1),
        sample((2, 3, 4), dim=(0, -1), keepdim=True),
        sample((), dim=0),
        sample((0, 3), dim=0),
    ],
)
