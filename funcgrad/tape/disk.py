"""Compiled programs on disk, so that the next process starts fast: JAX's own persistent cache, switched on at once.

One setting: the environment variable FUNCGRAD_CACHE_DIR, or `cache_dir(path)`. Off by default.
"""

from __future__ import annotations

import os
from functools import cache

import jax

VARIABLE = "FUNCGRAD_CACHE_DIR"


def cache_dir(path: str | os.PathLike | None) -> None:
    """Keep compiled programs in the folder `path` from now on, also those that took no time to compile; None: no more.

    It is JAX's setting, so that programs of plain JAX in this process are kept there as well. Programs are found again
    by what they compute, with the versions of JAX and XLA and the device: nothing stale is ever used.
    """
    jax.config.update("jax_compilation_cache_dir", None if path is None else os.fspath(path))
    if path is not None:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@cache
def cache_from_environment() -> None:
    """Once, before the first program is compiled."""
    path = os.environ.get(VARIABLE)
    if path:
        cache_dir(path)
