"""Floor 6. The names of PyTorch's C module that classes of Tensors use."""

from __future__ import annotations

from .tensor.overrides import _disabled_torch_function_impl
from .tensor.overrides import disabled as DisableTorchFunctionSubclass

__all__ = ["DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]
