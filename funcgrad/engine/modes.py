"""Grad modes: no_grad, enable_grad, set_grad_enabled, inference_mode.

Each works as a context, as a decorator (with and without parentheses), and on generators and
coroutines, where the mode is in force only while their own code runs.
"""

from __future__ import annotations

import functools
import inspect
import threading

from ..tape import local, set_grad


def is_grad_enabled() -> bool:
    """Whether this thread records gradients now."""
    return local.grad


class _Mode:
    """What the modes share; `_enter` says what to set and returns what to restore."""

    _saved: tuple = ()  # what to restore, once for each `with` that it is in

    def __enter__(self):
        self._saved = (*self._saved, self._enter())

    def __exit__(self, kind, error, tb):
        *before, last = self._saved
        self._saved = tuple(before)
        self._leave(last)

    def _leave(self, saved) -> None:
        set_grad(saved)

    def clone(self):
        return type(self)()

    def __call__(self, function):
        if inspect.isclass(function):
            raise TypeError("a grad mode decorates functions; decorate the methods of a class one by one")
        if inspect.isgeneratorfunction(function):
            return self._on_generator(function)
        if inspect.iscoroutinefunction(function):
            return self._on_coroutine(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return wrapped

    def _on_generator(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            inner = function(*args, **kwargs)
            send, value = inner.send, None
            while True:
                try:
                    with self.clone():
                        out = send(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    send, value = inner.send, (yield out)
                except GeneratorExit:
                    with self.clone():
                        inner.close()
                    raise
                except BaseException as error:
                    send, value = inner.throw, error

        return wrapped

    def _on_coroutine(self, function):
        @functools.wraps(function)
        async def wrapped(*args, **kwargs):
            return await _Driven(function(*args, **kwargs), self)

        return wrapped


class _Driven:
    """Awaits a coroutine, setting the mode only while its own code runs."""

    def __init__(self, coroutine, mode: _Mode):
        self.coroutine, self.mode = coroutine, mode

    def __await__(self):
        return self.mode._on_generator(lambda: (yield from self.coroutine.__await__()))()


class _Plain(_Mode):
    """A mode without arguments, also usable as a bare decorator."""

    def __new__(cls, function=None):
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __init__(self, function=None):
        pass


class no_grad(_Plain):
    """Nothing recorded inside wants a gradient.

    >>> import funcgrad as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    def _enter(self):
        saved = local.grad
        set_grad(False)
        return saved


class enable_grad(_Plain):
    """Gradients are recorded inside, also within a `no_grad`."""

    def _enter(self):
        saved = local.grad
        set_grad(True)
        return saved


class set_grad_enabled(_Mode):
    """Set the mode at once; as a context, put the old one back at the end."""

    def __init__(self, mode: bool):
        self.mode, self._before = bool(mode), local.grad
        set_grad(self.mode)

    def _enter(self):
        set_grad(self.mode)
        return self._before

    def __call__(self, function):
        set_grad(self._before)
        return super().__call__(function)

    def clone(self):
        return type(self)(self.mode)


class _Inference(threading.local):
    modes = (False,)


_inference = _Inference()


def is_inference_mode_enabled() -> bool:
    return _inference.modes[-1]


class inference_mode(_Mode):
    """As `no_grad`; what is made inside may not take part in autograd later."""

    def __new__(cls, mode=True):
        made = super().__new__(cls)
        if callable(mode):
            made.__init__(True)
            return made(mode)
        return made

    def __init__(self, mode: bool = True):
        self.mode = mode

    def _enter(self):
        saved = local.grad
        _inference.modes += (bool(self.mode),)
        set_grad(not self.mode)
        return saved

    def _leave(self, saved) -> None:
        _inference.modes = _inference.modes[:-1]
        set_grad(saved)

    def clone(self):
        return type(self)(self.mode)
