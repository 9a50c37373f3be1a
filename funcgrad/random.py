"""Floor 6. Random numbers: Generator, its seeds and states, and everything that draws from it.

A Generator holds two things seeded alike. Factories and in-place initialisers draw from `stream`, PyTorch's
own CPU stream, on the host: same seed, same numbers as PyTorch. Draws whose input is still to be computed
(dropout, the Bernoulli variables of a layer's probabilities) use a JAX key, which is an input and an
output of the program that draws: no new program for a new step. Knows the Tensor and the rows of
`ops/random`. Must not know nn.
"""

from __future__ import annotations

import contextlib
import math
import threading
import weakref

import jax
import numpy as np

from . import dtypes
from .device import check_device
from .device import device as Device
from .engine import draws
from .op import REGISTRY
from .random_stream import DEFAULT_SEED, STATE_BYTES, Stream
from .tape import Value, constant, force, known_array, local, record
from .tensor import METHODS, NAMES, Tensor, composite
from .tensor.alias import check_writable, put
from .tensor.create import finish, tensor
from .tensor.tensor import value_of, wrap
from .tensor.variants import _sizes, into

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "keyed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

_KEY_AT = 24 + 8 * 624  # of the 8 bytes in the state that PyTorch's format leaves unused


def _seed_words(seed: int) -> np.ndarray:
    """The words of JAX's threefry key of `seed`."""
    return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)


class Generator:
    """A seeded source of random numbers, as `torch.Generator`.

    >>> import funcgrad as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device="cpu"):
        check_device(device)
        self.device = Device(device)
        self.stream = Stream(DEFAULT_SEED)
        self._key: Value | None = None  # made when a program first draws

    def manual_seed(self, seed: int) -> Generator:
        """Start anew at `seed`; returns the generator."""
        self.stream.manual_seed(seed)
        self._key = None
        return self

    def seed(self) -> int:
        """Start anew at a seed from the operating system, and return it."""
        seed = self.stream.seed()
        self._key = None
        return seed

    def initial_seed(self) -> int:
        """The seed it last started at."""
        return self.stream.initial_seed()

    def get_state(self) -> Tensor:
        """All of it as a byte tensor in PyTorch's layout; `torch.set_rng_state` takes it, too."""
        state = self.stream.get_state()
        if self._key is not None:
            # as the difference to the seed's key: a state of PyTorch, which has none, then means the seed's
            words = np.asarray(force(self._key)) ^ _seed_words(self.initial_seed())
            state[_KEY_AT : _KEY_AT + 8] = words.view(np.uint8)
        return tensor(state)

    def set_state(self, new_state: Tensor) -> None:
        """Go back to where `get_state` was called."""
        if not isinstance(new_state, Tensor) and not hasattr(new_state, "__array__"):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        state = np.array(new_state)
        self.stream.set_state(state)
        words = state.reshape(STATE_BYTES)[_KEY_AT : _KEY_AT + 8].view(np.uint32)
        self._key = None if not words.any() else _key_value(words ^ _seed_words(self.initial_seed()))

    def place(self) -> draws.Place:
        """Where it is now, to go back to without looking at a number."""
        return draws.Place(self)

    def clone_state(self) -> Generator:
        """A second generator at the same place."""
        other = Generator(self.device)
        other.set_state(self.get_state())
        return other

    def key(self) -> Value:
        """What the next draw inside a program starts from."""
        if self._key is None:
            self._key = _key_value(_seed_words(self.initial_seed()))
        return self._key

    def record(self, row: str, args=(), **params) -> tuple[Value, ...]:
        """Record the row `row` of `ops/random` on `args` and the key, which it moves on. Its other results."""
        key = self.key()
        now, following = draws.key_of_each(key)
        *out, last = record(REGISTRY[row], (*args, now), params)
        self._key = draws.shared(last) if following is None else following
        # should the run fail, the key is what it was
        local.tape.journal.setdefault(id(self), (weakref.ref(self), "_key", key))
        return tuple(out)

    def __reduce__(self):
        return _rebuild, (str(self.device), np.array(self.get_state()))

    def __repr__(self) -> str:
        return f"<funcgrad.Generator seed={self.initial_seed()} device={self.device}>"


def _key_value(words: np.ndarray) -> Value:
    # on the device from the start: a NumPy array is never donated, and the first step would be unlike the others
    return constant(jax.device_put(words))


def _rebuild(device: str, state: np.ndarray) -> Generator:
    g = Generator(device)
    g.set_state(state)
    return g


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, as a byte tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled: bool = True, **_named):
    """What is drawn inside leaves the default generator where it was."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


for _name in ("Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
              "set_rng_state"):  # fmt: skip
    NAMES["torch"][_name] = globals()[_name]


# ---- where a draw comes from -----------------------------------------------------------------------------


class _Local(threading.local):
    keyed = False


_local = _Local()


@contextlib.contextmanager
def keyed():
    """Inside, factories draw from the key as well: for code that is recorded once and replayed."""
    saved, _local.keyed = _local.keyed, True
    try:
        yield
    finally:
        _local.keyed = saved


def _drawn(generator: Generator | None, host, row: str, **params) -> Value:
    """`host(stream)` as a Value or, when `keyed`, a record of `row`."""
    g = default_generator if generator is None else generator
    if _local.keyed:
        return g.record(row, **params)[0]
    return draws.of_each(lambda: host(g.stream))


def _known(t: Tensor) -> np.ndarray | None:
    """The numbers of `t` if they are computed already, and draws come from the stream."""
    if _local.keyed:
        return None
    array = known_array(value_of(t))
    return None if array is None else np.asarray(force(value_of(t)))


def _refuse(what: str, dtype: dtypes.DType, also_complex: bool = False, error=NotImplementedError) -> None:
    if not (dtype.is_floating_point or (also_complex and dtype.is_complex)):
        raise error(f'"{what}" not implemented for \'{dtype.legacy}\'')


# ---- factories -------------------------------------------------------------------------------------------


def _size(name: str, size, named: dict) -> tuple[int, ...]:
    if "size" in named:
        size = (named.pop("size"),)
    elif not size:
        raise TypeError(f"{name}() received an invalid combination of arguments - got no size")
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return _checked(_sizes(size))


def _checked(size: tuple[int, ...]) -> tuple[int, ...]:
    if any(d < 0 for d in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    return size


def _made(v: Value, requires_grad: bool, out: Tensor | None, name: str) -> Tensor:
    made = finish(v, requires_grad)
    return made if out is None else into(out, made, name, name != "multinomial")


def _float_dtype(dtype, out) -> dtypes.DType:
    if out is not None and dtype not in (None, out.dtype):
        raise RuntimeError(f"dtype {dtype.legacy} does not match dtype of out parameter ({out.dtype.legacy})")
    return dtype or (dtypes.get_default_dtype() if out is None else out.dtype)


def _uniform(size, dtype, generator) -> Value:
    _refuse("check_uniform_bounds", dtype, also_complex=True)
    return _drawn(generator, lambda s: s.rand(size, dtype.np), "uniform", shape=size, dtype=dtype)


def _normal(size, dtype, generator) -> Value:
    _refuse("normal_kernel_cpu", dtype, also_complex=True)
    return _drawn(generator, lambda s: s.randn(size, dtype.np), "normal", shape=size, dtype=dtype)


def _integers(low, high, size, dtype, generator) -> Value:
    draw = lambda s: s.randint(low, high, size, dtype.np)  # noqa: E731
    return _drawn(generator, draw, "randint", low=low, high=high, shape=size, dtype=dtype)


@composite()
def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
         **named):  # fmt: skip
    """Uniform on [0, 1).

    >>> import funcgrad as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    check_device(device)
    return _made(_uniform(_size("rand", size, named), _float_dtype(dtype, out), generator), requires_grad, out, "rand")


@composite()
def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
          **named):  # fmt: skip
    """Normal of mean 0 and variance 1.

    >>> import funcgrad as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    check_device(device)
    return _made(_normal(_size("randn", size, named), _float_dtype(dtype, out), generator), requires_grad, out, "randn")


def _bounds(name: str, numbers: tuple, named: dict):
    """(low, high, the rest) of `(high, ...)` or `(low, high, ...)`, some perhaps by keyword."""
    low, high = named.pop("low", 0), named.pop("high", None)
    wanted = 2 if high is None else 1
    counted = [i for i, x in enumerate(numbers[:wanted]) if not isinstance(x, list | tuple)]
    given, rest = numbers[: len(counted)], numbers[len(counted) :]
    if high is None:
        if not given:
            raise TypeError(f"{name}() missing 1 required positional arguments: \"high\"")
        low, high = (low, given[0]) if len(given) == 1 else given
    elif given:
        low = given[0]
    return int(low), int(high), rest


@composite()
def randint(*args, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
            pin_memory=False, **named):  # fmt: skip
    """`randint(high, size)` or `randint(low, high, size)`: whole numbers from low up to, not including, high."""
    check_device(device)
    low, high, rest = _bounds("randint", args, named)
    if "size" not in named and not (rest and isinstance(rest[0], list | tuple)):
        bad = type(rest[0] if rest else high).__name__
        raise TypeError(f"randint(): argument 'size' (position 2) must be tuple of ints, not {bad}")
    size = _size("randint", rest, named)
    dtype = dtype or (dtypes.int64 if out is None else out.dtype)
    return _made(_integers(low, high, size, dtype, generator), requires_grad, out, "randint")


@composite()
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
             pin_memory=False):  # fmt: skip
    """The whole numbers below `n`, in random order."""
    check_device(device)
    if not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    n, dtype = n.__index__(), dtype or (dtypes.int64 if out is None else out.dtype)
    v = _drawn(generator, lambda s: s.randperm(n, dtype.np), "randperm", n=n, dtype=dtype)
    return _made(v, requires_grad, out, "randperm")


@composite()
def rand_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, generator=None):
    """As `input` in shape and dtype, uniform on [0, 1)."""
    return finish(_uniform(tuple(input.shape), dtype or input.dtype, generator), requires_grad)


@composite()
def randn_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, generator=None):
    """As `input` in shape and dtype, normal of mean 0 and variance 1."""
    return finish(_normal(tuple(input.shape), dtype or input.dtype, generator), requires_grad)


@composite()
def randint_like(input, *args, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
                 generator=None, **named):  # fmt: skip
    """As `input` in shape and dtype: `randint_like(input, high)` or `randint_like(input, low, high)`."""
    low, high, _ = _bounds("randint_like", args, named)
    return finish(_integers(low, high, tuple(input.shape), dtype or input.dtype, generator), requires_grad)


@composite()
def normal(mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None,
           requires_grad=False, pin_memory=False):  # fmt: skip
    """Normal with `mean` and `std`: numbers with a `size`, or Tensors (one or both), broadcast."""
    check_device(device)
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors:
        if size is None:
            kinds = ", ".join(type(x).__name__ for x in (mean, std))
            raise TypeError(f"normal() received an invalid combination of arguments - got ({kinds})")
        dtype = _float_dtype(dtype, out)
        made = finish(_scaled_normal(_checked(_sizes((size,))), mean, std, dtype, generator), requires_grad)
        return made if out is None else into(out, made, "normal")
    if isinstance(std, Tensor):
        known = _known(std)
        if known is not None and not (known >= 0).all():
            raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = tuple(NAMES["torch"]["broadcast_shapes"](*(t.shape for t in tensors)))
    dtype = tensors[0].dtype if len(tensors) == 1 else mean.dtype
    if isinstance(std, Tensor):
        made = wrap(_normal(shape, dtype, generator)) * std.detach()
    else:
        made = wrap(_scaled_normal(shape, 0.0, std, dtype, generator))
    made = made + (mean.detach() if isinstance(mean, Tensor) else mean)
    return made if out is None else into(out, made, "normal")


def _scaled_normal(shape, mean, std, dtype, generator) -> Value:
    _refuse("normal_kernel_cpu", dtype, also_complex=True)
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")

    def draw(s: Stream) -> np.ndarray:
        if not dtype.is_complex:
            return s.normal(shape, mean, std, dtype.np)
        # the mean of both parts, as PyTorch
        return s.normal((*shape, 2), mean, std / math.sqrt(2), dtype.to_real().np).view(dtype.np)[..., 0]

    return _drawn(generator, draw, "normal", shape=shape, mean=float(mean), std=float(std), dtype=dtype)


# ---- draws by tensors of parameters ------------------------------------------------------------------------


def _coin(p: Tensor, shape, generator) -> Value:
    """1 with probability `p`, each in p's dtype: from the stream if `p` is known, else from the key."""
    _refuse("bernoulli_tensor_cpu_p_", p.dtype)
    known = _known(p)
    if known is None or (p.requires_grad and local.grad):
        p = p if tuple(p.shape) == shape else p.expand(shape)
        return (default_generator if generator is None else generator).record("bernoulli", (value_of(p),))[0]
    known = np.broadcast_to(known, shape)
    return _drawn(generator, lambda s: s.bernoulli(known).astype(known.dtype), "bernoulli")


@composite("fm")
def bernoulli(input, p=None, *, generator=None, out=None):
    """0 or 1: 1 with the probability `input` has there, or everywhere with probability `p`."""
    if p is not None:
        return bernoulli_(input.detach().clone(), p, generator=generator)
    return _made(_coin(input, tuple(input.shape), generator), False, out, "bernoulli")


@composite("fm")
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """`num_samples` indices by the weights in each row of `input`.

    Makes a run, so that the indices are PyTorch's own: as a rule they are looked at next.
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {input.dtype.legacy}"
        )
    if _local.keyed or local.whole is not None:
        g = default_generator if generator is None else generator
        (v,) = g.record("multinomial", (value_of(input),), num_samples=num_samples, replacement=bool(replacement))
    else:
        weights = np.asarray(force(value_of(input)))
        v = _drawn(generator, lambda s: s.multinomial(weights, num_samples, bool(replacement)), "multinomial")
    return _made(v, False, out, "multinomial")


@composite()
def poisson(input, generator=None):
    """Poisson of the rates in `input` (from the key: PyTorch's own numbers are other ones)."""
    _refuse("poisson_cpu", input.dtype)
    known = _known(input)
    if known is not None and (known < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return wrap((default_generator if generator is None else generator).record("poisson", (value_of(input),))[0])


@composite()
def binomial(count, prob, generator=None):
    """How many of `count` trials succeed, each with probability `prob` (from the key)."""
    g = default_generator if generator is None else generator
    return wrap(g.record("binomial", (value_of(count), value_of(prob)))[0])


# ---- in place ------------------------------------------------------------------------------------------------


def _write(t: Tensor, generator, host, row: str, **params) -> Tensor:
    check_writable(t)
    s = value_of(t).spec
    return put(t, _drawn(generator, host, row, shape=s.shape, dtype=s.dtype, **params))


def _from_to(named: dict, low, high):
    """`from` is a word of Python, so it comes among the other keywords."""
    return named.pop("from", low), named.pop("to", high)


@composite("m")
def uniform_(self, a=0.0, b=1.0, *, generator=None, **named):
    """Fill with numbers uniform on [from, to)."""
    low, high = _from_to(named, a, b)
    _refuse("check_uniform_bounds", self.dtype)
    shape, dtype = tuple(self.shape), self.dtype.np
    bounds = {"low": float(low), "high": float(high)}
    return _write(self, generator, lambda s: s.uniform(shape, low, high, dtype), "uniform", **bounds)


@composite("m")
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normal numbers."""
    check_writable(self)
    return put(self, _scaled_normal(tuple(self.shape), mean, std, self.dtype, generator))


@composite("m")
def random_(self, low=None, high=None, *, generator=None, **named):
    """Fill with whole numbers: all that the dtype counts, those below `to`, or those in [from, to)."""
    low, high = _from_to(named, low, high)
    if low is not None and high is None:
        low, high = 0, low
    shape, dtype = tuple(self.shape), self.dtype
    if high is None and low is None:
        most = np.iinfo(dtype.np).max if dtype.category == dtypes.INT else 2 ** {4: 24, 8: 53}.get(dtype.itemsize, 8)
        return _write(self, generator, lambda s: s.random(shape, dtype.np), "randint", low=0, high=int(most))
    low, high = int(low or 0), int(high)
    return _write(self, generator, lambda s: s.randint(low, high, shape, dtype.np), "randint", low=low, high=high)


@composite("m")
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 0 and 1: 1 with probability `p`, a number or a Tensor."""
    check_writable(self)
    if isinstance(p, Tensor):
        shape = tuple(p.expand(self.shape).shape)  # PyTorch's error where it does not fit
        v = _coin(p, shape, generator)
        return put(self, v if v.spec.dtype is self.dtype else record(REGISTRY["to_dtype"], (v,), {"dtype": self.dtype}))
    if self.dtype.is_complex:
        _refuse("bernoulli_scalar_cpu_", self.dtype)
    shape, dtype = tuple(self.shape), self.dtype.np
    return _write(self, generator, lambda s: s.bernoulli(p, shape).astype(dtype), "bernoulli_fill", p=float(p))


@composite("m")
def exponential_(self, lambd=1.0, *, generator=None):
    """Fill with exponential numbers of rate `lambd`."""
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point but "
            f"you specified {self.dtype.legacy}"
        )
    shape, dtype = tuple(self.shape), self.dtype.np
    return _write(self, generator, lambda s: s.exponential(shape, lambd, dtype), "exponential", lambd=float(lambd))


def _by_uniform(self, generator, host, transform) -> Tensor:
    """Fill from the stream or, when keyed, with `transform` of uniform numbers."""
    check_writable(self)
    if not _local.keyed:
        return put(self, _drawn(generator, host, ""))
    dtype = self.dtype if self.dtype.is_floating_point else dtypes.float32
    u = wrap(_drawn(generator, None, "uniform", shape=tuple(self.shape), dtype=dtype))
    return put(self, value_of(transform(u).to(self.dtype)))


@composite("m")
def geometric_(self, p, *, generator=None):
    """Fill with how many trials it takes to succeed, each with probability `p`."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    shape, dtype = tuple(self.shape), self.dtype.np
    return _by_uniform(
        self, generator, lambda s: s.geometric(p, shape, dtype), lambda u: ((-u).log1p() / math.log1p(-p)).ceil()
    )


@composite("m")
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fill with Cauchy numbers."""
    if not self.dtype.is_floating_point:
        word = {"Long": "long int", "Int": "int", "Short": "short int"}.get(self.dtype.legacy, self.dtype.legacy)
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {word}"
        )
    shape, dtype = tuple(self.shape), self.dtype.np
    return _by_uniform(
        self,
        generator,
        lambda s: s.cauchy(shape, median, sigma, dtype),
        lambda u: ((u - 0.5) * math.pi).tan() * sigma + median,
    )


@composite("m")
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fill with exp of normal numbers."""
    _refuse("log_normal_cpu", self.dtype)
    shape, dtype = tuple(self.shape), self.dtype.np
    if _local.keyed:
        check_writable(self)
        return put(self, value_of(wrap(_scaled_normal(shape, mean, std, self.dtype, generator)).exp()))
    return _by_uniform(self, generator, lambda s: s.log_normal(shape, mean, std, dtype), None)


for _name in ("bernoulli", "multinomial", "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_",
              "cauchy_", "log_normal_"):  # fmt: skip
    setattr(Tensor, _name, METHODS[_name])
