"""Random operators: a JAX key in, a value and the next key out.

Knows pure JAX only. The key travels as its raw words, uint32[2]; who keeps it between operators is not
known here. Every row's last result is the next key. A dropout also returns its mask, which is all its
rule needs. Values follow PyTorch's distributions, not its streams; bounds that PyTorch checks on the
elements of a tensor cannot be checked inside a program and are the caller's.
"""

from __future__ import annotations

from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np

from ..dtypes import complex64, float32, float64, from_np, int32, int64
from ..op import op, sample
from .activation import SELU_ALPHA, SELU_SCALE, floating

UNLIKE = "the stream is not PyTorch's, so values cannot be compared"


def _next(key):
    """(the words of the next key, a key to draw with now)."""
    following, now = jax.random.split(jax.random.wrap_key_data(key, impl="threefry2x32"))
    return jax.random.key_data(following), now


def _keys(key, *, n):
    """`n` keys of their own, and the next key."""
    following, now = _next(key)
    return jax.random.key_data(jax.random.split(now, n)), following


def _wide(dtype):
    """The dtype to draw in: float32, or float64 for float64."""
    return jnp.float64 if dtype == jnp.float64 else jnp.float32


def _key():
    return np.array([0, 7], np.uint32)


op("keys", _keys, None, "internal")


def _random(name, forward, rule, sig, samples, **over):
    op(name, forward, rule, "random", sig=sig, samples=samples, skip=UNLIKE, **over)


# ---- dropout -----------------------------------------------------------------------------------


def _keep(key, p, shape):
    """True with probability 1 - p; whole words are compared, which needs no conversion to float."""
    bound = round((1 - p) * 2**32)
    if bound >= 2**32:
        return jnp.ones(shape, bool)
    return jax.random.bits(key, shape, jnp.uint32) < np.uint32(bound)


def _check_dropout(input, p):
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    dtype = from_np(input.dtype)
    if dtype.is_complex:
        floating("bernoulli_scalar_cpu_", input)
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {dtype.legacy}"
        )


def _whole(x):
    return x.shape


def _features(x):
    """One draw for each sample and channel."""
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return x.shape[:2] + (1,) * (x.ndim - 2)


def _scaled(mask, p, dtype):
    return mask.astype(dtype) * (1 / (1 - p) if p < 1 else 0.0)


def _dropout(shape):
    def forward(input, key, *, p=0.5):
        _check_dropout(input, p)
        following, now = _next(key)
        mask = _keep(now, p, shape(input))
        return input * _scaled(mask, p, input.dtype), mask, following

    return forward


def _dropout_rule(g, y, input, key, *, p=0.5):
    return g[0] * _scaled(y[1], p, g[0].dtype), None


# what alpha dropout puts in the place of an element: selu's limit at minus infinity
_ALPHA = SELU_ALPHA * SELU_SCALE


def _alpha_scale(p):
    return 1 / sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p)) if p < 1 else 0.0


def _alpha_dropout(shape):
    def forward(input, key, *, p=0.5):
        _check_dropout(input, p)
        following, now = _next(key)
        mask, a = _keep(now, p, shape(input)), _alpha_scale(p)
        keep = mask.astype(input.dtype)
        return input * (keep * a) + ((keep - 1) * (_ALPHA * a) + _ALPHA * a * p), mask, following

    return forward


def _alpha_dropout_rule(g, y, input, key, *, p=0.5):
    return g[0] * (y[1].astype(g[0].dtype) * _alpha_scale(p)), None


def _alpha_node(params):
    return "MulBackward0" if params.get("p", 0.5) == 1 else "AddBackward0"


def _dropout_samples():
    return [sample((3, 4), _key()), sample((2, 3, 4), _key(), p=0.1), sample((2, 3), _key(), p=1.0)]


_DROPOUT = "input: T, key: T, p: float = 0.5"

_random("dropout", _dropout(_whole), _dropout_rule, _DROPOUT, _dropout_samples, node="MulBackward0")
_random(
    "feature_dropout",
    _dropout(_features),
    _dropout_rule,
    _DROPOUT,
    _dropout_samples,
    node="MulBackward0",
)
_random(
    "alpha_dropout",
    _alpha_dropout(_whole),
    _alpha_dropout_rule,
    _DROPOUT,
    _dropout_samples,
    node=_alpha_node,
)
_random(
    "feature_alpha_dropout",
    _alpha_dropout(_features),
    _alpha_dropout_rule,
    _DROPOUT,
    _dropout_samples,
    node=_alpha_node,
)


def _rrelu_train(input, key, *, lower=1 / 8, upper=1 / 3):
    floating("rrelu_with_noise_out_cpu", input)
    following, now = _next(key)
    slope = jax.random.uniform(now, input.shape, _wide(input.dtype), lower, upper).astype(
        input.dtype
    )
    noise = jnp.where(input <= 0, slope, 1)
    return input * noise, noise, following


# result: (out, the slope of each element, key)
_random(
    "rrelu_train",
    _rrelu_train,
    lambda g, y, input, key, *, lower=1 / 8, upper=1 / 3: (g[0] * y[1], None),
    "input: T, key: T, lower: float = 0.125, upper: float = 0.3333333333333333",
    lambda: [sample((3, 4), _key()), sample((5,), _key(), lower=0.4, upper=0.5)],
    node="RreluWithNoiseBackward0",
)

# ---- draws of a given shape --------------------------------------------------------------------


def _uniform(key, *, shape, low=0.0, high=1.0, dtype):
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    following, now = _next(key)
    if not dtype.is_complex:
        return jax.random.uniform(now, shape, dtype.np, low, high), following
    parts = jax.random.uniform(now, (2, *shape), dtype.to_real().np, low, high)
    return jax.lax.complex(parts[0], parts[1]), following


def _normal(key, *, shape, mean=0.0, std=1.0, dtype):
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    following, now = _next(key)
    z = jax.random.normal(now, shape, dtype.np)
    return z if (mean, std) == (0, 1) else z * std + mean, following


def _exponential(key, *, shape, lambd=1.0, dtype):
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    following, now = _next(key)
    x = jax.random.exponential(now, shape, _wide(dtype.np)) / lambd
    return x.astype(dtype.np), following


def _bernoulli_fill(key, *, shape, p=0.5, dtype):
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    following, now = _next(key)
    return _keep(now, 1 - p, shape).astype(dtype.np), following


def _randint(key, *, low=0, high, shape, dtype):
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    following, now = _next(key)
    small = -(2**31) <= low and high < 2**31
    x = jax.random.randint(now, shape, low, high, jnp.int32 if small else jnp.int64)
    return x.astype(dtype.np), following


def _randperm(key, *, n, dtype):
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    following, now = _next(key)
    return jax.random.permutation(now, n).astype(dtype.np), following


_random(
    "uniform",
    _uniform,
    None,
    "key: T, shape: shape, low: float = 0.0, high: float = 1.0, *, dtype: dtype",
    lambda: [
        sample(_key(), shape=(3, 4), dtype=float64),
        sample(_key(), shape=(), low=-2.0, high=3.0, dtype=float32),
        sample(_key(), shape=(0, 2), dtype=complex64),
    ],
)
_random(
    "normal",
    _normal,
    None,
    "key: T, shape: shape, mean: float = 0.0, std: float = 1.0, *, dtype: dtype",
    lambda: [
        sample(_key(), shape=(3, 4), dtype=float64),
        sample(_key(), shape=(), mean=2.0, std=0.5, dtype=float32),
    ],
)
_random(
    "exponential",
    _exponential,
    None,
    "key: T, shape: shape, lambd: float = 1.0, *, dtype: dtype",
    lambda: [
        sample(_key(), shape=(3, 4), dtype=float64),
        sample(_key(), shape=(), lambd=2.0, dtype=float32),
    ],
)
_random(
    "bernoulli_fill",
    _bernoulli_fill,
    None,
    "key: T, shape: shape, p: float = 0.5, *, dtype: dtype",
    lambda: [
        sample(_key(), shape=(3, 4), dtype=float64),
        sample(_key(), shape=(2,), p=1.0, dtype=float32),
    ],
)
_random(
    "randint",
    _randint,
    None,
    "key: T, low: int, high: int, shape: shape, *, dtype: dtype",
    lambda: [
        sample(_key(), low=-3, high=4, shape=(3, 4), dtype=int64),
        sample(_key(), low=0, high=2**40, shape=(5,), dtype=int64),
        sample(_key(), low=0, high=9, shape=(), dtype=float32),
    ],
)
_random(
    "randperm",
    _randperm,
    None,
    "key: T, n: int, *, dtype: dtype",
    lambda: [
        sample(_key(), n=5, dtype=int64),
        sample(_key(), n=0, dtype=int64),
        sample(_key(), n=3, dtype=int32),
    ],
)

# ---- draws whose parameters are tensors --------------------------------------------------------


def _bernoulli(input, key):
    floating("bernoulli_tensor_cpu_p_", input)
    following, now = _next(key)
    u = jax.random.uniform(now, input.shape, _wide(input.dtype))
    return (u < input).astype(input.dtype), following


def _poisson(input, key):
    floating("poisson_cpu", input)
    following, now = _next(key)
    rate = input.astype(_wide(input.dtype))
    return jax.random.poisson(now, rate, dtype=jnp.int64).astype(input.dtype), following


def _binomial(count, prob, key):
    for name, x in (("count", count), ("prob", prob)):
        dtype = from_np(x.dtype)
        if not dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {dtype.legacy}"
            )
    following, now = _next(key)
    dtype = _wide(prob.dtype)
    drawn = jax.random.binomial(now, count.astype(dtype), prob.astype(dtype), dtype=dtype)
    return drawn.astype(count.dtype), following


def _standard_gamma(input, key):
    floating("gamma_cpu", input)
    following, now = _next(key)
    return jax.random.gamma(now, input.astype(_wide(input.dtype))).astype(input.dtype), following


def _standard_gamma_rule(g, y, input, key):
    wide = _wide(input.dtype)
    return g[0] * jax.lax.random_gamma_grad(input.astype(wide), y[0].astype(wide)), None


def _zero_rule(g, y, input, key):
    return jnp.zeros_like(input), None


def _check_multinomial(input, n, replacement):
    dtype = from_np(input.dtype)
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtype.legacy}"
        )
    if n <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and n > input.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )


def _multinomial(input, key, *, num_samples, replacement=False):
    _check_multinomial(input, num_samples, replacement)
    following, now = _next(key)
    p = input.astype(_wide(input.dtype))
    if not replacement:
        # the first arrivals of independent exponential clocks of rate p are such a draw;
        # an element of probability 0 never arrives
        arrival = jnp.where(p > 0, jax.random.exponential(now, p.shape, p.dtype) / p, jnp.inf)
        return jax.lax.top_k(-arrival, num_samples)[1].astype(jnp.int64), following
    edges = jnp.cumsum(p, -1)
    u = jax.random.uniform(now, (*p.shape[:-1], num_samples), p.dtype) * edges[..., -1:]
    find = jnp.vectorize(
        lambda e, v: jnp.searchsorted(e, v, side="right"), signature="(c),(n)->(n)"
    )
    return find(edges, u).astype(jnp.int64), following


def _rates():
    return [sample((3, 4), _key()), sample((), _key())]


_random("bernoulli", _bernoulli, _zero_rule, "input: T, key: T", _rates, domain=(0.0, 1.0))
_random("poisson", _poisson, _zero_rule, "input: T, key: T", _rates, domain=(0.1, 5.0))
_random(
    "binomial",
    _binomial,
    None,
    "count: T, prob: T, key: T",
    lambda: [sample(np.array([4.0, 9.0, 0.0]), np.array([0.5, 0.1, 0.3]), _key())],
    domain=(0.0, 1.0),
)
_random(
    "standard_gamma",
    _standard_gamma,
    _standard_gamma_rule,
    "input: T, key: T",
    _rates,
    domain=(0.5, 3.0),
)
_random(
    "multinomial",
    _multinomial,
    None,
    "input: T, key: T, num_samples: int, replacement: bool = False",
    lambda: [
        sample((3, 4), _key(), num_samples=2),
        sample((5,), _key(), num_samples=5),
        sample((2, 3), _key(), num_samples=7, replacement=True),
    ],
    domain=(0.1, 1.0),
)
