"""`torch.autograd.profiler`: names for what is recorded, which the compiled program carries, and traces of what ran.

The traces are those of `jax.profiler`: there is no second profiler here.
"""

from __future__ import annotations

import functools
import os
import tempfile

import jax

from ..tape import local, run, set_scope, wait
from .kernels import Kernels, copy_trace, kernels

__all__ = ["emit_itt", "emit_nvtx", "profile", "record_function"]


class record_function:
    """Within, operations are recorded under this name: in the compiled program each is `name/operation`.

    As a context or as a decorator. Another name is another program.

    >>> import funcgrad as torch
    >>> with torch.autograd.profiler.record_function("encoder"):
    ...     y = torch.ones(2) * 2
    >>> y
    tensor([2., 2.])
    """

    def __init__(self, name: str, args: str | None = None):
        self.name = name

    def __enter__(self):
        self._before = local.scope
        set_scope((*self._before, self.name))
        return self

    def __exit__(self, kind, error, tb):
        set_scope(self._before)

    def __call__(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with record_function(self.name):
                return f(*args, **kwargs)

        return wrapper


class profile:
    """Within, what runs is traced by `jax.profiler`; what was recorded before the end is run within.

    enabled  False: nothing is traced. PyTorch's other options are accepted and change nothing: a trace has it all

    `key_averages()` are the kernels of XLA that ran, with their times; `export_chrome_trace` writes the whole.

    >>> import funcgrad as torch
    >>> with torch.autograd.profiler.profile() as prof:
    ...     y = (torch.ones(64, 64) @ torch.ones(64, 64)).sum().item()
    >>> sum(k.count for k in prof.key_averages()) > 0
    True
    """

    def __init__(self, enabled: bool = True, **_options):
        self._enabled, self._on = enabled, False
        self._folder: str | None = None

    def __enter__(self):
        if self._enabled:
            run()  # what was recorded before is not part of it
            self._begin()
        return self

    def __exit__(self, kind, error, tb):
        if self._on:
            self._end()

    def _begin(self) -> None:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="funcgrad-trace-")
        os.makedirs(self._folder, exist_ok=True)
        jax.profiler.start_trace(self._folder)
        self._on = True

    def _end(self) -> None:
        wait()
        jax.profiler.stop_trace()
        self._on = False

    def key_averages(self, *args, **kwargs) -> Kernels:
        """The kernels that ran in the last trace, those that took longest first. Its `table()` is a text."""
        return Kernels() if self._folder is None else kernels(self._folder)

    def table(self, *args, **kwargs) -> str:
        """`key_averages().table(...)`"""
        return self.key_averages().table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the last trace to `path`, for Chrome's `about:tracing` or Perfetto. Raises RuntimeError if there is
        none."""
        if self._folder is None:
            raise RuntimeError("there is no trace: nothing was profiled")
        copy_trace(self._folder, path)


class emit_nvtx:
    """Accepted, and does nothing: XLA marks what it runs on a GPU by itself, `record_function` names included."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        self.enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        return None


class emit_itt(emit_nvtx):
    """Accepted, and does nothing."""
