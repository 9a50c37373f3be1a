"""`load`: what `save`, PyTorch's or ours, has written.

Knows archives and the list of what may be named. Must not know how they are written.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import re
import zipfile
from types import ModuleType

import numpy as np

from ..device import check_device
from . import legacy
from .allowed import ALWAYS, Loaded, _Kind, find, refuse
from .files import opened

__all__ = ["load"]


class Unpickler(pickle.Unpickler):
    """Names come from a list; storages from `read`, key and dtype -> numbers."""

    def __init__(self, file, read, encoding: str = "utf-8", find=find):
        super().__init__(file, encoding=encoding)
        self._read, self._find, self._storages = read, find, {}

    def find_class(self, module: str, name: str):
        return self._find(module, name)

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in ("storage", b"storage"):
            raise refuse(f"persistent_load takes storages, got {str(pid)[:80]}")
        _, kind, key, _location, count = pid[:5]
        plain = isinstance(key, str) and re.fullmatch(r"\w+", key) and type(count) is int
        if not isinstance(kind, _Kind) or not plain:
            raise refuse(f"a storage of another form: {str(pid)[:80]}")
        if key not in self._storages:
            self._storages[key] = Loaded(self._read(key, kind.dtype, count))
        return self._storages[key]


def load(f, map_location=None, pickle_module: ModuleType | None = None, *, weights_only: bool | None = None,
         mmap: bool | None = None, **pickle_load_args):  # fmt: skip
    """Read an object that `save` wrote, PyTorch's or this one, in either of PyTorch's formats.

    f             a path, or a binary file object that can seek
    map_location  checked; everything is on the one device that JAX uses
    weights_only  nothing in the file is executed: tensors, containers, numbers and strings, and what
                  `serialization.add_safe_globals` allows. False reads any pickle, and trusts it
    mmap          accepted; a file is read

    Raises pickle.UnpicklingError for a file that names anything else.
    """
    _check_location(map_location)
    weights_only = pickle_module is None if weights_only is None else weights_only
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    names = find if weights_only else _any
    encoding = pickle_load_args.pop("encoding", "utf-8")
    with opened(f) as file:
        start = file.tell()
        head = file.read(4)
        file.seek(start)
        if not head:
            raise EOFError("Ran out of input")
        if head == b"PK\x03\x04":
            return _load_archive(file, encoding, names)
        return legacy.load(file, Unpickler, encoding, names)


def _check_location(location) -> None:
    if location is None or callable(location) or isinstance(location, dict):
        return
    check_device(location)


class _Archive:
    """An archive, its one folder, and how large what is in it may be."""

    def __init__(self, file):
        try:
            self.zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise RuntimeError(
                f"PytorchStreamReader failed reading zip archive: {error}. The file may be incomplete or corrupted."
            ) from None
        names = self.zip.namelist()
        found = [n for n in names if n.endswith("/data.pkl") and n.count("/") == 1]
        if not found:
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        self.stem = found[0][: -len("/data.pkl")]
        order = f"{self.stem}/byteorder"
        self.little = order not in names or self.zip.read(order).strip() == b"little"

    def read(self, key: str, dtype, count: int) -> np.ndarray:
        """The numbers of a storage. Raises UnpicklingError if there are not `count` of them."""
        try:
            info = self.zip.getinfo(f"{self.stem}/data/{key}")
        except KeyError:
            raise refuse(f"there is no storage {key} in the archive") from None
        if info.file_size != count * dtype.np.itemsize:
            raise refuse(f"storage {key} has {info.file_size} bytes, not {count} of {dtype}")
        if info.compress_type != zipfile.ZIP_STORED and info.file_size > 1000 * max(info.compress_size, 1):
            raise refuse(f"storage {key} is packed more than a thousandfold")
        try:
            data = self.zip.read(info)
        except zipfile.BadZipFile as error:
            raise RuntimeError(f"PytorchStreamReader failed reading file data/{key}: {error}") from None
        array = np.frombuffer(data, dtype.np if self.little else dtype.np.newbyteorder(">"))
        return array if self.little else array.astype(dtype.np)


def _load_archive(file, encoding: str, names):
    import io

    archive = _Archive(file)
    with archive.zip:
        text = io.BytesIO(archive.zip.read(f"{archive.stem}/data.pkl"))
        return _guarded(Unpickler(text, archive.read, encoding, names))


def _guarded(unpickler):
    """What it reads; anything that goes wrong inside a pickle is the file's fault."""
    try:
        return unpickler.load()
    except pickle.UnpicklingError:
        raise
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise refuse(f"{type(error).__name__}: {error}") from error


def pickled(file) -> bytes:
    """The pickle in a file."""
    if file.read(4) == b"PK\x03\x04":
        file.seek(0)
        archive = _Archive(file)
        with archive.zip:
            return archive.zip.read(f"{archive.stem}/data.pkl")
    file.seek(0)
    return legacy.pickled(file)


def _any(module: str, name: str):
    """Any name, PyTorch's own as ours: what `weights_only=False` trusts."""
    module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)  # as protocol 2 has them
    full = f"{module}.{name}"
    if full in ALWAYS:
        return ALWAYS[full]
    if module == "torch" or module.startswith("torch."):
        return _ours(module, name)
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _ours(module: str, name: str):
    own = __package__.partition(".")[0]
    for place in (module.replace("torch", own, 1), f"{own}.nn", f"{own}.optim", own):
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(place), name)
    raise pickle.UnpicklingError(f"{own} has nothing that stands for {module}.{name}")
