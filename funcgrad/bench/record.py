"""Recording one binary operation that this process has seen before (PyTorch's time includes running it)."""

from __future__ import annotations

import time

import numpy as np

from .harness import Row

CALLS = 200


def _calls(torch, needs: bool):
    a = torch.tensor(np.ones(8, np.float32), requires_grad=needs)
    b = torch.tensor(np.ones(8, np.float32))

    def timed(times: int) -> float:
        """Seconds a call, of `a * b`, runs kept out of the clock."""
        clock = time.perf_counter
        total = 0.0
        for _ in range(times):
            x = a * b
            start = clock()
            for _ in range(CALLS):
                x = x * b
            total += clock() - start
            x.detach().cpu().numpy()
        return total / times / CALLS

    return timed


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    rows = []
    for needs in (False, True):
        timed = {"funcgrad": _calls(funcgrad, needs)}
        if "torch" in peers:
            import torch

            timed["torch"] = _calls(torch, needs)
        row = Row("x * y" + (" with gradient" if needs else ""), "op", {p: [] for p in timed})
        for f in timed.values():
            f(5)
        for _ in range(rounds):
            for peer, f in timed.items():
                row.seconds[peer].append(f(20))
        rows.append(row)
    return rows
