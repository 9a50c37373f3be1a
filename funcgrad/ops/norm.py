"""Normalisations: layer, batch, group and root-mean-square, in closed form both ways.

Knows pure JAX only. The rules compute mean and variance again from the input: forward and backward
are one program, where XLA finds that they are the same. Half precision is normalised in float32, and
parameters may be float32 beside a half input, as in PyTorch. Running statistics are the caller's.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from ..op import op, sample
from .activation import floating


def _wide(x):
    """Half precision as float32, everything else as it is."""
    return x.astype(jnp.float32) if x is not None and x.dtype in (jnp.float16, jnp.bfloat16) else x


def _check_parameters(kernel, input, *parameters):
    floating(kernel, input)
    given = {p.dtype for p in parameters if p is not None}
    allowed = (input.dtype, _wide(input).dtype)
    if len(given) > 1 or any(d not in allowed for d in given):
        same = input.dtype == jnp.float64
        what = (
            "all inputs must share same datatype."
            if same
            else ("expect parameter to have scalar type of Float")
        )
        raise RuntimeError(f"mixed dtype (CPU): {what}")


def _normalise(x, axes, eps):
    """(x - mean) / sqrt(var + eps), and 1 / sqrt(var + eps)."""
    centred = x - jnp.mean(x, axes, keepdims=True)
    scale = lax.rsqrt(jnp.mean(lax.square(centred), axes, keepdims=True) + eps)
    return centred * scale, scale


def _normalise_rule(g, xhat, scale, axes):
    """The cotangent of x from that of xhat: g without its parts along 1 and along xhat."""
    return scale * (
        g - jnp.mean(g, axes, keepdims=True) - xhat * jnp.mean(g * xhat, axes, keepdims=True)
    )


def _affine(xhat, weight, bias):
    y = xhat if weight is None else xhat * weight
    return y if bias is None else y + bias


# ---- over the last dimensions ------------------------------------------------------------------


def _check_shape(input, normalized_shape, weight, bias, star="*, "):
    shape = [int(n) for n in normalized_shape]
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and list(p.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(p.shape)} and normalized_shape = {shape}"
            )
    if list(input.shape[-len(shape) :]) != shape:
        want = star + ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={shape}, expected input with shape [{want}], "
            f"but got input of size{list(input.shape)}"
        )


def _split(input, normalized_shape):
    """(the leading axes, the normalised axes)."""
    lead = input.ndim - len(normalized_shape)
    return tuple(range(lead)), tuple(range(lead, input.ndim))


def _layer_norm(input, weight=None, bias=None, *, normalized_shape, eps=1e-5):
    _check_shape(input, normalized_shape, weight, bias)
    _check_parameters("LayerNormKernelImpl", input, weight, bias)
    xhat, _ = _normalise(_wide(input), _split(input, normalized_shape)[1], eps)
    return _affine(xhat, _wide(weight), _wide(bias)).astype(input.dtype)


def _layer_norm_rule(g, y, input, weight=None, bias=None, *, normalized_shape, eps=1e-5):
    lead, axes = _split(input, normalized_shape)
    g, w = _wide(g), _wide(weight)
    xhat, scale = _normalise(_wide(input), axes, eps)
    return (
        _normalise_rule(g if w is None else g * w, xhat, scale, axes),
        None if weight is None else jnp.sum(g * xhat, lead),
        None if bias is None else jnp.sum(g, lead),
    )


def _rms_scale(x, axes, eps):
    if eps is None:
        eps = float(jnp.finfo(x.dtype).eps)
    return lax.rsqrt(jnp.mean(x * x, axes, keepdims=True) + eps)


def _rms_norm(input, weight=None, *, normalized_shape, eps=None):
    if input.ndim < len(normalized_shape):
        n = len(normalized_shape)
        raise ValueError(f"Input tensor must have at least {n} dimensions, but got {input.ndim}")
    _check_shape(input, normalized_shape, weight, None, "*")
    floating("rms_norm", input, also_complex=True)
    x = _wide(input)
    y = _affine(x * _rms_scale(x, _split(input, normalized_shape)[1], eps), _wide(weight), None)
    return y.astype(input.dtype)


def _rms_norm_rule(g, y, input, weight=None, *, normalized_shape, eps=None):
    lead, axes = _split(input, normalized_shape)
    g, x, w = _wide(g), _wide(input), _wide(weight)
    scale = _rms_scale(x, axes, eps)
    xhat, gw = x * scale, g if w is None else g * w
    return (
        scale * (gw - xhat * jnp.mean(gw * xhat, axes, keepdims=True)),
        None if weight is None else jnp.sum(g * xhat, lead),
    )


op(
    "layer_norm",
    _layer_norm,
    _layer_norm_rule,
    "nn",
    sig="input: T, normalized_shape: ints, weight: OT = None, bias: OT = None, eps: float = 1e-5",
    promote=None,
    node="NativeLayerNormBackward0",
    samples=lambda: [
        sample((3, 4), (4,), (4,), normalized_shape=(4,)),
        sample((2, 3, 4), (3, 4), (3, 4), normalized_shape=(3, 4), eps=0.1),
        sample((3, 4), (4,), None, normalized_shape=(4,)),
        sample((3, 4), None, None, normalized_shape=(4,)),
        sample((0, 4), (4,), (4,), normalized_shape=(4,)),
    ],
)
op(
    "rms_norm",
    _rms_norm,
    _rms_norm_rule,
    "nn",
    sig="input: T, normalized_shape: ints, weight: OT = None, eps: float = None",
    promote=None,
    node="MulBackward0",
    samples=lambda: [
        sample((3, 4), (4,), normalized_shape=(4,)),
        sample((2, 3, 4), (3, 4), normalized_shape=(3, 4), eps=0.1),
        sample((3, 4), None, normalized_shape=(4,)),
    ],
)

# ---- over the batch ----------------------------------------------------------------------------


def _check_channels(input, **parameters):
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, p in parameters.items():
        if p is not None and p.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p.size}")
    floating("batch_norm", input)
    _check_parameters("batch_norm", input, *parameters.values())


def _batch_axes(x):
    return (0, *range(2, x.ndim))


def _column(p, x):
    """A per-channel vector as it broadcasts against x."""
    return None if p is None else _wide(p).reshape((-1,) + (1,) * (x.ndim - 2))


def _batch_norm_train(input, weight=None, bias=None, *, eps=1e-5):
    _check_channels(input, weight=weight, bias=bias)
    n = input.size // input.shape[1] if input.shape[1] else 0
    if n == 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, "
            f"got input size torch.Size({list(input.shape)})"
        )
    x, axes = _wide(input), _batch_axes(input)
    mean = jnp.mean(x, axes, keepdims=True)
    centred = x - mean
    var = jnp.mean(lax.square(centred), axes, keepdims=True)
    y = _affine(centred * lax.rsqrt(var + eps), _column(weight, x), _column(bias, x))
    # for the running statistics only, which no gradient enters; their variance is the unbiased one
    mean, var = lax.stop_gradient((mean.reshape(-1), var.reshape(-1) * (n / max(n - 1, 1))))
    return y.astype(input.dtype), mean, var


def _batch_norm_train_rule(g, y, input, weight=None, bias=None, *, eps=1e-5):
    axes, g, x = _batch_axes(input), _wide(g[0]), _wide(input)
    xhat, scale = _normalise(x, axes, eps)
    of_weight, of_bias = jnp.sum(g * xhat, axes), jnp.sum(g, axes)
    # every element of a channel has the same weight, so both means of the general formula are at hand
    n = max(input.size // max(of_bias.size, 1), 1)
    of_x = scale * (g - (_column(of_bias, x) + xhat * _column(of_weight, x)) / n)
    return (
        of_x if weight is None else of_x * _column(weight, x),
        None if weight is None else of_weight,
        None if bias is None else of_bias,
    )


def _batch_norm_eval(input, running_mean, running_var, weight=None, bias=None, *, eps=1e-5):
    _check_channels(
        input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    mean, var = lax.stop_gradient((running_mean, running_var))
    x = _wide(input)
    xhat = (x - _column(mean, x)) * lax.rsqrt(_column(var, x) + eps)
    return _affine(xhat, _column(weight, x), _column(bias, x)).astype(input.dtype)


def _batch_norm_eval_rule(
    g, y, input, running_mean, running_var, weight=None, bias=None, *, eps=1e-5
):
    axes, g, x = _batch_axes(input), _wide(g), _wide(input)
    scale = lax.rsqrt(_column(running_var, x) + eps)
    of_x = g * scale if weight is None else g * (scale * _column(weight, x))
    xhat = (x - _column(running_mean, x)) * scale
    return (
        of_x,
        None,
        None,
        None if weight is None else jnp.sum(g * xhat, axes),
        None if bias is None else jnp.sum(g, axes),
    )


# result: (out, mean of the batch, unbiased variance of the batch)
op(
    "batch_norm_train",
    _batch_norm_train,
    _batch_norm_train_rule,
    "nn",
    sig="input: T, weight: OT = None, bias: OT = None, eps: float = 1e-5",
    promote=None,
    where=None,
    node="NativeBatchNormBackward0",
    samples=lambda: [
        sample((5, 3), (3,), (3,)),
        sample((2, 3, 4, 2), (3,), (3,), eps=0.1),
        sample((4, 3, 2), (3,), None),
        sample((4, 3), None, None),
    ],
)
op(
    "batch_norm_eval",
    _batch_norm_eval,
    _batch_norm_eval_rule,
    "nn",
    sig="input: T, running_mean: T, running_var: T, weight: OT = None, bias: OT = None, eps: float = 1e-5",
    promote=None,
    where=None,
    node="NativeBatchNormBackward0",
    domain=(0.1, 2.0),
    samples=lambda: [
        sample((5, 3), (3,), (3,), (3,), (3,)),
        sample((2, 3, 4, 2), (3,), (3,), (3,), (3,), eps=0.1),
        sample((1, 3), (3,), (3,), None, None),
    ],
)

# ---- over groups of channels -------------------------------------------------------------------


def _check_groups(input, num_groups, weight, bias):
    shape = list(input.shape)
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    size = [shape[0] * shape[1] // num_groups, num_groups, *shape[2:]]
    values = size[0]
    for n in size[2:]:
        values *= n
    if values == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {size}"
        )
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, "
            f"but got input of shape {shape} and num_groups={num_groups}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and list(p.shape) != shape[1:2]:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but "
                f"got {name} of shape {list(p.shape)} "
                f"and input of shape {shape}"
            )
    _check_parameters("GroupNormKernelImpl", input, weight, bias)


def _grouped(x, num_groups):
    n, c, *rest = x.shape
    return x.reshape((n, num_groups, c // num_groups, *rest)), tuple(range(2, x.ndim + 1))


def _group_norm(input, weight=None, bias=None, *, num_groups, eps=1e-5):
    _check_groups(input, num_groups, weight, bias)
    x = _wide(input)
    xhat = _normalise(*_grouped(x, num_groups), eps)[0].reshape(x.shape)
    return _affine(xhat, _column(weight, x), _column(bias, x)).astype(input.dtype)


def _group_norm_rule(g, y, input, weight=None, bias=None, *, num_groups, eps=1e-5):
    g, x, batch = _wide(g), _wide(input), _batch_axes(input)
    xs, axes = _grouped(x, num_groups)
    xhat, scale = _normalise(xs, axes, eps)
    gw = g if weight is None else g * _column(weight, x)
    return (
        _normalise_rule(gw.reshape(xs.shape), xhat, scale, axes).reshape(x.shape),
        None if weight is None else jnp.sum(g * xhat.reshape(x.shape), batch),
        None if bias is None else jnp.sum(g, batch),
    )


op(
    "group_norm",
    _group_norm,
    _group_norm_rule,
    "nn",
    sig="input: T, num_groups: int, weight: OT = None, bias: OT = None, eps: float = 1e-5",
    promote=None,
    node="NativeGroupNormBackward0",
    samples=lambda: [
        sample((2, 4), (4,), (4,), num_groups=2),
        sample((2, 6, 3, 2), (6,), (6,), num_groups=3, eps=0.1),
        sample((2, 4, 3), (4,), None, num_groups=4),
        sample((2, 4, 3), None, None, num_groups=1),
    ],
)
