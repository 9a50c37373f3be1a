"""Dropout in its forms. The mask is drawn from the default generator's key, inside the program.

Knows the rows of `ops/random` and the default generator. Must not know modules.
"""

from __future__ import annotations

import warnings

from ...random import default_generator
from ...tensor import NAMES, Tensor, composite
from ...tensor.tensor import value_of, wrap
from .shared import written


def _drop(name: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    out = wrap(default_generator.record(name, (value_of(input),), p=float(p))[0])
    return written(input, out) if inplace else out


def _of_channels(name: str, input: Tensor, p, training, inplace, batched: bool) -> Tensor:
    """Whole channels of a batch or, not `batched`, of a lone sample."""
    if batched or not training or p == 0:
        return _drop(name, input, p, training, inplace)
    out = _drop(name, input.unsqueeze(0), p, training, False).squeeze(0)
    return written(input, out) if inplace else out


@composite(where="F")
def dropout(input, p=0.5, training=True, inplace=False):
    """While training, zero elements with probability `p` and scale the others by 1 / (1 - p)."""
    return _drop("dropout", input, p, training, inplace)


@composite(where="F")
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance of what `selu` makes."""
    return _drop("alpha_dropout", input, p, training, inplace)


@composite(where="F")
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels."""
    return _drop("feature_alpha_dropout", input, p, training, inplace)


@composite(where="F")
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of an N x C x L input, or of a C x L one."""
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    return _of_channels("feature_dropout", input, p, training, inplace, input.ndim == 3)


@composite(where="F")
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of an N x C x H x W input."""
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and will result in an error "
            "in a future release. To retain the behavior and silence this warning, please use dropout instead. Note "
            "that dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 3D or 4D inputs).",
            UserWarning,
            stacklevel=2,
        )
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            UserWarning,
            stacklevel=2,
        )
    return _drop("feature_dropout", input, p, training, inplace)


@composite(where="F")
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of an N x C x D x H x W input, or of a C x D x H x W one."""
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and will result in an error "
            "in a future release. To retain the behavior and silence this warning, please use dropout instead. Note "
            "that dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 4D or 5D inputs).",
            UserWarning,
            stacklevel=2,
        )
    return _of_channels("feature_dropout", input, p, training, inplace, input.ndim != 4)


def _of_torch(name: str, inplace: bool):
    """`torch.dropout(input, p, train)` and its like."""

    def function(input, p, train):
        return _drop(name, input, p, train, inplace)

    function.__name__ = function.__qualname__ = name + "_" * inplace
    return function


for _name in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"):
    for _inplace in (False, True):
        NAMES["torch"][_name + "_" * _inplace] = _of_torch(_name, _inplace)
