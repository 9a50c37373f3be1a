"""Modules that learn the shapes of their parameters from their first input.

Knows Module and the lazy parameters. Must not know any layer.
"""

from __future__ import annotations

from .parameter import is_lazy

__all__ = ["Lazy"]


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
