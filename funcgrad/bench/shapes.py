"""Epochs of eight batches, the last of them smaller: two shapes, each compiled once."""

from __future__ import annotations

from .regression import RATE, data, rows

BATCHES = 8


def loop(step, array, number):
    batches = [tuple(map(array, data(20 if i == BATCHES - 1 else 32)[1:])) for i in range(BATCHES)]
    rate = number(RATE)

    def work(n: int):
        loss = None
        for _ in range(n):
            for x, y in batches:
                loss = step(x, y, rate)
        return loss.item()

    return work


def run(peers, rounds: int):
    return rows("shapes (8 batches, the last smaller)", "step", loop, peers, rounds, BATCHES)
