"""Distributions of a real number that are made from a uniform or a normal one."""

from __future__ import annotations

import math

import numpy as np

from ..random import normal, rand, randn
from ..tensor import NAMES, Tensor
from . import constraints
from .distribution import AroundLoc, Distribution, all_tensors

__all__ = [
    "Cauchy", "Exponential", "Gumbel", "HalfCauchy", "HalfNormal", "Kumaraswamy", "Laplace", "LogNormal", "Normal",
    "Pareto", "Uniform", "Weibull",
]  # fmt: skip

T = NAMES["torch"]
EULER = 0.57721566490153286060


def noise(draw, like: Tensor, shape) -> Tensor:
    """Draws of `draw`, in the dtype of a parameter."""
    return draw(tuple(shape), dtype=like.dtype)


class _LocScale(AroundLoc, Distribution):
    """Two parameters, `loc` and `scale`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args: bool | None = None):
        self.loc, self.scale = all_tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)


class Normal(_LocScale):
    """The normal distribution with mean `loc` and standard deviation `scale`."""

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale**2

    def sample(self, sample_shape=()):
        from ..engine import no_grad

        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(self.loc.detach().expand(shape), self.scale.detach().expand(shape))

    def rsample(self, sample_shape=()):
        return self.loc + noise(randn, self.loc, self._extended_shape(sample_shape)) * self.scale

    def log_prob(self, value):
        self._validated(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value):
        self._validated(value)
        return 0.5 * (1 + ((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())

    def icdf(self, value):
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Laplace(_LocScale):
    """exp(-|x - loc| / scale) / (2·scale)."""

    @property
    def variance(self):
        return 2 * self.scale**2

    @property
    def stddev(self):
        return 2**0.5 * self.scale

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        low = float(np.finfo(self.loc.dtype.np).eps) - 1
        u = self.loc.new_empty(shape).uniform_(low, 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value):
        self._validated(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value):
        self._validated(value)
        d = value - self.loc
        return 0.5 - 0.5 * d.sign() * (-d.abs() / self.scale).expm1()

    def icdf(self, value):
        d = value - 0.5
        return self.loc - self.scale * d.sign() * (-2 * d.abs()).log1p()

    def entropy(self):
        return 1 + (2 * self.scale).log()


class Cauchy(_LocScale):
    """1 / (π·scale·(1 + ((x - loc) / scale)²))."""

    @property
    def mean(self):
        return T["full_like"](self.loc, math.nan)

    @property
    def variance(self):
        return T["full_like"](self.loc, math.inf)

    def rsample(self, sample_shape=()):
        eps = self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_()
        return self.loc + eps * self.scale

    def log_prob(self, value):
        self._validated(value)
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def cdf(self, value):
        self._validated(value)
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value):
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(_LocScale):
    """The largest of many: exp(-exp(-(x - loc) / scale)) is its cdf."""

    def rsample(self, sample_shape=()):
        info = np.finfo(self.loc.dtype.np)
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(float(info.tiny), 1 - float(info.eps))
        return self.loc - self.scale * (-(u.log())).log()

    def log_prob(self, value):
        self._validated(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def cdf(self, value):
        self._validated(value)
        return (-((self.loc - value) / self.scale).exp()).exp()

    def icdf(self, value):
        return self.loc - self.scale * (-(value.log())).log()

    @property
    def mean(self):
        return self.loc + self.scale * EULER

    @property
    def stddev(self):
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self):
        return self.stddev**2

    def entropy(self):
        return self.scale.log() + (1 + EULER)


class LogNormal(_LocScale):
    """exp of a normal draw."""

    support = constraints.positive

    def _base(self) -> Normal:
        return Normal(self.loc, self.scale, validate_args=False)

    @property
    def mean(self):
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self):
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self):
        square = self.scale**2
        return square.expm1() * (2 * self.loc + square).exp()

    def rsample(self, sample_shape=()):
        return self._base().rsample(sample_shape).exp()

    def log_prob(self, value):
        self._validated(value)
        x = value.log()
        return self._base().log_prob(x) - x

    def cdf(self, value):
        self._validated(value)
        return self._base().cdf(value.log())

    def icdf(self, value):
        return self._base().icdf(value).exp()

    def entropy(self):
        return self._base().entropy() + self.loc


class _Scale(Distribution):
    """The absolute value of a distribution around 0: one parameter, `scale`."""

    arg_constraints = {"scale": constraints.positive}  # noqa: RUF012
    support = constraints.nonnegative
    has_rsample = True
    base: type = Normal

    def __init__(self, scale, validate_args: bool | None = None):
        (self.scale,) = all_tensors(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    def _base(self):
        return self.base(T["zeros_like"](self.scale), self.scale, validate_args=False)

    @property
    def mode(self):
        return T["zeros_like"](self.scale)

    def rsample(self, sample_shape=()):
        return self._base().rsample(sample_shape).abs()

    def log_prob(self, value):
        self._validated(value)
        return T["where"](value >= 0, self._base().log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value):
        self._validated(value)
        return 2 * self._base().cdf(value) - 1

    def icdf(self, value):
        return self._base().icdf((value + 1) / 2)

    def entropy(self):
        return self._base().entropy() - math.log(2)


class HalfNormal(_Scale):
    """|x| of a normal draw around 0."""

    @property
    def mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self):
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(_Scale):
    """|x| of a Cauchy draw around 0."""

    base = Cauchy

    @property
    def mean(self):
        return T["full_like"](self.scale, math.inf)

    @property
    def variance(self):
        return T["full_like"](self.scale, math.inf)


class Uniform(Distribution):
    """The same density from `low` to below `high`."""

    has_rsample = True

    def __init__(self, low, high, validate_args: bool | None = None):
        self.low, self.high = all_tensors(low, high)
        self.arg_constraints = {
            "low": constraints.less_than(self.high.detach()), "high": constraints.greater_than(self.low.detach()),
        }  # fmt: skip
        super().__init__(self.low.shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self):
        return constraints.interval(self.low, self.high)

    @property
    def mean(self):
        return (self.high + self.low) / 2

    @property
    def mode(self):
        return math.nan * self.high

    @property
    def stddev(self):
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self):
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape=()):
        u = noise(rand, self.low, self._extended_shape(sample_shape))
        return self.low + u * (self.high - self.low)

    def log_prob(self, value):
        self._validated(value)
        inside = (self.low <= value) & (self.high > value)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value):
        self._validated(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def entropy(self):
        return (self.high - self.low).log()


class Exponential(Distribution):
    """rate·exp(-rate·x)."""

    arg_constraints = {"rate": constraints.positive}  # noqa: RUF012
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate, validate_args: bool | None = None):
        (self.rate,) = all_tensors(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.rate.reciprocal()

    @property
    def mode(self):
        return T["zeros_like"](self.rate)

    @property
    def stddev(self):
        return self.rate.reciprocal()

    @property
    def variance(self):
        return self.rate.pow(-2)

    def rsample(self, sample_shape=()):
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def log_prob(self, value):
        self._validated(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        self._validated(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value):
        return -(-value).log1p() / self.rate

    def entropy(self):
        return 1.0 - self.rate.log()


class Pareto(Distribution):
    """alpha·scale^alpha / x^(alpha + 1), from `scale` on."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}  # noqa: RUF012
    has_rsample = True

    def __init__(self, scale, alpha, validate_args: bool | None = None):
        self.scale, self.alpha = all_tensors(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self):
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self):
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self):
        return self.scale

    @property
    def variance(self):
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def rsample(self, sample_shape=()):
        e = self.alpha.new_empty(self._extended_shape(sample_shape)).exponential_()
        return self.scale * (e / self.alpha).exp()

    def log_prob(self, value):
        self._validated(value)
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * value.log()

    def cdf(self, value):
        self._validated(value)
        return 1 - (self.scale / value) ** self.alpha

    def icdf(self, value):
        return self.scale * (1 - value) ** (-1 / self.alpha)

    def entropy(self):
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Weibull(Distribution):
    """k/scale·(x/scale)^(k - 1)·exp(-(x/scale)^k), k the `concentration`."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    has_rsample = True

    def __init__(self, scale, concentration, validate_args: bool | None = None):
        self.scale, self.concentration = all_tensors(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    def _moment(self, n: int):
        return (1 + n / self.concentration).lgamma().exp()

    @property
    def mean(self):
        return self.scale * self._moment(1)

    @property
    def mode(self):
        k = self.concentration
        return self.scale * ((k - 1) / k) ** k.reciprocal()

    @property
    def variance(self):
        return self.scale.pow(2) * (self._moment(2) - self._moment(1) ** 2)

    def rsample(self, sample_shape=()):
        e = self.scale.new_empty(self._extended_shape(sample_shape)).exponential_()
        return self.scale * e ** self.concentration.reciprocal()

    def log_prob(self, value):
        self._validated(value)
        k, x = self.concentration, value / self.scale
        return k.log() - self.scale.log() + (k - 1) * x.log() - x**k

    def cdf(self, value):
        self._validated(value)
        return -(-((value / self.scale) ** self.concentration)).expm1()

    def icdf(self, value):
        return self.scale * (-(-value).log1p()) ** self.concentration.reciprocal()

    def entropy(self):
        inverse = self.concentration.reciprocal()
        return EULER * (1 - inverse) + (self.scale * inverse).log() + 1


class Kumaraswamy(Distribution):
    """a·b·x^(a - 1)·(1 - x^a)^(b - 1), between 0 and 1."""

    arg_constraints = {  # noqa: RUF012
        "concentration1": constraints.positive, "concentration0": constraints.positive,
    }  # fmt: skip
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = all_tensors(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _moment(self, n: int):
        a, b = self.concentration1, self.concentration0
        at = 1 + n / a
        return (at.lgamma() + b.lgamma() - (at + b).lgamma()).exp() * b

    @property
    def mean(self):
        return self._moment(1)

    @property
    def mode(self):
        a, b = self.concentration1, self.concentration0
        log_mode = a.reciprocal() * (-b).log1p() - (-a * b).log1p()
        return T["where"]((a < 1) | (b < 1), math.nan, log_mode.exp())

    @property
    def variance(self):
        return self._moment(2) - self._moment(1) ** 2

    def rsample(self, sample_shape=()):
        info = np.finfo(self.concentration1.dtype.np)
        u = noise(rand, self.concentration1, self._extended_shape(sample_shape))
        return self.icdf(u.clamp(float(info.tiny), 1 - float(info.eps)))

    def log_prob(self, value):
        self._validated(value)
        a, b = self.concentration1, self.concentration0
        return a.log() + b.log() + (a - 1) * value.log() + (b - 1) * (-(value**a)).log1p()

    def cdf(self, value):
        self._validated(value)
        return 1 - (1 - value**self.concentration1) ** self.concentration0

    def icdf(self, value):
        return (1 - (1 - value) ** self.concentration0.reciprocal()) ** self.concentration1.reciprocal()

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + EULER
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()


