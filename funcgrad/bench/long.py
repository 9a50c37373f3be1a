"""1000 rounds of `a = sin(a)*w + a`, forward and backward: what XLA compiles and runs super-linearly as one program."""

from __future__ import annotations

import time

import numpy as np

from ..tape import stats
from .harness import Row, alternate

ROUNDS, SIZE = 1000, 100


def torch_like(torch):
    start = torch.tensor(np.linspace(0, 1, SIZE, dtype=np.float32))
    w = torch.full((SIZE,), 0.002, requires_grad=True)

    def work(n: int):
        for _ in range(n):
            w.grad = None
            a = start
            for _ in range(ROUNDS):
                a = torch.sin(a) * w + a
            a.sum().backward()
            w.grad.numpy()

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    works = {"funcgrad": torch_like(funcgrad)}
    if "torch" in peers:
        import torch

        works["torch"] = torch_like(torch)
    first = []  # two paths, each by NumPy, and that which comes again and is compiled
    for _ in range(3):
        start = time.perf_counter()
        works["funcgrad"](1)
        first.append(f"{time.perf_counter() - start:.2f} s")
    compiles = stats.compiles
    row = alternate(f"long ({ROUNDS} rounds, {SIZE} numbers)", "run", works, rounds=rounds, seconds=0.2)
    row.facts["first runs"], row.facts["compiles"] = ", ".join(first), stats.compiles - compiles
    return [row]
