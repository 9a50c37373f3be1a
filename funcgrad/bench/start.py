"""Starting: what `import funcgrad` adds to `import jax`, each time in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from .harness import Row

_CODE = """
import time
import jax
start = time.perf_counter()
import funcgrad
print(time.perf_counter() - start)
"""


def run(peers, rounds: int) -> list[Row]:
    seconds = []
    with tempfile.TemporaryDirectory() as cache:  # byte code is kept, as in an installed package
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache
        for i in range(min(rounds, 7) + 1):
            done = subprocess.run([sys.executable, "-c", _CODE], env=env, capture_output=True, text=True, check=True)
            if i:
                seconds.append(float(done.stdout))
    return [Row("import funcgrad beyond import jax", "import", {"funcgrad": seconds})]
