"""Losses over elements and over classes: the rows with their deprecated flags, warnings and checks of
numbers, and what PyTorch composes of them.

Whether a class index is in range is checked where it is known on the host already; one still to be
computed is not looked at, and gives NaN if it is wrong. Knows the rows. Must not know modules.
"""

from __future__ import annotations

import dataclasses
import math
import warnings

from ...op import REGISTRY
from ...tensor import NAMES, Tensor, composite
from ...tensor.call import call, call_given
from .shared import given, known, reduced, reduction_of, row, warn_sizes

T = NAMES["torch"]
_SOFTMAX, _NLL, _NLL2D = REGISTRY["log_softmax"], REGISTRY["nll_loss"], REGISTRY["nll_loss2d"]

# ---- classes ------------------------------------------------------------------------------------------------


def _check_classes(target: Tensor, classes: int, ignore_index: int) -> None:
    numbers = known(target)
    if numbers is None or not numbers.size or numbers.dtype.kind not in "iu":
        return
    if numbers.min() >= 0 and numbers.max() < classes:  # two quick passes for what nearly always holds
        return
    wrong = numbers[((numbers < 0) | (numbers >= classes)) & (numbers != ignore_index)]
    if wrong.size:
        raise IndexError(f"Target {wrong.flat[0]} is out of bounds.")


def _nll(logs: Tensor, target: Tensor, weight, ignore_index: int, reduction: str) -> Tensor:
    if logs.ndim:
        _check_classes(target, logs.shape[0 if logs.ndim == 1 else 1], ignore_index)
    op = _NLL2D if logs.ndim > 2 else _NLL
    return call_given(op, (logs, target, weight), {"ignore_index": ignore_index, "reduction": reduction})


@composite(where="F")
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the log-probability of each target class; `mean` weighs by `weight`."""
    return _nll(input, target, weight, ignore_index, reduction_of(reduction, size_average, reduce))


@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch would go over a batch in parts; XLA plans the memory of a program, so these change nothing here."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: object = None


@composite(where="F")
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
                         ignore_index=None, label_smoothing=0.0, options=None):  # fmt: skip
    """`cross_entropy` of `linear(input, linear_weight, linear_bias)`.

    input          (in_features) or (N, in_features)
    linear_weight  (C, in_features), or (C, d1, ..., dK, in_features) for scores (N, C, d1, ..., dK)
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {linear_weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    if ignore_index is not None and target.dtype.is_floating_point:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    scores = input @ linear_weight.reshape(-1, linear_weight.shape[-1]).t()
    if linear_bias is not None:
        scores = scores + linear_bias.reshape(-1)
    if linear_weight.ndim > 2:
        scores = scores.reshape(*scores.shape[:-1], *linear_weight.shape[:-1])
    ignore_index = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignore_index, None, reduction, label_smoothing)


@composite(where="F")
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """`nll_loss` of `log_softmax`: `target` holds class indices or, in the shape of `input`, probabilities.

    >>> import funcgrad as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    axis = 0 if input.ndim == 1 else 1
    if input.ndim and input.shape == target.shape:
        return _against_probabilities(input, target, weight, reduction, label_smoothing, axis)
    logs = call(_SOFTMAX, (input,), {"dim": axis, "dtype": None}) if input.ndim else input
    loss = _nll(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    classes = input.shape[axis]
    smooth = -(logs if weight is None else logs * _along(weight, logs, axis)).sum(axis)
    ignored = target == ignore_index
    smooth = smooth.masked_fill(ignored, 0.0)
    if reduction == "sum":
        smooth = smooth.sum()
    elif reduction == "mean" and weight is None:
        smooth = smooth.sum() / (~ignored).sum()
    elif reduction == "mean":
        chosen = weight.gather(0, target.masked_fill(ignored, 0).reshape(-1)).masked_fill(ignored.reshape(-1), 0.0)
        smooth = smooth.sum() / chosen.sum()
    return (1 - label_smoothing) * loss + smooth * (label_smoothing / classes)


def _along(weight: Tensor, like: Tensor, axis: int) -> Tensor:
    """A weight for each class as it broadcasts against `like`."""
    return weight.reshape((1,) * axis + (-1,) + (1,) * (like.ndim - axis - 1))


def _against_probabilities(input, target, weight, reduction, label_smoothing, axis) -> Tensor:
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype.legacy}"
        )
    classes = input.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    logs = call(_SOFTMAX, (input,), {"dim": axis, "dtype": None})
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = logs * target
    if weight is not None:
        terms = terms * _along(weight, input, axis)
    if reduction == "none":
        return -terms.sum(axis)
    total = -terms.sum()
    if reduction == "sum":
        return total
    count = input.numel() // classes if classes else 0
    return total / count if count else total * math.nan


@composite(where="F")
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Hinge loss over classes: sum over i of max(0, margin - x[target] + x[i]) ** p / C."""
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    numbers = known(target)
    if numbers is not None and numbers.size and input.ndim:
        if numbers.min() < 0 or numbers.max() >= input.shape[-1]:
            raise RuntimeError("target out of range")
    return given("multi_margin_loss", input, target, weight, p=p, margin=margin, reduction=reduction)


@composite(where="F")
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Hinge loss of several labels a sample: `target` lists them, up to the first -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    numbers = known(target)
    if numbers is not None and numbers.size and input.ndim:
        if numbers.min() < -1 or numbers.max() >= input.shape[-1]:
            raise RuntimeError("argument #2 'target' is out of range")
    return given("multilabel_margin_loss", input, target, reduction=reduction)


@composite(where="F")
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """One two-class cross entropy for each label, averaged over the labels."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    terms = row("logsigmoid", input) * target + row("logsigmoid", -input) * (1 - target)
    if weight is not None:
        terms = terms * weight
    loss = -terms.sum(-1) / input.shape[-1]
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    return reduced(loss, reduction)


# ---- elements -----------------------------------------------------------------------------------------------


def _weighted(loss: Tensor, input: Tensor, weight: Tensor, reduction: str) -> Tensor:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


@composite(where="F")
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target) ** 2."""
    warn_sizes(input, target)
    reduction = reduction_of(reduction, size_average, reduce)
    if weight is not None:
        return _weighted((input - target) ** 2, input, weight, reduction)
    return given("mse_loss", input, target, reduction=reduction)


@composite(where="F")
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """abs(input - target)."""
    warn_sizes(input, target)
    reduction = reduction_of(reduction, size_average, reduce)
    if weight is not None:
        return _weighted((input - target).abs(), input, weight, reduction)
    return given("l1_loss", input, target, reduction=reduction)


@composite(where="F")
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Half the squared error over `beta` below `beta`, the absolute error less half of `beta` above."""
    warn_sizes(input, target)
    return given("smooth_l1_loss", input, target, reduction=reduction_of(reduction, size_average, reduce), beta=float(beta))


@composite(where="F")
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the squared error below `delta`, linear above."""
    warn_sizes(input, target)
    if weight is None:
        return given("huber_loss", input, target, reduction=reduction_of(reduction, None, None), delta=float(delta))
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = given("huber_loss", input, target, reduction="none", delta=float(delta)) * weight
    return reduced(loss, reduction_of(reduction, None, None))


@composite(where="F")
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)), target 1 or -1."""
    return given("soft_margin_loss", input, target, reduction=reduction_of(reduction, size_average, reduce))


@composite(where="F")
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(target * log(input) + (1 - target) * log(1 - input)), the logarithms at least -100."""
    reduction = reduction_of(reduction, size_average, reduce)
    for name, t in (("input", input), ("target", target)):
        numbers = known(t)
        if numbers is not None and not ((numbers >= 0) & (numbers <= 1)).all() and input.shape == target.shape:
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    return given("binary_cross_entropy", input, target, weight, reduction=reduction)


@composite(where="F")
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """`binary_cross_entropy` of sigmoid(input), without leaving the numbers' range."""
    reduction = reduction_of(reduction, size_average, reduce)
    return given("binary_cross_entropy_with_logits", input, target, weight, pos_weight, reduction=reduction)


@composite(where="F")
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log(target) - input), 0 where the target is; `input` holds log-probabilities."""
    reduction = reduction_of(reduction, size_average, reduce, ("batchmean",))
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            UserWarning,
            stacklevel=2,
        )
    return given("kl_div", input, target, reduction=reduction, log_target=bool(log_target))


@composite(where="F")
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """Minus the log-likelihood of counts `target`, whose rate is exp(input), or `input` itself."""
    reduction = reduction_of(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


@composite(where="F")
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Minus the log-likelihood of `target` under a normal distribution of mean `input` and variance `var`."""
    if isinstance(var, Tensor):
        numbers = known(var)
        negative = numbers is not None and (numbers < 0).any()
    else:
        negative, var = var < 0, T["full_like"](input, float(var))
    if negative:
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(v for i, v in zip(input.shape, var.shape, strict=True) if i != v) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # no variance below eps, but its gradient as if it were not there
    var = call(REGISTRY["with_data"], (var, var.clamp_min(eps)))
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
