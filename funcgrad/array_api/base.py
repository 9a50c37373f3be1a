"""What the files of this folder share: the functions of the tables, and the standard's ways with axes and dtypes."""

from __future__ import annotations

from types import SimpleNamespace

from .. import dtypes
from ..device import check_device
from ..tensor import NAMES, Tensor

F = SimpleNamespace(**NAMES["torch"])


def array(x, like: Tensor) -> Tensor:
    """A Python number beside an array: of the array's dtype, unless that is of a lesser kind."""
    return x if isinstance(x, Tensor) else F.tensor(x, dtype=F.result_type(like, x))


def both(x1, x2) -> tuple[Tensor, Tensor]:
    """Two operands of one dtype. An array without dimensions counts as any other, which PyTorch has otherwise.

    Raises TypeError if neither is an array.
    """
    if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        raise TypeError(f"one operand must be an array, got {type(x1).__name__} and {type(x2).__name__}")
    x1, x2 = array(x1, x2), array(x2, x1)
    if x1.dtype is not x2.dtype:
        dtype = dtypes.promote_types(x1.dtype, x2.dtype)
        x1, x2 = x1.to(dtype), x2.to(dtype)
    return x1, x2


def axes(x: Tensor, axis) -> tuple[int, ...]:
    """Every axis for None."""
    if axis is None:
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def on(device) -> None:
    """Raises RuntimeError for a device that is not the one in use."""
    if device is not None:
        check_device(device)
