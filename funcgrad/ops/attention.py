"""Scaled dot-product attention as one operator, whose backward keeps no matrix of queries by keys.

The weights are computed again in the backward, and where there are many of them, forward and backward go over the
queries in blocks: memory then grows with the length of the sequence, not with its square. Sums and weights of half
precision are in float32. `dims`, those of the queries, is for the name that
PyTorch gives its node. Must not know tapes or Tensors.
"""

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from ..dtypes import float64, from_np
from ..op import op, sample
from ..op.checks import broadcast

BLOCK = 1 << 21  # weights computed at one time
GROUPS = 8  # of blocks, each with the keys that a causal mask leaves it
RECOMPUTED = 1 << 18  # weights from which XLA may not keep those of the forward for the backward


def _product(terms: str, a, b):
    """In at least float32, the factors of one dtype."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.einsum(terms, a, b.astype(a.dtype), preferred_element_type=wide)


def _weights(q, k, mask, first, scale, causal, turned=False):
    """(weights, their sum over the keys, by which they are still to be divided) of queries `first`, first + 1, ...:
    (..., queries, keys), or `turned`, (..., keys, queries). A query that may attend to nothing has zeros.
    """
    axis = -2 if turned else -1
    scores = (_product("...se,...te->...st", k, q) if turned else _product("...te,...se->...ts", q, k)) * scale
    if causal:
        queries, keys = first + jnp.arange(q.shape[-2]), jnp.arange(k.shape[-2])
        scores = jnp.where(jnp.expand_dims(queries, axis) >= jnp.expand_dims(keys, -3 - axis), scores, -jnp.inf)
    elif mask is not None:
        mask = jnp.swapaxes(mask, -1, -2) if turned else mask
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask.astype(scores.dtype)
    top = jnp.max(scores, axis, keepdims=True, initial=-jnp.inf)
    e = jnp.exp(scores - jnp.where(top == -jnp.inf, 0, top))
    total = jnp.sum(e, axis, keepdims=True)
    return e, jnp.where(total == 0, 1, total)


class _Blocks:
    """The queries in equal blocks, the last filled up with zeros. `lead`: the dimensions before the last two."""

    def __init__(self, q, k, v, mask):
        batch = [x.shape[:-2] for x in (q, k, v, mask) if x is not None]
        self.lead, self.length, self.keys = broadcast(batch), q.shape[-2], k.shape[-2]
        self.weights = prod(self.lead) * self.length * self.keys
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

    def groups(self, causal: bool) -> list[tuple[slice, int]]:
        """Consecutive blocks, each group with how many of the keys it looks at: a causal mask leaves the earlier ones
        fewer. None has a single block, whose loop XLA would dissolve: then all would have their memory at once."""
        if not causal or self.n < 4:
            return [(slice(0, self.n), self.keys)]
        size = max(2, -(-self.n // GROUPS))
        ends = [*range(size, self.n - 1, size), self.n]
        return [(slice(a, b), min(self.keys, b * self.rows)) for a, b in zip([0, *ends], ends, strict=False)]


def _attention(query, key, value, mask=None, *, scale, causal, dims=4):
    if jnp.issubdtype(query.dtype, jnp.complexfloating):
        name = from_np(query.dtype).legacy
        raise NotImplementedError(f"\"softmax_lastdim_kernel_impl\" not implemented for '{name}'")
    blocks = _Blocks(query, key, value, mask)

    def some(keys, first, q, m):
        weights, total = _weights(q, key[..., :keys, :], m, first, scale, causal)
        y = _product("...ts,...sv->...tv", weights.astype(value.dtype), value[..., :keys, :])
        return (y / total).astype(value.dtype)

    if blocks.n == 1:
        return some(blocks.keys, 0, query, mask)
    masks = blocks.split(mask)
    given = (jnp.arange(blocks.n), blocks.split(query), masks)
    found = jnp.zeros((blocks.n, *blocks.lead, blocks.rows, value.shape[-1]), value.dtype)
    for group, keys in blocks.groups(causal):

        def body(found, x, keys=keys):
            i, q, m = x
            return found.at[i].set(some(keys, i * blocks.rows, q, mask if masks is None else m)), None

        found, _ = lax.scan(body, found, jax.tree.map(lambda x: x[group], given))  # noqa: B023
    return blocks.join(found)


def _attention_rule(g, y, query, key, value, mask=None, *, scale, causal, dims=4):
    blocks = _Blocks(query, key, value, mask)
    wanted = mask is not None and mask.dtype != bool
    if blocks.weights > RECOMPUTED:
        query, key = lax.optimization_barrier((query, key))
    wide = jnp.promote_types(query.dtype, jnp.float32)
    # what the weights of a query have in common with its gradient: the sum of both over the keys
    shared = jnp.sum(g.astype(wide) * y.astype(wide), -1, keepdims=True)
    turned = lax.optimization_barrier(jnp.swapaxes(key, -1, -2))  # every product below contracts what lies together

    @partial(jax.checkpoint, static_argnums=0)  # for JAX's own transposition of this, which would keep the weights
    def some(keys, first, g, q, shared, m):
        weights, total = _weights(q, key[..., :keys, :], m, first, scale, causal, turned=True)
        weights = weights / total
        of_value = _product("...st,...tv->...sv", weights.astype(g.dtype), g)
        of_weights = _product("...sv,...tv->...st", value[..., :keys, :], g)
        of_scores = weights * (of_weights - jnp.swapaxes(shared, -1, -2))
        narrow = of_scores.astype(q.dtype)
        of_query = jnp.swapaxes(_product("...es,...st->...et", turned[..., :keys], narrow), -1, -2) * scale
        of_key = _product("...st,...te->...se", narrow, q) * scale
        return of_query, of_key, of_value, jnp.swapaxes(of_scores, -1, -2) if wanted else None

    if blocks.n == 1:
        return some(blocks.keys, 0, g, query, shared, mask)
    masks = blocks.split(mask)

    sums = [jnp.zeros((*blocks.lead, *x.shape[-2:]), wide) for x in (key, value)]
    given = (jnp.arange(blocks.n) * blocks.rows, blocks.split(g), blocks.split(query), blocks.split(shared), masks)
    found = []
    for group, keys in blocks.groups(causal):

        def body(sums, x, keys=keys):
            of_query, *more, of_mask = some(keys, *x[:-1], mask if masks is None else x[-1])
            return [s.at[..., :keys, :].add(m) for s, m in zip(sums, more, strict=True)], (of_query, of_mask)

        sums, some_found = lax.scan(body, sums, jax.tree.map(lambda x: x[group], given))  # noqa: B023
        found.append(some_found)
    of_query, of_mask = jax.tree.map(lambda *x: blocks.join(jnp.concatenate(x)), *found)
    return of_query, *sums, of_mask


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
