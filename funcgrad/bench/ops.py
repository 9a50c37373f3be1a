"""A chain of 101 small operations, forward, backward and run: what an operation costs where arithmetic is nothing."""

from __future__ import annotations

import numpy as np

from ..tape import stats
from .harness import Row, alternate

LENGTH = 101


def torch_like(torch):
    a0 = torch.tensor(np.ones(8, np.float32), requires_grad=True)
    w = torch.tensor(np.full(8, 1.001, np.float32))

    def work(n: int):
        total = None
        for _ in range(n):
            a = a0
            for _ in range(LENGTH // 2):
                a = a * w
                a = a + w
            total = a.sum()
            total.backward()
            a0.grad = None
        return float(total.detach())

    return work


def hand_written_jax():
    import jax
    import jax.numpy as jnp

    a0, w = jnp.ones(8), jnp.full(8, 1.001)

    @jax.jit
    def step(a0, w):
        def f(a):
            for _ in range(LENGTH // 2):
                a = a * w
                a = a + w
            return a.sum()

        return jax.value_and_grad(f)(a0)

    def work(n: int):
        total = None
        for _ in range(n):
            total, _ = step(a0, w)
        return float(total)

    return work


def torch_like_looked(torch):
    """As `torch_like`, the result looked at every time, so that each round is one run."""
    inner = torch_like(torch)

    def work(n: int):
        for _ in range(n):
            inner(1)

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    works = {"funcgrad": torch_like_looked(funcgrad)}
    if "jax" in peers:
        works["jax"] = hand_written_jax()
    if "torch" in peers:
        import torch

        works["torch"] = torch_like_looked(torch)
    before = stats.snapshot()
    row = alternate(f"chain of {LENGTH}, forward + backward + run", "op", works, rounds=rounds, per=LENGTH)
    row.facts["compiles"] = stats.snapshot()["compiles"] - before["compiles"]
    return [row]
