"""Floor 6. `torch.jit`: accepted. What is recorded compiles by itself, so that there is nothing to script."""

from __future__ import annotations

__all__ = ["export", "freeze", "ignore", "is_scripting", "is_tracing", "script", "trace", "unused"]


def script(obj=None, *args, **kwargs):
    """`obj` itself."""
    return obj


def trace(func, example_inputs=None, *args, **kwargs):
    """`func` itself."""
    return func


def freeze(mod, *args, **kwargs):
    """`mod` itself."""
    return mod


def _same(f=None, **kwargs):
    return (lambda f: f) if f is None else f


export = ignore = unused = _same


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False
