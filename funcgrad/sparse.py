"""Floor 6. `torch.sparse`: products and sums of what programs hold sparse, dense here (`tensor/sparse`)."""

from __future__ import annotations

from .tensor import NAMES

__all__ = ["addmm", "mm", "sum"]

_T = NAMES["torch"]
mm, addmm = _T["mm"], _T["addmm"]


def sum(input, dim=None, dtype=None):
    """The sum over all, or over `dim`."""
    return _T["sum"](input, dtype=dtype) if dim is None else _T["sum"](input, dim, dtype=dtype)
