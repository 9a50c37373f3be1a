"""A Leaf is where a gradient ends: what PyTorch calls AccumulateGrad. It belongs to one Tensor."""

from __future__ import annotations


class Leaf:
    """The place of `.grad`.

    grad   whatever floor 5 keeps there (a Tensor), or None
    owner  weak reference to the Tensor
    hooks  on the gradient before it is accumulated: Value -> Value or None
    after  called once it has been accumulated
    node   weak reference to the AccumulateGrad facade
    """

    __slots__ = ("__weakref__", "after", "grad", "hooks", "node", "owner")

    def __init__(self, owner):
        self.owner, self.grad = owner, None
        self.hooks: list = []
        self.after: list = []
        self.node = None

    def restore(self, value, failed) -> None:
        """A run failed: the owner names `value` again if what it names now has `failed`, and a gradient that was to
        be computed is gone."""
        owner = self.owner()
        if owner is not None and failed(owner):
            owner._value = value
        if self.grad is not None and failed(self.grad):
            self.grad = None
