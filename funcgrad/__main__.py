"""Floor 7. The command line: `python -m funcgrad`, and the console script `funcgrad`.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys

from .version import __version__


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="funcgrad", description="PyTorch's way of writing on XLA's way of running."
    )
    top.add_argument("--version", action="version", version=f"funcgrad {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="gradients and graphs of one expression, then a small network learns to read digits",
    )
    demo.add_argument(
        "--dot", action="store_true", help="draw the graphs as DOT (default: Mermaid)"
    )
    demo.add_argument(
        "--epochs",
        type=_positive,
        default=15,
        metavar="N",
        help="epochs to train (default %(default)s)",
    )
    demo.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed (default %(default)s)"
    )
    run = commands.add_parser("run", help="a PyTorch program, unedited, with funcgrad for torch: FILE [args ...]")
    run.add_argument("--stats", action="store_true", help="print at the end what was compiled, run and waited for")
    run.add_argument("-m", "--module", action="store_true", help="FILE is the name of a module")
    run.add_argument("script", metavar="FILE")
    run.add_argument("args", nargs=argparse.REMAINDER)
    # the benchmarks read their own arguments
    commands.add_parser(
        "bench",
        add_help=False,
        help="the benchmarks beside JAX and PyTorch: [NAME ...] [--peers jax,torch] [--json FILE] [--plot FILE]",
    )
    return top


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, not {text}")
    return number


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code. Wrong usage raises SystemExit(2), as argparse does."""
    top = parser()
    options, rest = top.parse_known_args(argv)
    if rest and options.command != "bench":
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "bench":
            from .bench import main as bench

            return bench(rest)
        if options.command == "run":
            from .launch import run

            return run(options.script, options.args, options.module, options.stats)
        from .demo import main as demo

        return demo(dot=options.dot, epochs=options.epochs, seed=options.seed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever reads our output has gone; say nothing when Python flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
