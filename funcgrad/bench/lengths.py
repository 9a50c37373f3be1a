"""Shapes that come once: steps of a Transformer over batches of another length each time, and a text that grows.

Every round brings lengths that no round before had. The peer in JAX jits the same step, which compiles each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .gpt import block, causal, jax_parts
from .harness import Row

WORDS, WIDTH, BATCH, WARM, TOKENS = 65, 64, 8, 4, 8


def blocks(torch):
    """Embeddings, two Transformer blocks and a head, of any length."""
    nn, Block = torch.nn, block(torch, WIDTH)
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(WORDS, WIDTH), Block(), Block(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS))


def training(torch) -> Callable[[np.ndarray], float]:
    """text (batch, length + 1) -> the loss of the step that learns it."""
    model = blocks(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def step(text):
        text = torch.from_numpy(text)
        loss = torch.nn.functional.cross_entropy(model(text[:, :-1]).reshape(-1, WORDS), text[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def writing(torch) -> Callable[[np.ndarray], list]:
    """text (1, length) -> it and one token more, again and again."""
    model = blocks(torch)

    @torch.no_grad()
    def write(text):
        text = torch.from_numpy(text)
        for _ in range(TOKENS):
            text = torch.cat([text, model(text)[:, -1].argmax(-1, keepdim=True)], 1)
            text.tolist()
        return text.tolist()

    return write


def jax_parameters() -> dict:
    import jax.numpy as jnp

    import funcgrad

    return {k: jnp.asarray(v.numpy()) for k, v in blocks(funcgrad).state_dict().items()}


def jax_model(p, x):
    linear, norm, block = jax_parts(p)
    mask = causal(x.shape[1])
    x = p["0.weight"][x]
    for i in ("1", "2"):
        x = block(i, x, mask)
    return linear("4", norm("3", x))


def jax_training() -> Callable[[np.ndarray], float]:
    import jax
    import jax.numpy as jnp

    params = jax_parameters()

    def loss_of(p, text):
        logits = jax.nn.log_softmax(jax_model(p, text[:, :-1]))
        return -jnp.mean(jnp.take_along_axis(logits, text[:, 1:, None], -1))

    @jax.jit
    def update(p, text):
        loss, g = jax.value_and_grad(loss_of)(p, text)
        return jax.tree.map(lambda a, b: a - 0.05 * b, p, g), loss

    def step(text):
        nonlocal params
        params, loss = update(params, text)
        return float(loss)

    return step


def jax_writing() -> Callable[[np.ndarray], list]:
    import jax

    params = jax_parameters()
    following = jax.jit(lambda p, text: jax_model(p, text)[:, -1].argmax(-1))

    def write(text):
        for _ in range(TOKENS):
            text = np.concatenate([text, np.asarray(following(params, text))[:, None]], 1)
        return text.tolist()

    return write


def peers_of(ours: Callable, in_jax: Callable, peers) -> dict[str, Callable]:
    import funcgrad

    found = {"funcgrad": ours(funcgrad)}
    if "jax" in peers:
        found["jax"] = in_jax()
    if "torch" in peers:
        import torch

        found["torch"] = ours(torch)
    return found


def row(name: str, unit: str, works: dict, text: Callable, rounds: int, per: int = 1) -> Row:
    """Each round hands `text(its number)` to every peer, in turn; the first `WARM` rounds do not count."""
    made = Row(name, unit, {peer: [] for peer in works})
    for i in range(WARM + rounds):
        for peer, work in works.items():
            start = time.perf_counter()
            work(text(i))
            if i >= WARM:
                made.seconds[peer].append((time.perf_counter() - start) / per)
    return made


def run(peers, rounds: int) -> list[Row]:
    rng = np.random.default_rng(0)
    lengths = rng.permutation(np.arange(10, 10 + 2 * (WARM + rounds)))
    text = lambda batch, length: rng.integers(0, WORDS, (batch, length))  # noqa: E731
    return [
        row("another length each step", "step", peers_of(training, jax_training, peers),
            lambda i: text(BATCH, lengths[i] + 1), rounds),
        row("a text that grows", "token", peers_of(writing, jax_writing, peers),
            lambda i: text(1, 1 + i * TOKENS), rounds, TOKENS),
    ]  # fmt: skip
