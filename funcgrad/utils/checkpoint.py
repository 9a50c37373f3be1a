"""Checkpointing: give up what a region saved for the backward and compute it again there.

The region is recorded as usual; what its rules would read is packed as "the i-th saved tensor of this
call". The backward asks for one, and the region is recorded again behind an optimisation barrier that
waits for the gradient, so that XLA neither merges the two nor computes the second early. That is so
within one program as well as across programs.
"""

from __future__ import annotations

import functools
import threading
import warnings
from contextlib import ExitStack, contextmanager, nullcontext

from ..autograd.function import Function
from ..autograd.graph import saved_tensors_hooks, stack
from ..engine import current_task, enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from ..op import REGISTRY
from ..random import default_generator
from ..tape import record
from ..tensor import Tensor, backward
from ..tensor.tensor import value_of, wrap
from .selective import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "SelectiveCheckpointContext",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]

EXPLICIT = (
    "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
    "recommended, but if you need to preserve the old default behavior, you can pass use_reentrant=True."
)
NO_INPUTS = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
    ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without passing "
    "the `inputs` argument."
)


class CheckpointError(RuntimeError):
    """The region computed something else the second time."""


def noop_context_fn():
    return nullcontext(), nullcontext()


class _Settings(threading.local):
    early_stop: bool | None = None
    debug: bool | None = None


_settings = _Settings()


@contextmanager
def set_checkpoint_early_stop(enable: bool):
    """Whether recomputing stops as soon as everything needed is there; wins over the argument of `checkpoint`."""
    before, _settings.early_stop = _settings.early_stop, enable
    try:
        yield
    finally:
        _settings.early_stop = before


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None):
    """Whether a CheckpointError lists what was saved; wins over the argument of `checkpoint`."""
    before, _settings.debug = _settings.debug, enabled
    try:
        yield
    finally:
        _settings.debug = before


def checkpoint(
    function,
    *args,
    use_reentrant: bool | None = None,
    context_fn=noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs,
):
    """`function(*args, **kwargs)`, whose intermediate results are computed again in the backward instead of kept.

    use_reentrant      False: any graph, any backward; True: PyTorch's older way, a whole backward inside the backward
    preserve_rng_state also draw the same random numbers again (keyword, default True)
    context_fn         () -> contexts for the first and for the second time, see `create_selective_checkpoint_contexts`
    determinism_check  "default" compares shapes and dtypes of what is recomputed, "none" does not
    debug              list what was saved in a CheckpointError
    early_stop         stop recomputing as soon as everything needed is there

    Raises CheckpointError in the backward when the region computes something else the second time.

    >>> import funcgrad as torch
    >>> from funcgrad.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin().sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([-2.4783,  3.3129])
    """
    if use_reentrant is None:
        warnings.warn(EXPLICIT, UserWarning, stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        return _region(function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop)
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(functions, segments: int, input, use_reentrant: bool | None = None, **kwargs):
    """`functions` one after the other on `input`, in `segments` checkpointed pieces; the last piece is not."""
    if use_reentrant is None:
        warnings.warn(EXPLICIT, UserWarning, stacklevel=2)
        use_reentrant = True
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(functions) // segments

    def piece(some):
        return lambda x: functools.reduce(lambda value, f: f(value), some, x)

    for i in range(segments - 1):
        f = piece(functions[i * size : (i + 1) * size])
        input = checkpoint(f, input, use_reentrant=use_reentrant, **kwargs)
    return piece(functions[(segments - 1) * size :])(input)


# ---- the usual way: saved-tensor hooks ------------------------------------------------------------------


class _Stop(Exception):
    """Everything that is needed has been recomputed."""


class _Holder:
    """The i-th tensor that a region saved."""

    __slots__ = ("index", "region")

    def __init__(self, region: _Region, index: int):
        self.region, self.index = region, index


class _Region:
    """One call of `checkpoint`: what it takes to do it again, and what doing so gave in this backward."""

    def __init__(self, function, args, kwargs, preserve: bool, again, check: bool, debug: bool, early_stop: bool):
        self.function, self.kwargs, self.again = function, kwargs, again
        self.check, self.debug, self.early_stop = check, debug, early_stop
        # an argument that an outer region made is kept the way that region keeps things
        self.hooks = stack.hooks[-1] if stack.hooks else None
        self.args = [self._put(a) for a in args]
        self.state = default_generator.place() if preserve else None
        self.specs: list = []  # of what was saved, in order
        self.found: list = []
        self.task: int | None = None
        self.left = 0

    def _put(self, a):
        if not isinstance(a, Tensor):
            return a, None
        if self.hooks is None:
            return a, None
        with no_grad():
            return self.hooks[0](a), a.requires_grad

    def _get(self, kept):
        a, needs = kept
        if needs is None:
            return a
        return self.hooks[1](a).detach().requires_grad_(needs)

    def pack(self, t: Tensor) -> _Holder:
        self.specs.append(value_of(t).spec)
        return _Holder(self, len(self.specs) - 1)

    def unpack(self, holder: _Holder) -> Tensor:
        task = current_task()
        number = task.number if task is not None else None
        if number is None or self.task != number or not self.left:
            self.found, self.task, self.left = self._recompute(task), number, len(self.specs)
        found = self.found[holder.index]
        self.left -= 1
        if not self.left:
            self.found, self.task = [], None
        return found

    def _recompute(self, task) -> list:
        found: list = []

        def keep(t):
            if len(found) < len(self.specs):
                found.append(wrap(value_of(t.detach())))
            else:
                found.append(None)
            if self.early_stop and len(found) == len(self.specs):
                raise _Stop
            return t

        args = behind_barrier([self._get(a) for a in self.args], task)
        before = default_generator.place() if self.state is not None else None
        with ExitStack() as context:
            if self.state is not None:
                self.state.go_back()
                context.callback(before.go_back)
            context.enter_context(enable_grad())
            context.enter_context(self.again)
            context.enter_context(saved_tensors_hooks(keep, _never))
            try:
                self.function(*args, **self.kwargs)
            except _Stop:
                pass
        self._compare(found)
        return found

    def _compare(self, found: list) -> None:
        if len(found) != len(self.specs):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.specs)}\nNumber of tensors saved "
                f"during recomputation: {len(found)}.{self._listing()}"
            )
        wrong = [
            f"tensor at position {i}:\nsaved metadata: {_metadata(s)}\n"
            f"recomputed metadata: {_metadata(value_of(t).spec)}"
            for i, (t, s) in enumerate(zip(found, self.specs, strict=True))
            if value_of(t).spec.plain is not s.plain
        ]
        if wrong and self.check:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                "during the forward pass.\n" + "\n".join(wrong) + self._listing()
            )

    def _listing(self) -> str:
        if not self.debug:
            return ""
        return "\nSaved during forward:\n" + "\n".join(f"  {i}: {s}" for i, s in enumerate(self.specs))


def _metadata(s) -> dict:
    return {"shape": tuple(s.shape), "dtype": s.dtype}


def _never(_):
    raise CheckpointError(
        "torch.utils.checkpoint: trying to backward through a graph that was recorded while recomputing"
    )


def behind_barrier(args: list, task) -> list:
    """The same arguments, not to be computed with before the gradient that the running backward is at."""
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    if not places:
        return args
    after = tuple(g for g in (task.arriving if task is not None else ()) if g is not None)
    with no_grad():
        values = record(REGISTRY["barrier"], (*(value_of(args[i].detach()) for i in places), *after))
    args = list(args)
    for i, v in zip(places, values[: len(places)], strict=True):
        args[i] = wrap(v).requires_grad_(args[i].requires_grad) if args[i].dtype.differentiable else wrap(v)
    return args


def _region(function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop):
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ('default', 'none') but got {determinism_check}"
        )
    first, again = context_fn()
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    early_stop = early_stop if _settings.early_stop is None else _settings.early_stop
    debug = debug if _settings.debug is None else _settings.debug
    region = _Region(function, args, kwargs, preserve, again, determinism_check == "default", debug, early_stop)
    with saved_tensors_hooks(region.pack, region.unpack), first:
        return function(*args, **kwargs)


# ---- the older way: a backward in the backward ------------------------------------------------------------


class CheckpointFunction(Function):
    """The region as one operation, whose backward does the region again with a graph and goes back through that."""

    @staticmethod
    def forward(ctx, function, preserve, *args):
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            words = "None of the inputs have requires_grad=True. Gradients will be None"
            warnings.warn(words, UserWarning, stacklevel=4)
        ctx.function, ctx.state = function, default_generator.place() if preserve else None
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.tensors = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.tensors))
        return function(*args)

    @staticmethod
    def backward(ctx, *grads):
        task = current_task()
        if task.targets is not None:
            raise RuntimeError(NO_INPUTS)
        args = list(ctx.others)
        for i, t in zip(ctx.tensors, ctx.saved_tensors, strict=True):
            args[i] = t
        needs = [isinstance(a, Tensor) and a.requires_grad for a in args]
        args = behind_barrier(args, task)
        before = default_generator.place()
        with enable_grad():
            if ctx.state is not None:
                ctx.state.go_back()
            outputs = ctx.function(*args)
            before.go_back()
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        wanted = [(y, g) for y, g in zip(outputs, grads, strict=True) if isinstance(y, Tensor) and y.requires_grad]
        if not wanted:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        with set_grad_enabled(is_grad_enabled()):
            backward([y for y, _ in wanted], [g for _, g in wanted])
        return None, None, *(a.grad if need else None for a, need in zip(args, needs, strict=True))
