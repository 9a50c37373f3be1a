"""Anomaly detection: which backward raised or made a NaN, and where its forward was called.

Numbers are not looked at rule by rule: each rule records whether it made a NaN, and one run at the end
of the walk fetches all answers.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager

from ..op import REGISTRY
from ..tape import Lifted, force, record


class _State:
    enabled = False
    check_nan = True
    notes: tuple = ()  # (name of the node, which output, Value of the answer, traceback)


state = _State()


@contextmanager
def named(name: str, traceback: str | None):
    """An error inside warns with the forward call."""
    try:
        yield
    except Exception:
        if state.enabled:
            _tell(name, traceback)
        raise


def _tell(name: str, traceback: str | None) -> None:
    if traceback is None:
        words = (
            f"Error detected in {name}. No forward pass information available. Enable detect anomaly during forward "
            "pass for more information."
        )
    else:
        words = f"Error detected in {name}. Traceback of forward call that caused the error:\n{traceback}"
    warnings.warn(words, UserWarning, stacklevel=2)


def note(name: str, traceback: str | None, cotangents) -> None:
    """Record whether there is a NaN among the cotangents that the node `name` gave."""
    if not (state.enabled and state.check_nan):
        return
    for i, g in enumerate(g for g in cotangents if g is not None):
        if not isinstance(g, Lifted) and g.spec.dtype.differentiable:
            answer = record(REGISTRY["any"], (record(REGISTRY["isnan"], (g,)),), {"dim": None, "keepdim": False})
            state.notes += ((name, i, answer, traceback),)


def look() -> None:
    """Raise for the first NaN noted in this walk."""
    notes, state.notes = state.notes, ()
    for name, i, answer, traceback in notes:
        if bool(force(answer)):
            _tell(name, traceback)
            raise RuntimeError(f"Function '{name}' returned nan values in its {i}th output.")
