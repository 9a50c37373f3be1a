"""Weight and spectral normalisation by PyTorch's older functions: the tensor is computed by a hook before each forward,
and state dicts have `weight_g` and `weight_v`, or `weight_orig`, `weight_u` and `weight_v`, as many saved models do.
"""

from __future__ import annotations

import warnings

from ...engine import no_grad
from ...tensor import NAMES, Tensor
from ..functional.distances import normalize
from ..module import Module
from ..parameter import Parameter
from .parametrizations import norm_except, outputs_of

T = NAMES["torch"]


class _Normalised:
    """A hook that sets `name` of a module before its forward."""

    kind: str

    def __init__(self, name: str):
        self.name = name

    def compute(self, module: Module, training: bool) -> Tensor:
        raise NotImplementedError

    def __call__(self, module: Module, inputs) -> None:
        setattr(module, self.name, self.compute(module, module.training))

    def begin(self, module: Module, **tensors: Tensor) -> Module:
        """In place of the parameter: `tensors`, by what follows its name; Parameters are learnt. Until the first forward
        the tensor stays as it was."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, type(self)) and hook.name == self.name:
                raise RuntimeError(f"Cannot register two {self.kind} hooks on the same parameter {self.name}")
        before = module._parameters.pop(self.name).detach()
        for end, t in tensors.items():
            register = module.register_parameter if isinstance(t, Parameter) else module.register_buffer
            register(f"{self.name}_{end}", t)
        setattr(module, self.name, before)
        module.register_forward_pre_hook(self)
        return module

    def end(self, module: Module, *ends: str) -> None:
        with no_grad():
            weight = self.compute(module, False)
        delattr(module, self.name)
        for end in ends:
            delattr(module, f"{self.name}_{end}")
        module.register_parameter(self.name, Parameter(weight.detach()))


class _WeightNorm(_Normalised):
    kind = "weight_norm"

    def __init__(self, name: str, dim: int | None):
        super().__init__(name)
        self.dim = -1 if dim is None else dim

    def compute(self, module, training):
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / norm_except(v, self.dim))


class _SpectralNorm(_Normalised):
    kind = "spectral_norm"

    def __init__(self, name: str, steps: int, dim: int, eps: float):
        super().__init__(name)
        self.steps, self.dim, self.eps = steps, dim, eps

    def matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.reshape(weight.shape[0], -1)

    def compute(self, module, training):
        weight, u, v = (getattr(module, f"{self.name}_{end}") for end in ("orig", "u", "v"))
        matrix = self.matrix(weight)
        if training:
            with no_grad():
                for _ in range(self.steps):
                    v.copy_(normalize(T["mv"](matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(T["mv"](matrix, v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()
        return weight / T["dot"](u, T["mv"](matrix, v))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """`parametrizations.weight_norm`, with `name_g` and `name_v` in the module."""
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    hook, weight = _WeightNorm(name, dim), getattr(module, name)
    weight = weight.detach()
    return hook.begin(module, g=Parameter(norm_except(weight, hook.dim)), v=Parameter(weight.clone()))


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:  # fmt: skip
    """`parametrizations.spectral_norm`, with `name_orig`, `name_u` and `name_v` in the module.

    dim  the dimension that counts outputs: 1 for transposed convolutions, else 0
    """
    if n_power_iterations <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
    hook = _SpectralNorm(name, n_power_iterations, outputs_of(module) if dim is None else dim, eps)
    already = any(isinstance(h, _SpectralNorm) and h.name == name for h in module._forward_pre_hooks.values())
    weight = getattr(module, name) if already else module._parameters[name]
    rows, columns = hook.matrix(weight).shape
    u, v = (
        normalize(weight.detach().new_empty(n).normal_(0, 1), dim=0, eps=eps) for n in (rows, columns)
    )
    return hook.begin(module, orig=weight, u=u, v=v)


def _remove(module: Module, name: str, kind: type, *ends: str) -> Module:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            del module._forward_pre_hooks[key]
            hook.end(module, *ends)
            return module
    raise ValueError(f"{kind.kind} of '{name}' not found in {module}")


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the tensor an ordinary parameter again."""
    return _remove(module, name, _WeightNorm, "g", "v")


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the tensor an ordinary parameter again."""
    return _remove(module, name, _SpectralNorm, "orig", "u", "v")
