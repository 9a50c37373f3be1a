"""`Variable`: the name that a Tensor had before PyTorch 0.4, which some programs still use."""

from __future__ import annotations

from ..engine import queue_callback
from ..tensor import Tensor


class _Engine:
    """What `Variable._execution_engine` is used for outside PyTorch."""

    queue_callback = staticmethod(queue_callback)


class _Meta(type):
    def __instancecheck__(cls, t) -> bool:
        return isinstance(t, Tensor)


class Variable(metaclass=_Meta):
    """`Variable(t)` is a Tensor of the same numbers, with a `requires_grad` of its own; every Tensor is a Variable."""

    _execution_engine = _Engine()

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False):
        return data.detach().requires_grad_(requires_grad)
