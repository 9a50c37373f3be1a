"""The Kullback-Leibler divergence of one distribution from another, by a table of pairs."""

from __future__ import annotations

import functools
import math

from ..tensor import NAMES
from .composed import Independent
from .continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    Pareto,
    Uniform,
)
from .discrete import Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson
from .distribution import Distribution, ExponentialFamily, sum_rightmost
from .gammas import Beta, Dirichlet, Gamma
from .lowrank import LowRankMultivariateNormal
from .matrices import MultivariateNormal, Wishart, half_log_det, mvdigamma

__all__ = ["kl_divergence", "register_kl"]

T, L = NAMES["torch"], NAMES["linalg"]
_pairs: dict[tuple[type, type], object] = {}
EULER = 0.57721566490153286060


def register_kl(type_p: type, type_q: type):
    """A decorator for a function of (p, q) that gives KL(p ‖ q) for these classes."""
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected type_p to be a Distribution subclass but got {kind}")

    def decorator(fun):
        _pairs[type_p, type_q] = fun
        _find.cache_clear()
        return fun

    return decorator


@functools.cache
def _find(p: type, q: type):
    """The function for the nearest of the classes that these derive from."""
    matches = [(a, b) for a, b in _pairs if issubclass(p, a) and issubclass(q, b)]
    if not matches:
        return None
    return _pairs[min(matches, key=lambda m: (p.__mro__.index(m[0]), q.__mro__.index(m[1])))]


def kl_divergence(p: Distribution, q: Distribution):
    """KL(p ‖ q), of the batch shape. Raises NotImplementedError for a pair that is not known."""
    found = _find(type(p), type(q))
    if found is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return found(p, q)


def _infinite(like):
    return T["full_like"](like, math.inf)


@register_kl(Bernoulli, Bernoulli)
def _(p, q):
    softplus = NAMES["F"]["softplus"]
    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    yes = T["where"](q.probs == 0, math.inf, yes).masked_fill(p.probs == 0, 0.0)
    no = T["where"](q.probs == 1, math.inf, no).masked_fill(p.probs == 1, 0.0)
    return yes + no


@register_kl(Binomial, Binomial)
def _(p, q):
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return T["where"](p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _(p, q):
    t = p.probs * (p.logits - q.logits)
    t = T["where"]((q.probs == 0).expand_as(t), math.inf, t)
    return T["where"]((p.probs == 0).expand_as(t), 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p, q):
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Normal, Normal)
def _(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def _(p, q):
    return kl_divergence(p._base(), q._base())


@register_kl(HalfNormal, HalfNormal)
def _(p, q):
    return kl_divergence(p._base(), q._base())


@register_kl(Laplace, Laplace)
def _(p, q):
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * (-apart / p.scale).exp() - 1


@register_kl(Cauchy, Cauchy)
def _(p, q):
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _(p, q):
    ratio, first, second = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    grown = (first - second + (1 + ratio).lgamma()).exp()
    return ratio * EULER - ratio.log() - (1 + EULER) + (second - first) + grown


@register_kl(Exponential, Exponential)
def _(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Pareto, Pareto)
def _(p, q):
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return T["where"](p.scale < q.scale, math.inf, kl)


@register_kl(Uniform, Uniform)
def _(p, q):
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return T["where"]((q.low > p.low) | (q.high < p.high), math.inf, kl)


@register_kl(Gamma, Gamma)
def _(p, q):
    a, b = p.concentration, q.concentration
    first = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return first + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Beta, Beta)
def _(p, q):
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    total, other = a + b, c + d
    first = c.lgamma() + d.lgamma() + total.lgamma() - (other.lgamma() + a.lgamma() + b.lgamma())
    return first + (a - c) * a.digamma() + (b - d) * b.digamma() + (other - total) * total.digamma()


@register_kl(Dirichlet, Dirichlet)
def _(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    first = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return first + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with                          different event shapes "
            "cannot be computed"
        )
    shape = T["broadcast_shapes"](p._tril.shape, q._tril.shape)
    solved = L["solve_triangular"](q._tril.expand(shape), p._tril.expand(shape), upper=False)
    trace = solved.pow(2).sum((-2, -1))
    squares = trace + q._mahalanobis(q.loc - p.loc) - p.event_shape[0]
    return half_log_det(q._tril) - half_log_det(p._tril) + 0.5 * squares


def _full(p: LowRankMultivariateNormal) -> MultivariateNormal:
    return MultivariateNormal(p.loc, scale_tril=p.scale_tril, validate_args=False)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _(p, q):
    p, q = (_full(d) if isinstance(d, LowRankMultivariateNormal) else d for d in (p, q))
    return kl_divergence(p, q)


@register_kl(Independent, Independent)
def _(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Normal, Laplace)
def _(p, q):
    apart = p.loc - q.loc
    z = apart / p.scale / math.sqrt(2)
    mean = math.sqrt(2 / math.pi) * p.scale * (-z.pow(2)).exp() + apart * z.erf()
    return -p.scale.log() - (0.5 + 0.5 * math.log(2 * math.pi)) + (2 * q.scale).log() + mean / q.scale


@register_kl(Exponential, Gamma)
def _(p, q):
    ratio = q.rate / p.rate
    c = q.concentration
    return -c * ratio.log() + ratio + c.lgamma() + c * EULER - (1 + EULER)


@register_kl(Uniform, Normal)
def _(p, q):
    width = p.high - p.low
    second = ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    return (math.sqrt(2 * math.pi) * q.scale / width).log() + (width.pow(2) / 12 + second) / (2 * q.scale.pow(2))


@register_kl(Normal, Uniform)
@register_kl(Laplace, Uniform)
@register_kl(Cauchy, Uniform)
@register_kl(Normal, Gamma)
@register_kl(Normal, Exponential)
@register_kl(Normal, Beta)
@register_kl(Laplace, Gamma)
def _(p, q):
    return _infinite(p.loc)


@register_kl(Wishart, Wishart)
def _(p, q):
    n = p.event_shape[-1]
    tril = q.scale_tril.expand(*T["broadcast_shapes"](p.batch_shape, q.batch_shape), n, n)
    over = T["cholesky_solve"](p.covariance_matrix.expand(tril.shape), tril).diagonal(dim1=-2, dim2=-1).sum(-1)
    of_dets = half_log_det(q.scale_tril) - half_log_det(p.scale_tril)
    of_gammas = T["mvlgamma"](q.df / 2, p=n) - T["mvlgamma"](p.df / 2, p=n)
    return q.df * of_dets + p.df * (over - n) / 2 + of_gammas + (p.df - q.df) / 2 * mvdigamma(p.df / 2, n)


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p, q):
    """Of two of one family: the Bregman divergence of its F."""
    if type(p) is not type(q):
        raise NotImplementedError("The cross KL-divergence between different exponential families cannot be computed")
    natural, f, means = p._moments()
    result = q._log_normalizer(*q._natural_params) - f
    for mine, theirs, mean in zip(natural, q._natural_params, means, strict=True):
        result = result - sum_rightmost((theirs - mine) * mean, mean.ndim - len(p.batch_shape))
    return result
