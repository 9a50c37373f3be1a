"""Distances between vectors, and the losses made of them.

Knows the rows. Must not know modules.
"""

from __future__ import annotations

from ...op import REGISTRY
from ...tensor import NAMES, Tensor, composite
from ...tensor.call import call
from ...tensor.variants import into
from .shared import reduced, reduction_of

T = NAMES["torch"]


def _norm(x: Tensor, p, dim, keepdim: bool = False) -> Tensor:
    return call(REGISTRY["vector_norm"], (x,), {"ord": p, "dim": dim, "keepdim": keepdim, "dtype": None})


@composite(where="F")
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """`input` divided by its p-norm along `dim`, or by `eps` where that is smaller."""
    dim = tuple(dim) if isinstance(dim, list) else dim
    made = input / _norm(input, p, dim, True).clamp_min(eps).expand_as(input)
    return made if out is None else into(out, made, "normalize")


@composite(where="F")
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return _norm(x1 - x2 + eps, p, -1, keepdim)


@composite(where="F")
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between x1 and x2 along `dim`."""
    x1, x2 = T["broadcast_tensors"](x1, x2)

    def unit(x: Tensor) -> Tensor:
        length = _norm(x, 2, dim, True)
        # no length below eps, but its gradient as if it were not there
        return x / call(REGISTRY["with_data"], (length, length.clamp_min(eps)))

    return (unit(x1) * unit(x2)).sum(dim)


@composite(where="F")
def pdist(input, p=2.0):
    """The p-norm distances of every pair of rows, first with second, first with third, ..."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    first, second = T["triu_indices"](input.shape[0], input.shape[0], 1).unbind(0)
    return _norm(input.index_select(0, first) - input.index_select(0, second), p, -1)


T["pairwise_distance"], T["cosine_similarity"], T["pdist"] = pairwise_distance, cosine_similarity, pdist

# ---- losses ---------------------------------------------------------------------------------------------------


@composite(where="F")
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    product = (input1 * input2).sum(-1)
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cos = product / squares.sqrt()
    alike = T["where"](target == 1, 1 - cos, 0.0)
    unlike = T["where"](target == -1, (cos - margin).clamp_min(0), 0.0)
    return reduced(alike + unlike, reduction)


@composite(where="F")
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """x where the target is 1, max(0, margin - x) where it is -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    unlike = T["where"](target != 1, (margin - input).clamp_min(0), 0.0)
    return reduced(unlike + T["where"](target != -1, input, 0.0), reduction)


@composite(where="F")
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target * (input1 - input2) + margin)."""
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def _triplet(anchor, positive, negative, distance, margin, swap, reduction) -> Tensor:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = T["minimum"](far, distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


@composite(where="F")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None,
                        reduce=None, reduction="mean"):  # fmt: skip
    """max(0, margin + |anchor - positive| - |anchor - negative|), in the p-norm."""
    reduction = reduction_of(reduction, size_average, reduce)

    def distance(a, b):
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


@composite(where="F")
def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False,
                                      reduction="mean"):  # fmt: skip
    """`triplet_margin_loss` with a distance of your own."""
    reduction = reduction_of(reduction, None, None)
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)
