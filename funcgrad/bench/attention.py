"""Causal attention over a long sequence, forward and backward: 8 heads of 64, 2048 places."""

from __future__ import annotations

import numpy as np

from .harness import Row, alternate

SHAPE = (1, 8, 2048, 64)  # batch, heads, places, width


def arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=SHAPE).astype(np.float32) for _ in range(3)]


def torch_like(torch):
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays()]

    def work(n: int):
        seen = 0.0
        for _ in range(n):
            torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True).square().sum().backward()
            seen = inputs[0].grad.sum().item()
            for t in inputs:
                t.grad = None
        return seen

    return work


def hand_written_jax():
    import jax
    import jax.numpy as jnp

    inputs = [jnp.asarray(a.transpose(0, 2, 1, 3)) for a in arrays()]

    def loss(q, k, v):
        return jnp.square(jax.nn.dot_product_attention(q, k, v, is_causal=True)).sum()

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))

    def work(n: int):
        found = None
        for _ in range(n):
            found = gradients(*inputs)
        return found[0].sum().item()

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    works = {"funcgrad": torch_like(funcgrad)}
    if "jax" in peers:
        works["jax"] = hand_written_jax()
    if "torch" in peers:
        import torch

        works["torch"] = torch_like(torch)
    _, heads, places, width = SHAPE
    return [alternate(f"attention ({heads} x {width}, {places} places)", "call", works, rounds=rounds, seconds=0.3)]
