"""Hooks on Tensors: on the gradient of a leaf or of an intermediate, and after accumulation."""

from __future__ import annotations

import weakref

from ..engine import RemovableHandle, checked, gradient_place
from ..tape import Value, local
from .storage import detached
from .tensor import Tensor, leaf_of, value_of, wrap


def _hooks_of(t: Tensor) -> list:
    where = gradient_place(value_of(t))
    if where is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if where.__class__ is tuple:
        return where[0].hooks.setdefault(where[1], [])
    if where.hooks.__class__ is tuple:
        where.hooks = []
    return where.hooks


def register_hook(t: Tensor, hook) -> RemovableHandle:
    """See `Tensor.register_hook`."""
    hooks = _hooks_of(t)
    name = getattr(hook, "__name__", type(hook).__name__)

    def on_value(g: Value) -> Value | None:
        return checked(name, hook(wrap(g)), g)

    # what retains the gradient must see it after every other hook
    keepers = sum(getattr(h, "keeps", False) for h in hooks)
    hooks.insert(len(hooks) - keepers, on_value)
    return RemovableHandle(hooks, on_value)


def retain_grad(t: Tensor) -> None:
    """See `Tensor.retain_grad`."""
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t.is_leaf or t.retains_grad:
        return
    leaf = leaf_of(t)
    ref = weakref.ref(leaf)

    def keep(g: Value) -> None:
        leaf = ref()
        if leaf is not None:
            old, g = leaf.grad, g if local.grad or not g.spec.needs else detached(g)
            leaf.grad = wrap(g) if old is None else old + wrap(g)

    keep.keeps = True
    _hooks_of(t).append(keep)
    t._grad_keeper = keep


def register_post_accumulate_grad_hook(t: Tensor, hook) -> RemovableHandle:
    """See `Tensor.register_post_accumulate_grad_hook`."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not t.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    ref = weakref.ref(t)

    def after() -> None:
        owner = ref()
        if owner is not None:
            hook(owner)

    leaf = leaf_of(t)
    if leaf.after.__class__ is tuple:
        leaf.after = []
    leaf.after.append(after)
    return RemovableHandle(leaf.after, after)
