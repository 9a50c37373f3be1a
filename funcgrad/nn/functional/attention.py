"""Attention: scaled dot products, and the many-headed form of `nn.MultiheadAttention`.

Knows the rows and dropout. Must not know modules.
"""

from __future__ import annotations

import math
import warnings

from ... import dtypes
from ...tensor import NAMES, Tensor, composite
from .dropouts import dropout
from .shared import row

T = NAMES["torch"]
_INF = float("inf")


@composite(where="F")
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                                 enable_gqa=False):  # fmt: skip
    """softmax(query @ key^T * scale) @ value, over the last two dimensions (length x width).

    attn_mask   bool (True: may attend) or numbers to add, broadcast to ... x L x S; a query that may
                attend to nothing gets zeros
    is_causal   each query attends up to its own place
    scale       1 / sqrt(width) by default
    enable_gqa  key and value may have fewer heads (dimension -3), each serving several of the query's
    """
    _check(query, key, value, attn_mask, is_causal)
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p:g}")
    if enable_gqa:
        key, value = (_shared_heads(t, query) for t in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if dropout_p == 0.0 and query.shape[-1] == key.shape[-1] and key.shape[-2] == value.shape[-2]:
        params = {"scale": float(scale), "causal": bool(is_causal), "dims": query.ndim}
        return row("attention", query, key, value, attn_mask, **params)
    scores = T["matmul"](query * scale, key.transpose(-2, -1))
    if is_causal:
        attn_mask = T["ones"](query.shape[-2], key.shape[-2], dtype=dtypes.bool_).tril()
        weights = row("softmax", T["where"](attn_mask, scores, -_INF), dim=-1, dtype=None)
    elif attn_mask is not None:
        weights = _masked_softmax(scores, attn_mask)
    else:
        weights = row("softmax", scores, dim=-1, dtype=None)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return T["matmul"](weights, value)


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{_c_name(query)} key.dtype: {_c_name(key)} and value.dtype: {_c_name(value)} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if mask is None:
        return
    if is_causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if mask.dtype is not dtypes.bool_ and mask.dtype is not query.dtype and mask.dtype is not dtypes.float32:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{_c_name(mask)} and  query.dtype: {_c_name(query)} instead."
        )


def _c_name(t: Tensor) -> str:
    words = {"Float": "float", "Double": "double", "Half": "c10::Half", "BFloat16": "c10::BFloat16", "Long": "long int"}
    return words.get(t.dtype.legacy, t.dtype.legacy.lower())


def _shared_heads(t: Tensor, query: Tensor) -> Tensor:
    times, rest = divmod(query.shape[-3], t.shape[-3])
    if rest:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query, but got "
            f"{t.shape[-3]} and {query.shape[-3]}"
        )
    return t.repeat_interleave(times, -3) if times > 1 else t


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax in which a row that is masked as a whole comes out as zeros, with zero gradients."""
    if mask.dtype is dtypes.bool_:
        dead = ~mask.any(-1, keepdim=True)
        scores = T["where"](mask, scores, -_INF)
    else:
        dead = (mask == -_INF).all(-1, keepdim=True)
        scores = scores + mask.to(scores.dtype)
    # zeros for minus infinities first: a NaN that is masked after the softmax would still reach the gradient
    weights = row("softmax", scores.masked_fill(dead, 0.0), dim=-1, dtype=None)
    return weights.masked_fill(dead, 0.0)


# ---- many heads ---------------------------------------------------------------------------------------------------


@composite(where="F")
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
    dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None,
    static_v=None, average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention in `num_heads` heads between linear maps; (output, weights or None).

    query, key, value are L x N x E (or L x E); see `torch.nn.MultiheadAttention` for the masks, in
    which True means: may not attend.
    """
    batched = _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if attn_mask is not None and key_padding_mask is not None and attn_mask.dtype is not key_padding_mask.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
            UserWarning,
            stacklevel=2,
        )
    attn_mask = additive(attn_mask, "attn_mask", query.dtype)
    key_padding_mask = additive(key_padding_mask, "key_padding_mask", query.dtype)

    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (row("linear", t, w, b) for t, w, b in zip((query, key, value), weights, biases, strict=True))
    else:
        q, k, v = _packed(query, key, value, in_proj_weight, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = (T["cat"]([t, b.repeat(1, batch, 1)]) for t, b in ((k, bias_k), (v, bias_v)))

    def heads(t: Tensor) -> Tensor:  # L x N x E -> N x heads x L x E / heads
        return t.reshape(t.shape[0], batch, num_heads, -1).permute(1, 2, 0, 3)

    q = heads(q)
    k = heads(k) if static_k is None else static_k.reshape(batch, num_heads, *static_k.shape[1:])
    v = heads(v) if static_v is None else static_v.reshape(batch, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        zero = T["zeros"](batch, num_heads, 1, q.shape[-1], dtype=k.dtype)
        k, v = T["cat"]([k, zero], 2), T["cat"]([v, zero], 2)
    mask = _merged(attn_mask, key_padding_mask, batch, num_heads, length, k.shape[2])
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        scores = T["matmul"](q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        weights = row("softmax", scores if mask is None else scores + mask, dim=-1, dtype=None)
        weights = dropout(weights, dropout_p) if dropout_p > 0.0 else weights
        out = T["matmul"](weights, v)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p)
    out = row("linear", out.permute(2, 0, 1, 3).reshape(length, batch, width), out_proj_weight, out_proj_bias)
    out = out if batched else out.squeeze(1)
    if not need_weights:
        return out, None
    weights = weights.mean(1) if average_attn_weights else weights
    return out, weights if batched else weights.squeeze(0)


def _packed(query, key, value, weight, bias) -> tuple[Tensor, ...]:
    """q, k, v by the three maps stacked in `weight`: one product where the inputs are one tensor."""
    width = query.shape[-1]
    if query is key and key is value:
        return row("linear", query, weight, bias).chunk(3, -1)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    inputs = (query, key, value)
    if key is value:
        q = row("linear", query, weight[:width], biases[0])
        kv = row("linear", key, weight[width:], None if bias is None else bias[width:])
        return (q, *kv.chunk(2, -1))
    return tuple(row("linear", t, w, b) for t, w, b in zip(inputs, weight.chunk(3), biases, strict=True))


def additive(mask: Tensor | None, name: str, dtype) -> Tensor | None:
    """A mask as numbers to add: minus infinity for True."""
    if mask is None:
        return None
    if mask.dtype is not dtypes.bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if mask.dtype is dtypes.bool_:
        return T["zeros"](mask.shape, dtype=dtype).masked_fill(mask, -_INF)
    return mask


def _merged(mask, padding, batch: int, heads: int, length: int, keys: int) -> Tensor | None:
    """Both masks as one that broadcasts against N x heads x L x S; padded for keys that were added."""
    if mask is not None:
        if mask.ndim == 3:
            mask = mask.reshape(batch, heads, length, -1)
        mask = _grown(mask, keys)
    if padding is None:
        return mask
    padding = _grown(padding, keys).reshape(batch, 1, 1, keys)
    return padding if mask is None else mask + padding


def _grown(mask: Tensor, keys: int) -> Tensor:
    more = keys - mask.shape[-1]
    return row("constant_pad_nd", mask, pad=(0, more), value=0.0) if more else mask


def _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads) -> bool:
    """Whether the inputs are batched; PyTorch's errors where their shapes do not fit."""
    if query.ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor")
    batched = query.ndim == 3
    word, n = ("batched", 3) if batched else ("unbatched", 2)
    if key.ndim != n or value.ndim != n:
        raise AssertionError(
            f"For {word} ({n}-D) `query`, expected `key` and `value` to be {n}-D but found {key.ndim}-D and "
            f"{value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != n - 1:
        raise AssertionError(
            f"For {word} ({n}-D) `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is None:
        return batched
    if attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {word} ({n}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D "
            "tensor instead"
        )
    length, keys = query.shape[0], key.shape[0]
    want = (length, keys) if attn_mask.ndim == 2 else ((query.shape[1] if batched else 1) * num_heads, length, keys)
    if tuple(attn_mask.shape) != want:
        raise RuntimeError(
            f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, but should be {want}."
        )
    return batched
