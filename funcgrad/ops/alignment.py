"""The loss over all alignments of a sequence with a shorter one: CTC, after Graves and others (2006)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import op, sample

# log 0: finite, so that sums of it have derivatives
NONE = -1e30


def _ctc(log_probs, targets, input_lengths, target_lengths, *, blank):
    """Shapes: log_probs (T, N, C), targets (N, S), lengths (N). The negative log-probability of each, (N)."""
    steps, batch, _ = log_probs.shape
    extended = jnp.full((batch, 2 * targets.shape[1] + 1), blank, targets.dtype).at[:, 1::2].set(targets)
    places = lax.broadcasted_iota(targets.dtype, extended.shape, 1)
    valid = places < 2 * target_lengths[:, None] + 1
    # a label may follow another one directly if it is not the same, and no blank
    before = jnp.pad(extended, ((0, 0), (2, 0)), constant_values=blank)[:, :-2]
    skips = (extended != blank) & (extended != before)
    said = jnp.take_along_axis(log_probs, extended[None], 2)
    start = jnp.where((places < 2) & valid, said[0], NONE)

    def step(alpha, given):
        t, said = given
        one = jnp.pad(alpha, ((0, 0), (1, 0)), constant_values=NONE)[:, :-1]
        two = jnp.where(skips, jnp.pad(alpha, ((0, 0), (2, 0)), constant_values=NONE)[:, :-2], NONE)
        new = jnp.logaddexp(jnp.logaddexp(alpha, one), two) + said
        new = jnp.where(valid, jnp.maximum(new, NONE), NONE)
        return jnp.where((t < input_lengths)[:, None], new, alpha), None

    alpha, _ = lax.scan(step, start, (jnp.arange(1, steps), said[1:]))
    end = 2 * target_lengths[:, None]
    last = jnp.take_along_axis(alpha, end, 1)[:, 0]
    label = jnp.take_along_axis(alpha, jnp.maximum(end - 1, 0), 1)[:, 0]
    total = jnp.logaddexp(last, jnp.where(target_lengths > 0, label, NONE))
    empty = jnp.where(target_lengths == 0, 0.0, jnp.inf).astype(total.dtype)
    found = jnp.where(total > NONE / 2, -total, jnp.inf)
    return jnp.where(input_lengths > 0, found, empty)


def _ctc_rule(g, y, log_probs, targets, input_lengths, target_lengths, *, blank):
    # PyTorch's is the gradient for the scores before the softmax, exp(log_probs) too much for log_probs alone
    def total(log_probs):
        losses = _ctc(log_probs, targets, input_lengths, target_lengths, blank=blank)
        return jnp.where(jnp.isinf(losses), 0, losses)

    _, pull = jax.vjp(total, log_probs)
    t = lax.broadcasted_iota(input_lengths.dtype, log_probs.shape[:2], 0)
    here = (t < input_lengths[None])[..., None]
    own = jnp.where(here, jnp.exp(log_probs) * g[None, :, None], 0)
    impossible = jnp.where(here & jnp.isinf(y)[None, :, None] & (g != 0)[None, :, None], jnp.nan, 0)
    return own + pull(g)[0] + impossible.astype(own.dtype), None, None, None


op(
    "ctc",
    _ctc,
    _ctc_rule,
    "loss",
    where=None,
    promote=None,
    sig="log_probs: T, targets: T, input_lengths: T, target_lengths: T, *, blank: int = 0",
    node="CtcLossBackward0",
    skip="its rule is PyTorch's: the derivative for what a log_softmax was taken of",
    samples=lambda: [
        sample((5, 2, 4), np.array([[1, 2, 2], [3, 1, 0]]), np.array([5, 4]), np.array([3, 2]), blank=0),
    ],
)
