"""`__torch_function__`: classes, of Tensors or of anything, that take what is done with them into their own hands.

Such a class of Tensors has no `_value` where the generated functions look for one, so that they go the general way, and
only there is asked whether somebody takes over: a plain Tensor never pays for it. Knows the Tensor. Must not know rows.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager

from ..tape import local
from .tensor import SLOT, Tensor


def _disabled_torch_function_impl(func, types, args=(), kwargs=None):
    """The `__torch_function__` of a class that does not take over, such as Parameter."""
    with disabled():
        return func(*args, **(kwargs or {}))


class _Takes(dict):
    """class -> whether it takes over; asked once for each."""

    def __missing__(self, c) -> bool:
        f = getattr(c, "__torch_function__", None)
        f = getattr(f, "__func__", f)
        plain = f is None or f is _disabled_torch_function_impl or getattr(f, "__module__", None) == "torch._tensor"
        own = c is not Tensor and not plain
        self[c] = own and not issubclass(c, type)
        return self[c]


TAKES = _Takes()


@contextmanager
def disabled():
    """Within, in this thread, all Tensors are plain."""
    before = local.plain
    local.plain = True
    try:
        yield
    finally:
        local.plain = before


def taking(args) -> list:
    """Those among `args`, or in its lists, whose class takes over: one for each class, subclasses first."""
    found: list = []
    for a in args:
        c = a.__class__
        if c is list or c is tuple:
            for b in a:
                if TAKES[b.__class__]:
                    _add(found, b)
        elif TAKES[c]:
            _add(found, a)
    return [] if found and local.plain else found


def _add(found: list, a) -> None:
    if any(type(b) is type(a) for b in found):
        return
    at = next((i for i, b in enumerate(found) if issubclass(type(a), type(b))), len(found))
    found.insert(at, a)


def taken(func, found: list, args: tuple, kwargs: dict):
    """What the first of `found` that knows how makes of `func(*args, **kwargs)`. Raises TypeError if none does."""
    types = tuple([type(a) for a in found])
    for a in found:
        made = type(a).__torch_function__(func, types, args, kwargs)
        if made is not NotImplemented:
            return made
    where = "torch.nn.functional" if ".nn.functional" in func.__module__ else "torch"
    tried = "\n".join(f"  - tensor subclass {t}" for t in types)
    raise TypeError(
        f"Multiple dispatch failed for '{where}.{func.__name__}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n{tried}"
    )


def overridable(f):
    """`f`, which asks the classes of its arguments first."""

    @functools.wraps(f)
    def function(*args, **kwargs):
        found = taking(args) or (kwargs and taking(kwargs.values()))
        if found:
            return taken(function, found, args, kwargs)
        return f(*args, **kwargs)

    return function


def as_class(made, cls, given=()):
    """`made`, and what is in its tuples and lists, with new Tensors as instances of `cls`."""
    if isinstance(made, tuple | list):
        parts = [as_class(m, cls, given) for m in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    if type(made) is Tensor and not any(made is a for a in given):
        made.__class__ = cls
    return made


class Twins:
    """Finds our function for one of PyTorch's: `ours(func)`. The package says how, which knows all its names."""

    ours = staticmethod(lambda func: func)


TWINS = Twins()


@classmethod
def __torch_function__(cls, func, types, args=(), kwargs=None):
    """What a class of Tensors does with a function unless it says otherwise: the function, and results of the class.

    PyTorch's own functions come here when they are given our Tensors: then it is ours of that name, if there is one.
    """
    func = TWINS.ours(func)
    if func is None or not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with disabled():
        return as_class(func(*args, **(kwargs or {})), cls, args)


def __init_subclass__(cls, **kwargs) -> None:
    super(Tensor, cls).__init_subclass__(**kwargs)
    if TAKES[cls]:
        cls._value = property(_away, SLOT.__set__, SLOT.__delete__)


def _away(t):
    raise AttributeError("_value")


def as_subclass(self, cls):
    """The same memory and history as an instance of `cls`, a class of Tensors."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"cls must be a type (got {type(cls).__name__}) derived from torch.Tensor")
    with disabled():
        made = self.view_as(self)
    made.__class__ = cls
    return made


def make_subclass(cls, data: Tensor, requires_grad: bool = False):
    """`Tensor._make_subclass`: the memory of `data` without its history."""
    with disabled():
        made = data.detach()
    made.__class__ = cls
    return made.requires_grad_(requires_grad) if requires_grad else made


def attach() -> None:
    """Give Tensor the protocol."""
    Tensor.__torch_function__ = __torch_function__
    Tensor.__init_subclass__ = classmethod(__init_subclass__)
    Tensor.as_subclass, Tensor._make_subclass = as_subclass, staticmethod(make_subclass)


attach()
