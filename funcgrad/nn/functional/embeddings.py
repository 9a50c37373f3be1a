"""Look-ups in tables: embedding, bags of embeddings, one-hot.

Whether an index is in range is checked where it is known on the host already; one still to be computed
gives NaN if it is wrong. Knows the rows. Must not know modules.
"""

from __future__ import annotations

import warnings

import numpy as np

from ... import dtypes
from ...engine import no_grad
from ...op import REGISTRY
from ...tensor import NAMES, Tensor, composite
from ...tensor.call import call
from ...tensor.interop import host
from .distances import _norm
from .shared import known, row

T = NAMES["torch"]
_EMBEDDING = REGISTRY["embedding"]


@composite(where="F")
def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """The rows of `weight` at the indices `input`.

    padding_idx  a row that gets no gradient
    max_norm     rows that are looked up and longer than this are shortened first, in place
    sparse       changes nothing: gradients are dense here
    """
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx = padding_idx % weight.shape[0] if weight.shape[0] else padding_idx
    _check_range(input, weight, "index out of range in self", IndexError)
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    return call(_EMBEDDING, (input, weight), {"padding_idx": padding_idx, "scale_grad_by_freq": bool(scale_grad_by_freq)})


def _check_range(input: Tensor, weight: Tensor, words: str, error) -> None:
    numbers = known(input)
    if numbers is None or not numbers.size or numbers.dtype.kind not in "iu" or weight.ndim != 2:
        return
    if numbers.min() < 0 or numbers.max() >= weight.shape[0]:
        if "{" in words:
            at = int(np.argmax((numbers < 0) | (numbers >= weight.shape[0])))
            words = words.format(at=at, wrong=numbers.flat[at], n=weight.shape[0])
        raise error(words)


def _shorten(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    with no_grad():
        index = input.reshape(-1)
        rows = weight.detach().index_select(0, index)
        length = _norm(rows, norm_type, -1, True)
        scale = T["where"](length > max_norm, max_norm / (length + 1e-7), 1.0)
        weight.index_copy_(0, index, rows * scale)


@composite(where="F")
def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
                  sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):  # fmt: skip
    """Sum, mean or maximum of the rows of `weight` in each bag: a row of a 2-d `input`, or what lies
    between two `offsets` of a 1-d one."""
    if weight.dtype is dtypes.int64 and input.dtype.is_floating_point:
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                "sequences. However, found offsets of type <class 'torch.Tensor'>"
            )
        bags, length = input.shape
        bag = T["arange"](bags).repeat_interleave(length)
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        if include_last_offset:
            offsets = offsets[:-1]
        bags = offsets.shape[0]
        bag = T["searchsorted"](offsets, T["arange"](input.shape[0], dtype=offsets.dtype), right=True) - 1
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    words = "Index {at} of input takes value {wrong} which is not in the valid range [0, {n})"
    _check_range(input, weight, words, RuntimeError)
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    params = {"padding_idx": padding_idx, "scale_grad_by_freq": bool(scale_grad_by_freq)}
    rows = call(_EMBEDDING, (input, weight), params)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    counted = None if padding_idx is None else (input != padding_idx % weight.shape[0]).unsqueeze(-1)
    return _gather_bags(rows, bag, bags, mode, counted)


def _gather_bags(rows: Tensor, bag: Tensor, bags: int, mode: str, counted: Tensor | None) -> Tensor:
    shape, like = (bags, rows.shape[1]), {"dtype": rows.dtype}
    if mode == "max":
        if counted is not None:
            rows = T["where"](counted, rows, -float("inf"))
        empty = T["full"](shape, -float("inf"), **like)
        out = empty.index_reduce(0, bag, rows, "amax")
        return T["where"](out == -float("inf"), 0.0, out)
    if counted is not None:
        rows = T["where"](counted, rows, 0.0)
    out = T["zeros"](shape, **like).index_add(0, bag, rows)
    if mode == "sum":
        return out
    ones = T["ones"]((rows.shape[0], 1), **like) if counted is None else counted.to(rows.dtype)
    return out / T["zeros"]((bags, 1), **like).index_add(0, bag, ones).clamp_min(1)


@composite(where="F")
def one_hot(tensor, num_classes=-1):
    """1 at each index, 0 elsewhere, along a new last dimension. Without `num_classes` it makes a run, to
    know the largest index.

    >>> import funcgrad as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if num_classes == -1:
        if not tensor.numel():
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(host(tensor).max()) + 1 if tensor.dtype.name == "int64" else 1
    numbers = known(tensor)
    if numbers is not None and numbers.size and numbers.dtype == np.int64:
        if numbers.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        if numbers.max() >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    return row("one_hot", tensor, num_classes=int(num_classes))
