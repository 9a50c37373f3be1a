"""Floor 7. `python -m funcgrad run train.py [args...]`: a PyTorch program, unedited, with funcgrad for `torch`."""

from __future__ import annotations

import os
import runpy
import sys
import time

from . import shim
from .tape import stats

__all__ = ["run"]


def run(script: str, args: list[str], module: bool = False, report: bool = False) -> int:
    """Run a script, or a module by name, as Python would; returns its exit code.

    report  print at the end what the tape did

    An error's traceback begins at the script. Raises FileNotFoundError if there is none.
    """
    shim.install()
    before = list(sys.argv), list(sys.path), sys.modules.get("__main__")
    start = time.perf_counter()
    try:
        if module:
            sys.path.insert(0, os.getcwd())
            sys.argv = [script, *args]
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        else:
            if not os.path.exists(script):
                print(f"funcgrad run: no such file: {script}", file=sys.stderr)
                return 2
            sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
            sys.argv = [script, *args]
            runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    finally:
        sys.argv, sys.path[:] = before[0], before[1]
        if before[2] is not None:
            sys.modules["__main__"] = before[2]
        if report:
            print(told(time.perf_counter() - start), file=sys.stderr)
        shim.uninstall()
    return code


def told(seconds: float) -> str:
    """What the tape did, in a few lines."""
    return "\n".join([
        f"funcgrad: {seconds:.1f} s in all",
        f"  {stats.compiles} programs compiled in {stats.seconds:.1f} s, run {stats.runs} times",
        f"  {stats.steps} optimizer steps; {stats.waiting:.1f} s waiting for numbers that were looked at",
    ])  # fmt: skip
