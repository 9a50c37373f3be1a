"""Connectionist temporal classification.

Knows the row. Must not know modules.
"""

from __future__ import annotations

import numpy as np

from ...tape import constant
from ...tensor import NAMES, Tensor, composite
from ...tensor.interop import host
from ...tensor.tensor import wrap
from .shared import row

T = NAMES["torch"]


def _lengths(x) -> tuple[Tensor, np.ndarray]:
    numbers = np.asarray(host(x) if isinstance(x, Tensor) else x, np.int64).reshape(-1)
    return wrap(constant(numbers)), numbers


def _loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log of the probability that log_probs (T, N, C) give to the targets, summed over all ways to align them.

    targets         (N, S), or all one after the other; never the blank
    input_lengths   (N): how many of the T steps count; looked at, as are
    target_lengths  (N)
    reduction       "mean" divides each by its target's length first
    zero_infinity   0 where there is no alignment, instead of infinity
    """
    alone = log_probs.ndim == 2
    if alone:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    into, into_known = _lengths(input_lengths)
    out, out_known = _lengths(target_lengths)
    steps, batch, classes = log_probs.shape
    if len(into_known) != batch or len(out_known) != batch:
        which, found = ("input", into_known) if len(into_known) != batch else ("target", out_known)
        raise RuntimeError(f"{which}_lengths must be of size batch_size, but got {len(found)} for a batch of {batch}")
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if into_known.max(initial=0) > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {into_known.max()} (while checking "
            "arguments for ctc_loss_cpu)"
        )
    if targets.ndim == 1:
        longest = int(out_known.max(initial=0))
        starts = np.concatenate([[0], np.cumsum(out_known)[:-1]])
        index = np.minimum(starts[:, None] + np.arange(longest)[None], max(targets.shape[0] - 1, 0))
        targets = targets[wrap(constant(index))] if targets.shape[0] else targets.new_zeros(batch, longest)
    losses = row("ctc", log_probs, targets.to(out.dtype), into, out, blank=blank)
    if zero_infinity:
        losses = losses.masked_fill(losses == float("inf"), 0.0)
    if reduction == "mean":
        return (losses / out.clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if alone else losses


@composite(where="F")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    return _loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


ctc_loss.__doc__ = _loss.__doc__
