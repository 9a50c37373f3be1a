"""Floor 6. `torch.overrides`: what a class with a `__torch_function__` needs (see `tensor/overrides`)."""

from __future__ import annotations

import sys

from . import fft, linalg, special
from .nn import functional
from .tensor import Tensor
from .tensor.overrides import TWINS, taken, taking

__all__ = [
    "handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
    "is_tensor_like", "wrap_torch_function",
]  # fmt: skip


def has_torch_function(relevant_args) -> bool:
    """Whether the class of one of these takes over what is done with it."""
    return bool(taking(relevant_args))


def has_torch_function_unary(arg) -> bool:
    """`has_torch_function` of one."""
    return bool(taking((arg,)))


def has_torch_function_variadic(*args) -> bool:
    """`has_torch_function` of several."""
    return bool(taking(args))


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """What the classes of `relevant_args` make of `public_api(*args, **kwargs)`. Raises TypeError if none knows how."""
    return taken(public_api, taking(relevant_args), args, kwargs)


def is_tensor_like(inp) -> bool:
    """Whether it is a Tensor, or of a class with a `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def wrap_torch_function(dispatcher):
    """A decorator for a function of your own: `dispatcher(*args, **kwargs)` gives those whose classes are asked."""

    def wrapped(f):
        def function(*args, **kwargs):
            found = taking(dispatcher(*args, **kwargs))
            return taken(function, found, args, kwargs) if found else f(*args, **kwargs)

        function.__name__, function.__module__, function.__doc__ = f.__name__, f.__module__, f.__doc__
        return function

    return wrapped


_SPACES = (("linalg_", linalg), ("special_", special), ("fft_", fft))


def _ours(func):
    """Our function for one of PyTorch's, None if there is none; any other function is itself."""
    of = getattr(func, "__objclass__", None)  # of a method: PyTorch's take its own Tensors only
    where = getattr(of or func, "__module__", None) or ""
    if where.split(".")[0] != "torch":
        return func
    if of is not None:
        return None
    name = func.__name__
    for start, space in _SPACES:
        if name.startswith(start) and hasattr(space, name.removeprefix(start)):
            return getattr(space, name.removeprefix(start))
    spaces = [sys.modules[__package__], functional]
    if where.endswith(("nn", "nn.functional")):
        spaces.reverse()
    return next((getattr(space, name) for space in spaces if hasattr(space, name)), None)


TWINS.ours = _ours
