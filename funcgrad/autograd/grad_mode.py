"""`torch.autograd.grad_mode`: the modes, under the module name that PyTorch gives them."""

from ..engine import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


class set_multithreading_enabled:
    """Accepted, as a context or a call, and does nothing: a backward is recorded by the thread that asks for it."""

    def __init__(self, mode: bool):
        self.mode = mode

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, tb) -> None:
        return None
