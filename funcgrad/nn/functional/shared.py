"""What several files of functions, and layers, need: numbers that are known already, sizes given once for all dimensions,
reductions, deprecated flags.

Knows the Tensor. Must not know any particular function.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from ...op import REGISTRY
from ...tape import known_array
from ...tensor import Tensor
from ...tensor.alias import check_writable, write
from ...tensor.call import call, call_given
from ...tensor.tensor import value_of


def row(name: str, *args, **params):
    """Record the row `name`; a Tensor or a tuple of Tensors."""
    return call(REGISTRY[name], args, params)


def given(name: str, *args, **params):
    """`row` of what a user gave."""
    return call_given(REGISTRY[name], args, params)


def known(t: Tensor) -> np.ndarray | None:
    """The numbers of `t` if they lie on the host; looking at others would make a run."""
    array = known_array(value_of(t))
    return array if array.__class__ is np.ndarray else None


def ntuple(x, n: int) -> tuple:
    """`x` for each of n dimensions."""
    return tuple(x) if isinstance(x, Iterable) else (x,) * n


def written(t: Tensor, result: Tensor) -> Tensor:
    """`result` under the name `t`: what `inplace=True` asks for."""
    check_writable(t)
    return write(t, value_of(result))


def reduction_of(reduction: str, size_average, reduce, extra: tuple[str, ...] = ()) -> str:
    """The reduction, after PyTorch's two deprecated flags have had their say."""
    if size_average is not None or reduce is not None:
        average, reduced = size_average is None or size_average, reduce is None or reduce
        reduction = ("mean" if average else "sum") if reduced else "none"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=3,
        )
    elif reduction not in ("none", "mean", "sum", *extra):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def warn_sizes(input: Tensor, target: Tensor) -> None:
    """PyTorch's warning where a loss broadcasts its target, which is seldom meant."""
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )
