"""`torch.nn.parallel`: there is one device in use and one process, so a module is its own replica."""

from __future__ import annotations

import contextlib

from ... import distributed as _distributed
from ..module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class _Replica(Module):
    """`module`, called as it is; its parameters are named below `module.`, as in PyTorch."""

    def __init__(self, module: Module):
        super().__init__()
        self.module = module

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


class DataParallel(_Replica):
    """`module`, on the one device."""

    def __init__(self, module, device_ids=None, output_device=None, dim: int = 0):
        super().__init__(module)
        self.dim, self.device_ids, self.output_device = dim, [], output_device


class DistributedDataParallel(_Replica):
    """`module`, in the one process of the group. Raises ValueError before `distributed.init_process_group`, RuntimeError
    if no parameter wants a gradient."""

    def __init__(self, module, device_ids=None, output_device=None, dim: int = 0, broadcast_buffers: bool = True,
                 process_group=None, bucket_cap_mb=None, find_unused_parameters: bool = False,
                 gradient_as_bucket_view: bool = False, static_graph: bool = False, **more):  # fmt: skip
        super().__init__(module)
        _distributed.get_rank()  # there is a group, or it says so
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
            )
        self.dim, self.device_ids, self.output_device = dim, device_ids, output_device
        self.broadcast_buffers, self.require_backward_grad_sync = broadcast_buffers, True

    @contextlib.contextmanager
    def no_sync(self):
        """In it gradients are not reduced over processes: there is one, so nothing changes."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before


def data_parallel(module, inputs, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None):
    """`module(*inputs, **module_kwargs)`."""
    inputs = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
