"""`torch.nn.attention`: by which kernel attention is computed (XLA chooses), and attention with a function of one's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from enum import Enum

from . import flex_attention

__all__ = ["SDPBackend", "flex_attention", "sdpa_kernel"]


class SDPBackend(Enum):
    """PyTorch's kernels of `scaled_dot_product_attention`."""

    ERROR, MATH, FLASH_ATTENTION, EFFICIENT_ATTENTION, CUDNN_ATTENTION, OVERRIDEABLE = range(-1, 5)


@contextlib.contextmanager
def sdpa_kernel(backends: SDPBackend | Iterable[SDPBackend], set_priority: bool = False):
    """A context in which PyTorch takes one of these kernels. Here there is one way, which keeps no weights, in each.

    Raises AssertionError for what is no SDPBackend.
    """
    for backend in [backends] if isinstance(backends, SDPBackend) else list(backends):
        assert isinstance(backend, SDPBackend), "Backend must be an instance of SDPBackend or a list of SDPBackend instances"
    yield
