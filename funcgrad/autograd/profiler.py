"""`record_function`: a name for what is recorded inside, which the compiled program carries.

XLA's own profiler shows it (`jax.profiler.trace`): there is no second profiler here.
"""

from __future__ import annotations

import functools

from ..tape import local, set_scope


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
