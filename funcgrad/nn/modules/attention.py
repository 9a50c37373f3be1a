"""Attention of several heads."""

from __future__ import annotations

from .. import functional as F
from .. import init
from ..module import Module
from .linear import NonDynamicallyQuantizableLinear
from .make import assign, parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """softmax(q·kᵀ / √head_dim)·v for each of `num_heads` parts of the projected inputs, projected again.

    Shapes: query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim); N first with `batch_first`; or without N.
    Returns (output, shaped as the query; weights (N, L, S), or (N, num_heads, L, S), or None).
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
                 add_zero_attn: bool = False, kdim=None, vdim=None, batch_first: bool = False, device=None,
                 dtype=None):  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        same = self._qkv_same_embed_dim
        if not same:
            self.q_proj_weight = parameter(embed_dim, embed_dim, **how)
            self.k_proj_weight = parameter(embed_dim, self.kdim, **how)
            self.v_proj_weight = parameter(embed_dim, self.vdim, **how)
            self.register_parameter("in_proj_weight", None)
        else:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim, **how)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        assign(self, "in_proj_bias", parameter(3 * embed_dim, **how) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **how)
        if add_bias_kv:
            self.bias_k, self.bias_v = parameter(1, 1, embed_dim, **how), parameter(1, 1, embed_dim, **how)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights: bool = True, attn_mask=None,
                average_attn_weights: bool = True, is_causal: bool = False):  # fmt: skip
        """key_padding_mask (N, S) and attn_mask (L, S) or (N · num_heads, L, S): True where nothing is attended to, or
        numbers that are added to the scores."""
        turn = self.batch_first and query.ndim == 3
        if turn:
            query, key, value = self._turned(query, key, value)
        same = self._qkv_same_embed_dim
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not same, q_proj_weight=self.q_proj_weight, k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (out.transpose(1, 0) if turn else out), weights

    def _turned(self, query, key, value):
        """Sequence first; what was one tensor stays one, so that it is projected at once."""
        made = {}
        return tuple(made.setdefault(id(t), t.transpose(1, 0)) for t in (query, key, value))

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("_qkv_same_embed_dim", True)
