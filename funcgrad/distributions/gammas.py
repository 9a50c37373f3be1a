"""Gamma and what is made from it: Beta, Dirichlet, Student's t and others, reparameterised by implicit gradients."""

from __future__ import annotations

import math

from ..random import default_generator, randn
from ..tensor import NAMES, Tensor
from ..tensor.tensor import value_of, wrap
from . import constraints
from .continuous import noise
from .distribution import Distribution, all_tensors

__all__ = ["Beta", "Chi2", "Dirichlet", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT"]

T = NAMES["torch"]


def standard_gamma(concentration: Tensor) -> Tensor:
    """Draws with rate 1, from the key of the generator; gradients go to the concentration."""
    return wrap(default_generator.record("standard_gamma", (value_of(concentration),))[0])


def _clamped(x: Tensor) -> Tensor:
    """Above zero, so that its logarithm is finite."""
    import numpy as np

    return x.clamp(min=float(np.finfo(x.dtype.np).tiny))


class Gamma(Distribution):
    """rate^c·x^(c - 1)·exp(-rate·x) / Γ(c), c the `concentration`."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}  # noqa: RUF012
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration, rate, validate_args: bool | None = None):
        self.concentration, self.rate = all_tensors(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def mode(self):
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self):
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return _clamped(standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape))

    def log_prob(self, value):
        self._validated(value)
        c, r = self.concentration, self.rate
        return T["xlogy"](c, r) + T["xlogy"](c - 1, value) - r * value - c.lgamma()

    def cdf(self, value):
        self._validated(value)
        return T["igamma"](self.concentration, self.rate * value)

    def entropy(self):
        c = self.concentration
        return c - self.rate.log() + c.lgamma() + (1.0 - c) * c.digamma()


class Chi2(Gamma):
    """The sum of `df` squares of normal draws."""

    arg_constraints = {"df": constraints.positive}  # noqa: RUF012

    def __init__(self, df, validate_args: bool | None = None):
        (df,) = all_tensors(df)
        super().__init__(0.5 * df, T["full_like"](df, 0.5), validate_args=validate_args)

    @property
    def df(self):
        """Degrees of freedom."""
        return self.concentration * 2


class InverseGamma(Distribution):
    """1 / x of a Gamma draw."""

    arg_constraints = Gamma.arg_constraints
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args: bool | None = None):
        self.concentration, self.rate = all_tensors(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def _base(self) -> Gamma:
        return Gamma(self.concentration, self.rate, validate_args=False)

    @property
    def mean(self):
        return T["where"](self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self):
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        c = self.concentration
        return T["where"](c > 2, self.rate.square() / ((c - 1).square() * (c - 2)), math.inf)

    def rsample(self, sample_shape=()):
        return self._base().rsample(sample_shape).reciprocal()

    def log_prob(self, value):
        self._validated(value)
        return self._base().log_prob(value.reciprocal()) - 2 * value.log()

    def cdf(self, value):
        self._validated(value)
        return 1 - self._base().cdf(value.reciprocal())

    def entropy(self):
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()


class Dirichlet(Distribution):
    """Shares that add up to 1: ∏ x_i^(c_i - 1) / B(c), c the `concentration`, one a class along the last dimension."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}  # noqa: RUF012
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args: bool | None = None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self):
        below = (self.concentration - 1).clamp(min=0.0)
        mode = below / below.sum(-1, True)
        one_hot = NAMES["F"]["one_hot"](mode.argmax(-1), self.concentration.shape[-1]).to(mode.dtype)
        return T["where"]((self.concentration < 1).all(-1, True), one_hot, mode)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        drawn = _clamped(standard_gamma(self.concentration.expand(self._extended_shape(sample_shape))))
        return drawn / drawn.sum(-1, True)

    def log_prob(self, value):
        self._validated(value)
        c = self.concentration
        return T["xlogy"](c - 1.0, value).sum(-1) + c.sum(-1).lgamma() - c.lgamma().sum(-1)

    def entropy(self):
        c, k = self.concentration, self.concentration.shape[-1]
        total = c.sum(-1)
        inner = ((c - 1.0) * c.digamma()).sum(-1)
        return c.lgamma().sum(-1) - total.lgamma() - (k - total) * total.digamma() - inner


class Beta(Distribution):
    """x^(a - 1)·(1 - x)^(b - 1) / B(a, b), a and b the `concentration1` and `concentration0`."""

    arg_constraints = {  # noqa: RUF012
        "concentration1": constraints.positive, "concentration0": constraints.positive,
    }  # fmt: skip
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = all_tensors(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _base(self) -> Dirichlet:
        return Dirichlet(T["stack"]([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self):
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self):
        return self._base().mode[..., 0]

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        return self._base().rsample(sample_shape).select(-1, 0)

    def log_prob(self, value):
        self._validated(value)
        return self._base().log_prob(T["stack"]([value, 1.0 - value], -1))

    def entropy(self):
        return self._base().entropy()


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, moved by `loc` and stretched by `scale`."""

    arg_constraints = {  # noqa: RUF012
        "df": constraints.positive, "loc": constraints.real, "scale": constraints.positive,
    }  # fmt: skip
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = all_tensors(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self):
        return T["where"](self.df <= 1, math.nan, self.loc)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        df = self.df
        finite = self.scale.pow(2) * df / (df - 2)
        return T["where"](df > 2, finite, T["where"](df > 1, math.inf, T["full_like"](df, math.nan)))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        x = noise(randn, self.df, shape)
        z = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * (x * (z / self.df).rsqrt())

    def log_prob(self, value):
        self._validated(value)
        df, y = self.df, (value - self.loc) / self.scale
        norm = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi)
        norm = norm + (0.5 * df).lgamma() - (0.5 * (df + 1.0)).lgamma()
        return -0.5 * (df + 1.0) * (y**2.0 / df).log1p() - norm

    def entropy(self):
        df = self.df
        lbeta = (0.5 * df).lgamma() + math.lgamma(0.5) - (0.5 * (df + 1)).lgamma()
        rise = (0.5 * (df + 1)).digamma() - (0.5 * df).digamma()
        return self.scale.log() + 0.5 * (df + 1) * rise + 0.5 * df.log() + lbeta


class FisherSnedecor(Distribution):
    """The ratio of two Chi2 draws, each divided by its degrees of freedom."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1, df2, validate_args: bool | None = None):
        self.df1, self.df2 = all_tensors(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self):
        return T["where"](self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self):
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return T["where"](self.df1 > 2, mode, math.nan)

    @property
    def variance(self):
        a, b = self.df1, self.df2
        finite = 2 * b.pow(2) * (a + b - 2) / (a * (b - 2).pow(2) * (b - 4))
        return T["where"](b > 4, finite, math.nan)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        x = standard_gamma((self.df1 * 0.5).expand(shape)) / self.df1
        y = standard_gamma((self.df2 * 0.5).expand(shape)) / self.df2
        return _clamped(x / _clamped(y))

    def log_prob(self, value):
        self._validated(value)
        a, b = self.df1 * 0.5, self.df2 * 0.5
        ratio = self.df1 / self.df2
        first = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return first + a * ratio.log() + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()
