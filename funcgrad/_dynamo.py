"""Floor 6. `torch._dynamo`: switches of PyTorch's compiler that programs set, kept and accepted."""

from __future__ import annotations

from types import SimpleNamespace

from .compiler import reset

__all__ = ["config", "reset"]

config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8)
