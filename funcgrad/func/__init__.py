"""Floor 6. `torch.func`: transforms of functions of Tensors, and the doors to pure JAX.

Knows the Tensor, the engine and pytrees. Must not know nn: a Module is whatever has `named_parameters`.
"""

from .forward import jvp, linearize
from .grad import grad, grad_and_value, value_and_grad, vjp
from .jacobian import hessian, jacfwd, jacrev
from .to_jax import to_jax
from .vmap import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "to_jax", "value_and_grad", "vjp", "vmap"]
