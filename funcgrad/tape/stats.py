"""What has happened so far: counters, and for each compile the reason for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields


@dataclass
class Stats:
    """Counts since the process began (or since `reset`).

    programs  compiled programs held now        runs      programs run
    compiles  programs compiled                 hits      runs that found their program
    seconds   spent lowering and compiling      jumps     backward walks taken from the cache
    misses    operations never seen before at their place     walks  backward walks taken step by step
    steps     steps of optimizers                 waiting    seconds spent waiting for numbers looked at
    """

    programs: int = 0
    compiles: int = 0
    seconds: float = 0.0
    runs: int = 0
    misses: int = 0
    jumps: int = 0
    walks: int = 0
    steps: int = 0
    waiting: float = 0.0
    reasons: deque = field(default_factory=lambda: deque(maxlen=200))

    def compiled(self, seconds: float) -> None:
        """Count a program that took `seconds` to compile."""
        self.compiles += 1
        self.seconds += seconds

    def snapshot(self) -> dict[str, float]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "reasons"}

    def reset(self) -> None:
        programs = self.programs
        self.__init__()
        self.programs = programs


stats = Stats()
