"""Floor 7. The benchmarks: funcgrad beside hand-written JAX and PyTorch, in one run.

    python -m funcgrad bench [NAME ...] [--peers jax,torch] [--json FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from .harness import alike
from .plot import plot, refuse_without_matplotlib

SUITES = (
    "record", "ops", "mlp", "mlp_adam", "gpt", "lstm", "cnn", "attention", "frameworks", "second_order", "functional",
    "schedule", "manual_sgd", "shapes", "lengths", "long", "compile_time", "memory", "loops", "start",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the named suites (all by default); prints a table, writes JSON if asked. Exit code 0, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="funcgrad bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"suites to run: {', '.join(SUITES)} (default all)")
    peers = "comma-separated, where installed: jax, torch, torch.compile, flax, equinox (default all but torch.compile)"
    parser.add_argument("--peers", default="jax,torch,flax,equinox", help=peers)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    parser.add_argument("--plot", metavar="FILE", help="also draw the ratios (SVG, PNG or PDF, by the name's ending)")
    parser.add_argument("--rounds", type=int, default=15, help="alternating rounds a peer (default 15)")
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in SUITES:
            parser.error(f"no benchmark called {name!r}; there are {', '.join(SUITES)}")
    if options.plot:
        refuse_without_matplotlib()
    peers = tuple(p for p in options.peers.split(",") if p and installed(p.split(".")[0]))
    alike()
    report = {"about": about(), "suites": {}}
    print(" · ".join(f"{k} {v}" for k, v in report["about"].items()))
    for name in options.names or SUITES:
        rows = import_module(f".{name}", __name__).run(peers, options.rounds)
        report["suites"][name] = [row.as_dict() for row in rows]
        print(f"\n{name}")
        for row in rows:
            print("  " + row.text())
        sys.stdout.flush()
    if options.json:
        with open(options.json, "w") as f:
            json.dump(report, f, indent=1)
    if options.plot:
        plot(report, options.plot)
    return 0


def installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def about() -> dict[str, str]:
    """Versions, device and date, so that a figure can be read later."""
    import jax

    found = {"date": datetime.date.today().isoformat(), "python": platform.python_version()}
    found.update({name: version(name) for name in ("jax", "jaxlib", "torch") if installed(name)})
    device = jax.devices()[0]
    found["device"] = f"{device.device_kind} ({device.platform})"
    return found
