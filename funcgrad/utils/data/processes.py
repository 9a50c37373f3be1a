"""Starting workers, talking to them, and noticing when one dies.

Processes are kept when a loader is done with them, for the next one: starting one takes a second or two. Knows the
worker's side. Must not know samplers.
"""

from __future__ import annotations

import atexit
import os
import pickle
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Listener
from pathlib import Path

from ... import shim
from .worker import DONE, READY, dumps

__all__ = ["Crew"]

_idle: list[Process] = []
KEPT = 16  # processes that wait for another loader, at most


class Process:
    """One worker process and the line to it; a thread reads what it sends into `inbox`."""

    def __init__(self):
        key = secrets.token_bytes(16)
        name = os.path.join(tempfile.mkdtemp(prefix="funcgrad-"), "line") if os.name == "posix" else None
        with Listener(name, family="AF_UNIX" if name else None, authkey=key) as listener:
            code = "from funcgrad.utils.data.worker import main; main()"
            home = str(Path(__file__).resolve().parents[3])  # where funcgrad is imported from here
            path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
            self.popen = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
            )
            pickle.dump((listener.address, key), self.popen.stdin)
            self.popen.stdin.close()
            self.line = _accepted(listener, self.popen)
        if name:
            os.rmdir(os.path.dirname(name))
        self.inbox: queue.Queue | None = None
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                kind, number, what = self.line.recv()
            except (EOFError, OSError):
                self.ready.set()
                if self.inbox is not None:
                    self.inbox.put((None, self, None))
                return
            if kind == READY:
                self.ready.set()
            elif self.inbox is not None:
                self.inbox.put((kind, number, what))

    def send(self, x: bytes) -> None:
        try:
            self.line.send_bytes(x)
        except (OSError, ValueError):
            pass  # it has died, which the reading thread reports

    def release(self) -> None:
        """Let it wait for another dataset; what it still sends is dropped."""
        self.inbox = None
        self.ready.clear()
        self.send(pickle.dumps(None))
        if self.popen.poll() is None and len(_idle) < KEPT:
            _idle.append(self)
        else:
            self.stop()

    def stop(self) -> None:
        self.line.close()
        self.popen.kill()
        self.popen.wait()


def _accepted(listener: Listener, popen: subprocess.Popen):
    """The line to a process that has just been started. Raises RuntimeError if it ends before it calls."""
    found: queue.Queue = queue.Queue()

    def accept():
        try:
            found.put(listener.accept())
        except Exception as error:
            found.put(error)

    threading.Thread(target=accept, daemon=True).start()
    while True:
        try:
            line = found.get(timeout=0.2)
        except queue.Empty:
            if popen.poll() is not None:
                raise RuntimeError(f"DataLoader worker (pid(s) {popen.pid}) exited unexpectedly") from None
            continue
        if isinstance(line, Exception):
            raise line
        return line


@atexit.register
def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()


def _taken() -> Process:
    while _idle:
        process = _idle.pop()
        if process.ready.wait(10) and process.popen.poll() is None:
            return process
        process.stop()
    return Process()


class Crew:
    """The workers of one loader. Tasks go to them in turn; answers come in any order.

    job      what they need to fetch: a dict with dataset, batched, collate, drop_last, init
    workers  how many; `seed` is what theirs are made from
    """

    def __init__(self, job: dict, workers: int, seed: int):
        try:
            pickled = dumps(job)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RuntimeError(
                f"a DataLoader with num_workers={workers} sends its dataset, collate_fn and worker_init_fn to "
                f"processes of their own, and these cannot be pickled: {error}. Install cloudpickle to send what is "
                "defined in a script or a function, or use num_workers=0."
            ) from error
        self.inbox: queue.Queue = queue.Queue()
        self.processes = [_taken() for _ in range(workers)]
        self.lost = False
        for k, process in enumerate(self.processes):
            process.inbox = self.inbox
            process.send(pickle.dumps({
                "id": k, "workers": workers, "seed": seed, "path": list(sys.path), "cwd": os.getcwd(),
                "shim": shim.installed(),
                "job": pickled,
            }))  # fmt: skip

    def give(self, worker: int, number: int, indices) -> None:
        """Ask a worker for batch `number`."""
        self.processes[worker].send(dumps((number, indices)))

    def again(self) -> None:
        """Let every worker begin its dataset again."""
        for process in self.processes:
            process.send(pickle.dumps("again"))

    def answer(self, timeout: float) -> tuple[str, int, object]:
        """(what came, of which batch, the batch or its Failure). Raises RuntimeError after `timeout` seconds, unless
        that is 0, and when a worker has died."""
        try:
            kind, number, what = self.inbox.get(timeout=timeout or None)
        except queue.Empty:
            self.lost = True
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
        if kind is None:
            self.lost = True
            number.popen.wait(5)
            dead = [str(p.popen.pid) for p in self.processes if p.popen.poll() is not None]
            raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(dead)}) exited unexpectedly")
        return kind, number, pickle.loads(what) if kind == DONE else what

    def close(self) -> None:
        """Let the processes go."""
        for process in self.processes:
            if self.lost:
                process.stop()
            else:
                process.release()
        self.processes = []
