"""`torch.utils._pytree`: trees of Tensors, walked by JAX. Dicts are walked in the order of their keys' sorting."""

from __future__ import annotations

from collections.abc import Callable

from ..func.tree import flatten as tree_flatten
from ..func.tree import leaves as tree_leaves
from ..func.tree import map_leaves, unflatten

__all__ = ["tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_only", "tree_unflatten"]


def tree_unflatten(leaves, treespec):
    """The tree that `tree_flatten` took apart, of these leaves."""
    return unflatten(treespec, leaves)


def tree_map(func: Callable, tree, *rests, is_leaf=None):
    """`tree` with `func` of each leaf, and of what `rests` have there."""
    return map_leaves(func, tree, *rests)


def tree_map_only(kind, func: Callable, tree, is_leaf=None):
    """`tree` with `func` of each leaf of that class; the others stay."""
    return map_leaves(lambda x: func(x) if isinstance(x, kind) else x, tree)


def tree_all(pred: Callable, tree, is_leaf=None) -> bool:
    """Whether `pred` is true of every leaf."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable, tree, is_leaf=None) -> bool:
    """Whether `pred` is true of a leaf."""
    return any(map(pred, tree_leaves(tree)))
