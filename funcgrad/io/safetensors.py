"""The safetensors format, by its own package: names and tensors, and nothing that could be executed.

    from funcgrad.io import safetensors
    safetensors.save_file(model.state_dict(), "model.safetensors")
"""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..dtypes import DType
from ..tape import constant, run
from ..tensor import Tensor
from ..tensor.interop import host
from ..tensor.tensor import wrap
from .files import replacing

__all__ = ["load", "load_file", "save", "save_file"]

NAMES: dict[str, DType] = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16, "I64": dtypes.int64,
    "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8, "U8": dtypes.uint8, "U16": dtypes.uint16,
    "U32": dtypes.uint32, "U64": dtypes.uint64, "BOOL": dtypes.bool_, "C64": dtypes.complex64,
}  # fmt: skip
_RUST = {name: str(dtype).removeprefix("torch.") for name, dtype in NAMES.items()}  # as the package spells them


def _package():
    try:
        import safetensors
    except ImportError as error:
        raise ImportError('this needs the safetensors package: pip install "funcgrad[safetensors]"') from error
    return safetensors


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors by name as the bytes of a file. Raises ValueError for a dtype that the format lacks."""
    package, named = _package(), {d: name for name, d in NAMES.items()}
    run()
    parts, arrays = {}, []
    for name, t in tensors.items():
        if t.dtype not in named:
            raise ValueError(f"safetensors has no dtype for {t.dtype}, which {name!r} has")
        array = np.ascontiguousarray(host(t))
        arrays.append(array)  # what a spec points to must live until it is written
        parts[name] = _part(package, _RUST[named[t.dtype]], tuple(t.shape), array)
    return bytes(package.serialize(parts, metadata=metadata))


def _part(package, dtype: str, shape: tuple, array: np.ndarray):
    """One tensor, in the words of this version of the package."""
    if hasattr(package, "TensorSpec"):
        return package.TensorSpec(dtype=dtype, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
    return {"dtype": dtype, "shape": list(shape), "data": array.tobytes()}


def save_file(tensors: dict[str, Tensor], filename, metadata: dict[str, str] | None = None) -> None:
    """Write tensors by name; the old file stays until the new one is whole."""
    data = save(tensors, metadata)
    with replacing(filename) as file:
        file.write(data)


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a file."""
    found = {}
    for name, part in _package().deserialize(data):
        dtype = NAMES[part["dtype"]]
        array = np.frombuffer(bytes(part["data"]), dtype.np).reshape(part["shape"])
        found[name] = wrap(constant(array, dtype))
    return found


def load_file(filename, device=None) -> dict[str, Tensor]:
    """The tensors in a file."""
    with open(filename, "rb") as file:
        return load(file.read())
