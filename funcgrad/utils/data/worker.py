"""A worker: a process of its own that has never seen JAX's threads, takes indices and gives batches.

It is started fresh, not forked (a fork of a process with threads may hang), and is given its dataset pickled. Where
cloudpickle is installed, what a script defines itself travels by value, so that the script is not run again. Knows
how to fetch. Must not know the loader.
"""

from __future__ import annotations

import os
import pickle
import random
import sys
import traceback
from dataclasses import dataclass

__all__ = ["WorkerInfo", "get_worker_info"]

DONE, FAILED, ENDED, READY = "done", "failed", "ended", "ready"


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is: `id` of `num_workers`, its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: object


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker, which one it is; None in the main process."""
    return _info


@dataclass
class Failure:
    """What went wrong in a worker, to be raised where its batch was waited for."""

    kind: type
    text: str
    where: str

    def throw(self):
        words = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            words = _Plain(words)  # a KeyError shows its argument quoted, on one line
        try:
            error = self.kind(words)
        except Exception:
            error = RuntimeError(words)
        raise error


class _Plain(str):
    def __repr__(self) -> str:
        return str(self)


def dumps(x) -> bytes:
    """`x` pickled, by value where it is defined in the script that runs."""
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(x, pickle.HIGHEST_PROTOCOL)
    return cloudpickle.dumps(x, pickle.HIGHEST_PROTOCOL)


def main() -> None:
    """What a worker runs: one dataset after the other, until its line is cut."""
    os.environ["JAX_PLATFORMS"] = "cpu"  # accelerators are the main process's
    from multiprocessing.connection import Client

    address, key = pickle.load(sys.stdin.buffer)
    with Client(address, authkey=key) as line:
        try:
            while True:
                _serve(line, line.recv_bytes())
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return


def _serve(line, start: bytes) -> None:
    """Batches of one dataset, until told to be ready for another."""
    global _info
    setup = pickle.loads(start)
    sys.path[:] = setup["path"]
    os.chdir(setup["cwd"])
    if setup["shim"]:
        from ...shim import install

        install()
    where = f"in DataLoader worker process {setup['id']}"
    fetch, broken = None, None
    try:
        job = pickle.loads(setup["job"])
        _seed(setup["seed"], setup["id"])
        _info = WorkerInfo(setup["id"], setup["workers"], setup["seed"] + setup["id"], job["dataset"])
        if job["init"] is not None:
            job["init"](setup["id"])
        fetch = _fetcher(job)
    except Exception as error:
        broken = Failure(type(error), traceback.format_exc(), where)
    while True:
        task = pickle.loads(line.recv_bytes())
        if task is None:  # a new dataset follows
            line.send((READY, None, None))
            return
        if task == "again":  # the same dataset from its beginning
            fetch = _fetcher(job) if broken is None else None
            continue
        number, indices = task
        try:
            answer = (FAILED, number, broken) if broken else (DONE, number, dumps(fetch(indices)))
        except StopIteration:
            answer = (ENDED, number, None)
        except Exception as error:
            answer = (FAILED, number, Failure(type(error), traceback.format_exc(), where))
        try:
            line.send(answer)
        except (pickle.PicklingError, AttributeError, TypeError) as error:  # an error that does not travel
            line.send((FAILED, number, Failure(RuntimeError, f"{type(error).__name__}: {error}", where)))


def _fetcher(job):
    from .fetch import fetcher

    return fetcher(job["dataset"], job["batched"], job["collate"], job["drop_last"])


def _seed(base: int, number: int) -> None:
    """Random numbers of each worker's own, as PyTorch seeds them."""
    import numpy as np

    from ...random import manual_seed

    random.seed(base + number)
    manual_seed(base + number)
    words = np.random.SeedSequence([number, base & 0xFFFFFFFF, base >> 32, 0]).generate_state(4)
    np.random.seed(words)
