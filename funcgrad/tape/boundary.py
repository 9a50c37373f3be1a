"""Where a tape that nobody looks at is cut.

A loop such as `for ...: x = x * a + b` never asks for a run. The tape finds its own period and ends at
a multiple of it, so that every later tape follows the same path and finds the same program. Where to
cut is decided on a miss and remembered on the trie (`Trace.cut`), so a hit pays nothing: a step that
cuts has no children, and whoever comes to record after it misses and ends up here.
"""

from __future__ import annotations

from .plan import live_slots
from .tape import Tape, local
from .trace import Trace
from .value import LeafValue

CHECK = 256  # operations after which a periodic path that no later backward will walk is cut, and between looks
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
    if trace.graph and n < UNROLLED and not tape.freeings:
        return False
    if n % CHECK == 0:
        trace.period = period(last, n // 2)
    if trace.graph and n < UNROLLED:
        # at a whole period, or else wherever one ends: the next tape begins there, and its periods end there, too
        due = trace.period and (n % trace.period == 0 or n >= 2 * CHECK + 3 * trace.period)
        trace.cut = bool(due) and _over(tape)
    elif trace.period and n % trace.period == 0:
        trace.cut = True
    elif n >= (most := UNROLLED if trace.graph else LIMIT) and (not trace.period or n >= most + trace.period):
        trace.cut = True
    if trace.cut:
        trace.children = {}
    return trace.cut


def _over(tape: Tape) -> bool:
    """Whether nothing is alive on the tape that a later backward could begin at: what is has been freed."""
    live = {v.slot for v in map(tape.pending.get, live_slots(tape)) if v.spec.needs and v.__class__ is not LeafValue}
    node = tape.trace
    while live and node is not None:
        if not live.isdisjoint(node.outs):
            if node.first not in tape.freed:
                return False
            live.difference_update(node.outs)
        node = node.parent
    return True


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
