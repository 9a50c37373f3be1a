"""Floor 6. `torch.compile`: what is recorded compiles anyway, so that a function is given back as it is.

Knows nothing of the tape. A compiled step that is replayed without Python is still to come.
"""

from __future__ import annotations

__all__ = ["compile", "disable", "is_compiling"]


def compile(model=None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: str = "xla",
            mode: str | None = None, options: dict | None = None, disable: bool = False):  # fmt: skip
    """`model` itself, a function or a Module; as a decorator too. The options are accepted: every step is one
    program of XLA's already, with or without this."""
    if model is None:
        return lambda model: compile(model)
    if not callable(model):
        raise RuntimeError(f"torch.compile: expected a function or a Module, got {type(model).__name__}")
    return model


def disable(fn=None, recursive: bool = True, *, reason=None):
    """`fn` itself."""
    return (lambda fn: fn) if fn is None else fn


def is_compiling() -> bool:
    """False: Python always runs."""
    return False
