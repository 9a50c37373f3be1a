"""What PyTorch's files call things: storages by dtype, and the functions that rebuild tensors."""

from __future__ import annotations

from .. import dtypes

__all__ = ["DTYPES", "STORAGES", "Named", "Storage"]

# PyTorch's name of a storage -> the dtype of what lies in it
STORAGES = {
    "FloatStorage": dtypes.float32, "DoubleStorage": dtypes.float64, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8, "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64, "ComplexDoubleStorage": dtypes.complex128,
}  # fmt: skip
# those without a storage of their own name lie in bytes
BYTES = (dtypes.uint16, dtypes.uint32, dtypes.uint64)
DTYPES = {str(d).removeprefix("torch."): d for d in (*STORAGES.values(), *BYTES)}
OF_DTYPE = {d: name for name, d in STORAGES.items()}


class Named:
    """Something that only PyTorch has, by its name there."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self, *args):  # a pickle may only apply what can be called
        raise TypeError(f"{self.module}.{self.name} stands for a name in a file")


class Storage:
    """The bytes of a tensor on their way into a file: its key there, and its numbers."""

    def __init__(self, key: str, dtype, array):
        self.key, self.dtype, self.array = key, dtype, array
