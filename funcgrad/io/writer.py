"""`save`: a pickle of the object, the bytes of its tensors beside it, in one archive as PyTorch writes it.

Real PyTorch reads it. Knows the names. Must not know how it is read.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np

from ..device import device as Device
from ..dtypes import DType
from ..nn.parameter import Parameter
from ..tape import run
from ..tensor import Size, Tensor
from ..tensor.interop import host
from ..tensor.storage import family_of, view_cut
from .files import replacing
from .names import OF_DTYPE, Named, Storage

__all__ = ["save"]

ALIGNED = 64  # bytes: where each storage begins in the file, a multiple of this
_REBUILD = Named("torch._utils", "_rebuild_tensor_v2")
_REBUILD_BYTES = Named("torch._utils", "_rebuild_tensor_v3")
_PARAMETER = Named("torch._utils", "_rebuild_parameter")
_DICT = Named("collections", "OrderedDict")
_SIZE, _DEVICE = Named("torch", "Size"), Named("torch", "device")


class _Empty:
    """An OrderedDict with nothing in it, as PyTorch writes the hooks of a tensor."""

    def __reduce__(self):
        return _DICT, ()


class _Pickler(pickle._Pickler):
    """Writes Tensors as PyTorch would, and the names that only PyTorch has. The pure Python pickler, since the other
    one looks every name up; what it writes is small."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012  the class's table, as pickle has it

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.storages: list[Storage] = []
        self._whole: dict[int, tuple[Storage, object]] = {}

    def _save_named(self, x: Named) -> None:
        self.write(pickle.GLOBAL + f"{x.module}\n{x.name}\n".encode())
        self.memoize(x)

    dispatch[Named] = _save_named

    def persistent_id(self, x):
        if not isinstance(x, Storage):
            return None
        own = OF_DTYPE.get(x.dtype)
        kind = Named("torch", own) if own else Named("torch.storage", "UntypedStorage")
        return ("storage", kind, x.key, "cpu", x.array.nbytes if x.dtype not in OF_DTYPE else x.array.size)

    def reducer_override(self, x):
        if isinstance(x, Parameter):
            return _PARAMETER, (self._tensor(x), x.requires_grad, _Empty())
        if isinstance(x, Tensor):
            if x.requires_grad and not x.is_leaf:
                x = x.detach().requires_grad_()  # the numbers go into a file, not the history
            return self._of(x)
        if isinstance(x, DType):
            return self._global(Named("torch", str(x).removeprefix("torch.")))
        if isinstance(x, Size):
            return _SIZE, (tuple(x),)
        if isinstance(x, Device):
            return _DEVICE, (x.type,) if x.index is None else (x.type, x.index)
        return NotImplemented

    def _global(self, x: Named):
        """What is only a name: reduced to a string, which `save_global` writes."""
        self._pending = x
        return "_"

    def save_global(self, obj, name=None):
        if isinstance(obj, DType):
            self.write(pickle.GLOBAL + f"{self._pending.module}\n{self._pending.name}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def _tensor(self, x: Tensor):
        """A plain tensor with the numbers of a Parameter."""
        return _Plain(self._of(x, False))

    def _of(self, x: Tensor, wants: bool | None = None):
        storage = self._storage(x)
        shape, strides = tuple(x.shape), _strides(x.shape)
        wants = x.requires_grad if wants is None else wants
        if x.dtype in OF_DTYPE:
            return _REBUILD, (storage, 0, shape, strides, wants, _Empty())
        return _REBUILD_BYTES, (storage, 0, shape, strides, wants, _Empty(), x.dtype)

    def _storage(self, x: Tensor) -> Storage:
        """Where the numbers of `x` are; the same for names of the same memory, such as tied weights."""
        owner = x if x._storage is None else x._storage
        found = view_cut(x)
        family = family_of(x)
        whole = x._storage is None or (not family.steps and (found is None or not found.steps))
        if whole and id(owner) in self._whole:
            return self._whole[id(owner)][0]
        made = Storage(str(len(self.storages)), x.dtype, np.ascontiguousarray(host(x)))
        self.storages.append(made)
        if whole:
            self._whole[id(owner)] = (made, owner)
        return made


class _Plain:
    def __init__(self, reduced):
        self._reduced = reduced

    def __reduce__(self):
        return self._reduced


def _strides(shape) -> tuple[int, ...]:
    made, n = [], 1
    for d in reversed(shape):
        made.append(n)
        n *= max(d, 1)
    return tuple(reversed(made))


def save(obj, f, pickle_module=None, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True) -> None:
    """Write an object with Tensors in it, such as a `state_dict`, to a file that PyTorch reads too.

    f  a path, or a binary file object

    Written to a path, the old file stays until the new one is whole. Views are written as tensors of their own;
    names of one memory, such as tied weights, once. Raises RuntimeError if there is no such directory.
    """
    if not _use_new_zipfile_serialization:
        raise NotImplementedError("save: only the archive format is written; the one before it can be read")
    run()  # one run for all that is still to be computed
    text = io.BytesIO()
    pickler = _Pickler(text)
    pickler.dump(obj)
    with replacing(f) as file:
        _archive(file, _stem(f), text.getvalue(), pickler.storages)


def _stem(f) -> str:
    name = os.path.basename(os.fspath(f)) if isinstance(f, str | os.PathLike) else getattr(f, "name", "archive")
    name = os.path.basename(name) if isinstance(name, str) else "archive"
    return os.path.splitext(name)[0] or "archive"


def _archive(file, stem: str, text: bytes, storages: list[Storage]) -> None:
    start = file.tell() if file.seekable() else 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:

        def write(name: str, data) -> None:
            info = zipfile.ZipInfo(f"{stem}/{name}", (1980, 1, 1, 0, 0, 0))
            header = archive.start_dir - start + 30 + len(info.filename.encode())
            # a field of padding, so that the data begins at a multiple of ALIGNED
            room = -(header + 4) % ALIGNED
            info.extra = b"FB" + room.to_bytes(2, "little") + b"Z" * room
            archive.writestr(info, data)

        write("data.pkl", text)
        write(".format_version", b"1")
        write(".storage_alignment", str(ALIGNED).encode())
        write("byteorder", b"little")
        for storage in storages:
            array = storage.array
            if array.dtype.byteorder == ">":
                array = array.astype(array.dtype.newbyteorder("<"))
            write(f"data/{storage.key}", array.tobytes())
        write("version", b"3\n")
        write(".data/serialization_id", str(abs(hash(text))).zfill(40)[:40].encode())
