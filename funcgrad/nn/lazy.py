"""Modules that learn the shapes of their parameters from their first input.

Knows Module and the lazy parameters. Must not know any layer.
"""

from __future__ import annotations

from .parameter import is_lazy

__all__ = ["Lazy", "LazyLayer", "lazy_kind"]


class Lazy:
    """Comes before a Module in a class's bases: the first call makes its parameters, and it becomes `cls_to_become`."""

    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(_load, with_module=True)
        self._initialize_hook = self.register_forward_pre_hook(_initialize, with_kwargs=True)

    def has_uninitialized_params(self) -> bool:
        """Whether something still waits for its shape."""
        return any(is_lazy(x) for x in (*self._parameters.values(), *self._buffers.values()))

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Make the parameters for an input like this one."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        for name, x in self._own_state().items():
            if x is not None:
                destination[prefix + name] = x if is_lazy(x) or keep_vars else x.detach()


class LazyLayer(Lazy):
    """A Lazy layer with a number that its first input says, in the field `_learns`; 0 before."""

    _learns: str

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once there are any."""
        if not self.has_uninitialized_params() and getattr(self, self._learns) != 0:
            super().reset_parameters()


def lazy_kind(base: type[LazyLayer], like: type) -> type:
    """The layer `like` that learns what `base` does."""
    doc = f"{like.__name__} that learns `{base._learns}` from its first input."
    return type("Lazy" + like.__name__, (base, like), {"cls_to_become": like, "__doc__": doc, "__module__": base.__module__})


def _load(module, state_dict, prefix, *_rest) -> None:
    """A checkpoint that has the shapes gives them."""
    for name, x in module._own_state().items():
        given = state_dict.get(prefix + name)
        if x is not None and given is not None and is_lazy(x) and not is_lazy(given):
            x.materialize(given.shape)


def _initialize(module, args, kwargs) -> None:
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
    module._initialize_hook.remove()
    module._load_hook.remove()
    del module._initialize_hook, module._load_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become
