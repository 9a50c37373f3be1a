"""Floor 0. How exactly float32 is multiplied on a GPU, where PyTorch and JAX begin differently.

PyTorch's matrix products are exact to float32 and its convolutions are in TensorFloat-32; JAX's are all in
TensorFloat-32. Programs begin as PyTorch's do. Who sets JAX's `jax_default_matmul_precision`, by itself or through
`set_float32_matmul_precision`, gets that. Other platforms have one way, JAX's.
"""

from __future__ import annotations

import contextlib
import threading

import jax
from jax import lax

convolutions_in_tf32 = True  # `torch.backends.cudnn.allow_tf32`

_here = threading.local()  # .exact: inside `as_pytorch`, which sets JAX's precision itself


def as_pytorch():
    """A context to trace an operator in."""
    if jax.config.jax_default_matmul_precision is not None or jax.default_backend() != "gpu":
        return contextlib.nullcontext()
    return _exact()


@contextlib.contextmanager
def _exact():
    with jax.default_matmul_precision("highest"):
        _here.exact = True
        try:
            yield
        finally:
            _here.exact = False


def of_convolutions() -> lax.Precision | None:
    """The `precision` of a convolution of JAX: what the context says, but for PyTorch's exception."""
    return lax.Precision.DEFAULT if convolutions_in_tf32 and getattr(_here, "exact", False) else None
