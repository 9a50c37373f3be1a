"""`torch.autograd.graph`: edges and nodes, hooks over several tensors, and what stands for saved tensors.

Saved-tensor hooks see every operation as it is recorded; only then, and only while such a context is
open, does recording leave the hot path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager

from ..engine import (
    GradientEdge,
    Node,
    current_task,
    edge_of_value,
    no_grad,
    pack,
    place,
    positions,
)
from ..tape import VALUES, local, set_watch
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a Tensor goes: to start a backward there, or to end one, without keeping the Tensor.

    Raises RuntimeError for a Tensor that wants no gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(*edge_of_value(value_of(tensor)))


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Count a write that happened unseen; gradients do not depend on it here."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        storage = t._storage
        if storage is None:
            t._bumps += 1
        else:
            storage.version += 1


@contextmanager
def allow_mutation_on_saved_tensors():
    """What is saved for a backward may be written to inside. Here it always may: Values never change."""
    yield


# ---- hooks over several tensors -----------------------------------------------------------------------


class _Handles:
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence):
        self._handles = tuple(handles)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"):
    """Call `fn` when the gradients of `tensors` are there. Returns a handle.

    mode  "all": `fn(grads)` once for each backward, when all that it will make are there, None for the others;
          "any": `fn(grad)` for the first

    Raises ValueError for another mode, RuntimeError for a Tensor that wants no gradient.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    if mode == "any":
        done: set[int] = set()

        def first(grad):
            number = current_task().number
            with lock:
                if number in done:
                    return
                done.add(number)
            fn(grad)

        return _Handles([t.register_hook(first) for t in tensors])

    gathered: dict[int, list] = {}
    places = [place(value_of(t)) for t in tensors]

    def hook(i: int):
        def one(grad):
            task = current_task()
            with lock:
                grads = gathered.setdefault(task.number, [None] * len(places))
                grads[i] = grad
                ready = all(g is not None or not task.executes(p) for g, p in zip(grads, places, strict=True))
                if ready:
                    del gathered[task.number]
            if ready:
                fn(grads)

        return one

    return _Handles([t.register_hook(hook(i)) for i, t in enumerate(tensors)])


# ---- saved tensors ------------------------------------------------------------------------------------


class _Stack(threading.local):
    """The hooks in force in this thread, the innermost last, and why none may be added."""

    hooks: tuple = ()
    refused: str | None = None
    packing = False


stack = _Stack()


def _see(tape, step, args, made) -> None:
    """Pack what `step`, recorded just now, saves."""
    if stack.packing or not any(v.spec.needs for v in made):
        return
    specs = tuple(tape.spec_of(a) for a in step.args)
    hooks, stack.packing = stack.hooks[-1], True
    try:
        with no_grad():
            for position in positions(step, specs).values():
                value = args[position] if position >= 0 else made[-1 - position]
                if value.__class__ in VALUES:  # a Python number is not packed
                    _pack(tape, step, position, hooks, value)
    finally:
        stack.packing = False


def _pack(tape, step, position: int, hooks: tuple, value) -> None:
    t = wrap(value)

    def guarded(_):
        packed = hooks[0](t)
        if value_of(t) is not value:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
                "cannot be modified by in-place operations as this can lead to unexpected side-effects. Please open an "
                "issue if you need to perform in-place operations on the input to a pack hook."
            )
        return packed

    pack(tape, step, position, (guarded, hooks[1]), value)


class saved_tensors_hooks:
    """Within, `pack_hook(tensor)` stands for every tensor that is saved for a backward, and the backward uses what
    `unpack_hook` makes of that: quantised, moved away, or computed again. The innermost pair counts.

    >>> import funcgrad as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> half = lambda t: t.to(torch.bfloat16)
    >>> with torch.autograd.graph.saved_tensors_hooks(half, lambda t: t.float()):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable):
        self.pair = pack_hook, unpack_hook

    def __enter__(self):
        if stack.refused is not None:
            raise RuntimeError(stack.refused)
        stack.hooks += (self.pair,)
        if len(stack.hooks) == 1:
            set_watch((*local.watch, _see))
        return self

    def __exit__(self, kind, error, tb):
        stack.hooks = stack.hooks[:-1]
        if not stack.hooks:
            set_watch(tuple(w for w in local.watch if w is not _see))


class save_on_cpu(saved_tensors_hooks):
    """Within, what is saved for a backward is kept in the host's memory, and comes back when it is used.

    `pin_memory` and `device_type` are accepted for PyTorch's sake.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(_to_host, _from_host)


def _to_host(t: Tensor):
    return t.detach().numpy()


def _from_host(array) -> Tensor:
    from ..tensor.create import from_numpy

    return from_numpy(array)


@contextmanager
def disable_saved_tensors_hooks(error_message: str):
    """Within, opening `saved_tensors_hooks` raises RuntimeError with this message."""
    if stack.hooks:
        raise RuntimeError(error_message)
    before, stack.refused = stack.refused, error_message
    try:
        yield
    finally:
        stack.refused = before
