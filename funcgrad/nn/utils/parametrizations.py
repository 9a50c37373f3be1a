"""Weight and spectral normalisation, and orthogonal weights, as parametrizations."""

from __future__ import annotations

from ...engine import no_grad
from ...tensor import NAMES, Tensor
from ..functional.distances import normalize
from ..module import Module
from . import parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

T, L = NAMES["torch"], NAMES["linalg"]


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norm over all dimensions but `dim`, kept; over all for None or -1."""
    if dim is None or dim == -1:
        return v.norm()
    others = [d for d in range(v.ndim) if d != dim % v.ndim]
    return v.pow(2).sum(others, keepdim=True).sqrt() if others else v.abs()


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """The tensor as a length times a direction, g·v / ‖v‖, each learnt, after Salimans and Kingma (2016).

    dim  the dimension that has a length for each of its indices; None: one for all
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    return module


class _SpectralNorm(Module):
    """The weight divided by its largest singular value, which a step of the power method follows in training."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        super().__init__()
        if dim >= weight.ndim or dim < -weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            matrix = self._matrix(weight)
            rows, columns = matrix.shape
            u, v = matrix.new_empty(rows).normal_(0, 1), matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", normalize(v, dim=0, eps=eps))
            self._follow(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.flatten(1)

    @no_grad()
    def _follow(self, matrix: Tensor, steps: int) -> None:
        u, v, matrix = self._u, self._v, matrix.detach()
        for _ in range(steps):
            u = normalize(T["mv"](matrix, v), dim=0, eps=self.eps)
            v = normalize(T["mv"](matrix.mT, u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight):
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._follow(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / T["vdot"](u, T["mv"](matrix, v))

    def right_inverse(self, value):
        return value


def outputs_of(module: Module) -> int:
    """The dimension of a layer's weight that counts its outputs."""
    from ..modules.conv import _Transposed

    return 1 if isinstance(module, _Transposed) else 0


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:  # fmt: skip
    """The tensor divided by its largest singular value, after Miyato and others (2018).

    dim  the dimension that counts outputs: 1 for transposed convolutions, else 0
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    made = _SpectralNorm(weight, n_power_iterations, outputs_of(module) if dim is None else dim, eps)
    parametrize.register_parametrization(module, name, made)
    return module


class _Orthogonal(Module):
    """A matrix with orthonormal rows or columns, from any matrix of its shape, times the one it began with."""

    def __init__(self, base: Tensor, tall: bool, how: str):
        super().__init__()
        self.tall, self.how = tall, how
        self.register_buffer("base", base)

    def forward(self, x):
        if not self.tall:
            x = x.mT
        n, k = x.shape[-2:]
        a = x.tril()
        if n != k:
            a = T["cat"]([a, a.new_zeros(*a.shape[:-2], n, n - k)], -1)
        a = a - a.mT
        eye = T["eye"](n, dtype=a.dtype)
        q = L["matrix_exp"](a) if self.how == "matrix_exp" else L["solve"](eye + a / 2, eye - a / 2)
        q = (self.base @ q)[..., :k]
        return q if self.tall else q.mT


def orthogonal(module: Module, name: str = "weight", orthogonal_map: str | None = None, *,
               use_trivialization: bool = True) -> Module:  # fmt: skip
    """The tensor kept orthogonal, its rows or its columns: by "matrix_exp" or "cayley" of a skew-symmetric matrix.

    It begins as the orthogonal matrix nearest by QR to what it was.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map not in (None, "matrix_exp", "cayley"):
        raise NotImplementedError("orthogonal: orthogonal_map is 'matrix_exp' or 'cayley' here")
    tall = weight.shape[-2] >= weight.shape[-1]
    with no_grad():
        matrix = weight.detach() if tall else weight.detach().mT
        q, r = L["qr"](matrix, mode="complete")
        k = matrix.shape[-1]
        sign = r.diagonal(dim1=-2, dim2=-1).sign()
        q = T["cat"]([q[..., :k] * sign.unsqueeze(-2), q[..., k:]], -1)
        weight.zero_()
    made = _Orthogonal(q, tall, orthogonal_map or "matrix_exp")
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module
