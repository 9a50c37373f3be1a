"""The user's line: where in their code an operation was recorded. Asked for on misses only."""

from __future__ import annotations

import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_INSIDE: dict[str, bool] = {}


def is_ours(filename: str) -> bool:
    """Whether a source file is funcgrad's own, not the user's."""
    inside = _INSIDE.get(filename)
    if inside is None:
        inside = filename.startswith(_HOME) and not filename.startswith((_HOME + "demo", _HOME + "bench"))
        inside = _INSIDE[filename] = inside or filename.startswith("<funcgrad")
    return inside


def user_line() -> str:
    """'file.py:12' of the innermost frame outside funcgrad."""
    frame = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "?"
