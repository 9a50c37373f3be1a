"""SGD steps of multilayer perceptrons: deep and small (host cost rules), wide (arithmetic rules)."""

from __future__ import annotations

import numpy as np

from ..tape import stats
from .harness import Row, alternate

SIZES = {"deep": (32, 64, 32), "wide": (4, 1024, 256)}  # layers, width, batch
LR = 1e-3


def data(layers: int, width: int, batch: int):
    rng = np.random.default_rng(0)
    weights = [(rng.normal(size=(width, width)) / np.sqrt(width)).astype(np.float32) for _ in range(layers)]
    biases = [np.zeros(width, np.float32) for _ in range(layers)]
    x, y = rng.normal(size=(2, batch, width)).astype(np.float32)
    return weights, biases, x, y


def torch_like(torch, relu, layers, width, batch, decorate=lambda step: step):
    """The loop; the same text for funcgrad and PyTorch. The learning rate is a plain number."""
    weights, biases, x, y = data(layers, width, batch)
    params = [
        (torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True))
        for w, b in zip(weights, biases, strict=True)
    ]
    x, y = torch.tensor(x), torch.tensor(y)

    @decorate
    def step(x, y):
        h = x
        for w, b in params:
            h = relu(torch.nn.functional.linear(h, w, b))
        loss = ((h - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for pair in params:
                for p in pair:
                    p -= LR * p.grad
                    p.grad = None
        return loss

    def work(n: int):
        loss = None
        for _ in range(n):
            loss = step(x, y)
        return float(loss.detach())

    return work


def hand_written_jax(layers, width, batch):
    """As an expert writes it: one jitted step, parameters donated, arrays kept on the device."""
    from functools import partial

    import jax
    import jax.numpy as jnp

    weights, biases, x, y = data(layers, width, batch)
    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(weights, biases, strict=True)]
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss_of(params, x, y):
        h = x
        for w, b in params:
            h = jax.nn.relu(h @ w.T + b)
        return jnp.mean((h - y) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def step(params, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return jax.tree.map(lambda p, g: p - LR * g, params, grads), loss

    def work(n: int):
        nonlocal params
        loss = None
        for _ in range(n):
            params, loss = step(params, x, y)
        return float(loss)

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    rows = []
    for name, size in SIZES.items():
        works = {
            "funcgrad": torch_like(funcgrad, funcgrad.relu, *size),
            "compiled": torch_like(funcgrad, funcgrad.relu, *size, funcgrad.compile),
        }
        if "jax" in peers:
            works["jax"] = hand_written_jax(*size)
        if "torch" in peers:
            import torch

            works["torch"] = torch_like(torch, torch.relu, *size)
        before = stats.snapshot()
        layers, width, batch = size
        row = alternate(f"mlp {name} ({layers} x {width}, batch {batch})", "step", works, rounds=rounds, seconds=0.3)
        after = stats.snapshot()
        row.facts["compiles"] = after["compiles"] - before["compiles"]
        rows.append(row)
    return rows
