"""Why programs were compiled: for people who ask, and a warning for those who should."""

from __future__ import annotations

import warnings
from collections import Counter
from contextlib import contextmanager

from .stats import stats

OFTEN = 8  # compiles at one line after which it is warned of
_at: Counter = Counter()


class RecompileWarning(UserWarning):
    """One place keeps compiling new programs."""


def explain(last: int = 20) -> str:
    """What the tape has done so far, and why it compiled: counters, then the last reasons.

    >>> import funcgrad as torch
    >>> print(torch.explain().splitlines()[0])
    what the tape did
    """
    s = stats
    lines = [
        "what the tape did",
        f"  {s.runs} runs of {s.programs} programs; {s.compiles} compiled in {s.seconds:.2f} s",
        f"  {s.misses} operations met for the first time; {s.walks} backward walks, {s.jumps} jumps",
    ]
    if s.reasons:
        lines += ["why it compiled (latest last)", *(f"  {r}" for r in list(s.reasons)[-last:])]
    return "\n".join(lines)


def compiled(line: str | None, why: str, seconds: float) -> None:
    """Note a compile at the user's `line`; warn when one place keeps compiling."""
    stats.reasons.append(f"{line}: {why} ({seconds:.2f} s)")
    _at[line] += 1
    if line is not None and _at[line] == OFTEN:
        recent = [r for r in stats.reasons if r.startswith(f"{line}:")][-2:]
        warnings.warn(
            f"{line} has compiled {OFTEN} programs. The last two: {' | '.join(recent)}. Shapes, Python numbers used "
            "as parameters, or which Tensors are alive differ each time; funcgrad.explain() tells more.",
            RecompileWarning,
            stacklevel=2,
        )


def ran_alone(line: str | None, nops: int, seldom: bool, seconds: float) -> None:
    """Note that a path of `nops` operations is not compiled whole."""
    why = "others that ended here came once or twice" if seldom else "long, and not met before"
    stats.reasons.append(f"{line}: {why}; {nops} run operation by operation ({seconds:.2f} s)")


@contextmanager
def assert_no_recompile():
    """Raise if anything inside compiles a program, saying why it did.

    >>> import funcgrad as torch
    >>> x = torch.ones(3)
    >>> for i in range(3):
    ...     y = (x * 2).sum().item()
    >>> with torch.assert_no_recompile():
    ...     y = (x * 2).sum().item()
    """
    before, mark = stats.compiles, len(stats.reasons)
    yield
    if stats.compiles > before:
        reasons = list(stats.reasons)[mark:] or list(stats.reasons)[-1:]
        raise RuntimeError(f"{stats.compiles - before} programs were compiled: " + "; ".join(reasons))
