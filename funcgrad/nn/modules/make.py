"""What layers are made with: parameters whose numbers are still to be set."""

from __future__ import annotations

import numpy as np

from ... import dtypes
from ...device import check_device
from ...tape import constant
from ...tensor import Tensor
from ...tensor.tensor import wrap
from ..parameter import Parameter

__all__ = ["empty", "parameter"]


def empty(*shape: int, device=None, dtype=None) -> Tensor:
    """A tensor of zeros that is there at once: no program runs to make it."""
    check_device(device)
    dtype = dtype or dtypes.get_default_dtype()
    return wrap(constant(np.zeros(shape, dtype.np), dtype))


def parameter(*shape: int, device=None, dtype=None) -> Parameter:
    """A Parameter of that shape; its layer sets its numbers."""
    return Parameter(empty(*shape, device=device, dtype=dtype))
