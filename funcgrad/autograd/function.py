"""`autograd.Function`: an operation whose backward is the user's own Python.

The backward runs as Python during the walk, and what it computes is recorded like the rest, so forward,
backward and update are still one program. `custom` is what happens in a call.
"""

from __future__ import annotations

import functools
import inspect
import warnings

from ..engine import no_grad
from ..tape import local
from ..tensor import Tensor
from .custom import call

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]


class FunctionCtx:
    """What `forward` hands to `backward`: any attributes, and what these methods keep."""

    _to_save: tuple | None = None
    _for_forward: tuple | None = None
    _dirty: tuple = ()
    _constant: tuple = ()
    materialize_grads = True
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep these for `backward`, which finds them in `saved_tensors`; inputs and outputs keep their history.

        Raises TypeError for what is neither a Tensor nor None.
        """
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep these for `jvp`, which finds them in `saved_tensors`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self._for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These inputs are written in place by `forward`; each must be an output too."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These outputs want no gradient; `backward` still has an argument for each, always zeros."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (the default) or None for an output that no gradient reached."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, with its history. Raises RuntimeError once the graph has been freed."""
        call = self.__dict__.get("_call")
        if call is None:
            return self._to_save or ()
        return call.saved()


class BackwardCFunction(FunctionCtx):
    """The context of a call, which its backward gets; each Function has a class of its own."""

    _forward_cls: type

    def name(self) -> str:
        return type(self).__name__


class _Meta(type):
    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        space = {"_forward_cls": cls, "__module__": cls.__module__}
        cls._backward_cls = type(f"{name}Backward", (BackwardCFunction,), space)
        if bases:
            cls._separate = cls.setup_context is not Function.setup_context
            cls._pull = cls.vjp if cls.backward is Function.backward else cls.backward


class Function(metaclass=_Meta):
    """An operation with a derivative of its own: subclass it, write `forward` and `backward`, call `apply`.

    Either `forward(ctx, *args)`, or `forward(*args)` with `setup_context(ctx, inputs, output)`. `backward(ctx,
    *grads)` (also called `vjp`) returns a gradient for each argument, None where there is none. `jvp(ctx, *tangents)`
    serves forward mode.

    >>> import funcgrad as torch
    >>> class Clip(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x.clamp(0, 1)
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * (x > 0)  # also above 1
    >>> x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    >>> y = Clip.apply(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([0.0000, 0.5000, 1.0000], grad_fn=<ClipBackward>), tensor([0., 1., 1.]))
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs: tuple, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Call it on Tensors and anything else. Returns what `forward` returns, with history."""
        args = _positional(cls, args, kwargs)
        return call(cls, args)


def _positional(cls, args: tuple, kwargs: dict) -> tuple:
    """The arguments of `forward` in its order, defaults filled in where `setup_context` is to see them."""
    if not kwargs and not cls._separate:
        return args
    if cls._separate:
        bound = inspect.signature(cls.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args
    return inspect.signature(cls.forward).bind(None, *args, **kwargs).args[1:]



# ---- helpers for backwards ----------------------------------------------------------------------------


class _Twice(Function):
    """Passes a gradient on; differentiating that again is an error."""

    @staticmethod
    def forward(ctx, g):
        return g.clone()

    @staticmethod
    def backward(ctx, g):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(f):
    """Decorates a `backward` that itself cannot be differentiated: it runs without a graph, and using its result in
    one raises RuntimeError."""

    @functools.wraps(f)
    def wrapper(ctx, *args):
        with no_grad():
            outputs = f(ctx, *args)
        if not local.grad or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        bare = not isinstance(outputs, tuple)
        made = [
            _Twice.apply(g.detach().requires_grad_()) if isinstance(g, Tensor) and g.dtype.differentiable else g
            for g in ((outputs,) if bare else outputs)
        ]
        return made[0] if bare else tuple(made)

    return wrapper


class InplaceFunction(Function):
    """A Function whose class takes note whether it is to work in place."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace
