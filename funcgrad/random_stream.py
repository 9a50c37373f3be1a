"""Floor 0. PyTorch's CPU random stream, number for number, out of NumPy's MT19937.

Knows NumPy only; must not know anything else of funcgrad. Every method says how many 32-bit words
of the Mersenne Twister it consumes, because that is what keeps mixed calls in step with PyTorch:
same seed, same calls, same numbers. Compared with PyTorch 2.13 on x86-64 with AVX2, where all of it
is equal to the last bit (in float64 as far as the C library's log, sin and cos are those PyTorch
ran with).

PyTorch itself is not one stream everywhere: on Intel's processors `bernoulli(p)` and dropout come
from MKL. This file gives the numbers of the others.
"""

from __future__ import annotations

import math
import operator
import secrets
import struct
from math import prod

import numpy as np

__all__ = ["DEFAULT_SEED", "Stream"]

DEFAULT_SEED = 67280421310721  # of a torch.Generator() nobody seeded
STATE_BYTES = 5056

_WORDS = 624  # of the Mersenne Twister's state
_U64 = np.uint64
_TWO_PI = 2 * math.pi


class Stream:
    """A seeded stream of random numbers; the core of `Generator`.

    Shapes are an int or a tuple, dtypes anything `np.dtype` takes (and `ml_dtypes.bfloat16`).

    >>> Stream(0).rand(3)
    array([0.4962566 , 0.7682218 , 0.08847743], dtype=float32)
    """

    __slots__ = ("_initial_seed", "_spare", "_twister")

    def __init__(self, seed: int = DEFAULT_SEED):
        self._twister = np.random.MT19937(0)
        self.manual_seed(seed)

    # ---- seeds and states -----------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Stream:
        """Start anew at `seed`, a signed or unsigned 64-bit integer; its low 32 bits matter."""
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = operator.index(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._initial_seed = seed % 2**64
        self._spare: float | None = (
            None  # the second normal of a pair, which the next scalar draw returns
        )
        np.random.RandomState(self._twister).seed(self._initial_seed % 2**32)
        return self

    def seed(self) -> int:
        """Start anew at a seed from the operating system, and return it."""
        self.manual_seed(
            secrets.randbits(53)
        )  # 53 bits: PyTorch's, so that the seed survives as a double
        return self._initial_seed

    def initial_seed(self) -> int:
        return self._initial_seed

    def get_state(self) -> np.ndarray:
        """The state as 5056 bytes in PyTorch's layout: `torch.set_rng_state` takes them."""
        state = self._twister.state["state"]
        position = int(state["pos"])
        left = _WORDS + 1 - position
        if position == _WORDS and np.array_equal(state["key"], _first_state(self._initial_seed)):
            position = 0  # nothing drawn yet
        spare = 0.0 if self._spare is None else self._spare
        data = struct.pack("<QiiQ", self._initial_seed, left, 1, position)
        data += state["key"].astype("<u8").tobytes()
        data += struct.pack("<dddi4x", 0.0, spare, 0.0, self._spare is not None)
        data += struct.pack("<f?3x", 0.0, False)  # PyTorch's unused cache of a float normal
        return np.frombuffer(data, np.uint8).copy()

    def set_state(self, state: np.ndarray) -> None:
        """Go back to where `get_state` (or `torch.get_rng_state`) was called."""
        state = np.asarray(state)
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} "
                f"but found the input RNG state size to be {state.size}"
            )
        data = state.tobytes()
        seed, left, seeded, position = struct.unpack_from("<QiiQ", data)
        if not seeded or not 1 <= left <= _WORDS or position > _WORDS:
            raise RuntimeError("Invalid mt19937 state")
        after = 24 + 8 * _WORDS
        _, spare, _, has_spare = struct.unpack_from("<dddi", data, after)
        self._initial_seed, self._spare = seed, spare if has_spare else None
        self._place(np.frombuffer(data, "<u8", _WORDS, 24), _WORDS if left == 1 else position)

    def clone(self) -> Stream:
        """A second stream at the same place."""
        other = Stream()
        other.set_state(self.get_state())
        return other

    def __reduce__(self):
        return _from_state, (self.get_state(),)

    def _place(self, key: np.ndarray, position: int) -> None:
        key = np.asarray(key).astype(np.uint32)
        self._twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}

    # ---- words and the uniforms made of them ----------------------------------------------------

    def words(self, n: int) -> np.ndarray:
        """The next `n` 32-bit words, as uint64."""
        return self._twister.random_raw(n)

    def _long_words(self, n: int) -> np.ndarray:
        pairs = self.words(2 * n)
        return (pairs[0::2] << _U64(32)) | pairs[1::2]

    def _unit32(self, n: int) -> np.ndarray:
        """`n` float32 in [0, 1) of 24 bits, a word each."""
        return (self.words(n) & _U64(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)

    def _unit64(self, n: int) -> np.ndarray:
        """`n` float64 in [0, 1) of 53 bits, two words each."""
        return (self._long_words(n) & _U64(2**53 - 1)).astype(np.float64) * 2.0**-53

    def rand(self, shape=(), dtype=np.float32) -> np.ndarray:
        """Uniform on [0, 1): a word each, two for a float64; a complex number is two numbers."""
        dtype = np.dtype(dtype)
        if dtype.kind == "c":
            return self.rand((*_shape(shape), 2), _part(dtype)).view(dtype)[..., 0]
        return self.uniform(shape, 0.0, 1.0, dtype)

    def uniform(
        self, shape=(), low: float = 0.0, high: float = 1.0, dtype=np.float32
    ) -> np.ndarray:
        """Uniform on [low, high). Words as `rand`."""
        if low > high:
            raise RuntimeError(
                "uniform_ expects to return a [from, to) range, "
                f"but found from={low:g} > to={high:g}"
            )
        dtype, shape = np.dtype(dtype), _shape(shape)
        n = prod(shape)
        if dtype == np.float64:
            low, unit = np.float64(low), self._unit64(n)
            value = unit if (low, high) == (0, 1) else _fma(unit, np.float64(high) - low, low)
        else:
            low, high, unit = np.float32(low), np.float32(high), self._unit32(n)
            value = unit if (low, high) == (0, 1) else _fma(unit, high - low, low)
        value = value.astype(dtype, copy=False)
        if dtype.itemsize == 2 or (low, high) != (0, 1):
            # rounding can reach `high`, which is excluded: PyTorch puts such numbers at `low`
            value[value >= dtype.type(high)] = dtype.type(low)
        return value.reshape(shape)

    # ---- normals --------------------------------------------------------------------------------

    def randn(self, shape=(), dtype=np.float32) -> np.ndarray:
        """Standard normal. A complex one has variance 1/2 in each part."""
        dtype = np.dtype(dtype)
        if dtype.kind == "c":
            parts = self.normal((*_shape(shape), 2), 0.0, 1 / math.sqrt(2), _part(dtype))
            return parts.view(dtype)[..., 0]
        return self.normal(shape, 0.0, 1.0, dtype)

    def normal(self, shape=(), mean: float = 0.0, std: float = 1.0, dtype=np.float32) -> np.ndarray:
        """Normal. Fewer than 16 numbers come one by one, more come in blocks of 16.

        One by one: four words for every two numbers; an unused second waits for the next such draw.
        In blocks: words as `rand`; if the last block is not full, the last 16 are drawn once more.
        """
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
        dtype, shape = np.dtype(dtype), _shape(shape)
        n = prod(shape)
        if n < 16:
            value = self._paired_normals(n, mean, std).astype(dtype, copy=False)
        else:
            value = self._block_normals(n, mean, std, dtype)
        return value.reshape(shape)

    def _block_normals(self, n: int, mean: float, std: float, dtype: np.dtype) -> np.ndarray:
        unit, block = (self._unit64, _block64) if dtype == np.float64 else (self._unit32, _block32)
        full = n - n % 16
        # uniforms of a block that is not full: the 16-bit dtypes skip them, the others draw in vain
        uniforms = unit(full if dtype.itemsize == 2 else n)[:full]
        value = np.empty(n, uniforms.dtype)
        value[:full] = block(uniforms, mean, std)
        if full < n:
            value[-16:] = block(unit(16), mean, std)
        return value.astype(dtype, copy=False)

    def _paired_normals(self, n: int, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
        """`n` normals one by one, in float64."""
        value = np.empty(n)
        start = 0
        if n and self._spare is not None:
            value[0], self._spare, start = self._spare, None, 1
        pairs = (n - start + 1) // 2
        if pairs:
            unit = self._unit64(2 * pairs)
            radius, angle = np.sqrt(-2.0 * _libm(math.log1p, -unit[1::2])), _TWO_PI * unit[0::2]
            drawn = np.empty(2 * pairs)
            drawn[0::2], drawn[1::2] = (
                radius * _libm(math.cos, angle),
                radius * _libm(math.sin, angle),
            )
            value[start:] = drawn[: n - start]
            if n - start < 2 * pairs:
                self._spare = float(drawn[-1])
        return _fma(value, std, mean)

    # ---- integers -------------------------------------------------------------------------------

    def randint(self, low: int, high: int, shape=(), dtype=np.int64) -> np.ndarray:
        """Integers in [low, high): a word each, two where the range is 2**28 or more."""
        low, high, dtype, shape = (
            operator.index(low),
            operator.index(high),
            np.dtype(dtype),
            _shape(shape),
        )
        if low >= high:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
            )
        for word, bound in (("from", low), ("to - 1", high - 1)):
            if dtype in _INTEGERS and not _INTEGERS[dtype][0] <= bound <= _INTEGERS[dtype][1]:
                raise RuntimeError(f"{word} is out of bounds for {_INTEGERS[dtype][2]}")
        n, span = prod(shape), high - low
        drawn = self.words(n) if span < 2**28 else self._long_words(n)
        value = (drawn % _U64(span) + _U64(low % 2**64)).view(np.int64)
        return value.astype(dtype).reshape(shape)

    def random(self, shape=(), dtype=np.int64) -> np.ndarray:
        """`Tensor.random_()`: integers from zero up to the largest that the dtype counts exactly.

        A word each, two for a dtype of 8 bytes.
        """
        dtype, shape = np.dtype(dtype), _shape(shape)
        drawn = (self._long_words if dtype.itemsize == 8 else self.words)(prod(shape))
        if dtype in _INTEGERS:
            count = _INTEGERS[dtype][1] + 1
        else:
            count = 2 ** {2: 11 if dtype == np.float16 else 8, 4: 24, 8: 53}[dtype.itemsize] + 1
        drawn = drawn if count == 2**64 else drawn % _U64(count)
        return drawn.astype(dtype).reshape(shape)

    def randperm(self, n: int, dtype=np.int64) -> np.ndarray:
        """The integers below `n` in random order: a word for each but the last."""
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
        order = list(range(n))
        if n > 1:
            left = np.arange(n, 1, -1, dtype=_U64)  # how many are not placed yet
            partners = self.words(n - 1) % left + (_U64(n) - left)
            for i, j in enumerate(partners.tolist()):
                order[i], order[j] = order[j], order[i]
        return np.array(order, dtype)

    # ---- other distributions --------------------------------------------------------------------

    def bernoulli(self, p, shape=()) -> np.ndarray:
        """True with probability `p`. A number `p`: two words each.

        An array `p`, of the result's shape: a word each, two where it is float64.
        """
        if np.ndim(p) == 0 and not isinstance(p, np.ndarray):
            if not 0 <= p <= 1:
                raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
            shape = _shape(shape)
            return (self._unit64(prod(shape)) < p).reshape(shape)
        if not np.all((p >= 0) & (p <= 1)):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
        unit = self._unit64(p.size) if p.dtype == np.float64 else self._unit32(p.size)
        return unit.reshape(p.shape) < p.astype(unit.dtype, copy=False)

    def exponential(self, shape=(), rate: float = 1.0, dtype=np.float32) -> np.ndarray:
        """Exponential of the given rate (PyTorch's lambd). Two words each."""
        if not rate > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
        return self._from_unit64(shape, dtype, lambda u, fn: -1.0 / rate * fn("log1p", -u))

    def cauchy(
        self, shape=(), median: float = 0.0, sigma: float = 1.0, dtype=np.float32
    ) -> np.ndarray:
        """Cauchy. Two words each."""
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
        return self._from_unit64(
            shape, dtype, lambda u, fn: _fma(fn("tan", math.pi * (u - 0.5)), sigma, median)
        )

    def geometric(self, p: float, shape=(), dtype=np.float32) -> np.ndarray:
        """How many trials until the first success. Two words each."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
        with np.errstate(divide="ignore"):
            return self._from_unit64(
                shape, dtype, lambda u, fn: np.ceil(np.log(u) / math.log1p(-p))
            )

    def log_normal(
        self, shape=(), mean: float = 1.0, std: float = 2.0, dtype=np.float32
    ) -> np.ndarray:
        """exp of a normal. Words as `normal` one by one, however many."""
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
        shape = _shape(shape)
        normals = self._paired_normals(prod(shape), mean, std)
        return _narrow(_libm(math.exp, normals), np.dtype(dtype)).reshape(shape)

    def _from_unit64(self, shape, dtype, transform) -> np.ndarray:
        dtype, shape = np.dtype(dtype), _shape(shape)

        # NumPy's own functions may be off by a last bit, which shows in float64 only
        def function(name, x):
            return _libm(getattr(math, name), x) if dtype == np.float64 else getattr(np, name)(x)

        return _narrow(transform(self._unit64(prod(shape)), function), dtype).reshape(shape)

    def multinomial(self, weights: np.ndarray, n: int, replacement: bool = False) -> np.ndarray:
        """`n` indices (int64) drawn by the weights in each row of a vector or matrix.

        With replacement: two words for each index. Without, or n = 1: two for each weight.
        """
        weights = np.asarray(weights)
        if weights.ndim not in (1, 2):
            raise RuntimeError("prob_dist must be 1 or 2 dim")
        if n <= 0:
            raise RuntimeError("cannot sample n_sample <= 0 samples")
        if not replacement and n > weights.shape[-1]:
            raise RuntimeError(
                "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
            )
        compute = weights.astype(np.float32) if weights.dtype.itemsize == 2 else weights
        if not np.all((compute >= 0) & (compute < np.inf)):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if not np.all(compute.sum(-1) > 0):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        if not replacement or n == 1:
            # a race of exponential clocks with these rates: who fires first, has most weight / q
            q = self.exponential(weights.shape, dtype=weights.dtype).astype(compute.dtype)
            with np.errstate(divide="ignore", invalid="ignore"):
                race = compute / q
            if n == 1:
                return race.argmax(-1, keepdims=True)
            return np.argsort(-race, -1, kind="stable")[..., :n]
        cumulative = np.atleast_2d(np.cumsum(compute, -1, dtype=compute.dtype))
        cumulative = cumulative / cumulative[:, -1:]
        unit = self._unit64(len(cumulative) * n).reshape(-1, n)
        index = np.stack([np.searchsorted(row, u) for row, u in zip(cumulative, unit, strict=True)])
        return index.astype(np.int64).reshape((*weights.shape[:-1], n))


# dtype: its smallest, its largest, and the name C++ has for it in PyTorch's messages
_INTEGERS = {
    np.dtype(name): (int(np.iinfo(name).min), int(np.iinfo(name).max), type_name)
    for name, type_name in {
        "uint8": "unsigned char",
        "int8": "signed char",
        "int16": "short int",
        "int32": "int",
        "int64": "long int",
        "uint16": "short unsigned int",
        "uint32": "unsigned int",
        "uint64": "long unsigned int",
    }.items()
} | {np.dtype(bool): (0, 1, "bool")}


def _shape(shape) -> tuple[int, ...]:
    return (
        (operator.index(shape),)
        if hasattr(shape, "__index__")
        else tuple(map(operator.index, shape))
    )


def _part(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex dtype's parts."""
    return np.dtype(f"f{dtype.itemsize // 2}")


def _first_state(seed: int) -> np.ndarray:
    return np.random.RandomState(seed % 2**32).get_state()[1]


def _from_state(state: np.ndarray) -> Stream:
    stream = Stream()
    stream.set_state(state)
    return stream


# ---- arithmetic as PyTorch's compiled kernels do it --------------------------------------------


def _libm(function, x: np.ndarray) -> np.ndarray:
    """A function of `math`, number by number: the C library's, as in PyTorch; NumPy has its own."""
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


def _narrow(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """From float64, by way of float32 to 16 bits: C++ rounds twice."""
    if dtype.itemsize == 2:
        value = value.astype(np.float32)
    return value.astype(dtype, copy=False)


def _fma(a, b, c) -> np.ndarray:
    """a * b + c rounded once: the instruction that PyTorch's kernels are compiled to."""
    if isinstance(a, np.ndarray) and a.dtype == np.float32:
        # the product of two float32 is exact in float64
        return (a.astype(np.float64) * np.float64(b) + np.float64(c)).astype(np.float32)
    b, c = np.float64(b), np.float64(c)
    if (b, c) == (1, 0) or not abs(b) < 2.0**990:  # nothing to round, or too large to split
        return a * b + c
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    below = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    total = product + c
    share = total - product
    lost = (product - (total - share)) + (c - share)
    return total + (lost + below)


def _halves(x):
    """Dekker's splitting: x = high + low, each of 26 bits, so that products of halves are exact."""
    scaled = x * 134217729.0
    high = scaled - (scaled - x)
    return high, x - high


def _block64(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Box and Muller's transform of float64 uniforms: in 16, eight radii and eight angles."""
    u = uniforms.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * _libm(math.log, (1.0 - u[:, 0]).ravel()))
    angle = (_TWO_PI * u[:, 1]).ravel()
    value = np.empty_like(u)
    value[:, 0] = (radius * _libm(math.cos, angle)).reshape(-1, 8)
    value[:, 1] = (radius * _libm(math.sin, angle)).reshape(-1, 8)
    return _fma(value.ravel(), std, mean)


def _block32(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The same of float32 uniforms, with the functions of PyTorch's AVX2 kernel."""
    value = np.empty_like(uniforms)
    step = 16 * 2048  # what the temporaries of one step take stays in the cache
    for start in range(0, len(uniforms), step):
        u = uniforms[start : start + step].reshape(-1, 2, 8)
        radius = np.sqrt(np.float32(-2) * _log32(np.float32(1) - u[:, 0]))
        sine, cosine = _sincos32(np.float32(_TWO_PI) * u[:, 1])
        out = value[start : start + step].reshape(-1, 2, 8)
        out[:, 0] = _affine32(radius * cosine, std, mean)
        out[:, 1] = _affine32(radius * sine, std, mean)
    return value


def _affine32(x: np.ndarray, std: float, mean: float) -> np.ndarray:
    return x if (mean, std) == (0, 1) else _fma(x, np.float32(std), np.float32(mean))


# Cephes' single precision log, sin and cos: the minimax polynomials, highest power first
_LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440e-4
_SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_QUARTER_PI = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)  # the sum is pi / 4


def _horner32(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total = (total * wide + np.float64(np.float32(c))).astype(np.float32)
    return total


def _log32(x: np.ndarray) -> np.ndarray:
    """log of positive normal float32: of a mantissa around 1, plus the exponent's share."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < np.float32(math.sqrt(0.5))
    t = np.where(small, (mantissa - np.float32(1)) + mantissa, mantissa - np.float32(1))
    e = (exponent - small).astype(np.float32)
    square = t * t
    tail = _fma(_horner32(_LOG, t) * t, square, e * np.float32(_LOG2_LOW))
    tail = _fma(square, -0.5, tail)
    return _fma(e, _LOG2_HIGH, t + tail)


def _sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sin and cos of float32 in [0, 2 pi], reduced to within pi/4 of a multiple of pi/2."""
    octant = ((x * np.float32(4 / math.pi)).astype(np.int32) + 1) & ~1
    count = octant.astype(np.float32)
    for part in _QUARTER_PI:
        x = _fma(count, np.float32(-part), x)
    square = x * x
    cosine = _fma(_horner32(_COS, square) * square, square, square * np.float32(-0.5))
    cosine = cosine + np.float32(1)
    sine = _fma(_horner32(_SIN, square) * square, x, x)
    swap = (octant & 2) != 0
    sine, cosine = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    return np.where(octant & 4, -sine, sine), np.where((octant + 2) & 4, -cosine, cosine)
