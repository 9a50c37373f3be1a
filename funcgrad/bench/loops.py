"""Long loops: what they compile, run and hold. Counts are the point; seconds are there to be seen."""

from __future__ import annotations

import time

import numpy as np

from ..tape import stats
from .harness import Row


def _line(name: str, unit: str, n: int, work) -> Row:
    """Time `work()`, which does `n` units, once, and count what it made the tape do."""
    before = stats.snapshot()
    start = time.perf_counter()
    facts = work()
    row = Row(name, unit, {"funcgrad": [(time.perf_counter() - start) / n]})
    after = stats.snapshot()
    row.facts["compiles"] = after["compiles"] - before["compiles"]
    row.facts["compile seconds"] = round(after["seconds"] - before["seconds"], 2)
    row.facts["runs"] = after["runs"] - before["runs"]
    row.facts.update(facts)
    return row


def schedule(torch, steps: int):
    """A regression whose learning rate changes every step; the loss is looked at every 100th."""
    x = torch.tensor(np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4))
    y = x.sum(1, keepdim=True).detach()
    w = torch.tensor(np.zeros((4, 1), np.float32), requires_grad=True)

    def work() -> dict:
        seen = []
        for i in range(steps):
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                w.sub_((0.1 / (1 + 0.001 * i)) * w.grad)
                w.grad = None
            if i % 100 == 99:
                seen.append(loss.item())
        return {"loss": f"{seen[0]:.1e} -> {seen[-1]:.1e}"}

    return work


def endless(torch, rounds: int):
    """`x = x * a + b` with no look; the bytes that JAX holds afterwards, a tenth of the way and at the end."""
    import jax

    x, a, b = torch.ones(1000), torch.tensor(0.5), torch.tensor(1.0)

    def held() -> int:
        return sum(array.nbytes for array in jax.live_arrays())

    def work() -> dict:
        nonlocal x
        early = 0
        for i in range(rounds):
            x = x * a + b
            if i == rounds // 10:
                early = held()
        return {"bytes held": f"{early} -> {held()}"}

    return work


def manual_sgd(torch, steps: int):
    """A hand-written SGD loop, looked at once, at the end."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(32, 16)).astype(np.float32))
    y = torch.tensor(rng.normal(size=(32, 1)).astype(np.float32))
    params = [torch.tensor((rng.normal(size=s) / 4).astype(np.float32), requires_grad=True)
              for s in ((16, 32), (32,), (32, 1), (1,))]  # fmt: skip

    def work() -> dict:
        w1, b1, w2, b2 = params
        loss = None
        for _ in range(steps):
            loss = ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                for p in params:
                    p -= 0.05 * p.grad
                    p.grad = None
        return {"loss": f"{loss.item():.4f}"}

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    return [
        _line("schedule, 10,000 steps", "step", 10_000, schedule(funcgrad, 10_000)),
        _line("x = x*a + b, 100,000 times, no look", "round", 100_000, endless(funcgrad, 100_000)),
        _line("hand-written SGD, 1,000 steps", "step", 1_000, manual_sgd(funcgrad, 1_000)),
    ]
