"""Parameters and buffers: Tensors that a Module takes in when they are assigned to it, and their lazy kinds.

Knows the Tensor. Must not know Module.
"""

from __future__ import annotations

import jax

from .. import dtypes
from ..tensor import Tensor
from ..tensor.alias import share_data
from ..tensor.create import empty
from ..tensor.interop import __repr__ as tensor_repr
from ..tensor.interop import flatten, unflatten
from ..tensor.overrides import _disabled_torch_function_impl
from ..tensor.storage import detached
from ..tensor.tensor import new, seen, set_requires_grad, value_of

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _Kind(type):
    """A tensor may count as a Parameter by saying so in `_is_param`, as PyTorch allows."""

    def __instancecheck__(cls, x) -> bool:
        if type.__instancecheck__(cls, x):
            return True
        return cls is Parameter and isinstance(x, Tensor) and getattr(x, "_is_param", False)


def _named(cls, data: Tensor | None, requires_grad: bool):
    """A tensor of class `cls` over the memory of `data`, without its history."""
    data = empty(0) if data is None else data
    if not isinstance(data, Tensor):
        raise TypeError(
            f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
            f"instance of the same type, but return type {type(data).__name__} was found instead. To use the type as "
            "a Parameter, please correct the detach() semantics defined by its __torch_dispatch__() implementation."
        )
    if requires_grad and not data.dtype.differentiable:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    t = new(cls)
    t._value = detached(seen(data))
    share_data(t, data)
    if requires_grad:
        set_requires_grad(t, True)
    return t


class Parameter(Tensor, metaclass=_Kind):
    """A Tensor that is to be trained: assigned to a Module, it is among `module.parameters()`.

    data           what it starts as; the memory is shared, the history is not
    requires_grad  whether gradients are wanted for it

    >>> import funcgrad as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __torch_function__ = staticmethod(_disabled_torch_function_impl)

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True):
        return _named(cls, data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + tensor_repr(self)

    def __deepcopy__(self, memo):
        """A Parameter of the same numbers, without the gradient."""
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)
        return memo[id(self)]


def _unflatten(wants, children):
    return as_parameter(unflatten(wants, children), wants.gradient)


def as_parameter(t, wanted: bool):
    """A Tensor that JAX has just made, as a Parameter if it wants a gradient as the Parameter it is made from."""
    if type(t) is Tensor and hasattr(value_of(t), "spec") and t.requires_grad == wanted:
        t.__class__ = Parameter
    return t


jax.tree_util.register_pytree_node(Parameter, flatten, _unflatten)


class _IsBuffer(type):
    """A buffer is a plain Tensor that says so."""

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, Tensor) and getattr(x, "_is_buffer", False)


class Buffer(metaclass=_IsBuffer):
    """A Tensor that belongs to a Module's state but is not trained, such as a running mean.

    persistent  whether it is in the `state_dict`
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True):
        t = _named(Tensor, data, False)
        t.persistent, t._is_buffer = persistent, True
        return t


class _Lazy:
    """What a lazy parameter or buffer is until its shape is known: a Tensor without a Value."""

    _wants = False

    @property
    def _value(self):
        raise ValueError(
            "Attempted to use an uninitialized parameter. This error happens when you are using a `LazyModule` or "
            f"explicitly manipulating `torch.nn.parameter.{type(self).__name__}` objects. When using LazyModules Call "
            "`forward` with a dummy batch to initialize the parameters before calling torch functions"
        )

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self):
        return self._later

    @property
    def requires_grad(self) -> bool:
        return self._wants

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self._wants = wanted

    def requires_grad_(self, requires_grad: bool = True):
        self._wants = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        return True

    @property
    def grad(self):
        return None

    @grad.setter
    def grad(self, g) -> None:
        if g is not None:
            _Lazy._value.fget(self)

    @property
    def data(self):
        return self

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Become an ordinary parameter or buffer of `shape`, its numbers not set yet."""
        made, wanted = empty(tuple(shape), device=device, dtype=dtype or self._later), self._wants
        del self._later, self._wants
        self.__class__ = self.cls_to_become
        self._value = seen(made)
        if wanted:
            set_requires_grad(self, True)

    def to(self, *args, **kwargs):
        return self

    def detach(self):
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol):
        return _lazy, (type(self), self._wants, self._later)

    def __deepcopy__(self, memo):
        made = memo.get(id(self))
        if made is None:
            made = memo[id(self)] = _lazy(type(self), self._wants, self._later)
        return made


def _lazy(cls, requires_grad: bool, dtype):
    t = new(cls)
    t._wants, t._later = requires_grad, dtype or dtypes.get_default_dtype()
    return t


class UninitializedParameter(_Lazy, Parameter):
    """A Parameter whose shape its Module learns from its first input."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        return _lazy(cls, requires_grad, dtype)


class UninitializedBuffer(_Lazy, Tensor):
    """A buffer whose shape its Module learns from its first input."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        t = _lazy(cls, requires_grad, dtype)
        t.persistent, t._is_buffer = persistent, True
        return t


def is_lazy(t) -> bool:
    """Whether `t` waits for its shape."""
    return isinstance(t, _Lazy)
