"""Distributions by a covariance matrix, and of matrices: normal vectors, Wishart, Cholesky factors of correlations."""

from __future__ import annotations

import math

import numpy as np

from ..engine import no_grad
from ..random import randn
from ..tensor import NAMES, Tensor
from ..tensor.create import as_tensor
from . import constraints
from .continuous import noise
from .distribution import AroundLoc, Distribution, all_tensors
from .gammas import Beta, Chi2

__all__ = ["LKJCholesky", "MultivariateNormal", "Wishart"]

T, L = NAMES["torch"], NAMES["linalg"]


def half_log_det(tril: Tensor) -> Tensor:
    """Of tril @ tril.mT."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class _OfCovariance(Distribution):
    """Given by one of a covariance, a precision, or the lower factor of the covariance; gives all three."""

    arg_constraints = {  # noqa: RUF012
        "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    has_rsample = True

    def _given(self, **matrices) -> tuple[str, Tensor]:
        given = {k: v for k, v in matrices.items() if v is not None}
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        return name, matrix

    def _factor(self, name: str, n: int) -> None:
        """`_tril`, the lower factor of the covariance, from the matrix of that name."""
        matrix = self.__dict__[name]
        if name == "precision_matrix":
            flipped = L["cholesky"](matrix.flip((-2, -1))).flip((-2, -1)).mT
            self._tril = L["solve_triangular"](flipped, T["eye"](n, dtype=matrix.dtype), upper=False)
        else:
            self._tril = matrix if name == "scale_tril" else L["cholesky"](matrix)

    def __getattr__(self, name: str):
        tril = self.__dict__.get("_tril")
        if tril is not None and name == "scale_tril":
            return tril
        if tril is not None and name == "covariance_matrix":
            return tril @ tril.mT
        if tril is not None and name == "precision_matrix":
            return T["cholesky_inverse"](tril)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class MultivariateNormal(AroundLoc, _OfCovariance):
    """Normal vectors with mean `loc` and one of covariance, precision, or the lower factor of the covariance."""

    arg_constraints = {"loc": constraints.real_vector, **_OfCovariance.arg_constraints}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = self._given(
            covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril
        )
        batch = T["broadcast_shapes"](matrix.shape[:-2], loc.shape[:-1])
        self.__dict__[name] = matrix.expand(*batch, *matrix.shape[-2:])
        self.loc = loc.expand(*batch, loc.shape[-1])
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        self._factor(name, loc.shape[-1])

    @property
    def variance(self):
        return self._tril.pow(2).sum(-1).expand(*self._batch_shape, *self._event_shape)

    def rsample(self, sample_shape=()):
        eps = noise(randn, self.loc, self._extended_shape(sample_shape))
        return self.loc + (self._tril @ eps.unsqueeze(-1)).squeeze(-1)

    def _mahalanobis(self, diff):
        tril = self._tril.expand(*diff.shape[:-1], *self._tril.shape[-2:])
        return L["solve_triangular"](tril, diff.unsqueeze(-1), upper=False).squeeze(-1).pow(2).sum(-1)

    def log_prob(self, value):
        self._validated(value)
        m = self._mahalanobis(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + m) - half_log_det(self._tril)

    def entropy(self):
        return 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det(self._tril)


class Wishart(_OfCovariance):
    """Sums of outer products of `df` normal vectors of that covariance: positive definite matrices (p x p).

    df  degrees of freedom, more than p - 1; need not be whole
    """

    arg_constraints = {**_OfCovariance.arg_constraints, "df": constraints.greater_than(0)}  # noqa: RUF012
    support = constraints.positive_definite

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        name, matrix = self._given(
            covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril
        )
        df = df if isinstance(df, Tensor) else as_tensor(float(df), dtype=matrix.dtype)
        batch, n = T["broadcast_shapes"](matrix.shape[:-2], df.shape), matrix.shape[-1]
        self.df = df.expand(batch)
        self.__dict__[name] = matrix.expand(*batch, n, n)
        if (self.df.detach() <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        super().__init__(batch, (n, n), validate_args=validate_args)
        self._factor(name, n)

    @property
    def _df(self):
        return self.df[..., None, None]

    @property
    def mean(self):
        return self._df * self.covariance_matrix

    @property
    def mode(self):
        factor = self._df - self._event_shape[-1] - 1
        return T["where"](factor > 0, factor, math.nan) * self.covariance_matrix

    @property
    def variance(self):
        v = self.covariance_matrix
        d = v.diagonal(dim1=-2, dim2=-1)
        return self._df * (v.pow(2) + d[..., :, None] * d[..., None, :])

    def rsample(self, sample_shape=()):
        """By Bartlett's decomposition: a triangle of normal draws with roots of chi-square draws on its diagonal."""
        shape, n = self._extended_shape(sample_shape), self._event_shape[-1]
        chi = Chi2(self.df[..., None] - T["arange"](n, dtype=self.df.dtype), validate_args=False)
        triangle = noise(randn, self._tril, shape).tril(-1) + T["diag_embed"](chi.rsample(sample_shape).sqrt())
        factor = self._tril @ triangle
        return factor @ factor.mT

    def log_prob(self, value):
        self._validated(value)
        n, df = self._event_shape[-1], self.df
        tril = self._tril.expand(*T["broadcast_shapes"](value.shape[:-2], self._batch_shape), n, n)
        over = T["cholesky_solve"](value.expand(tril.shape), tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -df * (n * math.log(2) / 2 + half_log_det(self._tril))
            - T["mvlgamma"](df / 2, p=n)
            + (df - n - 1) / 2 * L["slogdet"](value)[1]
            - over / 2
        )

    def entropy(self):
        n, df = self._event_shape[-1], self.df
        return (
            (n + 1) * (n * math.log(2) / 2 + half_log_det(self._tril))
            + T["mvlgamma"](df / 2, p=n)
            - (df - n - 1) / 2 * mvdigamma(df / 2, n)
            + df * n / 2
        )


def mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of `mvlgamma(x, p)`."""
    return (x[..., None] - T["arange"](p, dtype=x.dtype) / 2).digamma().sum(-1)


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices, dim x dim; the matrices have a density in proportion to
    det^(concentration - 1)."""

    arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = all_tensors(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    @no_grad()
    def sample(self, sample_shape=()):
        """Row by row, a direction times a radius whose square is a Beta draw."""
        shape, c = self._extended_shape(sample_shape), self.concentration[..., None]
        offset = T["arange"](-1, self.dim - 1, dtype=c.dtype).clamp(min=0)
        radius = Beta(offset + 0.5, c + 0.5 * (self.dim - 2) - 0.5 * offset, validate_args=False).sample(sample_shape)
        direction = noise(randn, c, shape).tril(-1)
        length = direction.norm(dim=-1, keepdim=True)
        w = radius[..., None].sqrt() * direction / T["where"](length == 0, 1.0, length)
        tiny = float(np.finfo(w.dtype.np).tiny)
        return w + T["diag_embed"]((1 - w.square().sum(-1)).clamp(min=tiny).sqrt())

    def log_prob(self, value):
        self._validated(value)
        n, c = self.dim - 1, self.concentration
        order = 2 * (c - 1)[..., None] + self.dim - T["arange"](2, self.dim + 1, dtype=c.dtype)
        unnormalised = (order * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        alpha = c + 0.5 * n
        return unnormalised - 0.5 * n * math.log(math.pi) - T["mvlgamma"](alpha - 0.5, p=n) + alpha.lgamma() * n
