"""Losses: a term for each element, its slopes, and one reduction for all of them.

Knows pure JAX only. A loss that PyTorch composes (cross entropy, hinge, cosine, triplet, Poisson,
Gaussian, weighted mse/l1/huber ...) is composed here too, elsewhere, from these rows. That a target
index is in range cannot be checked inside a program: the caller checks it, and here one out of range
gives NaN. Where PyTorch refuses a gradient (a weight, soft_margin's target) the rule still has one;
refusing is the caller's choice.
"""

from __future__ import annotations

from math import prod

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import checks, op, sample
from .activation import floating
from .pointwise import sgn

LEGACY = "size_average: any = None, reduce: any = None, "


def _reduction(reduction="mean", size_average=None, reduce=None, *, extra=()):
    """The name of the reduction, with PyTorch's two legacy flags translated."""
    if size_average is not None or reduce is not None:
        if reduce is not None and not reduce:
            return "none"
        return "mean" if size_average is None or size_average else "sum"
    if reduction not in ("none", "mean", "sum", *extra):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def _node(none):
    """The name PyTorch shows for a loss it composes: that of its last step."""
    steps = {"none": none, "mean": "Mean", "sum": "Sum", "batchmean": "Div"}

    def name(params):
        flags = {k: v for k, v in params.items() if k in ("reduction", "size_average", "reduce")}
        return steps[_reduction(**flags, extra=("batchmean",))] + "Backward0"

    return name


def _loss(name, term, slopes, sig, *, kernel=None, extra=(), check=None, **over):
    """A row of an elementwise loss: `term(*arrays)` and `slopes(*arrays)`, its partial derivatives."""

    def forward(*arrays, size_average=None, reduce=None, reduction="mean", **params):
        how = _reduction(reduction, size_average, reduce, extra=extra)
        if kernel:
            floating(kernel, arrays[0])
        if check:
            check(*arrays, how=how, **params)
        checks.broadcast([a.shape for a in arrays if a is not None])
        x = term(*arrays, **params)
        if how == "none":
            return x
        if how == "mean":
            return jnp.mean(x)
        total = jnp.sum(x)
        return total / x.shape[0] if how == "batchmean" and x.ndim else total

    def rule(g, y, *arrays, size_average=None, reduce=None, reduction="mean", **params):
        how = _reduction(reduction, size_average, reduce, extra=extra)
        shape = jnp.broadcast_shapes(*(a.shape for a in arrays if a is not None))
        if how == "mean":
            g = g / prod(shape)
        elif how == "batchmean" and shape:
            g = g / shape[0]
        g = jnp.broadcast_to(g, shape)
        return tuple(None if s is None else g * s for s in slopes(*arrays, **params))

    op(name, forward, rule, "loss", sig=sig, infer=None, **over)


def _whole_weights():
    return np.array([1, 3, 2, 1])


def _signs():
    return np.array([[1, -1, -1, 1], [-1, 1, 1, 1]])


def _pair_samples():
    return [
        sample((3, 4), (3, 4)),
        sample((3, 4), (3, 4), reduction="sum"),
        sample((2, 3), (3,), reduction="none"),
        sample((), ()),
    ]


# ---- distances ---------------------------------------------------------------------------------


def _check_l1(input, target, *, how):
    if input.dtype == jnp.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )
    dtype = from_np(input.dtype)
    if how == "mean" and not dtype.differentiable:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {dtype.legacy}"
        )


def _l1_slopes(input, target):
    s = jnp.conj(sgn(input - target))
    return s, -s


def _check_smooth_l1(input, target, *, how, beta=1.0):
    if beta == 0:
        return _check_l1(input, target, how=how)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    floating("smooth_l1_cpu", input)


def _smooth_l1(input, target, *, beta=1.0):
    d = jnp.abs(input - target)
    return d if beta == 0 else jnp.where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta)


def _smooth_l1_slopes(input, target, *, beta=1.0):
    if beta == 0:
        return _l1_slopes(input, target)
    s = jnp.clip((input - target) / beta, -1, 1)
    return s, -s


def _smooth_l1_node(params):
    return _l1_node(params) if params.get("beta", 1.0) == 0 else "SmoothL1LossBackward0"


def _huber(input, target, *, delta=1.0):
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    d = jnp.abs(input - target)
    return jnp.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def _huber_slopes(input, target, *, delta=1.0):
    s = jnp.clip(input - target, -delta, delta)
    return s, -s


def _mse_slopes(input, target):
    s = 2 * (input - target)
    return s, -s


_l1_node = _node("Abs")

_loss(
    "mse_loss",
    lambda input, target: lax.square(input - target),
    _mse_slopes,
    f"input: T, target: T, {LEGACY}reduction: str = 'mean'",
    kernel="mse_cpu",
    samples=_pair_samples,
)
_loss(
    "l1_loss",
    lambda input, target: jnp.abs(input - target),
    _l1_slopes,
    f"input: T, target: T, {LEGACY}reduction: str = 'mean'",
    check=_check_l1,
    node=_l1_node,
    samples=_pair_samples,
)
_loss(
    "smooth_l1_loss",
    _smooth_l1,
    _smooth_l1_slopes,
    f"input: T, target: T, {LEGACY}reduction: str = 'mean', beta: float = 1.0",
    check=_check_smooth_l1,
    node=_smooth_l1_node,
    samples=lambda: [
        *_pair_samples(),
        sample((3, 4), (3, 4), beta=0.5),
        sample((5,), (5,), beta=0.0),
    ],
)
_loss(
    "huber_loss",
    _huber,
    _huber_slopes,
    "input: T, target: T, reduction: str = 'mean', delta: float = 1.0",
    kernel="huber_cpu",
    samples=lambda: [*_pair_samples(), sample((3, 4), (3, 4), delta=0.5)],
)

# ---- probabilities -----------------------------------------------------------------------------

# PyTorch bounds the logarithms below by -100 and the slope's denominator by 1e-12
_BCE_FLOOR, _BCE_EPS = -100.0, 1e-12


def _times(weight, x):
    return x if weight is None else x * weight.astype(x.dtype)


def _check_bce(input, target, weight=None, *, how):
    if input.dtype != target.dtype:
        a, b = from_np(target.dtype).legacy, from_np(input.dtype).legacy
        raise RuntimeError(f"Found dtype {a} but expected {b}")
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size (torch.Size({list(target.shape)})) that is different to the input size "
            f"(torch.Size({list(input.shape)})) is deprecated. Please ensure they have the same size."
        )


def _bce(input, target, weight=None):
    low = jnp.maximum(jnp.log1p(-input), _BCE_FLOOR)
    high = jnp.maximum(jnp.log(input), _BCE_FLOOR)
    return _times(weight, (target - 1) * low - target * high)


def _bce_slopes(input, target, weight=None):
    of_input = (input - target) / jnp.maximum((1 - input) * input, _BCE_EPS)
    of_target = jnp.log1p(-input) - jnp.log(input)
    of_weight = None if weight is None else _bce(input, target)
    return _times(weight, of_input), _times(weight, of_target), of_weight


def _check_bce_logits(input, target, weight=None, pos_weight=None, *, how):
    if input.shape != target.shape:
        raise ValueError(
            f"Target size (torch.Size({list(target.shape)})) must be the same as "
            f"input size (torch.Size({list(input.shape)}))"
        )


def _bce_logits(input, target, weight=None, pos_weight=None):
    x, t = input, target
    softplus = jnp.logaddexp(-x, 0)
    if pos_weight is not None:
        softplus = softplus * ((pos_weight - 1) * t + 1)
    return _times(weight, (1 - t) * x + softplus)


def _bce_logits_slopes(input, target, weight=None, pos_weight=None):
    x, t = input, target
    s, of_pos = lax.logistic(x), None
    if pos_weight is None:
        of_input, of_target = s - t, -x
    else:
        softplus = jnp.logaddexp(-x, 0)
        tp = pos_weight * t
        of_input = (tp + 1 - t) * s - tp
        of_target = -x + softplus * (pos_weight - 1)
        of_pos = _times(weight, softplus * t)
    of_weight = None if weight is None else _bce_logits(x, t, None, pos_weight)
    return _times(weight, of_input), _times(weight, of_target), of_weight, of_pos


def _check_kl(input, target, *, how, log_target=False):
    if jnp.issubdtype(input.dtype, jnp.complexfloating):
        raise RuntimeError("kl_div: Complex inputs not supported.")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise RuntimeError("kl_div: Integral inputs not supported.")


def _kl_div(input, target, *, log_target=False):
    if log_target:
        return jnp.exp(target) * (target - input)
    return jnp.where(target == 0, 0, target * jnp.log(target)) - target * input


def _kl_div_slopes(input, target, *, log_target=False):
    if log_target:
        e = jnp.exp(target)
        return -e, e * (target - input + 1)
    return -target, jnp.log(target) + target / target - input  # NaN at a target of 0, as PyTorch's


def _kl_node(params):
    return _kl_log_node(params) if params.get("log_target") else _kl_plain_node(params)


_kl_log_node, _kl_plain_node = _node("Mul"), _node("Sub")


def _check_soft_margin(input, target, *, how):
    dtype = from_np(input.dtype)
    if dtype.is_complex:
        raise RuntimeError(
            "soft_margin_loss does not support automatic differentiation for outputs with complex dtype."
        )
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {dtype.legacy}"
        )


def _soft_margin(input, target):
    return jnp.logaddexp(-input * target, 0)


def _soft_margin_slopes(input, target):
    s = lax.logistic(-input * target)
    return -target * s, -input * s


_loss(
    "binary_cross_entropy",
    _bce,
    _bce_slopes,
    f"input: T, target: T, weight: OT = None, {LEGACY}reduction: str = 'mean'",
    promote=None,
    kernel="binary_cross_entropy",
    check=_check_bce,
    domain=(0.05, 0.95),
    samples=lambda: [
        sample((3, 4), (3, 4), None),
        sample((3, 4), (3, 4), None, reduction="none"),
        sample((3, 4), (3, 4), _whole_weights(), reduction="sum"),
        sample((), (), None),
    ],
)
_loss(
    "binary_cross_entropy_with_logits",
    _bce_logits,
    _bce_logits_slopes,
    f"input: T, target: T, weight: OT = None, {LEGACY}reduction: str = 'mean', pos_weight: OT = None",
    kernel="log_sigmoid_cpu",
    check=_check_bce_logits,
    samples=lambda: [
        sample((3, 4), (3, 4), None, None),
        sample((3, 4), (3, 4), _whole_weights(), None, reduction="none"),
        sample((3, 4), (3, 4), _whole_weights(), _whole_weights(), reduction="sum"),
        sample((3, 4), (3, 4), None, _whole_weights()),
        sample((), (), None, None),
    ],
)
_loss(
    "kl_div",
    _kl_div,
    _kl_div_slopes,
    f"input: T, target: T, {LEGACY}reduction: str = 'mean', log_target: bool = False",
    check=_check_kl,
    extra=("batchmean",),
    domain=(0.05, 2.0),
    node=_kl_node,
    samples=lambda: [
        *_pair_samples(),
        sample((3, 4), (3, 4), reduction="batchmean"),
        sample((3, 4), (3, 4), log_target=True),
    ],
)
_loss(
    "soft_margin_loss",
    _soft_margin,
    _soft_margin_slopes,
    f"input: T, target: T, {LEGACY}reduction: str = 'mean'",
    check=_check_soft_margin,
    samples=lambda: [sample((2, 4), _signs()), sample((2, 4), _signs(), reduction="none")],
)
