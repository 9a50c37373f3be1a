"""`torch.utils._pytree`: trees of Tensors, walked by JAX. Dicts are walked in the order of their keys' sorting."""

from __future__ import annotations

from collections.abc import Callable

import jax

from ..tensor import Tensor

__all__ = ["tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_only", "tree_unflatten"]


def _ends(is_leaf: Callable | None) -> Callable:
    """What is not gone into: a Tensor, None, and what `is_leaf` says."""
    return lambda x: x is None or isinstance(x, Tensor) or (is_leaf is not None and is_leaf(x))


def tree_flatten(tree, is_leaf=None):
    """(leaves, structure)"""
    return jax.tree_util.tree_flatten(tree, is_leaf=_ends(is_leaf))


def tree_leaves(tree, is_leaf=None) -> list:
    """The leaves."""
    return jax.tree_util.tree_leaves(tree, is_leaf=_ends(is_leaf))


def tree_unflatten(leaves, treespec):
    """The tree that `tree_flatten` took apart, of these leaves."""
    return jax.tree_util.tree_unflatten(treespec, leaves)


def tree_map(func: Callable, tree, *rests, is_leaf=None):
    """`tree` with `func` of each leaf, and of what `rests` have there."""
    return jax.tree_util.tree_map(func, tree, *rests, is_leaf=_ends(is_leaf))


def tree_map_only(kind, func: Callable, tree, is_leaf=None):
    """`tree` with `func` of each leaf of that class; the others stay."""
    return tree_map(lambda x: func(x) if isinstance(x, kind) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable, tree, is_leaf=None) -> bool:
    """Whether `pred` is true of every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable, tree, is_leaf=None) -> bool:
    """Whether `pred` is true of a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
