"""Names that PyTorch keeps for old programs, with its warning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

__all__ = ["deprecated"]


def deprecated(f: Callable) -> Callable:
    """`nn.init.uniform` for `nn.init.uniform_`."""
    old, new = f.__name__[:-1], f.__name__

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2
        )
        return f(*args, **kwargs)

    wrapper.__name__ = old
    return wrapper
