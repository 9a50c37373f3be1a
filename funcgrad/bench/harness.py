"""Timing peers fairly: in one process, alternating, medians with their spread.

A peer is a function that does one unit of work and returns something to wait for. Every round times
each peer once, in turn, so that a busy moment of the machine meets all of them.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

OURS = ("funcgrad", "compiled")  # undecorated, and with `funcgrad.compile`


def alike() -> None:
    """On a GPU: PyTorch there too, and float32 multiplied in TensorFloat-32 by everyone, as networks are trained."""
    import jax

    import funcgrad

    if jax.default_backend() == "gpu":
        funcgrad.set_float32_matmul_precision("high")  # JAX's own setting, so hand-written JAX has it
        with contextlib.suppress(ImportError):
            import torch

            torch.set_float32_matmul_precision("high")
            torch.set_default_device("cuda")


@dataclass
class Row:
    """One measured line: seconds a unit for each peer, and counts that are facts rather than times."""

    name: str
    unit: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    def median(self, peer: str) -> float:
        return statistics.median(self.seconds[peer])

    def ratio(self, peer: str, ours: str = "funcgrad") -> tuple[float, float, float]:
        """Our time over the peer's, round by round: (median, lower quartile, upper quartile)."""
        pairs = sorted(a / b for a, b in zip(self.seconds[ours], self.seconds[peer], strict=True))
        n = len(pairs)
        return statistics.median(pairs), pairs[n // 4], pairs[(3 * n) // 4]

    def text(self) -> str:
        parts = [f"{self.name:34s}"]
        for peer in self.seconds:
            parts.append(f"{peer} {scaled(self.median(peer))}")
        for ours in OURS:
            for peer in self.seconds if ours in self.seconds else ():
                if peer not in OURS:
                    mid, low, high = self.ratio(peer, ours)
                    parts.append(f"{'' if ours == OURS[0] else ours + ' '}= {mid:.2f} x {peer} [{low:.2f}-{high:.2f}]")
        parts.extend(f"{k} {v}" for k, v in self.facts.items())
        return "  ".join(parts)

    def as_dict(self) -> dict:
        return {
            "name": self.name,
            "unit": self.unit,
            "median_seconds": {p: self.median(p) for p in self.seconds},
            "ratios": {
                ours: {p: self.ratio(p, ours) for p in self.seconds if p not in OURS}
                for ours in OURS
                if ours in self.seconds
            },
            "rounds": {p: s for p, s in self.seconds.items()},
            "facts": self.facts,
        }


def scaled(seconds: float) -> str:
    for limit, unit in ((1e-6, "ns"), (1e-3, "us"), (1.0, "ms")):
        if seconds < limit:
            return f"{seconds / limit * 1e3:7.2f} {unit}"
    return f"{seconds:7.2f} s "


def alternate(
    name: str,
    unit: str,
    peers: dict[str, Callable[[int], object]],
    *,
    rounds: int,
    warm: int = 3,
    seconds: float = 0.08,
    per: int = 1,
) -> Row:
    """Time each peer's `work(n)` (n units, then wait) in turn; `per` divides a unit into what `unit` names."""
    counts = {}
    for peer, work in peers.items():
        for _ in range(warm):
            work(3)
        start = time.perf_counter()
        work(3)
        one = (time.perf_counter() - start) / 3
        counts[peer] = max(1, int(seconds / max(one, 1e-9)))
    row = Row(name, unit, {peer: [] for peer in peers})
    for _ in range(rounds):
        for peer, work in peers.items():
            start = time.perf_counter()
            work(counts[peer])
            row.seconds[peer].append((time.perf_counter() - start) / counts[peer] / per)
    return row
