"""`detect_anomaly`: which backward raised or made a NaN, and where its forward was called."""

from __future__ import annotations

import traceback
import warnings

from ..engine import anomaly, attached_to
from ..tape import local, set_watch
from ..tape.where import is_ours

WARNING = (
    "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."
)


def is_anomaly_enabled() -> bool:
    return anomaly.state.enabled


def is_anomaly_check_nan_enabled() -> bool:
    return anomaly.state.check_nan


def _see(tape, step, args, made) -> None:
    """Note the forward call of a step that will have a backward."""
    if any(v.spec.needs for v in made):
        frames = [f for f in traceback.extract_stack() if not is_ours(f.filename)]
        attached = attached_to(tape, step.first)
        attached.traceback = "".join(traceback.format_list(frames))
        attached.metadata.setdefault("traceback_", attached.traceback.splitlines(keepends=True))


def _set(enabled: bool, check_nan: bool) -> None:
    anomaly.state.enabled, anomaly.state.check_nan = enabled, check_nan
    others = tuple(w for w in local.watch if w is not _see)
    set_watch((*others, _see) if enabled else others)


class set_detect_anomaly:
    """Look for anomalies or not; as a context, put the old state back at the end.

    check_nan  also raise when a backward makes a NaN
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = anomaly.state.enabled, anomaly.state.check_nan
        _set(bool(mode), bool(check_nan))

    def __enter__(self):
        return None

    def __exit__(self, kind, error, tb):
        _set(*self._before)


class detect_anomaly:
    """Within, a backward that raises shows the forward call it belongs to; one that makes a NaN raises RuntimeError.

    Everything recorded inside notes where it was called, so that is slow. NaNs cost one run a backward: each rule's
    answer is recorded, and all are looked at together.
    """

    def __init__(self, check_nan: bool = True):
        self.check_nan = check_nan
        warnings.warn(WARNING, UserWarning, stacklevel=2)

    def __enter__(self):
        self._before = anomaly.state.enabled, anomaly.state.check_nan
        _set(True, self.check_nan)

    def __exit__(self, kind, error, tb):
        _set(*self._before)
