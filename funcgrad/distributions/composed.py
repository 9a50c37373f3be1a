"""Distributions made of others: Independent, TransformedDistribution, MixtureSameFamily and the relaxed ones."""

from __future__ import annotations

import math

from ..tensor import NAMES
from . import constraints
from .continuous import Gumbel, noise
from .discrete import Categorical, _Binary
from .distribution import Distribution, all_tensors, sum_rightmost

__all__ = [
    "Independent", "LogisticNormal", "MixtureSameFamily", "RelaxedBernoulli",
    "RelaxedOneHotCategorical", "TransformedDistribution",
]  # fmt: skip

T, L = NAMES["torch"], NAMES["linalg"]


class Independent(Distribution):
    """A distribution whose last `reinterpreted_batch_ndims` batch dimensions belong to the event."""

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args=None):
        base, n = base_distribution, reinterpreted_batch_ndims
        if n > len(base.batch_shape):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{n} vs {len(base.batch_shape)}"
            )
        shape, batch = base.batch_shape + base.event_shape, len(base.batch_shape) - n
        self.base_dist, self.reinterpreted_batch_ndims = base, n
        super().__init__(shape[:batch], shape[batch:], validate_args=validate_args)

    @property
    def has_rsample(self):
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self):
        return False if self.reinterpreted_batch_ndims > 0 else self.base_dist.has_enumerate_support

    @constraints.dependent_property
    def support(self):
        n = self.reinterpreted_batch_ndims
        return constraints.independent(self.base_dist.support, n) if n else self.base_dist.support

    def expand(self, batch_shape, _instance=None):
        inner = tuple(self.event_shape[: self.reinterpreted_batch_ndims])
        base = self.base_dist.expand((*batch_shape, *inner))
        return Independent(base, self.reinterpreted_batch_ndims, validate_args=False)

    @property
    def mean(self):
        return self.base_dist.mean

    @property
    def mode(self):
        return self.base_dist.mode

    @property
    def variance(self):
        return self.base_dist.variance

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self):
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class TransformedDistribution(Distribution):
    """What transforms make of the draws of a distribution, one after the other."""

    def __init__(self, base_distribution: Distribution, transforms, validate_args: bool | None = None):
        from .transforms import ComposeTransform, Transform

        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        whole = ComposeTransform(self.transforms)
        shape = whole.forward_shape(base_distribution.batch_shape + base_distribution.event_shape)
        inner = max(len(base_distribution.event_shape), whole.domain.event_dim)
        more = inner - len(base_distribution.event_shape)
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        event = whole.codomain.event_dim + max(inner - whole.domain.event_dim, 0)
        cut = len(shape) - event
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    @property
    def has_rsample(self):
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self.event_shape) - found.event_dim
        return constraints.independent(found, more) if more > 0 else found

    def sample(self, sample_shape=()):
        from ..engine import no_grad

        with no_grad():
            x = self.base_dist.sample(sample_shape)
            for t in self.transforms:
                x = t(x)
            return x

    def rsample(self, sample_shape=()):
        x = self.base_dist.rsample(sample_shape)
        for t in self.transforms:
            x = t(x)
        return x

    def log_prob(self, value):
        self._validated(value)
        event, total, y = len(self.event_shape), 0.0, value
        for t in reversed(self.transforms):
            x = t.inv(y)
            event += t.domain.event_dim - t.codomain.event_dim
            total = total - sum_rightmost(t.log_abs_det_jacobian(x, y), event - t.domain.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), event - len(self.base_dist.event_shape))

    def _monotone(self, value):
        sign = 1
        for t in self.transforms:
            sign = sign * t.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value):
        self._validated(value)
        for t in reversed(self.transforms):
            value = t.inv(value)
        return self._monotone(self.base_dist.cdf(value))

    def icdf(self, value):
        value = self.base_dist.icdf(self._monotone(value))
        for t in self.transforms:
            value = t(value)
        return value


class MixtureSameFamily(Distribution):
    """One of several distributions of a kind, chosen by a Categorical over the last batch dimension."""

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args=None):
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of torch.distributions.Distribution"
            )
        km, kc = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if km != kc:
            raise ValueError(
                f"`mixture_distribution component` ({km}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({kc})"
            )
        self._num_component = km
        event = component_distribution.event_shape
        super().__init__(component_distribution.batch_shape[:-1], event, validate_args=validate_args)

    @property
    def mixture_distribution(self):
        """The Categorical that chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """The distributions that are chosen from."""
        return self._component_distribution

    @constraints.dependent_property
    def support(self):
        return self._component_distribution.support

    def _weights(self):
        p = self._mixture_distribution.probs
        return p.reshape(*p.shape, *(1,) * len(self.event_shape))

    def _over(self, x):
        return x.sum(-1 - len(self.event_shape))

    @property
    def mean(self):
        return self._over(self._weights() * self._component_distribution.mean)

    @property
    def variance(self):
        c, w = self._component_distribution, self._weights()
        apart = (c.mean - self.mean.unsqueeze(-1 - len(self.event_shape))).pow(2)
        return self._over(w * c.variance) + self._over(w * apart)

    def sample(self, sample_shape=()):
        from ..engine import no_grad

        with no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            if not self._mixture_distribution.batch_shape:
                chosen = chosen.reshape(*chosen.shape, *(1,) * len(self.batch_shape))
            chosen = chosen.expand(*sample_shape, *self.batch_shape)
            drawn = self._component_distribution.sample(sample_shape)
            at, event = chosen.ndim, len(self.event_shape)
            index = chosen.reshape(*chosen.shape, 1, *(1,) * event).expand(*chosen.shape, 1, *self.event_shape)
            return drawn.gather(at, index).squeeze(at)

    def log_prob(self, value):
        self._validated(value)
        at = value.unsqueeze(-1 - len(self.event_shape))
        logs = self._component_distribution.log_prob(at)
        return (logs + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def cdf(self, value):
        at = value.unsqueeze(-1 - len(self.event_shape))
        return (self._component_distribution.cdf(at) * self._mixture_distribution.probs).sum(-1)


class RelaxedBernoulli(_Binary):
    """A Bernoulli draw made soft by a temperature, after Maddison and others (2016)."""

    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args: bool | None = None):
        (self.temperature,) = all_tensors(temperature)
        super().__init__(self._take(probs, logits).shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        from ..random import rand
        from .discrete import clamped_probs

        shape = self._extended_shape(sample_shape)
        probs = clamped_probs(self.probs.expand(shape))
        u = clamped_probs(noise(rand, probs, shape))
        logistic = u.log() - (-u).log1p() + probs.log() - (-probs).log1p()
        return (logistic / self.temperature).sigmoid()

    def log_prob(self, value):
        self._validated(value)
        y = value.log() - (-value).log1p()
        diff = self.logits - y * self.temperature
        logistic = self.temperature.log() + diff - 2 * diff.exp().log1p()
        return logistic - value.log() - (-value).log1p()


class RelaxedOneHotCategorical(Distribution):
    """A OneHotCategorical draw made soft by a temperature, after Maddison and others (2016)."""

    arg_constraints = Categorical.arg_constraints
    support = constraints.simplex
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args: bool | None = None):
        (self.temperature,) = all_tensors(temperature)
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args=validate_args)

    def __getattr__(self, name: str):
        if name in ("probs", "logits"):
            return getattr(self.__dict__["_categorical"], name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        zero = T["zeros_like"](self.logits)
        gumbel = Gumbel(zero, zero + 1, validate_args=False).rsample(sample_shape).reshape(shape)
        return ((self.logits + gumbel) / self.temperature).softmax(-1)

    def log_prob(self, value):
        self._validated(value)
        k = self._categorical._num_events
        logits, value = T["broadcast_tensors"](self.logits, value.log())
        scale = math.lgamma(k) - self.temperature.log() * -(k - 1)
        score = logits - value * self.temperature
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale - value.sum(-1)


class LogisticNormal(TransformedDistribution):
    """Shares that add up to 1, from normal draws by breaking a stick."""

    def __init__(self, loc, scale, validate_args: bool | None = None):
        from .continuous import Normal
        from .transforms import StickBreakingTransform

        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)
