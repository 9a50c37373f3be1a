"""Primitives of JAX that compute each element by itself.

`ELEMENTWISE` maps a name to (what makes the function, nanoseconds an element); what makes it is given the parameters,
and the avals of the operands and of the results. It returns None for what it cannot do.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import special


def _plain(f):
    return lambda params, ins, outs: f


def _by_kind(integers, others):
    """One function for integers and bools, another for the rest."""
    return lambda params, ins, outs: integers if outs[0].dtype.kind in "iub" else others


def _real(f):
    """Not for complex numbers, which the function orders or takes otherwise."""
    return lambda params, ins, outs: None if "c" in {a.dtype.kind for a in ins} else f


def _divided(x, y):
    """Towards zero; by zero all bits are set."""
    by = np.where(y == 0, y.dtype.type(1), y)
    floored = x // by
    quotient = floored + ((floored * by != x) & ((x < 0) != (by < 0))).astype(floored.dtype)
    return np.where(y == 0, np.invert(np.zeros_like(quotient)), quotient)


def _remainder(x, y):
    """With the sign of `x`; by zero `x` itself."""
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, y.dtype.type(1), y)))


def _rounded(params, ins, outs):
    if int(params["rounding_method"]) == 1:
        return np.rint
    return lambda x: np.where(abs(x - np.trunc(x)) == 0.5, np.trunc(x) + np.sign(x), np.rint(x)).astype(x.dtype)


def _integer_power(params, ins, outs):
    n = params["y"]
    if n < 0:
        return lambda x: np.reciprocal(_repeated(x, -n))
    return partial(_repeated, n=n)


def _repeated(x, n: int):
    """`x` to a power by squaring, as XLA multiplies it out."""
    found = None
    while n:
        if n & 1:
            found = x if found is None else found * x
        n >>= 1
        x = x * x if n else x
    return np.ones_like(x) if found is None else found


def _power(params, ins, outs):
    dtype = outs[0].dtype
    if dtype.kind != "f":  # of complex numbers, XLA has nan at 0 where NumPy has limits
        return None
    return np.power if ins[1].dtype == dtype else lambda x, n: np.power(x, np.asarray(n).astype(dtype))


def _sign(params, ins, outs):
    if ins[0].dtype.kind == "f":
        return lambda x: np.where(x == 0, x, np.sign(x))  # of both zeros their own
    return np.sign if ins[0].dtype.kind in "iu" else None


def _selected(params, ins, outs):
    if ins[0].dtype.kind == "b" and len(ins) == 3:
        return lambda which, a, b: np.where(which, b, a)
    return lambda which, *cases: np.choose(np.broadcast_to(which, np.shape(cases[0])), cases)


def _clamped(low, x, high):
    return np.minimum(np.maximum(x, low), high)


def _converted(params, ins, outs):
    """Numbers outside the range of an integer become its ends, NaN 0."""
    to, of = outs[0].dtype, ins[0].dtype
    if of.kind == "c" and to.kind != "c":
        return None if to.kind == "b" else lambda x: np.asarray(np.real(x)).astype(to)
    if of.kind != "f" or to.kind not in "iu":
        return lambda x: np.asarray(x).astype(to)
    info = np.iinfo(to)
    low, high = of.type(info.min), of.type(info.max)

    def convert(x):
        x = np.asarray(x)
        inside = np.where((x > low) & (x < high), x, of.type(0)).astype(to)
        return np.where(x >= high, to.type(info.max), np.where(x <= low, to.type(info.min), inside))

    return convert


def _bits(params, ins, outs):
    to = outs[0].dtype
    if to.itemsize != ins[0].dtype.itemsize:
        return None
    return lambda x: np.ascontiguousarray(x).view(to).reshape(np.shape(x))


def _shift(f, beyond):
    """`f` for shifts below the number of bits, `beyond(x)` for the others."""

    def make(params, ins, outs):
        dtype = outs[0].dtype
        bits, unsigned = 8 * dtype.itemsize, np.dtype(f"u{dtype.itemsize}")

        def shift(x, y):
            far = (y < 0) | (y >= bits)
            return np.where(far, beyond(x), f(x, np.where(far, dtype.type(0), y), unsigned).astype(dtype))

        return shift

    return make


def _sign_bit(x):
    return np.where(x < 0, np.invert(np.zeros_like(x)), np.zeros_like(x))


def _left(x, y, unsigned):
    return np.left_shift(np.asarray(x).astype(unsigned), np.asarray(y).astype(unsigned))


def _arithmetic(x, y, unsigned):
    return np.right_shift(x, y)


def _logical(x, y, unsigned):
    return np.right_shift(np.asarray(x).astype(unsigned), np.asarray(y).astype(unsigned))


def _inverse_root(x):
    return np.reciprocal(np.sqrt(x))


def _logistic(params, ins, outs):
    if ins[0].dtype.kind == "c":
        return lambda x: 1 / (1 + np.exp(-x))
    return special.expit


def _erf_inverse(x):
    return special.erfinv(x).astype(x.dtype)


def _exp2(params, ins, outs):
    if ins[0].dtype.kind == "f":
        return np.exp2
    two = ins[0].dtype.type(2)
    return lambda x: np.power(two, x)


def _complex(params, ins, outs):
    dtype = outs[0].dtype

    def join(x, y):
        z = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype)
        z.real, z.imag = x, y
        return z

    return join


def _same(x):
    return x


_FAST = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "add_any": np.add, "neg": np.negative, "square": np.square,
    "eq": np.equal, "ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "not": np.invert, "abs": np.abs, "sqrt": np.sqrt, "real": np.real, "imag": np.imag, "conj": np.conj,
    "copy": _same, "copy_p": _same, "stop_gradient": _same, "is_finite": np.isfinite,
}  # fmt: skip
_ORDERED = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "max": np.maximum, "min": np.minimum,
    "floor": np.floor, "ceil": np.ceil, "nextafter": np.nextafter, "clamp": _clamped,
}  # fmt: skip
_SLOW = {
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "rsqrt": _inverse_root,
    "expm1": np.expm1, "log1p": np.log1p, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
}  # fmt: skip
_SLOW_REAL = {
    "cbrt": np.cbrt, "erf": special.erf, "erfc": special.erfc, "erf_inv": _erf_inverse,
    "atan2": np.arctan2,
}  # fmt: skip
FAST, SLOW = 1.0, 10.0
ELEMENTWISE = {
    **{name: (_plain(f), FAST) for name, f in _FAST.items()},
    **{name: (_real(f), FAST) for name, f in _ORDERED.items()},
    **{name: (_plain(f), SLOW) for name, f in _SLOW.items()},
    **{name: (_real(f), SLOW) for name, f in _SLOW_REAL.items()},
    "div": (_by_kind(_divided, np.divide), FAST),
    "rem": (_by_kind(_remainder, np.fmod), SLOW),
    "sign": (_sign, FAST),
    "round": (_rounded, FAST),
    "integer_pow": (_integer_power, 2 * FAST),
    "pow": (_power, 2 * SLOW),
    "logistic": (_logistic, SLOW),
    "select_n": (_selected, FAST),
    "convert_element_type": (_converted, FAST),
    "bitcast_convert_type": (_bits, FAST),
    "shift_left": (_shift(_left, np.zeros_like), 2 * FAST),
    "shift_right_arithmetic": (_shift(_arithmetic, _sign_bit), 2 * FAST),
    "shift_right_logical": (_shift(_logical, np.zeros_like), 2 * FAST),
    "complex": (_complex, FAST),
    "exp2": (_exp2, SLOW),
}
