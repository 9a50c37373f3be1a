"""Floor 6. `torch.multiprocessing`: Python's, started fresh: a process in which JAX runs must not be forked."""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing import *  # noqa: F403
from multiprocessing import get_all_start_methods, get_context, get_start_method

__all__ = [*_python.__all__, "get_all_start_methods", "get_context", "get_start_method", "spawn"]

_context = get_context("spawn")
Process, Queue, SimpleQueue, Pool = _context.Process, _context.Queue, _context.SimpleQueue, _context.Pool


def set_start_method(method: str, force: bool = False) -> None:
    """Accepted; processes are started by "spawn"."""


def spawn(fn, args=(), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method: str = "spawn"):
    """Run `fn(i, *args)` in `nprocs` processes. With `join` wait for them; raises RuntimeError if one fails."""
    processes = [Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for p in processes:
        p.start()
    if not join:
        return processes
    for p in processes:
        p.join()
    failed = [i for i, p in enumerate(processes) if p.exitcode != 0]
    if failed:
        raise RuntimeError(f"process {failed[0]} terminated with exit code {processes[failed[0]].exitcode}")
    return None
