"""Module: what every layer and network is. Its members, its state and how it is called stand in files of their own.

Knows the Tensor and Parameter. Must not know any layer.
"""

from __future__ import annotations

import warnings

from .. import dtypes
from ..device import check_device
from ..engine import no_grad
from ..tensor import Tensor
from ..tensor.data import as_dtype, wanted_dtype
from ..tensor.tensor import zero_grad
from ..utils.hooks import Hooks
from .hooks import TABLES, Called
from .parameter import Parameter, is_lazy
from .state import State
from .tree import as_pytree

__all__ = ["Module"]


def _forward_unimplemented(self, *input) -> None:
    """What the Module computes; every subclass defines it."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(Called, State):
    """The base class of everything with parameters. A subclass assigns Parameters, buffers and other Modules to itself in
    `__init__`, after `super().__init__()`, and defines `forward`.

    >>> import funcgrad as torch
    >>> class Twice(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = torch.nn.Linear(3, 3)
    ...     def forward(self, x):
    ...         return self.layer(self.layer(x))
    >>> Twice()
    Twice(
      (layer): Linear(in_features=3, out_features=3, bias=True)
    )
    """

    dump_patches = False
    call_super_init = False
    training: bool

    def __init__(self, *args, **kwargs) -> None:
        if not self.call_super_init and kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if not self.call_super_init and args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        have = self.__dict__
        have["training"] = True
        have["_parameters"], have["_buffers"], have["_non_persistent_buffers_set"] = {}, {}, set()
        have["_modules"] = {}
        have["_is_full_backward_hook"] = None
        have.update({name: Hooks() for name in TABLES})
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        as_pytree(cls)

    forward = _forward_unimplemented

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in TABLES:
            self.__dict__.setdefault(name, Hooks())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # ---- mode ----

    def train(self, mode: bool = True):
        """Training mode for this module and all below it; returns the module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True):
        """Whether gradients are wanted for all parameters; returns the module."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or make them zeros."""
        for p in self.parameters():
            if p.grad is not None:  # read, because it warns of one that is no leaf
                zero_grad(p, set_to_none)

    def apply(self, fn):
        """Call `fn` with every module below and then this one; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- dtype and device ----

    def _apply(self, fn, recurse: bool = True):
        """Put `fn(tensor)` in the place of every parameter, gradient and buffer; the Parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, p in self._parameters.items():
            if p is None:
                continue
            if is_lazy(p):
                _later(p, fn)
                continue
            with no_grad():
                made = fn(p)
            g = p.grad
            if made is not p:
                if isinstance(made, Parameter) and not isinstance(p, type(made)):
                    self._parameters[name] = made
                else:
                    if g is not None:
                        p.grad = None
                    p.data = made
            if g is not None:
                with no_grad():
                    moved = fn(g)
                p.grad = moved if moved is g else moved.requires_grad_(g.requires_grad)
        for name, b in self._buffers.items():
            if b is not None:
                self._buffers[name] = _later(b, fn) if is_lazy(b) else _still_buffer(fn(b), b)
        return self

    def to(self, *args, dtype=None, device=None, non_blocking: bool = False, memory_format=None):
        """`to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`, for all floating point parameters and buffers;
        returns the module."""
        dtype = wanted_dtype(args, dtype, device)
        if dtype is None:
            return self
        if not dtype.is_floating_point and not dtype.is_complex:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        if dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may change, and some modules "
                "might not work as expected when using complex tensors as parameters or buffers. Please file an issue at "
                "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work "
                "as expected.",
                stacklevel=2,
            )
        return self._apply(lambda t: t.to(dtype) if t.dtype.differentiable else t)

    def to_empty(self, *, device, recurse: bool = True):
        """The same shapes on `device`, the numbers not kept."""
        check_device(device)
        from ..tensor.create import empty_like

        return self._apply(lambda t: empty_like(t), recurse=recurse)

    def type(self, dst_type):
        """Every parameter and buffer in the dtype `dst_type`; returns the module."""
        dtype = as_dtype(dst_type, "type")
        return self._apply(lambda t: t.to(dtype))

    def _floats(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def float(self):
        """Floating point parameters and buffers in float32."""
        return self._floats(dtypes.float32)

    def double(self):
        """Floating point parameters and buffers in float64."""
        return self._floats(dtypes.float64)

    def half(self):
        """Floating point parameters and buffers in float16."""
        return self._floats(dtypes.float16)

    def bfloat16(self):
        """Floating point parameters and buffers in bfloat16."""
        return self._floats(dtypes.bfloat16)

    def cpu(self):
        """`to("cpu")`."""
        return self.to("cpu")

    def cuda(self, device=None):
        """`to("cuda")`."""
        return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)

    def share_memory(self):
        """Nothing to do: Values never change, so whoever has one may read it."""
        return self

    # ---- showing ----

    def extra_repr(self) -> str:
        """What a layer shows of itself between its brackets."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        below = [f"({name}): " + _indented(repr(module)) for name, module in self._modules.items()]
        if len(lines) == 1 and not below:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not below:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + below) + "\n)"


as_pytree(Module)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _later(lazy, fn):
    """A lazy tensor, to come in the dtype that `fn` gives."""
    from ..tensor.create import empty

    lazy._later = fn(empty(0, dtype=lazy.dtype)).dtype
    return lazy


def _still_buffer(made: Tensor, b: Tensor) -> Tensor:
    if made is not b and b.__dict__.get("_is_buffer"):
        made._is_buffer, made.persistent = True, b.persistent
    return made
