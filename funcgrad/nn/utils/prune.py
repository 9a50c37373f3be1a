"""Pruning: a parameter becomes `name_orig` times a mask `name_mask`, computed before each forward; after
Paganini and Forde (2020), with the names that PyTorch has.

A method says which numbers stay: `compute_mask(scores, default_mask)` of a tensor, 1 to keep and 0 to prune. Amounts
are a fraction of the numbers (or channels), or how many.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod

from ...tensor import NAMES, Tensor
from ..module import Module

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip

T = NAMES["torch"]


class BasePruningMethod(ABC):
    """One way to prune; subclasses have `compute_mask` and PRUNING_TYPE: "unstructured", "structured" or "global"."""

    _tensor_name: str

    def __call__(self, module: Module, inputs) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """A mask of the shape of `t`, on top of `default_mask`."""

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter with what is pruned at 0."""
        mask, orig = (getattr(module, f"{self._tensor_name}_{end}") for end in ("mask", "orig"))
        return mask.to(orig.dtype) * orig

    @classmethod
    def apply(cls, module: Module, name: str, *args, importance_scores=None, **kwargs) -> BasePruningMethod:
        """Prune the parameter `name` of a module, on top of what is pruned of it already."""
        method, old = cls(*args, **kwargs), _hook_of(module, name)
        method._tensor_name = name
        orig = getattr(module, name if old is None else f"{name}_orig")
        scores = getattr(module, name) if importance_scores is None else importance_scores
        if scores.shape != orig.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got {scores.shape} vs "
                f"{orig.shape}"
            )
        if old is not None:
            method = PruningContainer(*(old[1] if isinstance(old[1], PruningContainer) else [old[1]]), method)
        before = T["ones_like"](orig.detach()) if old is None else getattr(module, f"{name}_mask").detach().clone()
        mask = method.compute_mask(scores.detach(), before)
        if old is None:
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", orig)
        else:
            del module._forward_pre_hooks[old[0]]
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Tensor, default_mask=None, importance_scores=None) -> Tensor:
        """`t` itself, with what is pruned at 0."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t")
        return t * self.compute_mask(scores, T["ones_like"](t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Make the parameter an ordinary one again, as it is now."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        orig = module._parameters.pop(f"{name}_orig")
        orig.data = weight.detach()
        del module._buffers[f"{name}_mask"]
        setattr(module, name, orig)


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other, on one parameter."""

    def __init__(self, *args):
        self._pruning_methods: tuple = ()
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method) -> None:
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._pruning_methods and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer "
                f"{self}. Found '{method._tensor_name}'"
            )
        self._tensor_name = method._tensor_name
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        """That of the newest method, of what the others have left."""
        method, mask = self._pruning_methods[-1], default_mask.to(t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            left = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim
            kept = mask.sum([d for d in range(t.ndim) if d != dim]) != 0
            left = (slice(None),) * dim + (kept,)
        elif method.PRUNING_TYPE == "global":
            left = (slice(None),) * t.ndim
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        found = mask.clone()
        found[left] = method.compute_mask(t[left], mask[left]).to(mask.dtype)
        return found


class Identity(BasePruningMethod):
    """Prunes nothing; there to have the names."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


class _OfAmount(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (not isinstance(amount, numbers.Integral) and float(amount) > 1.0):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
            )
        self.amount = amount

    def many(self, size: int) -> int:
        """How many of `size` to prune."""
        if not isinstance(self.amount, numbers.Integral):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to prune={size}"
            )
        return self.amount

    def without(self, mask: Tensor, scores: Tensor, largest: bool) -> Tensor:
        n = self.many(scores.numel())
        mask = mask.clone()
        if n:
            mask.view(-1)[scores.reshape(-1).topk(n, largest=largest).indices] = 0
        return mask


class RandomUnstructured(_OfAmount):
    """Prunes numbers at random."""

    def compute_mask(self, t, default_mask):
        return self.without(default_mask, T["rand_like"](t), True) if self.many(t.numel()) else default_mask.clone()


class L1Unstructured(_OfAmount):
    """Prunes the smallest numbers."""

    def compute_mask(self, t, default_mask):
        return self.without(default_mask, t.abs(), False)


class _OfChannels(_OfAmount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def kept(self, t: Tensor, n: int) -> Tensor:
        """Which channels stay, as bools, when n go."""
        raise NotImplementedError

    def compute_mask(self, t, default_mask):
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        n = self.many(t.shape[self.dim])
        if n == 0:
            return default_mask
        shape = [1] * t.ndim
        shape[self.dim] = -1
        return self.kept(t, n).reshape(shape).to(default_mask.dtype) * default_mask


class RandomStructured(_OfChannels):
    """Prunes channels at random."""

    def kept(self, t, n):
        chance = T["rand"](t.shape[self.dim])
        return chance > chance.kthvalue(n).values


class LnStructured(_OfChannels):
    """Prunes the channels of least Ln-norm."""

    def __init__(self, amount, n, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def kept(self, t, n):
        norms = T["norm"](t, self.n, [d for d in range(t.ndim) if d != self.dim % t.ndim])
        kept = T["zeros"](norms.shape[0])
        kept[norms.topk(norms.shape[0] - n).indices] = 1
        return kept


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def _hook_of(module: Module, name: str):
    """(key, method) of what prunes the parameter; None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None


def identity(module: Module, name: str) -> Module:
    """The mask, with nothing pruned."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount) -> Module:
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount, importance_scores=None) -> Module:
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount, dim: int) -> Module:
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount, n, dim: int, importance_scores=None) -> Module:
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs) -> None:
    """Prune (module, name) pairs together, as if they were one tensor; scores likewise by pair."""
    if not isinstance(parameters, list | tuple):
        parameters = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    tensors = [getattr(module, name).detach() for module, name in parameters]
    flat = T["cat"]([scores.get(p, t).reshape(-1) for p, t in zip(parameters, tensors, strict=True)])
    masks = [getattr(module, f"{name}_mask", T["ones_like"](t)) for (module, name), t in zip(
        parameters, tensors, strict=True)]  # fmt: skip
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    found = PruningContainer(method).compute_mask(flat, T["cat"]([m.reshape(-1) for m in masks]))
    for (module, name), t, mask in zip(parameters, tensors, found.split([t.numel() for t in tensors]), strict=True):
        custom_from_mask(module, name, mask.reshape(t.shape))


def remove(module: Module, name: str) -> Module:
    """Make the parameter an ordinary one again, with 0 where it was pruned."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    found[1].remove(module)
    del module._forward_pre_hooks[found[0]]
    return module


def is_pruned(module: Module) -> bool:
    """Whether anything in it is pruned."""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())
