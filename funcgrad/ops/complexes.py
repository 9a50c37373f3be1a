"""Rows for complex numbers: their parts, conjugates, angles, and pairs of floats seen as one.

Knows `op`, JAX and the casts of `pointwise`. Must not know Tensors.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import FLOAT, from_np
from ..op import op, sample
from .pointwise import _atan2_rule, even, is_complex, sgn

LN2, LN10 = math.log(2.0), math.log(10.0)

# ---- complex numbers and their parts ---------------------------------------------------------------
# Rules see the plain transpose: for what is not holomorphic that is the conjugate of PyTorch's formula.


def _conj(x):
    return lax.conj(x) if is_complex(x) else x


def _angle(x):
    if is_complex(x):
        return lax.atan2(lax.imag(x), lax.real(x))
    return jnp.where(x != x, x, jnp.where(x < 0, jnp.full_like(x, math.pi), jnp.zeros_like(x)))


def _angle_rule(g, y, x):
    if not is_complex(x):
        return jnp.zeros_like(g)
    a, b = lax.real(x), lax.imag(x)
    by_b, by_a = _atan2_rule(g, y, b, a)
    return lax.complex(by_a, -by_b)


def _needs_complex(words, forward):
    def checked(x):
        if not is_complex(x):
            raise RuntimeError(words)
        return forward(x)

    return checked


def _as_pairs(x):
    return lax.concatenate([lax.expand_dims(lax.real(x), [x.ndim]), lax.expand_dims(lax.imag(x), [x.ndim])], x.ndim)


def _from_pairs(x):
    return lax.complex(x[..., 0], x[..., 1])


def _view_as_complex(x):
    dtype = from_np(x.dtype)
    if dtype.category != FLOAT:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, "
            f"but got a tensor of scalar type: {dtype.legacy}"
        )
    if not x.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if x.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return _from_pairs(x)


def _two_floats(forward):
    def checked(a, b):
        first, second = from_np(a.dtype), from_np(b.dtype)
        if FLOAT != first.category or FLOAT != second.category:
            raise RuntimeError(
                "Expected both inputs to be Half, Float or Double tensors "
                f"but got {first.legacy} and {second.legacy}"
            )
        if first is not second:
            raise RuntimeError(
                f"Expected object of scalar type {first.legacy} but got scalar type {second.legacy} "
                "for second argument"
            )
        return forward(*even(a, b))

    return checked


def _parts(*shapes):
    """Samples that are complex in any dtype asked for, as NumPy arrays stay what they are."""
    rng = np.random.default_rng(3)
    return lambda: [sample(np.asarray(rng.standard_normal(s) + 1j * rng.standard_normal(s))) for s in shapes]


op("angle", _angle, _angle_rule, "unary_float", infer=None, variants="fm")
op("conj", _conj, lambda g, y, x: _conj(g), "view", sig="input: T", write=lambda base, value: _conj(value),
   samples=lambda: [sample((3, 4)), sample(())])  # fmt: skip
op("conj_physical", _conj, lambda g, y, x: _conj(g), "unary")
op("real", lambda x: lax.real(x) if is_complex(x) else x, lambda g, y, x: g, "view", sig="input: T",
   write=lambda base, value: lax.complex(value, lax.imag(base)) if is_complex(base) else value,
   variants="f", node="SelectBackward0", samples=lambda: [sample((3, 4)), sample(())])  # fmt: skip
op("imag", _needs_complex("imag is not implemented for tensors with non-complex dtypes.", lax.imag),
   lambda g, y, x: lax.complex(jnp.zeros_like(g), -g), "view",
   sig="input: T", write=lambda base, value: lax.complex(lax.real(base), value), variants="f", node="SelectBackward0",
   samples=_parts((3, 4), ()))  # fmt: skip
op("view_as_real", _needs_complex("view_as_real is only supported for complex tensors", _as_pairs),
   lambda g, y, x: _conj(_from_pairs(g)), "view",
   sig="input: T", variants="f", write=lambda base, value: _from_pairs(value),
   samples=_parts((3, 4), ()))  # fmt: skip
op("view_as_complex", _view_as_complex, lambda g, y, x: _as_pairs(_conj(g)), "view", sig="input: T",
   variants="f", write=lambda base, value: _as_pairs(value),
   samples=lambda: [sample((3, 2)), sample((2,))])  # fmt: skip
op("complex", _two_floats(lax.complex), lambda g, y, real, imag: (lax.real(g), -lax.imag(g)), "binary",
   sig="real: T, imag: T", casts=False, promote=None, infer=None, variants="f")  # fmt: skip
op("polar", _two_floats(lambda r, t: lax.complex(r * lax.cos(t), r * lax.sin(t))),
   lambda g, y, abs, angle: (lax.real(g * sgn(y)), -lax.imag(g * y)), "binary", sig="abs: T, angle: T", casts=False,
   promote=None, infer=None, variants="f", domain=(0.5, 2))  # fmt: skip
