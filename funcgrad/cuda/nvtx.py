"""`torch.cuda.nvtx`: named ranges, which are named scopes of the compiled program (`profiler.record_function`)."""

from __future__ import annotations

from ..autograd.profiler import record_function

__all__ = ["mark", "range", "range_pop", "range_push"]

_open: list[record_function] = []


def range_push(msg: str) -> int:
    """Begin a range; returns how many were open."""
    scope = record_function(msg)
    scope.__enter__()
    _open.append(scope)
    return len(_open) - 1


def range_pop() -> int:
    """End the innermost range; returns how many are open still."""
    _open.pop().__exit__(None, None, None)
    return len(_open)


def mark(msg: str) -> None:
    """A point in time has no place in a program; accepted."""


def range(msg: str, *args, **kwargs) -> record_function:
    """A context: the range around it."""
    return record_function(msg.format(*args, **kwargs))
