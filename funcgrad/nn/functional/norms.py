"""Normalisations with running statistics: batch and instance norm; and local response norm.

The statistics are buffers of the caller: they are updated in place, outside the graph. Knows the rows.
Must not know modules.
"""

from __future__ import annotations

from math import prod

from ...op import REGISTRY
from ...tape import record
from ...tensor import NAMES, Tensor, composite
from ...tensor.alias import check_writable, write
from ...tensor.tensor import value_of
from .shared import row

T, F = NAMES["torch"], NAMES["F"]
_DETACH, _LERP = REGISTRY["detach"], REGISTRY["lerp"]


def _update(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    """running + momentum * (batch - running), without history."""
    if running is None:
        return
    check_writable(running)
    now = record(_DETACH, (value_of(batch),))
    write(running, record(_LERP, (value_of(running), now, float(momentum))))


def _refuse_gradients(**running) -> None:
    for name, t in running.items():
        if t is not None and t.requires_grad:
            raise RuntimeError(
                f"The function 'native_batch_norm' is not differentiable with respect to argument '{name}'. This input "
                "cannot have requires_grad True."
            )


def _check_eps(eps: float, training: bool) -> None:
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")


@composite(where="F")
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalise each channel over the batch; while training by the batch's own statistics.

    running_mean, running_var   buffers of one number a channel, moved towards the batch's mean and
                                unbiased variance by `momentum` while training, and used otherwise
    """
    _check_eps(eps, training)
    _refuse_gradients(running_mean=running_mean, running_var=running_var)
    for name, t in (("running_mean", running_mean), ("running_var", running_var)):
        if t is None and not training:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    if not training:
        return row("batch_norm_eval", input, running_mean, running_var, weight, bias, eps=float(eps))
    size = list(input.shape)
    if size and prod(size[:1] + size[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    channels = size[1] if len(size) > 1 else 0
    if size == [0]:
        return input.clone()
    for name, t in (("running_mean", running_mean), ("running_var", running_var)):
        if t is not None and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")
    out, mean, var = row("batch_norm_train", input, weight, bias, eps=float(eps))
    _update(running_mean, mean, momentum)
    _update(running_var, var, momentum)
    return out


@composite(where="F")
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
                  momentum=0.1, eps=1e-5):  # fmt: skip
    """Normalise each channel of each sample over its own elements."""
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if not use_input_stats:
        if running_mean is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return row("batch_norm_eval", input, running_mean, running_var, weight, bias, eps=float(eps))
    if prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    n, c, *space = input.shape
    # a batch norm of one sample with n * c channels
    weight, bias = (p if p is None else p.repeat(n) for p in (weight, bias))
    out, mean, var = row("batch_norm_train", input.reshape(1, n * c, *space), weight, bias, eps=float(eps))
    if running_mean is not None:
        _update(running_mean, mean.reshape(n, c).mean(0), momentum)
        _update(running_var, var.reshape(n, c).mean(0), momentum)
    return out.reshape(input.shape)


@composite(where="F")
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha * mean of x ** 2 over `size` neighbouring channels) ** beta."""
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    if not input.numel():
        return input
    n, c = input.shape[:2]
    squares = (input * input).reshape(n, 1, c, -1)
    squares = row("constant_pad_nd", squares, pad=(0, 0, size // 2, (size - 1) // 2), value=0.0)
    mean = row("avg_pool2d", squares, kernel_size=(size, 1), stride=1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta


for _name in ("layer_norm", "group_norm", "rms_norm"):
    T[_name] = F[_name]
