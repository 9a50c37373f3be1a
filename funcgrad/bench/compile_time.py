"""The first step of a GPT, each time in a process of its own: recording or tracing, lowering, compiling, running.

With 4 layers as in `gpt`, again with programs cached on disk by a process before it, and with 48 layers, where the
peer is jax.jit of the same unrolled program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from .harness import Row

LAYERS, DEEP = 4, 48
CACHED = {"funcgrad": "cached", "compiled": "compiled, cached"}


def first_step(peer: str, layers: int) -> float:
    """Seconds of it, in this process. The network and its inputs are there, and the backend is up."""
    import jax

    import funcgrad

    from . import gpt
    from .training import beginning, jax_loop, torch_like

    gpt.LAYERS = layers
    jax.numpy.ones(3).block_until_ready()
    if peer == "jax":
        work = jax_loop(*_swapped(*beginning(gpt.build), gpt.jax_loss), gpt.DECAY)
    elif peer == "torch.compile":
        import torch

        work = torch_like(torch, gpt.build, forward=torch.compile)
    else:
        work = torch_like(funcgrad, gpt.build, funcgrad.compile if peer == "compiled" else lambda step: step)
        funcgrad.sync()
    start = time.perf_counter()
    work(1)
    return time.perf_counter() - start


def _swapped(params, inputs, loss):
    return params, loss, inputs


def _measured(peer: str, layers: int, cache: str | None = None) -> float:
    command = [sys.executable, "-W", "ignore", "-m", "funcgrad.bench.compile_time", json.dumps([peer, layers])]
    with tempfile.TemporaryDirectory() as empty:  # torch.compile keeps programs on disk unasked
        env = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": empty, **({"FUNCGRAD_CACHE_DIR": cache} if cache else {})}
        return float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()[-1])


def run(peers, rounds: int) -> list[Row]:
    times, deep = min(rounds, 3), Row(f"first step of gpt, {DEEP} layers", "step")
    row = Row(f"first step of gpt, {LAYERS} layers", "step")
    chosen = ["funcgrad", "compiled", *(p for p in ("jax", "torch.compile") if p in peers)]
    with tempfile.TemporaryDirectory() as cache:
        for ours in CACHED:
            _measured(ours, LAYERS, cache)
        for _ in range(times):
            for peer in chosen:
                row.seconds.setdefault(peer, []).append(_measured(peer, LAYERS))
            for ours, name in CACHED.items():
                row.seconds.setdefault(name, []).append(_measured(ours, LAYERS, cache))
    for peer in [p for p in chosen if p != "torch.compile"]:
        deep.seconds[peer] = [_measured(peer, DEEP)]
    return [row, deep]


if __name__ == "__main__":
    print(first_step(*json.loads(sys.argv[1])))
