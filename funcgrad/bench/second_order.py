"""Gradients of gradients: a gradient penalty, a Hessian-vector product; and graphs of 100,000 operations."""

from __future__ import annotations

import time

import numpy as np

from ..tape import stats
from .harness import Row, alternate

LAYERS, WIDTH, BATCH = 3, 64, 32
LR = 1e-3


def data():
    rng = np.random.default_rng(0)
    sizes = [(WIDTH, WIDTH)] * (LAYERS - 1) + [(1, WIDTH)]
    weights = [(rng.normal(size=s) / np.sqrt(WIDTH)).astype(np.float32) for s in sizes]
    real, fake = rng.normal(size=(2, BATCH, WIDTH)).astype(np.float32)
    mix = rng.uniform(size=(BATCH, 1)).astype(np.float32)
    return weights, real, fake, mix


# ---- the same text for funcgrad and PyTorch ---------------------------------------------------------------


def critic(torch, weights, x):
    for w in weights[:-1]:
        x = torch.tanh(torch.nn.functional.linear(x, w))
    return torch.nn.functional.linear(x, weights[-1])


def penalty_step(torch, decorate=lambda step: step):
    """A step of a critic whose gradient is held to length one: a backward through a gradient, then SGD."""
    weights, *arrays = data()
    weights = [torch.tensor(w, requires_grad=True) for w in weights]
    real, fake, mix = (torch.tensor(a) for a in arrays)

    @decorate
    def step(real, fake, mix):
        x = (mix * real + (1 - mix) * fake).requires_grad_()
        (g,) = torch.autograd.grad(critic(torch, weights, x).sum(), x, create_graph=True)
        length = (g * g).sum(1).sqrt()
        loss = critic(torch, weights, fake).mean() - critic(torch, weights, real).mean()
        loss = loss + 10 * ((length - 1) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for w in weights:
                w -= LR * w.grad
                w.grad = None
        return loss

    def work(n: int):
        loss = None
        for _ in range(n):
            loss = step(real, fake, mix)
        return float(loss.detach())

    return work


def product_step(torch, decorate=lambda step: step):
    """One step of a power iteration: v becomes H v over its length, H the Hessian of a loss in one weight matrix."""
    weights, real, _, _ = data()
    w, *others = (torch.tensor(w) for w in weights)
    w.requires_grad_()
    x = torch.tensor(real)
    v = torch.tensor(np.ones((WIDTH, WIDTH), np.float32) / WIDTH)

    @decorate
    def step(v):
        loss = (critic(torch, [w, *others], x) ** 2).mean()
        (g,) = torch.autograd.grad(loss, w, create_graph=True)
        (hv,) = torch.autograd.grad((g * v).sum(), w)
        size = hv.norm()
        return hv / size, size

    def work(n: int):
        nonlocal v
        size = None
        for _ in range(n):
            v, size = step(v)
        return float(size.detach())

    return work


# ---- hand-written JAX -----------------------------------------------------------------------------------------


def _jax_critic(weights, x):
    import jax.numpy as jnp

    for w in weights[:-1]:
        x = jnp.tanh(x @ w.T)
    return x @ weights[-1].T


def jax_penalty_step():
    """As an expert writes it: one jitted step, parameters donated, arrays kept on the device."""
    from functools import partial

    import jax
    import jax.numpy as jnp

    weights, *arrays = data()
    weights = [jnp.asarray(w) for w in weights]
    real, fake, mix = (jnp.asarray(a) for a in arrays)

    def loss_of(weights, real, fake, mix):
        x = mix * real + (1 - mix) * fake
        g = jax.grad(lambda x: _jax_critic(weights, x).sum())(x)
        length = jnp.sqrt((g * g).sum(1))
        loss = _jax_critic(weights, fake).mean() - _jax_critic(weights, real).mean()
        return loss + 10 * ((length - 1) ** 2).mean()

    @partial(jax.jit, donate_argnums=0)
    def step(weights, real, fake, mix):
        loss, grads = jax.value_and_grad(loss_of)(weights, real, fake, mix)
        return [w - LR * g for w, g in zip(weights, grads, strict=True)], loss

    def work(n: int):
        nonlocal weights
        loss = None
        for _ in range(n):
            weights, loss = step(weights, real, fake, mix)
        return float(loss)

    return work


def jax_product_step():
    """Forward over reverse, which is the faster way in JAX; one jitted step, the vector donated."""
    from functools import partial

    import jax
    import jax.numpy as jnp

    weights, real, _, _ = data()
    weights, x = [jnp.asarray(w) for w in weights], jnp.asarray(real)
    v = jnp.ones((WIDTH, WIDTH), jnp.float32) / WIDTH

    @partial(jax.jit, donate_argnums=0)
    def step(v, weights, x):
        w, *others = weights
        slope = jax.grad(lambda w: (_jax_critic([w, *others], x) ** 2).mean())
        hv = jax.jvp(slope, (w,), (v,))[1]
        size = jnp.linalg.norm(hv)
        return hv / size, size

    def work(n: int):
        nonlocal v
        size = None
        for _ in range(n):
            v, size = step(v, weights, x)
        return float(size)

    return work


# ---- long graphs ------------------------------------------------------------------------------------------------


def long_graph(n: int) -> float:
    """Seconds for `n` operations forward and their backward, the third time."""
    import funcgrad as torch

    for _ in range(3):
        x = torch.tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
        y = x
        start = time.perf_counter()
        for _ in range(n // 2):
            y = y * 0.9999 + 0.0001
        y.sum().backward()
        x.grad.tolist()
        took = time.perf_counter() - start
    return took


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    rows = []
    for name, step, theirs in (
        ("gradient penalty", penalty_step, jax_penalty_step),
        ("Hessian-vector product", product_step, jax_product_step),
    ):
        works = {"funcgrad": step(funcgrad), "compiled": step(funcgrad, funcgrad.compile)}
        if "jax" in peers:
            works["jax"] = theirs()
        if "torch" in peers:
            import torch

            works["torch"] = step(torch)
        before = stats.snapshot()
        row = alternate(f"{name} ({LAYERS} x {WIDTH}, batch {BATCH})", "step", works, rounds=rounds, seconds=0.3)
        row.facts["compiles"] = stats.snapshot()["compiles"] - before["compiles"]
        rows.append(row)
    for n in (10_000, 100_000):
        row = Row(f"{n} operations and their backward", "operation")
        row.seconds["funcgrad"] = [long_graph(n) / n for _ in range(3)]
        rows.append(row)
    return rows
