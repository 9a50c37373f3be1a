"""A training step of a network: the same PyTorch program for funcgrad and PyTorch, beside an expert's JAX.

What the four workloads share: the loops that are timed, Adam as one writes it in JAX, and the row. Knows the harness.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..tape import stats
from .harness import Row, alternate

LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8


def torch_like(torch, build: Callable, whole: Callable = lambda step: step, forward: Callable = lambda loss: loss):
    """The loop that one writes: `build(torch)` gives (model, optimizer, (model, inputs) -> loss, inputs). `whole`
    decorates the step, `forward` what computes its loss."""
    torch.manual_seed(0)
    home = torch.get_default_device()
    with torch.device("cpu"):  # PyTorch's numbers for a seed are others on a GPU
        model, optimizer, loss_of, inputs = build(torch)
    model, inputs = model.to(home), [x.to(home) for x in inputs]
    loss_of = forward(loss_of)

    def step(*inputs):
        loss = loss_of(model, *inputs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step = whole(step)

    def work(n: int):
        loss = None
        for _ in range(n):
            loss = step(*inputs)
        return loss.item()

    return work


def jax_loop(params, loss_of: Callable, inputs, decay: float = 0.0):
    """One jitted step, parameters and Adam's state donated, arrays kept on the device."""
    from functools import partial

    import jax
    import jax.numpy as jnp

    @partial(jax.jit, donate_argnums=(0, 1, 2, 3))
    def step(params, m, v, t, *inputs):
        loss, grads = jax.value_and_grad(loss_of)(params, *inputs)
        t = t + 1
        part1, part2 = 1 - BETAS[0] ** t, 1 - BETAS[1] ** t
        m = jax.tree.map(lambda m, g: m + (1 - BETAS[0]) * (g - m), m, grads)
        v = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, v, grads)
        params = jax.tree.map(
            lambda p, m, v: p * (1 - LR * decay) - LR / part1 * m / (jnp.sqrt(v / part2) + EPS), params, m, v
        )
        return params, m, v, t, loss

    params = jax.tree.map(jnp.asarray, params)
    state = [params, jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params), jnp.zeros(())]
    inputs = [jnp.asarray(x) for x in inputs]

    def work(n: int):
        loss = None
        for _ in range(n):
            *state[:], loss = step(*state, *inputs)
        return float(loss)

    work.program = lambda: step.lower(*state, *inputs).compile()
    return work


def beginning(build: Callable) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The same for JAX: the network's parameters by name, and the inputs."""
    import funcgrad

    funcgrad.manual_seed(0)
    model, _, _, inputs = build(funcgrad)
    return {name: p.detach().numpy() for name, p in model.named_parameters()}, [x.numpy() for x in inputs]


def row(name: str, build: Callable, jax_loss: Callable, peers, rounds: int, decay: float = 0.0) -> list[Row]:
    """The lines of one workload, undecorated and compiled. `jax_loss` is (parameters by name, inputs) -> loss; the peer
    "torch.compile" is PyTorch's, of the loss, as its users write it."""
    import funcgrad

    works = {"funcgrad": torch_like(funcgrad, build), "compiled": torch_like(funcgrad, build, funcgrad.compile)}
    if "jax" in peers:
        params, inputs = beginning(build)
        works["jax"] = jax_loop(params, jax_loss, inputs, decay)
    if "torch" in peers or "torch.compile" in peers:
        import torch

        works.update({"torch": torch_like(torch, build)} if "torch" in peers else {})
        if "torch.compile" in peers:
            works["torch.compile"] = torch_like(torch, build, forward=torch.compile)
    check({peer: work(1) for peer, work in works.items()})
    works["funcgrad"](3)
    compiles = stats.compiles
    runs = stats.runs
    works["funcgrad"](10)
    each = (stats.runs - runs) / 10
    made = alternate(name, "step", works, rounds=rounds, seconds=0.4)
    made.facts.update({"compiles": stats.compiles - compiles, "programs a step": each})
    return [made]


def check(losses: dict[str, float]) -> None:
    """All peers do the same: their first losses agree."""
    first = losses["funcgrad"]
    for peer, loss in losses.items():
        if not abs(loss - first) < 1e-3 * max(1.0, abs(first)):
            raise AssertionError(f"the first loss is {first} here and {loss} in {peer}")
