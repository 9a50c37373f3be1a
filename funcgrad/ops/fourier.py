"""Discrete Fourier transforms: complex to complex, real to complex and back. Knows XLA's `fft`. Must not know
Tensors: `torch.fft` is made of these three rows.

`norm` is what the sum is divided by: "none", "ortho" (the root of the number of points) or "n".
"""

from math import prod, sqrt

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from ..op.checks import wrap_dim


def _check(x, dim, complex_=True):
    if jnp.issubdtype(x.dtype, jnp.complexfloating) != complex_:
        raise RuntimeError(f"expects a {'complex' if complex_ else 'real'} tensor, but got {from_np(x.dtype).legacy}")
    for d in dim:
        if x.shape[wrap_dim(d, x.ndim)] < 1:
            raise RuntimeError(f"Invalid number of data points ({x.shape[d]}) specified")


def _scaled(x, points, norm):
    return x if norm == "none" else x / (sqrt(points) if norm == "ortho" else points)


def _along(x, d, kind, n):
    """XLA's transform, which is of the last dimension, of n real or complex points along dimension `d`."""
    if not x.size:
        length = n // 2 + 1 if kind == lax.FftType.RFFT else n
        shape = [length if i == d % x.ndim else m for i, m in enumerate(x.shape)]
        real = jnp.zeros((), x.dtype).real.dtype
        return jnp.zeros(shape, real if kind == lax.FftType.IRFFT else jnp.result_type(real, jnp.complex64))
    last = jnp.moveaxis(x, d, -1)
    return jnp.moveaxis(lax.fft(last, kind, (n,)), -1, d)


def _c2c(x, *, dim, norm, forward):
    _check(x, dim)
    n = prod(x.shape[d] for d in dim)
    for d in dim:
        if forward:
            x = _along(x, d, lax.FftType.FFT, x.shape[d])
        else:
            x = _along(x, d, lax.FftType.IFFT, x.shape[d]) * x.shape[d]
    return _scaled(x, n, norm)


def _complex(x):
    return lax.complex(x, jnp.zeros_like(x))


def _r2c(x, *, dim, norm, onesided):
    _check(x, dim, False)
    if not onesided:
        return _c2c(_complex(x), dim=dim, norm=norm, forward=True)
    *others, last = dim
    half = _along(x, last, lax.FftType.RFFT, x.shape[last])
    whole = _c2c(half, dim=tuple(others), norm="none", forward=True)
    return _scaled(whole, prod(x.shape[d] for d in dim), norm)


def _r2c_rule(g, y, x, *, dim, norm, onesided):
    if onesided:
        last = dim[-1] % x.ndim
        missing = x.shape[last] - g.shape[last]
        g = jnp.pad(g, [(0, missing if i == last else 0) for i in range(x.ndim)])
    return lax.real(_c2c(g, dim=dim, norm=norm, forward=True))


def _c2r(x, *, dim, norm, last):
    _check(x, dim)
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    *others, end = dim
    full = _c2c(x, dim=tuple(others), norm="none", forward=False)
    real = _along(full, end, lax.FftType.IRFFT, last) * last
    return _scaled(real, last * prod(x.shape[d] for d in others), norm)


def _c2r_rule(g, y, x, *, dim, norm, last):
    """The transform of g, twice where a point stands for its mirror image as well."""
    end = dim[-1] % x.ndim
    whole = jnp.conj(_r2c(g, dim=(end,), norm="none", onesided=True))
    k = lax.broadcasted_iota(jnp.int32, whole.shape, end)
    whole = jnp.where((k == 0) | (2 * k == last), whole, 2 * whole)
    found = _c2c(whole, dim=tuple(dim[:-1]), norm="none", forward=False)
    return _scaled(found, prod(g.shape[d] for d in dim), norm)


_WAYS = [dict(dim=(0,), norm="none"), dict(dim=(-1,), norm="n"), dict(dim=(0, 2, 1), norm="ortho")]

_POINTS = np.random.default_rng(0).standard_normal((4, 3, 2, 2)) @ (1, 1j)

# fmt: off
op("fft_c2c", _c2c, lambda g, y, x, **how: _c2c(g, **how), "internal",
   sig="input: T, dim: ints, norm: str, forward: bool", node="FftC2CBackward0",
   samples=lambda: [sample(_POINTS, forward=f, **w) for w in _WAYS for f in (True, False)])
op("fft_r2c", _r2c, _r2c_rule, "internal", sig="input: T, dim: ints, norm: str, onesided: bool", node="FftR2CBackward0",
   samples=lambda: [sample((4, 3, 2), onesided=o, **w) for w in _WAYS for o in (True, False)])
op("fft_c2r", _c2r, _c2r_rule, "internal", sig="input: T, dim: ints, norm: str, last: int", node="FftC2RBackward0",
   samples=lambda: [sample(_POINTS, last=n, **w) for w, n in zip(_WAYS, (6, 3, 5), strict=True)])
# fmt: on
