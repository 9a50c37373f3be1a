"""Floor 6. `torch.profiler`, over JAX's own: traces of what ran, step by step, in a folder that TensorBoard shows."""

from __future__ import annotations

from enum import Enum

from .autograd import profiler as base
from .autograd.profiler import record_function
from .tape import run

__all__ = ["ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler"]


class ProfilerActivity(Enum):
    """What PyTorch's profiler watches; JAX's watches all of it."""

    CPU, CUDA, XPU = 0, 1, 2


class ProfilerAction(Enum):
    """What happens in one step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **_more):
    """From the number of a step to what happens in it: wait, warm up, record, over and over."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        cycle = wait + warmup + active
        if step < 0 or (repeat and step >= repeat * cycle):
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False):
    """For `on_trace_ready`: where the trace goes."""

    def handler(prof) -> None:
        """Written there already."""

    handler.folder = dir_name
    return handler


class profile(base.profile):
    """Within, what runs is traced by `jax.profiler`; with a schedule, in the steps that it says.

    on_trace_ready  called with the profile after each trace; see `tensorboard_trace_handler`

    PyTorch's other options are accepted and change nothing: a trace has it all. See `torch.autograd.profiler.profile`
    for what can be asked of it.
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, **_options):
        super().__init__()
        self._schedule, self._ready, self._step = schedule, on_trace_ready, 0
        self._folder = getattr(on_trace_ready, "folder", None)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, error, tb):
        self.stop()

    def _now(self) -> ProfilerAction:
        return ProfilerAction.RECORD if self._schedule is None else self._schedule(self._step)

    def start(self) -> None:
        """Begin."""
        run()  # what was recorded before is not part of it
        self._turn()

    def stop(self) -> None:
        """End, and hand the trace over."""
        if self._on:
            self._end()

    def step(self) -> None:
        """The next step of a training loop begins."""
        if self._on and self._now() is ProfilerAction.RECORD_AND_SAVE:
            self._end()
        self._step += 1
        self._turn()

    def _turn(self) -> None:
        wanted = self._now() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if wanted and not self._on:
            self._begin()

    def _end(self) -> None:
        super()._end()
        if self._ready is not None:
            self._ready(self)
