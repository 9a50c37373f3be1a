"""Any gradient transformation of the optax package as an optimizer.

Knows optax only by what it is given: two functions, `init` and `update`, over trees of arrays.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..engine import no_grad
from ..op import Op
from ..tape import constant, record
from ..tensor import Tensor
from ..tensor.alias import write_fresh
from ..tensor.interop import jax_array
from ..tensor.tensor import value_of, wrap
from .optimizer import Optimizer, loss_of

__all__ = ["Optax"]


class Optax(Optimizer):
    """Parameters updated by an optax transformation, such as `optax.adamw(1e-3)` or a chain of them.

    params  as for any optimizer; all groups together are one list for `tx`
    tx      the transformation

    Its state is in `optimizer.state["optax"]`, a tree with Tensors where optax has arrays. A parameter without a
    gradient counts as one whose gradient is zero.
    """

    def __init__(self, params, tx):
        super().__init__(params, {})
        self.tx = tx
        arrays = [jax_array(p.detach()) for p in self._all()]
        leaves, self._tree = jax.tree.flatten(tx.init(arrays))
        tensors = [wrap(constant(jnp.asarray(x))) for x in leaves]
        self.state["optax"] = jax.tree.unflatten(self._tree, tensors)

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    @no_grad()
    def step(self, closure=None):
        """Apply `tx.update` to all parameters, recorded as one operation."""
        loss = loss_of(closure)
        params = self._all()
        state = jax.tree.leaves(self.state["optax"], is_leaf=lambda x: isinstance(x, Tensor))
        grads = [None if p.grad is None else value_of(p.grad) for p in params]
        args = [*map(value_of, params), *grads, *map(value_of, state)]
        made = record(_op, args, {"tx": self.tx, "tree": self._tree, "count": len(params)})
        for t, v in zip([*params, *state], made, strict=True):
            write_fresh(t, v)
        return loss

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "tx": self.tx, "_tree": self._tree}


def _update(*arrays, tx, tree, count):
    params, grads, state = list(arrays[:count]), arrays[count : 2 * count], arrays[2 * count :]
    grads = [jnp.zeros_like(p) if g is None else g for p, g in zip(params, grads, strict=True)]
    updates, new = tx.update(grads, jax.tree.unflatten(tree, state), params)
    moved = [(p + u).astype(p.dtype) for p, u in zip(params, updates, strict=True)]
    leaves, found = jax.tree.flatten(new)
    if found != tree:
        raise TypeError(f"the state of this optax transformation changed its structure from {tree} to {found}")
    return (*moved, *[x.astype(s.dtype) for x, s in zip(map(jnp.asarray, leaves), state, strict=True)])


_op = Op("optax", _update, None, "internal")
