"""Floor 6. `torch.func`: transforms of functions of Tensors, and the doors to pure JAX.

Knows the Tensor, the engine and pytrees. Must not know nn: a Module is whatever has `named_parameters`.
"""

from .control import cond, scan, while_loop
from .forward import jvp, linearize
from .from_jax import from_jax
from .grad import grad, grad_and_value, value_and_grad, vjp
from .jacobian import hessian, jacfwd, jacrev
from .modules import (
    functional_call,
    functionalize,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from .to_jax import to_jax
from .vmap import vmap

__all__ = [
    "cond",
    "from_jax",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "scan",
    "stack_module_state",
    "to_jax",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
