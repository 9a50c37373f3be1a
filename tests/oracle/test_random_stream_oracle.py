"""Stream against PyTorch itself: every draw alone and long mixtures of draws, to the last bit."""

import random
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from funcgrad.random_stream import Stream

torch = pytest.importorskip("torch")

NP = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.bfloat16: ml_dtypes.bfloat16,
    torch.complex64: np.complex64,
    torch.complex128: np.complex128,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.int16: np.int16,
    torch.int8: np.int8,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}
REAL = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
FLOATS = [*REAL, torch.complex64, torch.complex128]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]
SIZES = [0, 1, 2, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 47, 100, 1000, 40000]
# on Intel's processors MKL draws bernoulli(p), from a stream of its own
CPUINFO = Path("/proc/cpuinfo")
INTEL = CPUINFO.exists() and "GenuineIntel" in CPUINFO.read_text()


def pair(name, n, dtype, rng):
    """One draw as (PyTorch's, ours), each a function of its generator."""
    np_dtype = NP[dtype]
    a, b = rng.uniform(-3, 3), rng.uniform(0.1, 4)
    real = dtype if dtype in REAL else torch.float32
    np_real = NP[real]
    empty = torch.empty(n, dtype=real)
    if name == "rand":
        return lambda g: torch.rand(n, dtype=dtype, generator=g), lambda s: s.rand(n, np_dtype)
    if name == "randn":
        return lambda g: torch.randn(n, dtype=dtype, generator=g), lambda s: s.randn(n, np_dtype)
    if name == "uniform":
        return (
            lambda g: empty.uniform_(a, a + b, generator=g),
            lambda s: s.uniform((n,), a, a + b, np_real),
        )
    if name == "normal":
        return lambda g: empty.normal_(a, b, generator=g), lambda s: s.normal((n,), a, b, np_real)
    if name == "randint":
        span = rng.choice([1, 2, 10, 1000, 2**28 - 1, 2**28, 2**31, 2**32 - 1, 2**32, 2**40, 2**63])
        low = rng.randrange(-(2**62), 0) if span > 2**32 else rng.randrange(-1000, 1000)
        high = min(low + span, 2**63 - 1)
        return (
            lambda g: torch.randint(low, high, (n,), generator=g),
            lambda s: s.randint(low, high, (n,)),
        )
    if name == "random":
        whole = rng.choice(INTEGERS + REAL)
        return (
            lambda g: torch.empty(n, dtype=whole).random_(generator=g),
            lambda s: s.random(n, NP[whole]),
        )
    if name == "randperm":
        return lambda g: torch.randperm(n, generator=g), lambda s: s.randperm(n)
    if name == "exponential":
        return lambda g: empty.exponential_(b, generator=g), lambda s: s.exponential(n, b, np_real)
    if name == "cauchy":
        return lambda g: empty.cauchy_(a, b, generator=g), lambda s: s.cauchy(n, a, b, np_real)
    if name == "geometric":
        return lambda g: empty.geometric_(b / 5, generator=g), lambda s: s.geometric(
            b / 5, n, np_real
        )
    if name == "log_normal":
        return lambda g: empty.log_normal_(a, b, generator=g), lambda s: s.log_normal(
            n, a, b, np_real
        )
    if name == "bernoulli":
        return lambda g: empty.bernoulli_(b / 5, generator=g), lambda s: s.bernoulli(b / 5, n)
    if name == "bernoulli_array":
        p = torch.linspace(0, 1, n, dtype=real)
        return lambda g: torch.bernoulli(p, generator=g), lambda s: s.bernoulli(numpy(p))
    assert name == "multinomial"
    weights = torch.tensor([[rng.random() + 0.01 for _ in range(40)] for _ in range(3)])
    count, replacement = rng.choice([(1, False), (1, True), (7, True), (7, False), (40, False)])
    return (
        lambda g: torch.multinomial(weights, count, replacement, generator=g),
        lambda s: s.multinomial(weights.numpy(), count, replacement),
    )


NAMES = [
    "rand", "randn", "uniform", "normal", "randint", "random", "randperm", "cauchy", "geometric",
    "log_normal", "bernoulli_array",
]  # fmt: skip
NAMES += ["exponential", "multinomial", *([] if INTEL else ["bernoulli"])]


def numpy(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.float().numpy().astype(ml_dtypes.bfloat16)
    return tensor.numpy()


def same(tensor, array):
    want = numpy(tensor)
    if array.dtype != np.bool_ or want.dtype == np.bool_:
        assert array.dtype == want.dtype
    assert array.shape == want.shape
    wide = (
        np.complex128
        if want.dtype.kind == "c"
        else None
        if want.dtype.kind in "iub"
        else np.float64
    )
    np.testing.assert_array_equal(
        array.astype(wide) if wide else array, want.astype(wide) if wide else want
    )


def in_step(stream, generator):
    np.testing.assert_array_equal(stream.get_state(), generator.get_state().numpy())


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["rand", "randn"])
def test_floats(name, dtype):
    rng = random.Random(0)
    for seed, n in enumerate(SIZES):
        generator, stream = torch.Generator().manual_seed(seed), Stream(seed)
        theirs, ours = pair(name, n, dtype, rng)
        same(theirs(generator), ours(stream))
        in_step(stream, generator)


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("rand", "randn")])
def test_one_draw(name, dtype):
    rng = random.Random(name)
    for seed, n in enumerate(SIZES):
        generator, stream = torch.Generator().manual_seed(seed), Stream(seed)
        theirs, ours = pair(name, n if name != "bernoulli_array" else n + 1, dtype, rng)
        same(theirs(generator), ours(stream))
        in_step(stream, generator)


@pytest.mark.parametrize("seed", [0, 42, 2147483647, 2**40 + 5, -7])
def test_mixtures_stay_in_step(seed):
    rng = random.Random(seed)
    generator, stream = torch.Generator().manual_seed(seed), Stream(seed)
    for _ in range(400):
        name = rng.choice(NAMES)
        theirs, ours = pair(name, rng.choice(SIZES[1:-1]), rng.choice(FLOATS), rng)
        same(theirs(generator), ours(stream))
    in_step(stream, generator)


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_upper_bound_is_excluded(dtype):
    low, high = 0.3, 0.3 + 2**-8
    theirs = torch.empty(5000, dtype=dtype).uniform_(
        low, high, generator=torch.Generator().manual_seed(1)
    )
    same(theirs, Stream(1).uniform(5000, low, high, NP[dtype]))


@pytest.mark.parametrize("seed", [0, 1, -1, -5, 2**32 + 1, 2**63, 2**64 - 1, -(2**63)])
def test_seeds(seed):
    generator, stream = torch.Generator().manual_seed(seed), Stream(seed)
    assert stream.initial_seed() == generator.initial_seed()
    in_step(stream, generator)
    same(torch.rand(3, generator=generator), stream.rand(3))


def test_default_seed():
    assert Stream().initial_seed() == torch.Generator().initial_seed()


def test_states_are_exchanged():
    generator, stream = torch.Generator().manual_seed(3), Stream(8)
    torch.randn(3, generator=generator)
    stream.set_state(generator.get_state().numpy())
    same(torch.randn(3, generator=generator), stream.randn(3))
    stream.rand(1000)
    generator.set_state(torch.from_numpy(stream.get_state()))
    same(torch.randn(50, generator=generator), stream.randn(50))


def test_dropout():
    if INTEL:
        pytest.skip("MKL's stream")
    torch.manual_seed(5)
    kept = torch.nn.functional.dropout(torch.ones(1000), 0.3) != 0
    np.testing.assert_array_equal(kept.numpy(), Stream(5).bernoulli(0.7, 1000))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("bounds", [(-300, 5), (0, 300), (0, 2), (0, 2**40), (5, 5)])
def test_bounds(dtype, bounds):
    try:
        theirs = torch.randint(
            *bounds, (5,), dtype=dtype, generator=torch.Generator().manual_seed(1)
        )
    except RuntimeError as error:
        with pytest.raises(RuntimeError) as ours:
            Stream(1).randint(*bounds, 5, NP[dtype])
        assert str(ours.value) == str(error).splitlines()[0]
    else:
        same(theirs, Stream(1).randint(*bounds, 5, NP[dtype]))


ERRORS = {
    "uniform": (lambda: torch.empty(3).uniform_(2, 1), lambda s: s.uniform(3, 2, 1)),
    "normal": (lambda: torch.empty(3).normal_(0, -1), lambda s: s.normal(3, 0, -1)),
    "exponential": (lambda: torch.empty(3).exponential_(-1), lambda s: s.exponential(3, -1)),
    "cauchy": (lambda: torch.empty(3).cauchy_(0, -1), lambda s: s.cauchy(3, 0, -1)),
    "log_normal": (lambda: torch.empty(3).log_normal_(0, -1), lambda s: s.log_normal(3, 0, -1)),
    "geometric": (lambda: torch.empty(3).geometric_(0), lambda s: s.geometric(0, 3)),
    "bernoulli": (lambda: torch.empty(3).bernoulli_(2), lambda s: s.bernoulli(2, 3)),
    "randperm": (lambda: torch.randperm(-1), lambda s: s.randperm(-1)),
    "seed": (lambda: torch.Generator().manual_seed(2**64), lambda s: s.manual_seed(2**64)),
    "seed type": (lambda: torch.Generator().manual_seed(1.5), lambda s: s.manual_seed(1.5)),
    "state dtype": (
        lambda: torch.Generator().set_state(torch.zeros(5)),
        lambda s: s.set_state(np.zeros(5)),
    ),
    "state size": (
        lambda: torch.Generator().set_state(torch.zeros(5, dtype=torch.uint8)),
        lambda s: s.set_state(np.zeros(5, np.uint8)),
    ),
}
for _name, _weights, _args in [
    ("negative", [-1.0, 2.0], (1,)),
    ("nan", [1.0, float("nan")], (2,)),
    ("zero", [0.0, 0.0], (1,)),
    ("zero, replacement", [0.0, 0.0], (2, True)),
    ("too many", [1.0, 1.0], (3,)),
    ("none", [1.0, 1.0], (0,)),
    ("3 dim", [[[1.0]]], (1,)),
]:
    ERRORS["multinomial " + _name] = (
        lambda w=_weights, a=_args: torch.multinomial(torch.tensor(w), *a),
        lambda s, w=_weights, a=_args: s.multinomial(np.array(w, np.float32), *a),
    )


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    theirs, ours = ERRORS[name]
    with pytest.raises(Exception) as want:
        theirs()
    with pytest.raises(type(want.value)) as have:
        ours(Stream())
    assert str(have.value) == str(want.value).splitlines()[0]
