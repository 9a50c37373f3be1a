"""What a trace of JAX's profiler tells: which kernels XLA ran, how often and for how long.

A kernel is XLA's unit, mostly several operations of the user's in one (`fusion`); there is no time of an operation by
itself. Knows the trace's file alone.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import jax


@dataclass(frozen=True)
class Kernel:
    """All runs of one kernel.

    key         its name in XLA's program
    count       how often it ran
    time_total  microseconds of all of that; `cpu_time_total` on a CPU, `device_time_total` on another device
    """

    key: str
    count: int
    time_total: float

    @property
    def time(self) -> float:
        """Microseconds of one run, in the mean."""
        return self.time_total / self.count

    @property
    def cpu_time_total(self) -> float:
        return self.time_total if jax.default_backend() == "cpu" else 0.0

    @property
    def device_time_total(self) -> float:
        return 0.0 if jax.default_backend() == "cpu" else self.time_total

    self_cpu_time_total, cuda_time_total = cpu_time_total, device_time_total
    self_device_time_total = self_cuda_time_total = device_time_total


class Kernels(list):
    """A list of `Kernel`, which can be shown."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **_more) -> str:
        """A text, a line for each kernel: by what they took all together, or by `sort_by`: an attribute of `Kernel`, or
        "count"."""
        by = sort_by or "time_total"
        rows = sorted(self, key=lambda k: getattr(k, by), reverse=by != "key")[: row_limit if row_limit >= 0 else None]
        whole, width = sum(k.time_total for k in self), max([len("kernel"), *(min(len(k.key), 50) for k in rows)])
        lines = [f"{'kernel':<{width}}  {'calls':>8}  {'total us':>12}  {'mean us':>10}  {'share':>6}"]
        for k in rows:
            lines.append(
                f"{k.key[:50]:<{width}}  {k.count:>8}  {k.time_total:>12.1f}  {k.time:>10.2f}  "
                f"{k.time_total / whole:>6.1%}"
            )
        return "\n".join([*lines, f"{whole:.1f} us in all"])

    def __str__(self) -> str:
        return self.table()


def newest(folder: str) -> Path:
    """The file of the last trace that was written below `folder`. Raises RuntimeError if there is none."""
    found = sorted(Path(folder).rglob("*.trace.json.gz"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise RuntimeError("there is no trace yet: nothing was profiled, or it is still going on")
    return found[-1]


def kernels(folder: str) -> Kernels:
    """Those of the last trace below `folder`, the longest first."""
    with gzip.open(newest(folder), "rt") as file:
        events = json.load(file)["traceEvents"]
    count, total = defaultdict(int), defaultdict(float)
    for event in events:
        if "hlo_op" in event.get("args", ()) and "dur" in event:
            count[event["args"]["hlo_op"]] += 1
            total[event["args"]["hlo_op"]] += event["dur"]
    return Kernels(Kernel(key, count[key], total[key]) for key in sorted(total, key=total.get, reverse=True))


def copy_trace(folder: str, path: str) -> None:
    """The last trace below `folder` in Chrome's format, as JSON, or packed if `path` ends in `.gz`."""
    found = newest(folder)
    if str(path).endswith(".gz"):
        shutil.copyfile(found, path)
        return
    with gzip.open(found) as file, open(path, "wb") as out:
        shutil.copyfileobj(file, out)
