"""Distributions of counts and classes."""

from __future__ import annotations

import math

import numpy as np

from .. import random as _random
from ..engine import no_grad
from ..tape import constant
from ..tensor import NAMES, Tensor
from ..tensor.create import as_tensor
from ..tensor.interop import host
from ..tensor.tensor import wrap
from . import constraints
from .distribution import Distribution, all_tensors
from .gammas import standard_gamma

__all__ = [
    "Bernoulli", "Binomial", "Categorical", "Geometric", "Multinomial", "NegativeBinomial", "OneHotCategorical",
    "OneHotCategoricalStraightThrough", "Poisson", "clamped_probs", "logits_of", "probs_of",
]  # fmt: skip

T, F = NAMES["torch"], NAMES["F"]


def clamped_probs(probs: Tensor) -> Tensor:
    """Probabilities without 0 and 1, whose logarithms are finite."""
    eps = float(np.finfo(probs.dtype.np).eps)
    return probs.clamp(min=eps, max=1 - eps)


def looked_at(t: Tensor) -> Tensor:
    """The numbers of `t`, after a run if it takes one: so that what is drawn by them is PyTorch's."""
    return wrap(constant(host(t.detach())))


def logits_of(probs: Tensor, binary: bool = False) -> Tensor:
    """Probabilities as scores."""
    p = clamped_probs(probs)
    return p.log() - (-p).log1p() if binary else p.log()


def probs_of(logits: Tensor, binary: bool = False) -> Tensor:
    """Scores as probabilities."""
    return logits.sigmoid() if binary else F["softmax"](logits, -1)


class _Binary(Distribution):
    """One probability, given as `probs` or as `logits`."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}  # noqa: RUF012

    def _take(self, probs, logits) -> Tensor:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        (given,) = all_tensors(logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        return given

    def __getattr__(self, name: str):
        have = self.__dict__
        if name == "probs" and "logits" in have:
            return probs_of(have["logits"], True)
        if name == "logits" and "probs" in have:
            return logits_of(have["probs"], True)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return (self.__dict__.get("probs") if "probs" in self.__dict__ else self.logits).shape


def _bce(logits: Tensor, target: Tensor) -> Tensor:
    return F["binary_cross_entropy_with_logits"](logits, target, reduction="none")


class Bernoulli(_Binary):
    """1 with probability `probs`, else 0."""

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        super().__init__(self._take(probs, logits).shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        p = self.probs
        return T["where"](p == 0.5, math.nan, (p >= 0.5).to(p.dtype))

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape=()):
        return _random.bernoulli(looked_at(self.probs.expand(self._extended_shape(sample_shape))))

    def log_prob(self, value):
        self._validated(value)
        logits, value = T["broadcast_tensors"](self.logits, value)
        return -_bce(logits, value)

    def entropy(self):
        return _bce(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True):
        values = as_tensor([0.0, 1.0], dtype=self.probs.dtype).reshape(2, *(1,) * len(self._batch_shape))
        return values.expand(2, *self._batch_shape) if expand else values


class Geometric(_Binary):
    """How many trials fail before one succeeds with probability `probs`."""

    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        given = self._take(probs, logits)
        super().__init__(given.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs.detach() > 0).all().item():
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    @property
    def mean(self):
        return 1.0 / self.probs - 1.0

    @property
    def mode(self):
        return T["zeros_like"](self.probs)

    @property
    def variance(self):
        return (1.0 / self.probs - 1.0) / self.probs

    @no_grad()
    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = self.probs.new_empty(shape).uniform_(float(np.finfo(self.probs.dtype.np).tiny), 1)
        return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        self._validated(value)
        value, probs = T["broadcast_tensors"](value, self.probs)
        probs = T["where"]((probs == 1) & (value == 0), 0.0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self):
        return _bce(self.logits, self.probs) / self.probs


class Categorical(Distribution):
    """Class i with probability probs[..., i], which need not add up to 1, or by scores `logits`."""

    arg_constraints = {  # noqa: RUF012
        "probs": constraints.simplex, "logits": constraints.real_vector,
    }  # fmt: skip
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name = "probs" if logits is None else "logits"
        given = probs if logits is None else logits
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if logits is None:
            self.__dict__["probs"] = given / given.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = given - given.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def __getattr__(self, name: str):
        have = self.__dict__
        if name == "probs" and "logits" in have:
            return probs_of(have["logits"])
        if name == "logits" and "probs" in have:
            return logits_of(have["probs"])
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @constraints.dependent_property
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self.probs.shape

    @property
    def mean(self):
        return T["full"](tuple(self._batch_shape), math.nan, dtype=self.probs.dtype)

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        return self.mean

    @no_grad()
    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        n = math.prod(sample_shape)
        drawn = _random.multinomial(self.probs.detach().reshape(-1, self._num_events), n, True).T
        return drawn.reshape(shape)

    def log_prob(self, value):
        self._validated(value)
        index = value.long().unsqueeze(-1)
        index, logs = T["broadcast_tensors"](index, self.logits)
        return logs.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self):
        least = float(np.finfo(self.probs.dtype.np).min)
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True):
        values = T["arange"](self._num_events).reshape(-1, *(1,) * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class OneHotCategorical(Distribution):
    """A Categorical draw as a vector with a 1 at its class."""

    arg_constraints = Categorical.arg_constraints
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args=validate_args)

    def __getattr__(self, name: str):
        if name in ("probs", "logits", "param_shape"):
            return getattr(self.__dict__["_categorical"], name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        return F["one_hot"](self.probs.argmax(-1), self._event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        drawn = self._categorical.sample(sample_shape)
        return F["one_hot"](drawn, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        self._validated(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self):
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True):
        n = self._event_shape[0]
        values = T["eye"](n, dtype=self.probs.dtype).reshape(n, *(1,) * len(self._batch_shape), n)
        return values.expand(n, *self._batch_shape, n) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose gradient goes to the probabilities as they are, after Bengio and others (2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        drawn = self.sample(sample_shape)
        return drawn + (self.probs - self.probs.detach())


class Binomial(Distribution):
    """How many of `total_count` trials succeed, each with probability `probs`."""

    arg_constraints = {  # noqa: RUF012
        "total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real,
    }  # fmt: skip
    has_enumerate_support = True
    __getattr__ = _Binary.__getattr__

    def __init__(self, total_count=1, probs=None, logits=None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self.total_count, given = all_tensors(total_count, logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return _random.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        self._validated(value)
        n, logits = self.total_count, self.logits
        factor = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        top = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2  # half of each derivative at 0
        return factor + value * logits - n * (top + (-logits.abs()).exp().log1p())

    def entropy(self):
        most = int(self.total_count.max().item())
        if not (self.total_count.min() == most).item():
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        logs = self.log_prob(self.enumerate_support(False))
        return -(logs.exp() * logs).sum(0)

    def enumerate_support(self, expand: bool = True):
        most = int(self.total_count.max().item())
        if not (self.total_count.min() == most).item():
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = T["arange"](1 + most, dtype=self.probs.dtype).reshape(-1, *(1,) * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class Multinomial(Distribution):
    """How often each class comes in `total_count` Categorical draws."""

    arg_constraints = Categorical.arg_constraints

    def __init__(self, total_count: int = 1, probs=None, logits=None, validate_args: bool | None = None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args=validate_args)

    __getattr__ = OneHotCategorical.__getattr__

    @constraints.dependent_property
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape=()):
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        return F["one_hot"](drawn, self._event_shape[0]).sum(0).to(self.probs.dtype)

    def log_prob(self, value):
        self._validated(value)
        logits, value = T["broadcast_tensors"](self.logits, value)
        logits = T["where"]((value == 0) & (logits == -math.inf), 0.0, logits)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + (logits * value).sum(-1)

    def entropy(self):
        n = as_tensor(float(self.total_count), dtype=self.probs.dtype)
        binomial = Binomial(self.total_count, self.probs, validate_args=False)
        support = binomial.enumerate_support(False)[1:]
        weights = binomial.log_prob(support).exp()
        inner = (weights * (support + 1).lgamma()).sum(0).sum(-1)
        return n * self._categorical.entropy() - (n + 1).lgamma() + inner


class Poisson(Distribution):
    """Counts of rare events: rate^k·exp(-rate) / k!."""

    arg_constraints = {"rate": constraints.nonnegative}  # noqa: RUF012
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args: bool | None = None):
        (self.rate,) = all_tensors(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.rate

    @property
    def mode(self):
        return self.rate.floor()

    @property
    def variance(self):
        return self.rate

    @no_grad()
    def sample(self, sample_shape=()):
        return _random.poisson(self.rate.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._validated(value)
        rate, value = T["broadcast_tensors"](self.rate, value)
        return T["xlogy"](value, rate) - rate - (value + 1).lgamma()


class NegativeBinomial(Distribution):
    """How many trials succeed, each with probability `probs`, before `total_count` fail."""

    arg_constraints = {  # noqa: RUF012
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }  # fmt: skip
    support = constraints.nonnegative_integer
    __getattr__ = _Binary.__getattr__

    def __init__(self, total_count, probs=None, logits=None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self.total_count, given = all_tensors(total_count, logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * self.logits.exp()

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / (-self.logits).sigmoid()

    @no_grad()
    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        rate = standard_gamma(self.total_count.expand(shape)) * self.logits.exp()
        return _random.poisson(rate)

    def log_prob(self, value):
        self._validated(value)
        n, logits = self.total_count, self.logits
        plain = n * F["logsigmoid"](-logits) + value * F["logsigmoid"](logits)
        norm = -(n + value).lgamma() + (1.0 + value).lgamma() + n.lgamma()
        return plain - T["where"](n + value == 0.0, 0.0, norm)
