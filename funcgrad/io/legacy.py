"""PyTorch's format before archives: several pickles, then the bytes of all storages one after the other.

Knows the order of its parts. What a pickle in it may name is decided by whoever asks.
"""

from __future__ import annotations

import io
import pickle
import pickletools

import numpy as np

__all__ = ["load", "pickled"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Numbers(pickle.Unpickler):
    """Reads numbers, strings and containers: no name is allowed."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"{module}.{name} where only numbers and strings may be")


def _skip(file) -> bytes:
    """The bytes of the next pickle, not executed."""
    start = file.tell()
    for op, _, _ in pickletools.genops(file):
        if op.name == "STOP":
            break
    end = file.tell()
    file.seek(start)
    return file.read(end - start)


def pickled(file) -> bytes:
    """The pickle of the object, after the three before it."""
    for _ in range(3):
        _skip(file)
    return _skip(file)


def load(file, Unpickler, encoding: str, find):
    """The object in `file`. Raises RuntimeError if it is not of this format."""
    try:
        magic = _Numbers(file).load()
    except Exception as error:
        raise RuntimeError(f"this is no file of PyTorch's: {type(error).__name__}: {error}") from None
    if magic != MAGIC or _Numbers(file).load() != PROTOCOL:
        raise RuntimeError("Invalid magic number; corrupt file?")
    _Numbers(file).load()  # the machine it was written on
    text = _skip(file)
    wanted: dict = {}

    def note(key: str, dtype, count: int) -> np.ndarray:
        wanted[key] = (dtype, count)
        return np.zeros(count, dtype.np) if count < 1 << 40 else np.zeros(0, dtype.np)

    # once to learn which storages there are, and again with what is in them
    Unpickler(io.BytesIO(text), note, encoding, find).load()
    arrays = {}
    for key in _Numbers(file, encoding=encoding).load():
        dtype, count = wanted[key]
        size = int.from_bytes(file.read(8), "little")
        data = file.read(count * dtype.np.itemsize)
        if size != count or len(data) != count * dtype.np.itemsize:
            raise RuntimeError(f"storage {key} has {size} elements, not {count}; corrupt file?")
        arrays[key] = np.frombuffer(data, dtype.np)
    return Unpickler(io.BytesIO(text), lambda key, dtype, count: arrays[key], encoding, find).load()
