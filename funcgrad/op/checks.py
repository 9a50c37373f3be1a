"""Checks that many rows need, in PyTorch's words. They run when a shape is inferred, never on a hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def wrap_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front; a 0-d tensor accepts -1 and 0."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim + n if dim < 0 else dim


def wrap_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """All of `dim` counted from the front, each once; None and () mean every dimension."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    dims = tuple(wrap_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    for i, d in enumerate(dims):
        if d in dims[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return dims if ndim else ()


@dataclass(frozen=True)
class Indices:
    """Which numbers the index of a row may have, and what PyTorch raises at others.

    words     of {index}, {dim}, {size}
    name      of the argument
    negative  whether -size to -1 count from the end
    flat      positions among all elements, where no dimension is given
    """

    error: type[Exception] = RuntimeError
    words: str = "index {index} is out of bounds for dimension {dim} with size {size}"
    name: str = "index"
    negative: bool = False
    flat: bool = False

    def check(self, numbers: np.ndarray, shape: tuple[int, ...], dim: int | None) -> None:
        """That all of `numbers` are in range for an array of this shape, along `dim`."""
        if self.flat != (dim is None) or (dim is not None and not -max(len(shape), 1) <= dim < max(len(shape), 1)):
            return  # a dim about which there is something else to say
        dim = 0 if self.flat else wrap_dim(dim, len(shape))
        size = math.prod(shape) if self.flat else shape[dim] if shape else 1
        low, high = numbers.min(), numbers.max()
        if high >= size or low < (-size if self.negative else 0):
            wrong = high if high >= size else low
            raise self.error(self.words.format(index=int(wrong), dim=dim, size=size))


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape, or PyTorch's error naming the first dimension (from the right) that disagrees."""
    result: tuple[int, ...] = shapes[0]
    for shape in shapes[1:]:
        if shape == result:
            continue
        long, short = (result, shape) if len(result) >= len(shape) else (shape, result)
        out = list(long)
        for i in range(1, len(short) + 1):
            a, b = result[-i], shape[-i]
            if a != b:
                if a != 1 and b != 1:
                    raise RuntimeError(
                        f"The size of tensor a ({a}) must match the size of tensor b ({b}) "
                        f"at non-singleton dimension {len(long) - i}"
                    )
                out[-i] = b if a == 1 else a
        result = tuple(out)
    return tuple(result)


def check_real(number, x) -> None:
    """That a complex number is not to be one of a real `x`."""
    if np.issubdtype(number.dtype, np.complexfloating) and not np.issubdtype(x.dtype, np.complexfloating):
        from ..dtypes import from_np

        name = from_np(x.dtype).legacy
        kind = {"Long": "int64_t", "Int": "int32_t"}.get(name, name.lower())
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow")


def same_dtype(name: str, a, b) -> None:
    """PyTorch's words for a matmul of unlike dtypes."""
    if a.dtype != b.dtype:
        from ..dtypes import from_np

        words = {"Half": "c10::Half", "BFloat16": "c10::BFloat16", "Long": "long int"}
        x, y = (from_np(t.dtype).legacy for t in (a, b))
        raise RuntimeError(
            f"expected {name} to have the same dtype, but got: {words.get(x, x.lower())} != {words.get(y, y.lower())}"
        )
