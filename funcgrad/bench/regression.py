"""Small steps of hand-written SGD, where the host's time rules: a schedule, a loop nobody looks at, a last batch.

One network, 16-32-1, whose learning rate is an argument of the step. Knows the harness.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..tape import stats
from .harness import Row, alternate

SIZES, RATE = ((16, 32), (32,), (32, 1), (1,)), 0.05


def data(batch: int = 32):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, 16)).astype(np.float32), rng.normal(size=(batch, 1)).astype(np.float32)
    return [(rng.normal(size=s) / 4).astype(np.float32) for s in SIZES], x, y


def torch_like(torch, decorate: Callable = lambda step: step):
    """(step, the learning rate as the step takes it): the same text for funcgrad and PyTorch."""
    params = [torch.tensor(a, requires_grad=True) for a in data()[0]]

    @decorate
    def step(x, y, lr):
        w1, b1, w2, b2 = params
        loss = ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad
                p.grad = None
        return loss

    return step


def jax_step():
    """As an expert writes it: one jitted step, parameters donated."""
    import jax
    import jax.numpy as jnp

    params = [jnp.asarray(a) for a in data()[0]]

    def loss_of(params, x, y):
        w1, b1, w2, b2 = params
        return jnp.mean((jnp.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def update(params, x, y, lr):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return jax.tree.map(lambda p, g: p - lr * g, params, grads), loss

    def step(x, y, lr):
        nonlocal params
        params, loss = update(params, x, y, lr)
        return loss

    return step


def peers_of(peers) -> dict[str, tuple]:
    """name -> (step, array -> what it takes, number -> the learning rate it takes)."""
    import funcgrad

    same = lambda lr: lr  # noqa: E731
    found = {
        "funcgrad": (torch_like(funcgrad), funcgrad.tensor, same),
        "compiled": (torch_like(funcgrad, funcgrad.compile), funcgrad.tensor, same),
    }
    if "jax" in peers:
        import jax.numpy as jnp

        found["jax"] = jax_step(), jnp.asarray, same
    if "torch" in peers:
        import torch

        found["torch"] = torch_like(torch), torch.tensor, same
    return found


def rows(name: str, unit: str, loop: Callable, peers, rounds: int, per: int = 1) -> list[Row]:
    """`loop(step, array, number)` makes the work of a peer: units -> the last loss."""
    works = {peer: loop(*how) for peer, how in peers_of(peers).items()}
    works["funcgrad"](4)
    before = stats.snapshot()
    works["funcgrad"](4)
    after = stats.snapshot()
    row = alternate(name, unit, works, rounds=rounds, seconds=0.15, per=per)
    row.facts["compiles"] = after["compiles"] - before["compiles"]
    row.facts["programs a step"] = (after["runs"] - before["runs"]) / 4 / per
    return [row]
