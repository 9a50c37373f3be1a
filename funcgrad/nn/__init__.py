"""Floor 6. Neural networks as `torch.nn`.

`functional` holds the functions, `parameter` and `module` what a network is, `modules` the layers, `init` how their
parameters begin, `utils` what stands beside. Knows the Tensor and random. Must not know optim.
"""

from . import attention, common_types, functional, init, module, modules, parallel, parameter, utils
from .hooks import (
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from .members import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from .module import Module
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

_HOOKS = (
    register_module_backward_hook, register_module_buffer_registration_hook, register_module_forward_hook,
    register_module_forward_pre_hook, register_module_full_backward_hook, register_module_full_backward_pre_hook,
    register_module_module_registration_hook, register_module_parameter_registration_hook,
)  # fmt: skip
# PyTorch has them beside the layers, and in the file of Module
modules.module = module
for _hook in _HOOKS:
    setattr(modules, _hook.__name__, _hook)
    setattr(module, _hook.__name__, _hook)

__all__ = [
    "Buffer", "DataParallel", "Module", "Parameter", "UninitializedBuffer", "UninitializedParameter", "attention", "common_types",
    "functional", "init",    "modules", "parallel", "parameter", "utils", *modules.__all__,
]  # fmt: skip
globals().update({name: getattr(modules, name) for name in modules.__all__})
