"""A Leaf is where a gradient ends: what PyTorch calls AccumulateGrad. It belongs to one Tensor."""

from __future__ import annotations

from .attached import Attached


class Leaf:
    """The place of `.grad`.

    grad        whatever floor 5 keeps there (a Tensor), or None
    owner       weak reference to the Tensor
    hooks       on the gradient before it is accumulated: Value -> Value or None; a list once there is one
    after       called once it has been accumulated; likewise
    node        weak reference to the AccumulateGrad facade
    node_hooks  what is attached to that node, or None
    """

    __slots__ = ("__weakref__", "after", "grad", "hooks", "node", "node_hooks", "owner")

    def __init__(self, owner):
        self.owner = owner
        self.hooks = self.after = ()
        self.grad = self.node = self.node_hooks = None

    def attached(self) -> Attached:
        """The hooks on its node, made when first asked for."""
        if self.node_hooks is None:
            self.node_hooks = Attached()
        return self.node_hooks

    def restore(self, value, failed) -> None:
        """A run failed: the owner names `value` again if what it names now has `failed`, and a gradient that was to
        be computed is gone."""
        owner = self.owner()
        if owner is not None and failed(owner):
            owner._value = value
        if self.grad is not None and failed(self.grad):
            self.grad = None
