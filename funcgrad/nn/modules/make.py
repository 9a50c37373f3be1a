"""What layers are made with: parameters whose numbers are still to be set."""

from __future__ import annotations

import numpy as np

from ... import dtypes
from ...device import check_device
from ...tape import constant
from ...tensor import Tensor
from ...tensor.tensor import wrap
from ..module import Module
from ..parameter import Parameter

__all__ = ["assign", "empty", "parameter"]


def empty(*shape: int, device=None, dtype=None) -> Tensor:
    """A tensor of zeros that is there at once: no program runs to make it."""
    check_device(device)
    dtype = dtype or dtypes.get_default_dtype()
    return wrap(constant(np.zeros(shape, dtype.np), dtype))


def parameter(*shape: int, device=None, dtype=None) -> Parameter:
    """A Parameter of that shape; its layer sets its numbers."""
    return Parameter(empty(*shape, device=device, dtype=dtype))


def assign(layer: Module, name: str, made: Parameter | None) -> None:
    """`layer.name = made`; without one the name is that of a parameter all the same."""
    if made is None:
        layer.register_parameter(name, None)
    else:
        setattr(layer, name, made)
