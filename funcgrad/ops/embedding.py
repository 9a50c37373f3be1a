"""Tables looked up by index: embedding and one_hot.

Knows pure JAX only. That an index is in range cannot be checked inside a program: the caller checks
it, and here one out of range gives NaN. `max_norm` rewrites the weight in place and is the caller's
work too; `sparse` changes nothing, for gradients here are dense.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample


def _embedding(
    input,
    weight,
    *,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    dtype = from_np(input.dtype)
    if dtype.legacy not in ("Long", "Int"):
        word = "CPUBoolType" if dtype.legacy == "Bool" else f"torch.{dtype.legacy}Tensor"
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, "
            f"Int; but got {word} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if padding_idx is not None and not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise AssertionError("Padding_idx must be within num_embeddings")
    out = jnp.take(weight, input, axis=0)
    if padding_idx is not None:  # costs nothing: XLA sees one value chosen from itself
        padded = (input == padding_idx % weight.shape[0])[..., None]
        out = jnp.where(padded, lax.stop_gradient(out), out)
    return out


def _embedding_rule(
    g,
    y,
    input,
    weight,
    *,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    rows, width = weight.shape
    index, g = input.reshape(-1), g.reshape(-1, width)
    if scale_grad_by_freq:
        times = jnp.zeros((rows,), g.dtype).at[index].add(1)
        g = g / times[index][:, None]
    if padding_idx is not None:
        g = jnp.where((index == padding_idx % rows)[:, None], 0, g)
    return None, jnp.zeros_like(weight).at[index].add(g)


def _one_hot(input, *, num_classes=-1):
    if from_np(input.dtype).legacy != "Long":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        raise RuntimeError(
            "one_hot in a program needs num_classes: the largest index is not known yet"
        )
    if num_classes < 1:
        raise RuntimeError("Class values must be smaller than num_classes.")
    classes = lax.broadcasted_iota(jnp.int64, (*input.shape, num_classes), input.ndim)
    return (classes == input[..., None]).astype(jnp.int64)


op(
    "embedding",
    _embedding,
    _embedding_rule,
    "nn",
    sig="input: T, weight: T, padding_idx: int = None, max_norm: float = None, norm_type: float = 2.0, "
    "scale_grad_by_freq: bool = False, sparse: bool = False",
    promote=None,
    samples=lambda: [
        sample(np.array([[1, 0], [5, 1]]), (6, 3)),
        sample(np.array(4), (6, 3)),
        sample(np.array([[1, 0], [0, 1]]), (6, 3), padding_idx=-6),
        sample(np.array([2, 2, 5, 0], np.int32), (6, 3)),
        sample(np.zeros((0, 2), np.int64), (6, 3)),
    ],
)
op(
    "one_hot",
    _one_hot,
    None,
    "nn",
    sig="input: T, num_classes: int = -1",
    promote=None,
    samples=lambda: [
        sample(np.array([[1, 0], [5, 1]]), num_classes=6),
        sample(np.array(2), num_classes=4),
        sample(np.zeros((0,), np.int64), num_classes=3),
    ],
)
