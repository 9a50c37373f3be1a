"""Floor 6. `torch.types`: names for annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from .device import device
from .dtypes import DType
from .tensor import Size, Tensor

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = Any  # there are no storages here

_dtype, _device, _size = DType, device, Size | list[int] | tuple[int, ...]
_bool, _int, _float, _complex = bool, int, float, complex
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
