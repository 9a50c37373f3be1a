"""Selective checkpointing: a policy says of each operation of a region whether its result is kept.

What is kept is put in the place of the recomputed result, so nothing that leads only to it is computed
a second time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from contextlib import contextmanager

from ..op import REGISTRY
from ..tape import VALUES, local, record, set_watch
from ..tensor import NAMES
from ..tensor.tensor import wrap

__all__ = ["CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts"]


class CheckpointPolicy(enum.Enum):
    """What is to become of the result of an operation. MUST and PREFER mean the same here."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3


_SAVES = (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)


class SelectiveCheckpointContext:
    """What a policy function is told besides the operation: whether this is the second time."""

    def __init__(self, *, is_recompute: bool):
        self.is_recompute = is_recompute


def _name(op) -> str:
    """The operator's name, of a function, a method or a name."""
    return op if isinstance(op, str) else op.__name__


def _function(op):
    """What users call the operator by: its function, or its name if it has none."""
    for where in (op.where, "torch", "F"):
        found = NAMES.get(where, {}).get(op.name)
        if found is not None:
            return found
    return op.name


def create_selective_checkpoint_contexts(policy_fn_or_list: Callable | Sequence):
    """Two contexts for `checkpoint(..., context_fn=lambda: create_selective_checkpoint_contexts(policy))`.

    policy_fn_or_list  `f(ctx, op, *args, **params)` -> CheckpointPolicy, where `op` is the operator's function (a
                       product of matrices is `torch.mm`, however it was written); or the operators whose results to
                       keep, as functions or names

    >>> import funcgrad as torch
    >>> from funcgrad.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> keep_products = lambda: create_selective_checkpoint_contexts([torch.mm])
    >>> checkpoint(lambda w: (w @ w).sin().sum(), w, use_reentrant=False, context_fn=keep_products).backward()
    >>> w.grad
    tensor([[-1.6646, -1.6646],
            [-1.6646, -1.6646]])
    """
    if callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        names = frozenset(map(_name, policy_fn_or_list))

        def policy(ctx, op, *args, **params):
            return CheckpointPolicy.MUST_SAVE if _name(op) in names else CheckpointPolicy.PREFER_RECOMPUTE

    def saves(step, args, is_recompute: bool) -> bool:
        if step.op.family == "internal":
            return False
        told = [wrap(a) if a.__class__ in VALUES else a for a in args]
        found = policy(SelectiveCheckpointContext(is_recompute=is_recompute), _function(step.op), *told, **step.params)
        if isinstance(found, bool):
            return found
        if not isinstance(found, CheckpointPolicy):
            raise TypeError(f"a checkpoint policy returns a CheckpointPolicy or a bool, not {type(found).__name__}")
        return found in _SAVES

    kept: list = []

    @contextmanager
    def watching(see):
        before = local.watch
        set_watch((see, *before))  # before those who pack what is saved
        try:
            yield
        finally:
            set_watch(before)

    def first(tape, step, args, made):
        if saves(step, args, False):
            kept.append([record(REGISTRY["detach"], (v,)) for v in made])

    def again(tape, step, args, made):
        if saves(step, args, True):
            values = next(again.left)
            return tuple([_with_history(v, old) for v, old in zip(made, values, strict=True)])
        return None

    @contextmanager
    def second():
        again.left = iter(kept)
        with watching(again):
            yield

    return watching(first), _Reusable(second)


def _with_history(v, old):
    return record(REGISTRY["with_data"], (v, old)) if v.spec.needs else old


class _Reusable:
    """A context that can be entered once for each recomputation."""

    def __init__(self, make):
        self._make, self._open = make, []

    def __enter__(self):
        self._open.append(self._make())
        return self._open[-1].__enter__()

    def __exit__(self, *error):
        return self._open.pop().__exit__(*error)
