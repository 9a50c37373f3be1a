"""Doors to other libraries: NumPy, JAX, DLPack, pickle, copy, pytrees, printing."""

from __future__ import annotations

import jax
import numpy as np

from .. import dtypes
from ..engine import Batched, Dual, node_of
from ..tape import constant, force
from .create import finish
from .overrides import TAKES
from .printing import array_repr
from .tensor import Tensor, new, seen, set_requires_grad, value_of, waited, wrap
from .variants import composite

NEEDS_GRAD = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."


def host(t: Tensor) -> np.ndarray:
    """The numbers of `t`, read-only, after a run if it takes one."""
    return np.asarray(waited(force(seen(t))))


@composite("m")
def numpy(self, *, force: bool = False) -> np.ndarray:
    """A NumPy array with a copy of the numbers (PyTorch's shares memory; Values never change)."""
    if self.requires_grad and not force:
        raise RuntimeError(NEEDS_GRAD)
    if self.dtype is dtypes.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return np.array(host(self))


@composite("m")
def __array__(self, dtype=None, copy=None) -> np.ndarray:
    if self.requires_grad:
        raise RuntimeError(NEEDS_GRAD)
    found = host(self)
    return np.array(found, dtype) if copy or (dtype is not None and found.dtype != dtype) else found


@composite("m")
def __jax_array__(self) -> jax.Array:
    """So that `jnp.sin(t)` works; refused where the graph would be lost."""
    if self.requires_grad:
        raise RuntimeError(
            "Can't turn a Tensor that requires grad into a jax.Array: its graph would be lost. "
            "Use tensor.detach() first."
        )
    return jax_array(self)


def jax_array(t: Tensor) -> jax.Array:
    v = value_of(t)
    array = force(v)
    if array.__class__ is np.ndarray:
        with dtypes.x64():
            v.array = array = jax.device_put(array)
    return array


@composite("m")
def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return jax_array(self).__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


@composite("m")
def __dlpack_device__(self):
    return jax_array(self).__dlpack_device__()


@composite()
def from_dlpack(ext_tensor, *, device=None, copy=None) -> Tensor:
    """A Tensor of anything that speaks DLPack, without a copy where the device allows."""
    with dtypes.x64():
        array = jax.dlpack.from_dlpack(ext_tensor)
    return wrap(constant(array, dtypes.from_np(array.dtype)))


@composite("m")
def tolist(self):
    """Nested lists of Python numbers; a number for a 0-d tensor."""
    return host(self).tolist()


# ---- Python numbers --------------------------------------------------------------------------------


def _only(t: Tensor):
    if t.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if t.requires_grad:
        import warnings

        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
            "Consider using tensor.detach() first.",
            UserWarning,
            stacklevel=3,
        )
    return t.item()


@composite("m")
def __bool__(self) -> bool:
    if self.numel() != 1:
        word = "no values" if self.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {word} is ambiguous")
    if isinstance(value_of(self), Batched):
        value_of(self).branch()
    return bool(self.item())


@composite("m")
def __int__(self) -> int:
    return int(_only(self))


@composite("m")
def __float__(self) -> float:
    return float(_only(self))


@composite("m")
def __complex__(self) -> complex:
    return complex(_only(self))


@composite("m")
def __index__(self) -> int:
    if self.dtype.category > dtypes.INT or self.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())


@composite("m")
def __len__(self) -> int:
    if self.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


@composite("m")
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@composite("m")
def __contains__(self, element) -> bool:
    return bool((self == element).any())


# ---- printing --------------------------------------------------------------------------------------


@composite("m")
def __repr__(self, *, tensor_contents=None) -> str:
    v = value_of(self)
    suffixes = []
    node = node_of(v)
    if node is not None:
        suffixes.append(f"grad_fn=<{type(node).__name__}>")
    elif v.spec.needs:
        suffixes.append("requires_grad=True")
    if v.__class__ is Dual and v.live:
        suffixes.append(f"tangent={wrap(v.tangent)!r}")
    device = None if self.device.type == "cpu" else str(self.device)
    named = {"prefix": f"{type(self).__name__}("} if TAKES[type(self)] else {}
    return array_repr(host(self), v.spec.dtype, suffixes, default=dtypes.get_default_dtype(), device=device, **named)


@composite("m")
def __format__(self, text: str) -> str:
    if self.ndim == 0 and type(self) is Tensor:
        return self.item().__format__(text)
    return object.__format__(self, text) if text else repr(self)


# ---- copying and pickling --------------------------------------------------------------------------


def _rebuild(cls, array, requires_grad, attributes):
    t = new(cls)
    t._value = constant(array, dtypes.from_np(array.dtype))
    if requires_grad:
        set_requires_grad(t, True)
    t.__dict__.update(attributes)
    return t


def _attributes(t: Tensor) -> dict:
    return {k: v for k, v in t.__dict__.items() if not k.startswith("_")}


@composite("m")
def __reduce_ex__(self, protocol):
    return _rebuild, (type(self), np.array(host(self)), self.requires_grad, _attributes(self))


@composite("m")
def __deepcopy__(self, memo) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
            "see https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(self) in memo:
        return memo[id(self)]
    from copy import deepcopy

    t = new(type(self))
    t._value = value_of(self.detach())
    if self.requires_grad:
        set_requires_grad(t, True)
    if self._leaf is not None and self._leaf.grad is not None:
        t.grad = finish(value_of(self._leaf.grad.detach()))
    memo[id(self)] = t
    t.__dict__.update({k: deepcopy(v, memo) for k, v in _attributes(self).items()})
    return t


@composite("m")
def to_device(self, device, /, *, stream=None):
    """`to(device)`, as the array API calls it."""
    return self.to(device)


# ---- pytrees ---------------------------------------------------------------------------------------


class Wants:
    """Whether a Tensor wants a gradient. No part of a tree's structure: a gradient fits what it is the gradient of."""

    def __init__(self, gradient: bool):
        self.gradient = gradient

    def __eq__(self, other) -> bool:
        return isinstance(other, Wants)

    def __hash__(self) -> int:
        return hash(Wants)


def flatten(t: Tensor):
    return (jax_array(t),), Wants(t.requires_grad)


def unflatten(wants: Wants, children) -> Tensor:
    (array,) = children
    if isinstance(array, Tensor):
        return array
    if not hasattr(array, "dtype"):
        t = new(Tensor)
        t._value = array  # a placeholder that JAX puts through, such as None or object()
        return t
    if array.dtype == jax.dtypes.float0:  # what JAX says of the gradient of integers
        array = np.zeros(array.shape, np.int64)
    v = constant(array, dtypes.from_np(array.dtype))
    return finish(v, wants.gradient and v.spec.dtype.differentiable)


jax.tree_util.register_pytree_node(Tensor, flatten, unflatten)
