"""Steps whose learning rate changes each time, and whose loss is looked at each time."""

from __future__ import annotations

from .regression import RATE, data, rows


def loop(step, array, number):
    x, y = map(array, data()[1:])

    def work(n: int):
        seen = 0.0
        for i in range(n):
            seen = step(x, y, number(RATE / (1 + 0.001 * i))).item()
        return seen

    return work


def run(peers, rounds: int):
    return rows("schedule (rate and item() each step)", "step", loop, peers, rounds)
