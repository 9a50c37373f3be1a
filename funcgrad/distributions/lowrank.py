"""Normal vectors whose covariance is a diagonal and a few factors; nothing n x n is factored."""

from __future__ import annotations

import math

from ..random import randn
from ..tensor import NAMES
from . import constraints
from .continuous import noise
from .distribution import AroundLoc, Distribution

__all__ = ["LowRankMultivariateNormal"]

T, L = NAMES["torch"], NAMES["linalg"]


class LowRankMultivariateNormal(AroundLoc, Distribution):
    """Mean `loc` (n), covariance W W^T + diag(D): `cov_factor` W (n x few), `cov_diag` D (n)."""

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        n = loc.shape[-1]
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.shape[-1:] != loc.shape[-1:]:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]}")
        batch = T["broadcast_shapes"](loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        self.loc, self.cov_diag = loc.expand(*batch, n), cov_diag.expand(*batch, n)
        self.cov_factor = cov_factor.expand(*batch, *cov_factor.shape[-2:])
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        # of I + W^T D^-1 W, few x few (Woodbury)
        self.factor_over_diag = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        few = T["eye"](cov_factor.shape[-1], dtype=cov_factor.dtype)
        self._capacitance_tril = L["cholesky"](few + self.factor_over_diag @ self.cov_factor)

    @property
    def variance(self):
        return self.cov_factor.pow(2).sum(-1) + self.cov_diag

    @property
    def covariance_matrix(self):
        return self.cov_factor @ self.cov_factor.mT + T["diag_embed"](self.cov_diag)

    @property
    def precision_matrix(self):
        a = L["solve_triangular"](self._capacitance_tril, self.factor_over_diag, upper=False)
        return T["diag_embed"](self.cov_diag.reciprocal()) - a.mT @ a

    @property
    def scale_tril(self):
        return L["cholesky"](self.covariance_matrix)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        few = noise(randn, self.loc, (*shape[:-1], self.cov_factor.shape[-1]))
        each = noise(randn, self.loc, shape)
        return self.loc + (self.cov_factor @ few.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * each

    def mahalanobis(self, diff):
        """diff^T covariance^-1 diff."""
        x = (self.factor_over_diag @ diff.unsqueeze(-1)).squeeze(-1)
        tril = self._capacitance_tril.expand(*x.shape[:-1], *self._capacitance_tril.shape[-2:])
        inner = L["solve_triangular"](tril, x.unsqueeze(-1), upper=False).squeeze(-1)
        return (diff.pow(2) / self.cov_diag).sum(-1) - inner.pow(2).sum(-1)

    def log_det(self):
        """Of the covariance."""
        return 2 * self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1) + self.cov_diag.log().sum(-1)

    def log_prob(self, value):
        self._validated(value)
        m = self.mahalanobis(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self.log_det() + m)

    def entropy(self):
        return 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self.log_det())
