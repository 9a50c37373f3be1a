"""Floor 6. `compile`: a step recorded once and replayed as one program, without its Python.

`capture` finds what a function reads and writes, `guards` what must stay as it was, `floats` which numbers are inputs,
`variant` replays, and `compiled` decides between them. Knows the tape, Tensors, Modules and optimisers.
"""

from __future__ import annotations

from ..nn.module import Module
from ..tape import alone, cache, local
from ..tape.disk import cache_dir
from .compiled import Compiled, Rounds
from .module import OptimizedModule

__all__ = [
    "allow_in_graph", "assume_constant_result", "cache_dir", "compile", "cudagraph_mark_step_begin", "disable",
    "is_compiling", "is_dynamo_compiling", "is_exporting", "reset",
]  # fmt: skip


def compile(model=None, *, fullgraph: bool | None = None, dynamic: bool | None = None, backend: str = "xla",
            mode: str | None = None, options: dict | None = None, disable: bool = False,
            steps: int | None = None):  # fmt: skip
    """`model`, a function or a Module, recorded on its first call and replayed from then on: one program, and no Python
    in between. As a decorator too.

    What it reads and writes is found by itself: parameters, buffers, `.grad`, the state of optimisers, their learning
    rates and other numbers, random keys, Tensors it closes over. Arguments of another shape or dtype, another mode, a
    Tensor replaced behind its back, or another value of a Python object that it names, record it anew; `explain()` says
    why. So does another float among the arguments, once; from then on it is an input, unless Python does more with it
    than arithmetic (comparing, printing, keeping it). Everything else that its Python does (printing, counting,
    appending) happens while it is recorded only.

    fullgraph  True: looking at a number inside raises RuntimeError. False: such a function runs its Python each time.
               By default True for functions and False for Modules.
    disable    give `model` back as it is
    steps      of a function: each call takes so many steps, of Tensors stacked along a new first dimension, and gives
               their results stacked; from the second call on as one loop in one program

    dynamic, backend, mode and options are accepted and change nothing. A function whose results can be differentiated
    by a later `backward()`, or which leaves Tensors behind that it does not return, runs its Python each time.

    >>> import funcgrad as torch
    >>> w = torch.ones(3, requires_grad=True)
    >>> opt = torch.optim.SGD([w], lr=0.5)
    >>> @torch.compile
    ... def step(x):
    ...     loss = ((w - x) ** 2).sum()
    ...     opt.zero_grad()
    ...     loss.backward()
    ...     opt.step()
    ...     return loss
    >>> [step(torch.zeros(3)).item() for _ in range(3)]
    [3.0, 0.0, 0.0]
    """
    if model is None:
        return lambda model: compile(model, fullgraph=fullgraph, disable=disable, steps=steps)
    if not callable(model):
        raise RuntimeError(f"torch.compile: expected a function or a Module, got {type(model).__name__}")
    if disable or isinstance(model, Compiled | Rounds | OptimizedModule):
        return model
    if steps is not None:
        return Rounds(model, fullgraph is False, steps)
    if isinstance(model, Module):
        return OptimizedModule(model, not fullgraph)
    return Compiled(model, fullgraph is False)


def disable(fn=None, recursive: bool = True, *, reason=None):
    """`fn` itself."""
    return (lambda fn: fn) if fn is None else fn


def is_compiling() -> bool:
    """Whether a function is being recorded to be replayed."""
    return local.whole is not None


def is_dynamo_compiling() -> bool:
    """False: there is no such compiler here."""
    return False


is_exporting = is_dynamo_compiling


def allow_in_graph(fn):
    """`fn` as it is: every function may be recorded."""
    return fn


assume_constant_result = allow_in_graph


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark: a program is given its memory anew each time."""


def reset() -> None:
    """Forget the programs of every path recorded so far; they are compiled again when they are needed."""
    alone.forget()
    for end in cache.ends():
        cache.forget(end)
