"""Continuous distributions with ends: between 0 and 1, and beyond a threshold."""

from __future__ import annotations

import math

from ..random import rand
from ..tensor import NAMES
from . import constraints
from .continuous import noise
from .discrete import _bce, _Binary, clamped_probs
from .distribution import Distribution, all_tensors

__all__ = ["ContinuousBernoulli", "GeneralizedPareto"]

T = NAMES["torch"]


class ContinuousBernoulli(_Binary):
    """Between 0 and 1, in proportion to probs^x (1 - probs)^(1 - x).

    lims  where `probs` is so near to 1/2 that series are used for what is 0 / 0 there
    """

    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args: bool | None = None):
        super().__init__(self._take(probs, logits).shape, validate_args=validate_args)
        self._lims = lims
        if "probs" in self.__dict__:
            self.__dict__["probs"] = clamped_probs(self.probs)

    @property
    def _outside(self):
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    @property
    def _cut(self):
        """`probs` where they are not near 1/2."""
        return T["where"](self._outside, self.probs, self._lims[0])

    def _norm(self):
        """The logarithm of what makes the density whole."""
        p, x = self._cut, (self.probs - 0.5).square()
        size = ((-p).log1p() - p.log()).abs().log() - T["where"](p <= 0.5, (-2 * p).log1p(), (2 * p - 1).abs().log())
        return T["where"](self._outside, size, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self):
        p, x = self._cut, self.probs - 0.5
        found = p / (2 * p - 1) + 1 / ((-p).log1p() - p.log())
        return T["where"](self._outside, found, 0.5 + (1 / 3 + 16 / 45 * x.square()) * x)

    @property
    def variance(self):
        p, x = self._cut, (self.probs - 0.5).square()
        found = p * (p - 1) / (1 - 2 * p).square() + 1 / ((-p).log1p() - p.log()).square()
        return T["where"](self._outside, found, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def rsample(self, sample_shape=()):
        return self.icdf(noise(rand, self.probs, self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._validated(value)
        logits, value = T["broadcast_tensors"](self.logits, value)
        return -_bce(logits, value) + self._norm()

    def cdf(self, value):
        self._validated(value)
        p = self._cut
        found = (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1)
        return T["where"](self._outside, found, value).clamp(0, 1)

    def icdf(self, value):
        p = self._cut
        found = ((-p + value * (2 * p - 1)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p())
        return T["where"](self._outside, found, value)

    def entropy(self):
        odds = (-self.probs).log1p() - self.probs.log()
        return self.mean * odds - self._norm() - (-self.probs).log1p()


class GeneralizedPareto(Distribution):
    """What exceeds the threshold `loc`: (1 + concentration (x - loc) / scale)^(-1 / concentration) is the chance of
    more than x."""

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real,
    }  # fmt: skip
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args: bool | None = None):
        self.loc, self.scale, self.concentration = all_tensors(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def _flat(self):
        """Where it is an exponential distribution, and the concentration put to 1 there."""
        flat = T["isclose"](self.concentration, T["zeros_like"](self.concentration))
        return flat, T["where"](flat, 1.0, self.concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, T["where"](self.concentration < 0, end, math.inf))

    @property
    def mean(self):
        c = self.concentration
        return T["where"](c < 1, self.loc + self.scale / (1 - c), math.inf)

    @property
    def variance(self):
        c = self.concentration
        return T["where"](c < 0.5, self.scale.square() / ((1 - c).square() * (1 - 2 * c)), math.inf)

    @property
    def mode(self):
        return self.loc

    def rsample(self, sample_shape=()):
        return self.icdf(noise(rand, self.loc, self._extended_shape(sample_shape)))

    def _log_survival(self, value):
        z, (flat, c) = (value - self.loc) / self.scale, self._flat
        return T["where"](flat, -z, -(c * z).log1p() / c)

    def log_prob(self, value):
        self._validated(value)
        z, (flat, c) = (value - self.loc) / self.scale, self._flat
        return -self.scale.log() + T["where"](flat, -z, -(1 + 1 / c) * (c * z).log1p())

    def cdf(self, value):
        self._validated(value)
        return -self._log_survival(value).expm1()

    def icdf(self, value):
        left, (flat, c) = (-value).log1p(), self._flat
        return self.loc + self.scale * T["where"](flat, -left, (-c * left).expm1() / c)

    def entropy(self):
        return self.scale.log() + self.concentration + 1
