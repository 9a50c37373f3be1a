"""`torch.autograd.grad_mode`: the modes, under the module name that PyTorch gives them."""

from ..engine import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
