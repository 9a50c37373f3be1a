"""Files that are whole or not there: the old one stays until the new one has been written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

__all__ = ["opened", "replacing"]


def _is_path(f) -> bool:
    return isinstance(f, str | os.PathLike)


@contextlib.contextmanager
def replacing(f) -> Iterator:
    """A binary file to write to, which becomes `f` at the end; nothing changes if something is raised before. A file
    object is written to as it is."""
    if not _is_path(f):
        yield f
        return
    path = os.fspath(f)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            mode = os.stat(path).st_mode & 0o777
        except FileNotFoundError:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def opened(f) -> Iterator:
    """A binary file to read from, at its beginning or where a file object stands."""
    if _is_path(f):
        with open(f, "rb") as file:
            yield file
    else:
        for name in ("read", "seek", "tell"):
            if not hasattr(f, name):
                raise AttributeError(
                    f"'{type(f).__name__}' object has no attribute '{name}'. You can only torch.load from a file "
                    "that is seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from "
                    "it instead."
                )
        yield f
