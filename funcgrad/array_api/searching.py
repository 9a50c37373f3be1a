"""Searching, sorting, sets and indexing."""

from __future__ import annotations

from typing import NamedTuple

from ..tensor import Tensor
from .base import F, both

__all__ = [
    "argmax", "argmin", "argsort", "nonzero", "searchsorted", "sort", "take", "take_along_axis", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip


def argmax(x, /, *, axis=None, keepdims=False):
    """Where the largest is along `axis`, in the flattened array for None; the first of equals."""
    return F.argmax(x, axis, keepdims)


def argmin(x, /, *, axis=None, keepdims=False):
    """Where the smallest is along `axis`, in the flattened array for None; the first of equals."""
    return F.argmin(x, axis, keepdims)


def nonzero(x, /):
    """The indices of what is not zero, one array for each axis. Looks at the numbers."""
    if not x.ndim:
        raise ValueError("nonzero: an array without dimensions has no indices")
    return F.nonzero(x, as_tuple=True)


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where each of `x2` belongs in the sorted `x1`."""
    return F.searchsorted(x1, x2, side=side, sorter=sorter)


def where(condition, x1, x2, /):
    """Of `x1` where the condition holds, else of `x2`."""
    if isinstance(x1, Tensor) or isinstance(x2, Tensor):
        return F.where(condition, *both(x1, x2))
    return F.where(condition, x1, x2)


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The indices that sort `x` along `axis`."""
    return F.argsort(x, axis, descending, stable=stable)


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """`x` sorted along `axis`."""
    return F.sort(x, dim=axis, descending=descending, stable=stable)[0]


def take(x, indices, /, *, axis=None):
    """The slices along `axis` at `indices`, a vector."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is required for an array of {x.ndim} dimensions")
        axis = 0
    return F.index_select(x, axis, F.where(indices < 0, indices + x.shape[axis], indices))


def take_along_axis(x, indices, /, *, axis=-1):
    """One element for each of `indices`, at the same places along the other axes."""
    return F.take_along_dim(x, F.where(indices < 0, indices + x.shape[axis], indices), axis)


class UniqueAll(NamedTuple):
    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    values: Tensor
    inverse_indices: Tensor


def unique_all(x, /) -> UniqueAll:
    """The different elements in order, where each is first, which each element is, and how often each is there.

    These four look at the numbers.
    """
    values, inverse, counts = F.unique(x, return_inverse=True, return_counts=True)
    order = F.argsort(inverse.reshape(-1), 0, stable=True)
    return UniqueAll(values, order[F.cumsum(counts, 0) - counts], inverse, counts)


def unique_counts(x, /) -> UniqueCounts:
    """The different elements in order, and how often each is there."""
    return UniqueCounts(*F.unique(x, return_counts=True))


def unique_inverse(x, /) -> UniqueInverse:
    """The different elements in order, and which of them each element is."""
    return UniqueInverse(*F.unique(x, return_inverse=True))


def unique_values(x, /):
    """The different elements in order."""
    return F.unique(x)
