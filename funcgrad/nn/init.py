"""How parameters begin: `torch.nn.init`, in place, from PyTorch's own random stream.

The numbers come from the host: a new network is made of arrays that are there, and no program runs for them. Knows the
Tensor. Must not know Module.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..engine import no_grad
from ..tape import constant as known
from ..tensor import Tensor
from ..tensor.alias import put
from ..tensor.interop import host
from ..tensor.tensor import spec_of
from .deprecated import deprecated

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


def _set(tensor: Tensor, array) -> Tensor:
    """`tensor` holds the numbers of `array`."""
    s = spec_of(tensor)
    with no_grad():
        return put(tensor, known(np.asarray(array, s.dtype.np).reshape(s.shape), s.dtype))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What an activation makes of the standard deviation of its input, inverted. `param` is the slope of a leaky ReLU."""
    if nonlinearity in ("linear", "sigmoid", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3))):
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif not isinstance(param, bool) and isinstance(param, int | float):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Uniform between `a` and `b`."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Normal with that mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None):
    """Normal, without what lies outside `a` to `b`: drawn again until all lie inside."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    def drawn(draw) -> np.ndarray:
        return np.array(host(draw(tensor.new_empty(tensor.shape))))

    if below((b - mean) / std) - below((a - mean) / std) > 0.3:
        found = drawn(lambda t: t.normal_(mean, std, generator=generator))
        low, high = np.asarray([a, b], found.dtype)
        while (out := (found < low) | (found > high)).any():
            found = np.where(out, drawn(lambda t: t.normal_(mean, std, generator=generator)), found)
        return _set(tensor, found)
    # so little of it lies inside that uniform draws, kept by their density, come there sooner
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2

    def tried() -> tuple[np.ndarray, np.ndarray]:
        x = drawn(lambda t: t.uniform_(a, b, generator=generator))
        u = drawn(lambda t: t.uniform_(generator=generator))
        with np.errstate(divide="ignore"):
            return x, np.log(u) > -0.5 * ((x - mean) / std) ** 2 - peak

    found, out = tried()
    while out.any():
        x, refused = tried()
        found = np.where(out, x, found)
        out &= refused
    return _set(tensor, found)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return _set(tensor, np.full(tensor.shape, val))


def ones_(tensor: Tensor) -> Tensor:
    """One everywhere."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Zero everywhere."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """A matrix with ones on its diagonal."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _set(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The weight of a convolution that hands its channels through."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.shape
    if sizes[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    out = sizes[0] // groups
    made = np.zeros(sizes)
    middle = tuple(n // 2 for n in sizes[2:])
    for g in range(groups):
        for d in range(min(out, sizes[1])):
            made[(g * out + d, d, *middle)] = 1
    return _set(tensor, made)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Uniform within ±gain·√(6 / (fan_in + fan_out)), after Glorot and Bengio (2010)."""
    a = math.sqrt(3.0) * gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Normal with standard deviation gain·√(2 / (fan_in + fan_out)), after Glorot and Bengio (2010)."""
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    return normal_(tensor, 0.0, std, generator)


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation; None for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator=None) -> Tensor:  # fmt: skip
    """Uniform within ±gain·√(3 / fan), after He and others (2015)."""
    std = _kaiming(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator=None) -> Tensor:  # fmt: skip
    """Normal with standard deviation gain / √fan, after He and others (2015)."""
    std = _kaiming(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """A (semi-)orthogonal matrix, of the first dimension by all others, times `gain`."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = host(tensor.new_empty(rows, columns).normal_(0, 1, generator=generator))
    flat = drawn.T if rows < columns else drawn
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    return _set(tensor, (q.T if rows < columns else q) * gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator=None) -> Tensor:
    """A matrix, normal, with the share `sparsity` of each column zero."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    from ..random import randperm

    rows, columns = tensor.shape
    count = math.ceil(sparsity * rows)
    made = host(normal_(tensor, 0, std, generator)).copy()
    for column in range(columns):
        made[randperm(rows).numpy()[:count], column] = 0
    return _set(tensor, made)


for _f in (uniform_, normal_, constant_, eye_, dirac_, xavier_uniform_, xavier_normal_, kaiming_uniform_,
           kaiming_normal_, orthogonal_, sparse_):  # fmt: skip
    globals()[_f.__name__[:-1]] = deprecated(_f)
