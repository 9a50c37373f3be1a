"""Where a tape that nobody looks at is cut.

A loop such as `for ...: x = x * a + b` never asks for a run. The tape finds its own period and ends at
a multiple of it, so that every later tape follows the same path and finds the same program. Where to
cut is decided on a miss and remembered on the trie (`Trace.cut`), so a hit pays nothing: a step that
cuts has no children, and whoever comes to record after it misses and ends up here.
"""

from __future__ import annotations

from .tape import Tape, local
from .trace import Trace

CHECK = 256  # operations after which a periodic path without gradients is cut, and between looks
UNROLLED = 16384  # the same for a path that wants gradients, whose backward is to be in the same program
LIMIT = 4096  # operations after which any path is cut


def cuts(tape: Tape) -> bool:
    """Whether `tape` ends here, before the operation that missed is recorded."""
    trace = tape.trace
    if local.body is not None or local.whole is not None:
        return False
    if trace.cut:
        return True
    n = trace.nops
    if n < CHECK:
        if trace.nslots >= 8 * LIMIT:  # constants without end
            trace.cut, trace.children = True, {}
        return trace.cut
    last = trace
    while not counts(last):
        last = last.parent
    if trace.graph and n < UNROLLED:
        return False
    if n % CHECK == 0:
        trace.period = period(last, n // 2)
    if trace.period and n % trace.period == 0:
        trace.cut = True
    elif n >= (most := UNROLLED if trace.graph else LIMIT) and (not trace.period or n >= most + trace.period):
        trace.cut = True
    if trace.cut:
        trace.children = {}
    return trace.cut


def counts(t: Trace) -> bool:
    """Whether a step is an operation that `nops` counts: one that reads something. A constant belongs to what reads it,
    and what enters or changes a mode is nothing by itself."""
    return t.op is not None and bool(t.args)


def period(trace: Trace, longest: int) -> int:
    """The shortest p such that the last 3p operations or more (at least half of the path) repeat, each
    reading either the same slot as p operations before or one made as long ago. 0 if there is none.

    Such a path is a loop over a bounded set of values; an update of many parameters in a row is not,
    because each of its rounds reads slots of its own.
    """
    nodes, node = [], trace
    while node is not None:
        if counts(node):
            nodes.append(node)
        node = node.parent
    nodes.reverse()
    n = len(nodes)
    shape = [(t.op, tuple(t.params.items()), len(t.args), t.specs) for t in nodes]
    last = shape[-1]
    for p in range(1, longest // 2 + 1):
        if shape[n - 1 - p] != last:
            continue
        reach = max(3 * p, n // 2)
        if reach + p <= n and all(
            shape[i] == shape[i - p] and _same_reads(nodes[i], nodes[i - p]) for i in range(n - reach, n)
        ):
            return p
    return 0


def _same_reads(a: Trace, b: Trace) -> bool:
    shift = a.first - b.first
    pairs = zip(a.args, b.args, strict=True)
    return all(x == y or (x is not None and y is not None and x - y == shift) for x, y in pairs)
