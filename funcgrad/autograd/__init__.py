"""Floor 6. `torch.autograd` as users meet it: the engine's modes and nodes, and what takes Tensors.

Knows the Tensor and what is below it. The sweep itself is `engine/`.
"""

from ..engine import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from ..tensor import Tensor as Variable
from ..tensor import backward, grad

__all__ = [
    "Variable",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]
