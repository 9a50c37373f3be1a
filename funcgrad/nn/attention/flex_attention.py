"""Attention whose scores go through a function of one's own: `score_mod(score, batch, head, query, key)`.

The functions are written for one score and one place; they are mapped over all by `vmap`. A mask is held as bool over
all places: what it leaves out is computed and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ... import dtypes
from ...func import vmap
from ...tensor import NAMES, Tensor
from ..functional import pad

__all__ = [
    "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

T = NAMES["torch"]


def noop_mask(batch, head, q_idx, kv_idx):
    """Everything may attend to everything."""
    return batch.new_ones((), dtype=dtypes.bool_)


def and_masks(*mask_mods: Callable) -> Callable:
    """May attend where all of them say so."""
    return _joined(mask_mods, lambda a, b: a & b)


def or_masks(*mask_mods: Callable) -> Callable:
    """May attend where one of them says so."""
    return _joined(mask_mods, lambda a, b: a | b)


def _joined(mask_mods, both: Callable) -> Callable:
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def mod(b, h, q, k):
        first, *rest = [m(b, h, q, k) for m in mask_mods]
        for more in rest:
            first = both(first, more)
        return first

    return mod


def _everywhere(mod: Callable, sizes, *with_scores) -> Tensor:
    """`mod` of each (batch, head, query, key); `with_scores` has one more argument, of all four dimensions."""
    for dim in (3, 2, 1, 0):  # the innermost first
        places = tuple(0 if d == dim else None for d in range(4))
        mod = vmap(mod, in_dims=(0,) * len(with_scores) + places)
    return mod(*with_scores, *[T["arange"](n, dtype=dtypes.int32) for n in sizes])


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device=None) -> Tensor:
    """Where `mod_fn(batch, head, query, key)` says true: bool, B x H x Q_LEN x KV_LEN (1 for None)."""
    return _everywhere(mod_fn, (B or 1, H or 1, Q_LEN, KV_LEN))


class BlockMask:
    """Which queries may attend to which keys: `mask_mod`, and its answer at every place."""

    def __init__(self, mask_mod: Callable, mask: Tensor, block: tuple[int, int]):
        self.mask_mod, self.mask, self.BLOCK_SIZE = mask_mod, mask, block

    @property
    def shape(self) -> tuple[int, ...]:
        """B x H x Q_LEN x KV_LEN."""
        return tuple(self.mask.shape)

    @property
    def seq_lengths(self) -> tuple[int, int]:
        """(Q_LEN, KV_LEN)"""
        return self.shape[-2:]

    def sparsity(self) -> float:
        """How much of the whole no block covers, in percent; below zero where blocks reach beyond it. Looks."""
        covered = self.to_dense().sum().item() * math.prod(self.BLOCK_SIZE)
        return 100.0 * (1.0 - covered / self.mask.numel())

    def to_dense(self) -> Tensor:
        """Of each block of places, whether any may attend: B x H x blocks of queries x blocks of keys."""
        (q, k), (bq, bk) = self.seq_lengths, self.BLOCK_SIZE
        filled = pad(self.mask, (0, -k % bk, 0, -q % bq))
        return filled.unflatten(-1, (-1, bk)).unflatten(-3, (-1, bq)).any(-1).any(-2)

    def to(self, device) -> BlockMask:
        """Itself: there is one device."""
        return self

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device=None,
                      BLOCK_SIZE: int | tuple[int, int] = 128, _compile: bool = False) -> BlockMask:  # fmt: skip
    """The mask that `mask_mod(batch, head, query, key)` makes; B or H is None where it does not depend on them."""
    block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, create_mask(mask_mod, B, H, Q_LEN, KV_LEN), block)


def flex_attention(query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None,
                   block_mask: BlockMask | None = None, scale: float | None = None, enable_gqa: bool = False,
                   return_lse: bool = False, kernel_options=None, *, return_aux=None):  # fmt: skip
    """softmax(score_mod(query @ key^T * scale)) @ value.

    query (B, Hq, L, E), key (B, Hkv, S, E), value (B, Hkv, S, Ev); the result is (B, Hq, L, Ev). A query that may attend
    to nothing gets zeros.

    score_mod   (score, batch, head, query, key) -> score, of one place
    block_mask  from `create_block_mask`
    scale       1 / sqrt(E) by default
    enable_gqa  Hq may be a multiple of Hkv
    return_lse  give (result, logsumexp of the scores (B, Hq, L)) too

    Raises ValueError for sizes that do not fit, in PyTorch's words.
    """
    if return_aux is not None:
        raise NotImplementedError("return_aux: take return_lse=True")
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.shape[-3] != key.shape[-3]:
        if not enable_gqa:
            raise ValueError(
                f"Expect query and key/value to have the same number of heads but got Hq={query.shape[-3]} and "
                f"Hkv={key.shape[-3]}. Try setting enable_gqa=True for GQA."
            )
        if query.shape[-3] % key.shape[-3]:
            raise ValueError(
                "Expect number of query heads to be a multiple of kv heads for GQA but got "
                f"Hq={query.shape[-3]} and Hkv={key.shape[-3]}."
            )
        key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"Expect query and key to have the same embedding dimension but got {query.shape[-1]} and {key.shape[-1]}.")
    scores = (query @ key.transpose(-2, -1)) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if score_mod is not None:
        scores = _everywhere(score_mod, scores.shape, scores)
    if block_mask is not None:
        if block_mask.seq_lengths != tuple(scores.shape[-2:]):
            raise ValueError(
                f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={scores.shape[-2]} and "
                f"kv_len={scores.shape[-1]}."
            )
        scores = T["where"](block_mask.mask, scores, -math.inf)
    some = (scores > -math.inf).any(-1, keepdim=True)
    weights = T["where"](some, T["where"](some, scores, 0.0).softmax(-1), 0.0)
    out = weights.to(value.dtype) @ value
    return (out, T["logsumexp"](scores, -1)) if return_lse else out
