"""Random programs by the thousand: `python -m tests.oracle.fuzz --seeds 0:50000 [--jobs 2]`.

Prints each disagreement as a short program to run, and at the end what came of all. Each job is a process that starts
again behind a seed at which PyTorch itself crashes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def work(start: int, stop: int, step: int) -> None:
    """Judge seeds, one line of JSON each. Of every four, two are compiled by XLA, and two run by NumPy."""
    import differential
    from interpreted import always
    from programs import draw

    with differential.cheap():
        for seed in range(start, stop, step):
            print(json.dumps({"seed": seed}), flush=True)
            program = draw(seed)
            with always() if seed // 2 % 2 else nullcontext():
                print(json.dumps({"seed": seed, **_judged(differential, program)}), flush=True)


def _judged(differential, program) -> dict:
    verdict = differential.judge(program)
    found = {"refused": verdict.refused, "silent": verdict.silent, "outcome": "agrees"}
    if verdict.wrong is not None:
        found["outcome"] = "unstable" if verdict.unstable else "disagrees"
        if not verdict.unstable:
            found["text"] = differential.report(program, verdict)
    elif verdict.parted:
        found["outcome"] = "parted"
    return found


def watch(start: int, stop: int, step: int):
    """The findings of a process for these seeds; of another one where it dies."""
    while start < stop:
        command = [sys.executable, "-W", "ignore", __file__, "--worker", f"{start}:{stop}:{step}"]
        last = start - step
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                found = json.loads(line)
                last = found["seed"]
                if "outcome" in found:
                    yield found
        if process.returncode == 0:
            return
        if last < start:
            raise SystemExit(f"the process for seeds from {start} did not begin")
        yield {"seed": last, "outcome": "crashed"}
        start = last + step


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.fuzz")
    parser.add_argument("--seeds", default="0:2000", help="first:last+1")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*map(int, options.worker.split(":")))
        return 0
    start, stop = map(int, options.seeds.split(":"))
    began, counts, refused, silent = time.time(), Counter(), 0, 0
    jobs = [watch(start + k, stop, options.jobs) for k in range(options.jobs)]
    for found in together(jobs):
        counts[found["outcome"]] += 1
        refused += found.get("refused", 0)
        silent += found.get("silent", False)
        if "text" in found:
            print(found["text"], flush=True)
        elif found["outcome"] == "crashed":
            print(f"# seed {found['seed']} ended the process", flush=True)
        if sum(counts.values()) % 1000 == 0:
            print(f"# {dict(counts)}, {time.time() - began:.0f} s", flush=True)
    print(
        f"{sum(counts.values())} programs in {time.time() - began:.0f} s: {dict(counts)}; {refused} backwards that PyTorch "
        f"refuses for a modified value, {silent} programs in which it computes with one"
    )
    return min(1, counts["disagrees"])


def together(jobs: list):
    """What several generators give, each read in a thread of its own."""
    import queue
    import threading

    results: queue.Queue = queue.Queue()

    def read(job):
        for found in job:
            results.put(found)
        results.put(None)

    for job in jobs:
        threading.Thread(target=read, args=(job,), daemon=True).start()
    left = len(jobs)
    while left:
        found = results.get()
        if found is None:
            left -= 1
        else:
            yield found


if __name__ == "__main__":
    sys.exit(main())
