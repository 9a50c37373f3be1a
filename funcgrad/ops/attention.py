"""Scaled dot-product attention as one operator, whose backward keeps no matrix of queries by keys.

The weights are computed again in the backward, and where there are many of them, forward and backward go over the
queries in blocks: memory then grows with the length of the sequence, not with its square. Sums and weights of half
precision are in float32. `dims`, those of the queries, is for the name that
PyTorch gives its node. Must not know tapes or Tensors.
"""

from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from ..dtypes import float64
from ..op import op, sample
from ..op.checks import broadcast

BLOCK = 1 << 21  # weights computed at one time
RECOMPUTED = 1 << 18  # weights from which XLA may not keep those of the forward for the backward


def _product(terms: str, a, b):
    """In at least float32, the factors of one dtype."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.einsum(terms, a, b.astype(a.dtype), preferred_element_type=wide)


def _weights(q, k, mask, first, scale, causal):
    """Of queries `first`, first + 1, ...: (..., queries, keys). A query that may attend to nothing has zeros."""
    scores = _product("...te,...se->...ts", q, k) * scale
    if causal:
        places = first + jnp.arange(q.shape[-2])
        scores = jnp.where(places[:, None] >= jnp.arange(k.shape[-2]), scores, -jnp.inf)
    elif mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask.astype(scores.dtype)
    top = jnp.max(scores, -1, keepdims=True, initial=-jnp.inf)
    e = jnp.exp(scores - jnp.where(top == -jnp.inf, 0, top))
    total = jnp.sum(e, -1, keepdims=True)
    return e / jnp.where(total == 0, 1, total)


class _Blocks:
    """The queries in equal blocks, the last filled up with zeros. `lead`: the dimensions before the last two."""

    def __init__(self, q, k, v, mask):
        batch = [x.shape[:-2] for x in (q, k, v, mask) if x is not None]
        self.lead, self.length = broadcast(batch), q.shape[-2]
        self.weights = prod(self.lead) * self.length * k.shape[-2]
        self.n = max(1, min(self.length, -(-self.weights // BLOCK)))
        self.rows = -(-self.length // self.n)

    def split(self, x):
        """(..., queries, width) -> (blocks, ..., queries of a block, width); one that is for all queries stays."""
        if x is None or x.shape[-2] == 1 != self.length:
            return None
        *lead, length, width = x.shape
        x = jnp.pad(x, [(0, 0)] * len(lead) + [(0, self.n * self.rows - length), (0, 0)])
        return jnp.moveaxis(x.reshape(*lead, self.n, self.rows, width), -3, 0)

    def join(self, x):
        """`split` undone."""
        x = jnp.moveaxis(x, 0, -3)
        return x.reshape(*x.shape[:-3], self.n * self.rows, x.shape[-1])[..., : self.length, :]

    @property
    def firsts(self):
        return jnp.arange(self.n) * self.rows


def _attention(query, key, value, mask=None, *, scale, causal, dims=4):
    blocks = _Blocks(query, key, value, mask)

    def some(first, q, m):
        weights = _weights(q, key, m, first, scale, causal)
        return _product("...ts,...sv->...tv", weights.astype(value.dtype), value).astype(value.dtype)

    if blocks.n == 1:
        return some(0, query, mask)
    masks = blocks.split(mask)
    given = (blocks.firsts, blocks.split(query), masks)
    return blocks.join(lax.map(lambda x: some(*x[:2], mask if masks is None else x[2]), given))


def _attention_rule(g, y, query, key, value, mask=None, *, scale, causal, dims=4):
    blocks = _Blocks(query, key, value, mask)
    wanted = mask is not None and mask.dtype != bool
    if blocks.weights > RECOMPUTED:
        query, key = lax.optimization_barrier((query, key))

    @jax.checkpoint  # for JAX's own transposition of this, which would keep the weights
    def some(first, g, q, m):
        weights = _weights(q, key, m, first, scale, causal)
        of_value = _product("...ts,...tv->...sv", weights.astype(g.dtype), g)
        of_weights = _product("...tv,...sv->...ts", g, value)
        of_scores = weights * (of_weights - jnp.sum(weights * of_weights, -1, keepdims=True))
        narrow = of_scores.astype(q.dtype)
        of_query = _product("...ts,...se->...te", narrow, key) * scale
        of_key = _product("...ts,...te->...se", narrow, q) * scale
        return of_query, of_key, of_value, of_scores if wanted else None

    if blocks.n == 1:
        return some(0, g, query, mask)
    masks = blocks.split(mask)

    def body(sums, x):
        of_query, of_key, of_value, of_mask = some(*x[:3], mask if masks is None else x[3])
        return (sums[0] + of_key, sums[1] + of_value), (of_query, of_mask)

    wide = jnp.promote_types(query.dtype, jnp.float32)
    zeros = [jnp.zeros((*blocks.lead, *x.shape[-2:]), wide) for x in (key, value)]
    given = (blocks.firsts, blocks.split(g), blocks.split(query), masks)
    (of_key, of_value), (of_query, of_mask) = lax.scan(body, tuple(zeros), given)
    return blocks.join(of_query), of_key, of_value, None if of_mask is None else blocks.join(of_mask)


def _samples():
    causal, plain = {"scale": 0.5, "causal": True, "dims": 4}, {"scale": 0.7, "causal": False, "dims": 3}
    return [
        sample((2, 3, 4), (2, 3, 4), (2, 3, 4), None, **causal),
        sample((2, 3, 4), (5, 4), (1, 5, 2), None, **plain),
        sample((3, 2), (4, 2), (4, 3), (3, 4), **plain),
        sample((2, 3, 2), (2, 4, 2), (2, 4, 3), (1, 4), **plain, dtype=float64),
        sample((0, 2), (4, 2), (4, 3), None, **plain),
    ]


def _node(params: dict) -> str:
    return "ScaledDotProductFlashAttentionForCpuBackward0" if params["dims"] == 4 else "BmmBackward0"


op("attention", _attention, _attention_rule, "internal", node=_node, samples=_samples)
