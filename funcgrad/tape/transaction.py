"""What makes a run a transaction: a failure loses nothing, an interrupt waits for the commit."""

from __future__ import annotations

import _signal  # what `signal` wraps in conversions to enums, which cost more than all else of a small run
import signal
import threading

from .program import lower
from .tape import Tape
from .value import Failed, LeafValue


def roll_back(tape: Tape, live: tuple, error: Exception) -> None:
    """Mark what cannot be computed, and put back what was rebound in place to it."""
    step = getattr(error, "funcgrad_step", None)
    steps = tape.trace.steps()
    culprits = [step] if step is not None else [t for t in steps if t.op is not None and t.op.host]
    for t in culprits if step is None else ():
        error.add_note(f"while running {t.op.name}, recorded at {t.line}")
    bad: set[int] = set()
    for t in steps:
        if t in culprits or not bad.isdisjoint(a for a in t.args if a is not None):
            bad.update(t.outs)
    if not culprits:
        bad = _each_alone(tape, live)
    for slot in [s for s in tape.pending if s in bad]:
        v = tape.pending.pop(slot)
        v.tape, v.home, v.array, v.graph = None, None, Failed(error), None
    for ref, attr, old in reversed(tape.journal.values()):
        owner = ref()
        if owner is not None and _is_failed(getattr(owner, attr)):
            setattr(owner, attr, old)
    # after the journal, because it knows gradients that were there before
    for v in reversed(tape.entered.values()):
        if v.__class__ is LeafValue and v.home is None:
            v.owner.restore(v, _is_failed)
    tape.journal = {
        k: (ref, attr, old) for k, (ref, attr, old) in tape.journal.items() if ref() is not None
    }


def _is_failed(held) -> bool:
    """A Value, or a Tensor that holds one, whose run failed."""
    v = getattr(held, "_value", held)
    return getattr(v, "array", None).__class__ is Failed


def _each_alone(tape: Tape, live: tuple) -> set[int]:
    """The operation at fault is not known: compute every live Value by itself. The slots that fail."""
    bad = set()
    for slot in live:
        try:
            program = lower(tape.trace, (slot,), frozenset())
            program.run(tape.entered, tape.scalars)
        except Exception:
            bad.add(slot)
    return bad


_SIGINT, _IGNORED = int(signal.SIGINT), int(signal.SIG_IGN)
_main = threading.main_thread().ident


class Uninterrupted:
    """Holds Ctrl-C back while donated arrays and their successors change hands (main thread only)."""

    __slots__ = ("caught", "handler")

    def __enter__(self):
        self.caught = None
        self.handler = None
        if threading.get_ident() == _main:
            handler = _signal.getsignal(_SIGINT)
            if handler is not None and handler != _IGNORED:
                self.handler = handler
                _signal.signal(_SIGINT, self._later)

    def _later(self, number, frame):
        self.caught = (number, frame)

    def __exit__(self, kind, error, tb):
        if self.handler is not None:
            _signal.signal(_SIGINT, self.handler)
            if self.caught is not None and callable(self.handler):
                self.handler(*self.caught)
        return False
