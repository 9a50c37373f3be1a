"""`torch.utils.dlpack`: arrays from and to other libraries."""

from __future__ import annotations

from ..tensor import NAMES, Tensor

__all__ = ["from_dlpack", "to_dlpack"]

from_dlpack = NAMES["torch"]["from_dlpack"]


def to_dlpack(tensor: Tensor):
    """A capsule of the protocol, for one reader."""
    return tensor.__dlpack__()
