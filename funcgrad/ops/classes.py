"""Losses against classes: negative log likelihood of class indices, and margins between classes.

Knows `op`, JAX and the reductions of `loss`. Must not know Tensors. A target out of range cannot raise inside a
program: it gives nan; who has the numbers on the host checks them first.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from .activation import floating
from .loss import LEGACY, _reduction

# ---- class indices -----------------------------------------------------------------------------


def _check_nll(input, target, weight):
    legacy = from_np(target.dtype).legacy
    if not input.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    shape, want = input.shape, input.shape[:1] + input.shape[2:]
    if input.ndim == 1:
        if target.ndim == 1 and target.shape != (1,):
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
            )
    elif shape[0] != (target.shape[0] if target.ndim else 1):
        n = target.shape[0] if target.ndim else 1
        raise ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({n})."
        )
    if legacy not in ("Long", "Byte"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {legacy}")
    if input.ndim <= 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input.ndim == 4 and target.ndim != 3:
        raise RuntimeError(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: "
            f"{target.ndim}"
        )
    if input.ndim == 4 and target.shape != want:
        raise RuntimeError(
            f"size mismatch (got input: {list(shape)} , target: {list(target.shape)}"
        )
    if input.ndim > 2 and target.shape != want:
        raise RuntimeError(f"Expected target size {list(want)}, got {list(target.shape)}")
    floating("nll_loss_out_frame" if input.ndim <= 2 else "nll_loss2d_forward_out_frame", input)
    if weight is None:
        return
    if weight.shape != (shape[_class_axis(input)],):
        if input.ndim > 2:
            raise RuntimeError("weight tensor should be defined either for all or no classes")
        raise RuntimeError(
            f"weight tensor should be defined either for all {shape[_class_axis(input)]} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        a, b = from_np(input.dtype).legacy, from_np(weight.dtype).legacy
        raise RuntimeError(f"expected scalar type {a} but found {b}")


def _class_axis(input):
    return 0 if input.ndim == 1 else 1


def _nll_parts(input, target, weight, ignore_index):
    """(target with 0 for ignored, mask of the others, their weights), in the shape of the losses."""
    target = target.astype(jnp.int64)  # an unsigned one has no -100
    target = target.reshape(input.shape[:1] * (input.ndim > 1) + input.shape[2:])
    counts = target != ignore_index
    target = jnp.where(counts, target, 0)
    w = counts.astype(input.dtype)
    if weight is not None:
        w = jnp.where(counts, jnp.take(weight, target), 0)
    return target, counts, w


def _picked(input, target):
    axis = _class_axis(input)
    return jnp.squeeze(jnp.take_along_axis(input, jnp.expand_dims(target, axis), axis), axis)


def _nll_loss(input, target, weight=None, *, ignore_index=-100, **reduction):
    how = _reduction(**reduction)
    _check_nll(input, target, weight)
    target, counts, w = _nll_parts(input, target, weight, ignore_index)
    loss = jnp.where(counts, -w * _picked(input, target), 0)
    if how == "none":
        return loss
    return jnp.sum(loss) / jnp.sum(w) if how == "mean" else jnp.sum(loss)


def _nll_rule(g, y, input, target, weight=None, *, ignore_index=-100, **reduction):
    how = _reduction(**reduction)
    target, counts, w = _nll_parts(input, target, weight, ignore_index)
    axis = _class_axis(input)
    g = g / jnp.sum(w) if how == "mean" else g
    # comparing with the class number fuses with log_softmax's rule; a scatter would not
    classes = lax.broadcasted_iota(target.dtype, input.shape, axis)
    here = classes == jnp.expand_dims(target, axis)
    of_input = jnp.where(here, jnp.expand_dims(-g * w, axis), 0)
    if weight is None:
        return of_input, None, None
    # mean = sum(w * -x) / sum(w), so its slope in w is (-x - mean) / sum(w)
    slope = -_picked(input, target) - (y if how == "mean" else 0)
    return of_input, None, jnp.zeros_like(weight).at[target].add(jnp.where(counts, g * slope, 0))


_NLL = (
    "input: T, target: T, weight: OT = None, size_average: any = None, ignore_index: int = -100, "
    "reduce: any = None, reduction: str = 'mean'"
)


def _weights_of_classes():
    return np.array([0.5, 2.0, 1.5, 1.0])


op(
    "nll_loss",
    _nll_loss,
    _nll_rule,
    "loss",
    sig=_NLL,
    promote=None,
    samples=lambda: [
        sample((3, 4), np.array([1, 0, 3]), None),
        sample((3, 4), np.array([1, -100, 3]), None, reduction="none"),
        sample((3, 4), np.array([1, 2, 2]), None, ignore_index=2, reduction="sum"),
        sample((4,), np.array(2), None),
        sample((2, 4, 3), np.array([[1, 0, 3], [2, 2, -100]]), None),
        sample((2, 4, 1, 2), np.array([[[1, 0]], [[3, 3]]]), None, reduction="none"),
    ],
)
# the same for inputs of more than two dimensions, where PyTorch's grad_fn has another name
op(
    "nll_loss2d",
    _nll_loss,
    _nll_rule,
    "loss",
    sig=_NLL,
    promote=None,
    where=None,
    node="NllLoss2DBackward0",
    samples=lambda: [
        sample((2, 4, 3), np.array([[1, 0, 3], [2, 2, -100]]), _weights_of_classes()),
        sample((2, 4, 2), np.array([[1, 0], [3, 3]]), _weights_of_classes(), reduction="none"),
        sample((3, 4), np.array([1, 0, 3]), _weights_of_classes(), ignore_index=0, reduction="sum"),
    ],
)

# ---- margins over classes ----------------------------------------------------------------------


def _batched(x):
    """x as N x C: both losses also take a lone sample."""
    return x.reshape((-1, x.shape[-1] if x.ndim else 1))


def _reduced(loss, lone, how):
    if how == "none":
        return loss[0] if lone else loss
    return jnp.mean(loss) if how == "mean" else jnp.sum(loss)


def _spread(g, n, lone, how):
    """g for each of the n samples, as a column."""
    g = g / n if how == "mean" else g
    return jnp.broadcast_to(g, (n,))[:, None]


def _margins(input, target, weight, p, margin):
    """(margin violations with 0 at the target, mask of the target, weights as a column), N x C each."""
    x, t = _batched(input), target.reshape(-1, 1)
    here = lax.broadcasted_iota(t.dtype, x.shape, 1) == t
    z = jnp.where(here, 0, jnp.maximum(margin - jnp.take_along_axis(x, t, 1) + x, 0))
    w = jnp.ones((), x.dtype) if weight is None else jnp.take(weight, t)
    return z, here, w / x.shape[1]


def _multi_margin(input, target, weight=None, *, p=1, margin=1.0, **reduction):
    how = _reduction(**reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    floating("multi_margin_loss_cpu_kernel", input)
    n = input.shape[0] if input.ndim > 1 else 1
    if target.size != n or target.ndim > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples "
            f"(batch size). Expected target size [{n}], but got {list(target.shape)}. "
            f"Input has shape {list(input.shape)}."
        )
    if from_np(target.dtype).legacy != "Long":
        raise RuntimeError(f"expected scalar type Long but found {from_np(target.dtype).legacy}")
    classes = input.shape[-1] if input.ndim else 1
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    z, _, w = _margins(input, target, weight, p, margin)
    return _reduced(jnp.sum(w * (z if p == 1 else z * z), 1), input.ndim < 2, how)


def _multi_margin_rule(g, y, input, target, weight=None, *, p=1, margin=1.0, **reduction):
    how = _reduction(**reduction)
    z, here, w = _margins(input, target, weight, p, margin)
    g = _spread(g, z.shape[0], input.ndim < 2, how)
    slope = g * w * ((z > 0).astype(z.dtype) if p == 1 else 2 * z)
    of_input = jnp.where(here, -jnp.sum(slope, 1, keepdims=True), slope).reshape(input.shape)
    if weight is None:
        return of_input, None, None
    losses = jnp.sum(g / z.shape[1] * (z if p == 1 else z * z), 1)
    return of_input, None, jnp.zeros_like(weight).at[target.reshape(-1)].add(losses)


def _label_margins(input, target):
    """Of x: N x C, its label list up to the first -1: (1 - (x[label k] - x[i]))+ as N x k x i, and masks."""
    x, t = _batched(input), _batched(target)
    valid = jnp.cumprod((t >= 0).astype(jnp.int32), 1) > 0
    t, valid = jnp.where(valid, t, 0)[:, :, None], valid[:, :, None]
    at = (lax.broadcasted_iota(t.dtype, (*t.shape[:2], x.shape[1]), 2) == t) & valid
    mask = valid & ~jnp.any(at, 1)[:, None, :]
    z = 1 - jnp.take_along_axis(x, t[:, :, 0], 1)[:, :, None] + x[:, None, :]
    return jnp.where(mask, jnp.maximum(z, 0), 0) / x.shape[1], at


def _multilabel_margin(input, target, **reduction):
    how = _reduction(**reduction)
    floating("multilabel_margin_loss_forward_out_frame", input)
    if target.shape != input.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    if from_np(target.dtype).legacy != "Long":
        raise RuntimeError(f"expected scalar type Long but found {from_np(target.dtype).legacy}")
    return _reduced(jnp.sum(_label_margins(input, target)[0], (1, 2)), input.ndim < 2, how)


def _multilabel_margin_rule(g, y, input, target, **reduction):
    how = _reduction(**reduction)
    z, at = _label_margins(input, target)
    slope = _spread(g, z.shape[0], input.ndim < 2, how)[:, :, None] / z.shape[2] * (z > 0)
    of_labels = jnp.sum(jnp.where(at, jnp.sum(slope, 2, keepdims=True), 0), 1)
    return (jnp.sum(slope, 1) - of_labels).reshape(input.shape), None


op(
    "multi_margin_loss",
    _multi_margin,
    _multi_margin_rule,
    "loss",
    sig="input: T, target: T, p: int = 1, margin: float = 1.0, weight: OT = None, size_average: any = None, "
    "reduce: any = None, reduction: str = 'mean'",
    promote=None,
    samples=lambda: [
        sample((3, 4), np.array([1, 0, 3]), None),
        sample((3, 4), np.array([1, 0, 3]), None, p=2, margin=0.5, reduction="none"),
        sample((4,), np.array(1), None, reduction="sum"),
    ],
)
op(
    "multilabel_margin_loss",
    _multilabel_margin,
    _multilabel_margin_rule,
    "loss",
    sig=f"input: T, target: T, {LEGACY}reduction: str = 'mean'",
    promote=None,
    samples=lambda: [
        sample((2, 4), np.array([[3, 0, -1, 1], [2, -1, 0, 0]])),
        sample((2, 4), np.array([[3, 0, -1, 1], [1, 1, 0, 3]]), reduction="none"),
        sample((4,), np.array([1, 2, -1, 0]), reduction="sum"),
    ],
)
