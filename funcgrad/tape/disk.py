"""Programs on disk, so that the next process starts fast. One setting: the environment variable FUNCGRAD_CACHE_DIR, or
`cache_dir(path)`. Off by default.

Two things are kept. What XLA made of a program: JAX's own persistent cache does that. And what JAX made of a path, as
StableHLO, under what the path computes (see `describe`): a path that an earlier process has lowered is neither traced
nor lowered again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jax

from .describe import Untold

VARIABLE = "FUNCGRAD_CACHE_DIR"
_paths: Path | None = None  # the folder of lowered paths


def cache_dir(path: str | os.PathLike | None) -> None:
    """Keep compiled programs in the folder `path` from now on, also those that took no time to compile; None: no more.

    It sets JAX's own persistent cache, so that programs of plain JAX in this process are kept there as well. Programs
    are found again by what they compute, with the versions of funcgrad, JAX and XLA and the device: nothing stale is
    ever used. Programs that contain the user's own functions are traced in every process.
    """
    global _paths
    jax.config.update("jax_compilation_cache_dir", None if path is None else os.fspath(path))
    _paths = None if path is None else Path(path) / "paths"
    if path is not None:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@cache
def cache_from_environment() -> None:
    """Once, before the first program is compiled."""
    path = os.environ.get(VARIABLE)
    if path:
        cache_dir(path)


def lowered_before(jitted, structs: list, digest: Callable[[], str]):
    """A function like `jitted` that needs no tracing, if its path can be kept on disk; else None.

    digest  what tells the path from all others; may raise Untold
    """
    if _paths is None:
        return None
    try:
        file = _paths / digest()
    except Untold:
        return None
    try:
        return jax.export.deserialize(bytearray(file.read_bytes())).call
    except Exception:  # not there, or not whole
        pass
    try:
        exported = jax.export.export(jitted)(*structs)
        _write(file, exported.serialize())
    except Exception:  # it cannot be kept; or not be traced, which whoever lowers it now will hear of
        return None
    return exported.call


def _write(file: Path, data: bytes) -> None:
    """The whole file or none: other processes may be reading and writing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as made:
        made.write(data)
    os.replace(made.name, file)
