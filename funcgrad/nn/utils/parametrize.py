"""Parameters computed from others whenever they are read: `torch.nn.utils.parametrize`.

A module with one gets a class of its own, whose attribute is computed. Knows Module and its containers. Must not know any
particular parametrization.
"""

from __future__ import annotations

from contextlib import contextmanager

from ...engine import no_grad
from ...tensor import Tensor
from ..module import Module
from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "type_before_parametrizations",
]  # fmt: skip

_caching, _cache = 0, {}


@contextmanager
def cached():
    """Within, each parametrized tensor is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The maps of one tensor, one after the other, and what it is computed from: `original`, or `original0`, `original1`,
    … where the first map takes several."""

    def __init__(self, modules, original: Tensor, unsafe: bool = False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    new = module.right_inverse(new)
        several = not isinstance(new, Tensor)
        self.is_tensor, self.ntensors = not several, len(new) if several else 1
        if several:
            for i, x in enumerate(new):
                self._keep(f"original{i}", x.detach(), original)
        else:
            self._keep("original", original if new is original else new.detach(), original)
        if not unsafe:
            self._check(original)

    def _keep(self, name: str, x: Tensor, like: Tensor) -> None:
        if isinstance(like, Parameter):
            self.register_parameter(name, x if x is like else Parameter(x, like.requires_grad))
        else:
            self.register_buffer(name, x)

    def _originals(self) -> tuple:
        if self.is_tensor:
            return (self.original,)
        return tuple(getattr(self, f"original{i}") for i in range(self.ntensors))

    def _check(self, original: Tensor) -> None:
        with no_grad():
            made = self()
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
        for what in ("dtype", "shape"):
            if getattr(made, what) != getattr(original, what):
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                    f"enabled.\nunparametrized {what}: {getattr(original, what)}\nparametrized {what}: "
                    f"{getattr(made, what)}"
                )

    def right_inverse(self, value: Tensor) -> None:
        """Set what it is computed from, so that it becomes `value`."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            for own, x in zip(self._originals(), (value,) if self.is_tensor else value, strict=True):
                own.data = x

    def forward(self):
        x = self[0](*self._originals())
        for module in list(self)[1:]:
            x = module(x)
        return x


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False):
    """From now on `module.tensor_name` is what `parametrization` makes of it. Several are applied one after the other.

    parametrization  a Module; its `right_inverse`, if it has one, is called when the tensor is assigned to
    unsafe           it may change dtype and shape
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if unsafe:
            module.parametrizations[tensor_name].unsafe = True
        maps = module.parametrizations[tensor_name]
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                start = parametrization.right_inverse(getattr(module, tensor_name))
            maps.right_inverse(start)
        maps.append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    maps = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _own_class(module)
        module.parametrizations = ModuleDict()
    _own_attribute(module, tensor_name)
    module.parametrizations[tensor_name] = maps
    return module


def _own_class(module: Module) -> None:
    kind = type(module)

    def __getstate__(self):
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    def __deepcopy__(self, memo):
        from copy import deepcopy

        made = memo.get(id(self))
        if made is None:
            made = memo[id(self)] = self.__new__(type(self))
            made.__dict__.update(deepcopy(self.__dict__, memo))
            made.__class__ = type(f"Parametrized{kind.__name__}", (kind,), dict(vars(type(self))))
        return made

    module.__class__ = type(
        f"Parametrized{kind.__name__}", (kind,), {"__getstate__": __getstate__, "__deepcopy__": __deepcopy__}
    )


def _own_attribute(module: Module, name: str) -> None:
    def get(self):
        maps = self.parametrizations[name]
        if not _caching:
            return maps()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = maps()
        return _cache[key]

    def put(self, value):
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, put))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module, or one tensor of it, is computed from others."""
    maps = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(maps, ModuleDict):
        return False
    return len(maps) > 0 if tensor_name is None else tensor_name in maps


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a tensor an ordinary one again: with the numbers it is computed as, or those it is computed from."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    maps = module.parametrizations[tensor_name]
    if maps.is_tensor:
        original = maps.original
        if leave_parametrized:
            with no_grad():
                now = getattr(module, tensor_name).detach().clone()
                original.data = now
    elif leave_parametrized:
        now = getattr(module, tensor_name)
        original = Parameter(now.detach()) if now.requires_grad else now
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence "
            "of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    keep = module.register_parameter if isinstance(original, Parameter) else module.register_buffer
    keep(tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
