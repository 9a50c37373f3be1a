"""A compiled Module: what `compile(module)` gives, around the module itself as its only member.

Knows Module and Compiled.
"""

from __future__ import annotations

from ..nn.module import Module
from .compiled import Compiled

_OWN = frozenset({"_orig_mod", "_compiled", "_looks", "forward", "_is_full_backward_hook"})


class OptimizedModule(Module):
    """`module`, whose calls are recorded once and replayed where nothing differentiates them afterwards.

    Its attributes are those of `module`; its `state_dict` has their names with "_orig_mod." before them, as PyTorch's.
    """

    def __init__(self, module: Module, looks: bool = True) -> None:
        super().__init__()
        self._orig_mod, self._looks = module, looks
        self._compiled = Compiled(module, looks)

    def forward(self, *args, **kwargs):
        return self._compiled(*args, **kwargs)

    @property
    def training(self) -> bool:
        return self._orig_mod.training

    @training.setter
    def training(self, mode: bool) -> None:
        self._orig_mod.training = mode

    def __getattr__(self, name: str):
        if name in ("_modules", "_parameters", "_buffers", "_orig_mod"):
            return super().__getattr__(name)
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value) -> None:
        if name in _OWN or name in self.__dict__:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __getstate__(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "_compiled"}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self._compiled = Compiled(self._orig_mod, self._looks)


def _compile_in_place(self, *args, **kwargs) -> None:
    """Compile what `forward` does, in place; takes what `torch.compile` takes."""
    fullgraph = kwargs.get("fullgraph")
    self.forward = Compiled(self.forward, not fullgraph)


Module.compile = _compile_in_place
