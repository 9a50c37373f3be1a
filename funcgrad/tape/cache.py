"""What is remembered is bounded: paths are forgotten least recently used, with their programs and their trie."""

from __future__ import annotations

from collections import OrderedDict

from .mappings import crowded
from .stats import stats
from .trace import VARIED, Trace, same_number

_ends: OrderedDict[Trace, int] = OrderedDict()  # the end of a path -> programs held there
_bound = 1024


def limit(programs: int) -> int:
    """Keep at most this many compiled programs (default 1024), and four times as many paths. Returns the old bound."""
    global _bound
    old, _bound = _bound, programs
    _evict()
    return old


def ends() -> list[Trace]:
    """The ends of the paths that are remembered, the last used last."""
    return list(_ends)


def ended(trace: Trace, more: int = 0) -> None:
    """A tape ended here just now; `more` programs were compiled for it."""
    if more or trace not in _ends:
        _ends[trace] = _ends.get(trace, 0) + more
        _ends.move_to_end(trace)
        stats.programs += more
        _evict()
        if more and crowded(trace.nops):
            for _ in range(len(_ends) // 2):
                _drop_oldest()
    elif trace in _ends:
        _ends.move_to_end(trace)


def met(trace: Trace, i: int, value) -> None:
    """The `i`-th scalar of this step is `value` this time. If that differs from the constant so far, the place
    becomes an input for good, and the programs below, which burnt the constant in, are dropped."""
    const = trace.consts[i]
    if const is VARIED or same_number(const, value):
        return
    stats.reasons.append(f"{trace.line}: a scalar of {trace.op.name} changed from {const!r} to {value!r}; now an input")
    vary(trace, i)


def vary(trace: Trace, i: int) -> None:
    """The `i`-th scalar of this step is an input from now on."""
    if trace.consts[i] is VARIED:
        return
    trace.consts[i] = VARIED
    stack = [trace]
    while stack:
        node = stack.pop()
        forget(node)
        stack.extend(node.children.values())


def forget(trace: Trace) -> None:
    """The programs of this step are no longer valid."""
    if trace in _ends:
        stats.programs -= _ends[trace]
        _ends[trace] = 0
    trace.plans.clear()


def _evict() -> None:
    while stats.programs > _bound or len(_ends) > 4 * _bound:
        _drop_oldest()


def _drop_oldest() -> None:
    """Forget the path least recently used, with its programs."""
    trace, programs = _ends.popitem(last=False)
    stats.programs -= programs
    trace.plans.clear()
    _prune(trace)


def _prune(trace: Trace) -> None:
    """Remove a path's end that leads nowhere any more, and the jumps that lead into it."""
    removed = set()
    while trace.parent is not None and not trace.children and trace not in _ends:
        if trace.parent.children.get(trace.key) is trace:
            del trace.parent.children[trace.key]
        removed.add(trace)
        trace = trace.parent
    while trace is not None:
        for key in [k for k, jump in trace.jumps.items() if jump.end in removed]:
            del trace.jumps[key]
        trace = trace.parent
