"""Arguments and results of transforms: any pytree, whose leaves are Tensors.

`jax.tree_util` does the walking; a Tensor is a leaf of it here, not the array that it holds.
"""

from __future__ import annotations

from collections.abc import Callable

import jax

from ..tensor import Tensor

_is_leaf = type.__instancecheck__.__get__(Tensor)  # `isinstance(t, Tensor)`, with no frame of Python


def flatten(tree):
    """(leaves, structure)"""
    return jax.tree_util.tree_flatten(tree, is_leaf=_is_leaf)


def leaves(tree) -> list:
    return jax.tree_util.tree_leaves(tree, is_leaf=_is_leaf)


def unflatten(structure, some):
    return jax.tree_util.tree_unflatten(structure, some)


def map_leaves(f: Callable, tree, *rest):
    """`tree` with `f` of each leaf, and of what `rest` has there."""
    return jax.tree_util.tree_map(f, tree, *rest, is_leaf=_is_leaf)


def tensors(what: str, tree) -> list[Tensor]:
    """The leaves, all of them Tensors. Raises ValueError, in PyTorch's words, for others."""
    found = leaves(tree)
    for t in found:
        if not isinstance(t, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
    return found


def name_of(f) -> str:
    return getattr(f, "__name__", type(f).__name__)
