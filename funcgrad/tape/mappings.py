"""XLA's programs for the CPU are made of many small memory mappings, and Linux allows a process only so many.

Past that number the next compilation crashes the process, so the cache gives programs up before.
"""

from __future__ import annotations

_EACH = 2000  # steps compiled between two looks
_since = 0


def crowded(steps: int) -> bool:
    """Whether this process is short of mappings, now that a program of so many steps has been compiled."""
    global _since
    _since += steps
    if _since < _EACH:
        return False
    _since = 0
    try:
        with open("/proc/sys/vm/max_map_count") as f:
            allowed = int(f.read())
        with open("/proc/self/maps", "rb") as f:
            used = sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 16), b""))
    except (OSError, ValueError):  # not Linux
        return False
    return used > allowed // 2
