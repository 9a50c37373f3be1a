"""A Leaf is where a gradient ends: what PyTorch calls AccumulateGrad. It belongs to one Tensor."""

from __future__ import annotations

import threading

from .attached import Attached


class Leaf:
    """The place of `.grad`.

    grad   whatever floor 5 keeps there (a Tensor), or None
    owner  weak reference to the Tensor
    hooks  on the gradient before it is accumulated: Value -> Value or None
    after  called once it has been accumulated
    node   weak reference to the AccumulateGrad facade
    lock   held while a gradient is added, for backwards from several threads
    """

    __slots__ = ("__weakref__", "_attached", "after", "grad", "hooks", "lock", "node", "owner")

    def __init__(self, owner):
        self.owner, self.grad = owner, None
        self.hooks: list = []
        self.after: list = []
        self.node = self._attached = None
        self.lock = threading.RLock()

    def attached(self) -> Attached:
        """The hooks on its node, made when first asked for."""
        if self._attached is None:
            self._attached = Attached()
        return self._attached

    @property
    def watched(self) -> bool:
        """Whether any hook has to see its gradient."""
        return bool(self.hooks or self.after) or self._attached is not None

    def restore(self, value, failed) -> None:
        """A run failed: the owner names `value` again if what it names now has `failed`, and a gradient that was to
        be computed is gone."""
        owner = self.owner()
        if owner is not None and failed(owner):
            owner._value = value
        if self.grad is not None and failed(self.grad):
            self.grad = None
