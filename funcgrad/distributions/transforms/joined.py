"""Maps of matrices, and several maps side by side along a dimension."""

from __future__ import annotations

import math

import numpy as np

from ...tensor import NAMES
from .. import constraints
from .maps import LowerCholeskyTransform, Transform

__all__ = ["CatTransform", "CorrCholeskyTransform", "PositiveDefiniteTransform", "StackTransform"]

T, F, L = NAMES["torch"], NAMES["F"], NAMES["linalg"]


def _triangle(x, offset: int):
    """A vector as the part of a square matrix on and under the diagonal `offset`, row by row."""
    n = round((math.sqrt(1 + 8 * x.shape[-1]) - 1) / 2) - offset
    rows, columns = np.tril_indices(n, offset)
    flat = x.new_zeros((*x.shape[:-1], n * n))
    return flat.index_copy(-1, T["tensor"]((rows * n + columns).tolist()), x).reshape(*x.shape[:-1], n, n)


def _vector(y, offset: int):
    """`_triangle` undone."""
    n = y.shape[-1]
    rows, columns = np.tril_indices(n, offset)
    return y.reshape(*y.shape[:-2], n * n).index_select(-1, T["tensor"]((rows * n + columns).tolist()))


class CorrCholeskyTransform(Transform):
    """D (D - 1) / 2 numbers as the Cholesky factor of a correlation matrix, D x D: row by row the tangent hyperbolic of
    each takes its part of what the ones before have left of a length of 1."""

    domain, codomain = constraints.real_vector, constraints.corr_cholesky

    def _call(self, x):
        x = x.tanh()
        eps = float(np.finfo(x.dtype.np).eps)
        r = _triangle(x.clamp(-1 + eps, 1 - eps), -1)
        left = (1 - r.square()).sqrt().cumprod(-1)
        return (r + T["eye"](r.shape[-1], dtype=r.dtype)) * F["pad"](left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = F["pad"]((1 - y.square().cumsum(-1))[..., :-1], [1, 0], value=1)
        t = _vector(y, -1) / _vector(left, -1).sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x, y):
        left = _vector(1 - y.square().cumsum(-1), -2)
        return 0.5 * left.log().sum(-1) - 2 * (x + F["softplus"](-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        n = shape[-1]
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if d * (d - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], d, d)

    def inverse_shape(self, shape):
        if shape[-1] != shape[-2]:
            raise ValueError("Input is not square")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class PositiveDefiniteTransform(Transform):
    """A matrix as a positive definite one, by its Cholesky factor."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(L["cholesky"](y))


class _Several(Transform):
    """Maps of parts along `dim`."""

    def __init__(self, transforms, dim: int, cache_size: int):
        super().__init__(cache_size)
        self.transforms, self.dim = list(transforms), dim

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    def _parts(self, x):
        raise NotImplementedError

    def _whole(self, parts):
        raise NotImplementedError

    def _call(self, x):
        return self._whole([t(part) for t, part in zip(self.transforms, self._parts(x), strict=True)])

    def _inverse(self, y):
        return self._whole([t.inv(part) for t, part in zip(self.transforms, self._parts(y), strict=True)])


class CatTransform(_Several):
    """Maps of consecutive parts along `dim`, of these `lengths` (1 each by default)."""

    def __init__(self, tseq, dim: int = 0, lengths=None, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    @property
    def event_dim(self) -> int:
        return max(max(t.domain.event_dim, t.codomain.event_dim) for t in self.transforms)

    @property
    def length(self) -> int:
        return sum(self.lengths)

    def _parts(self, x):
        return x.split(self.lengths, self.dim)

    def _whole(self, parts):
        return T["cat"](parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        found = []
        for t, part, image in zip(self.transforms, self._parts(x), self._parts(y), strict=True):
            one = t.log_abs_det_jacobian(part, image)
            if max(t.domain.event_dim, t.codomain.event_dim) < self.event_dim:
                n = self.event_dim - max(t.domain.event_dim, t.codomain.event_dim)
                one = one.reshape(*one.shape[: one.ndim - n], -1).sum(-1)
            found.append(one)
        dim = self.dim if self.dim < 0 else self.dim - x.ndim
        dim += self.event_dim
        return T["cat"](found, dim) if dim < 0 else sum(found)

    @property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Several):
    """One map for each slice along `dim`."""

    def __init__(self, transforms, dim: int = 0, cache_size: int = 0):
        super().__init__(transforms, dim, cache_size)

    def _parts(self, x):
        return x.unbind(self.dim)

    def _whole(self, parts):
        return T["stack"](parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        each = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        return T["stack"]([t.log_abs_det_jacobian(a, b) for t, a, b in each], self.dim)

    @property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
