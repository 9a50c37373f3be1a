"""Stream gives PyTorch 2.13's numbers: values and checksums read off PyTorch on x86-64."""

import copy
import pickle
import zlib

import ml_dtypes
import numpy as np
import pytest

from funcgrad.random_stream import DEFAULT_SEED, Stream

f32 = np.float32
f64 = np.float64


# what a stream seeded with 42 draws first
FIRST = {
    "rand": (lambda s: s.rand(4), f32([0.88226926, 0.91500396, 0.38286376, 0.95930564])),
    "rand f64": (
        lambda s: s.rand(3, f64),
        f64([0.05815448596142969, 0.06291016742457756, 0.12358607277440903]),
    ),
    "rand f16": (
        lambda s: s.rand(4, np.float16),
        np.float16([0.88232421875, 0.9150390625, 0.3828125, 0.95947265625]),
    ),
    "rand bf16": (
        lambda s: s.rand(4, ml_dtypes.bfloat16),
        np.array([0.8828125, 0.9140625, 0.3828125, 0.9609375], ml_dtypes.bfloat16),
    ),
    "uniform": (lambda s: s.uniform(3, -1, 3), f32([2.529077, 2.6600158, 0.53145504])),
    "randn": (
        lambda s: s.randn((5,)),
        f32([0.33669037, 0.1288094, 0.23446237, 0.23033303, -1.1228564]),
    ),
    "randn f64": (
        lambda s: s.randn(3, f64),
        f64([0.33669035438385886, 0.1288094051365897, 0.23446236336153173]),
    ),
    "randn 16 f64": (
        lambda s: s.randn(16, f64)[:3],
        f64([0.2995562877502637, 0.24237779080894106, 0.28320739441795323]),
    ),
    "randn 18": (
        lambda s: s.randn(18),
        np.array(
            "1.9269153 1.4872841 -0.49739754 0.43958926 -0.75813115 1.0783176 0.80080056 1.6806206 "
            "0.3558599 -0.686623 0.6104665 1.3347378 -0.23162432 0.04175949 -0.2515753 0.8598585 "
            "-0.30972677 -0.3957105".split(),
            f32,
        ),
    ),
    "randn 20 bf16": (
        lambda s: s.randn(20, ml_dtypes.bfloat16)[-5:],
        np.array([1.3359375, -0.23144531, 0.041748047, -0.25195312, 0.859375], ml_dtypes.bfloat16),
    ),
    "randn complex": (
        lambda s: s.randn(2, np.complex64),
        np.complex64(
            [0.23807603120803833 + 0.09108200669288635j, 0.16578993201255798 + 0.16287004947662354j]
        ),
    ),
    "normal": (lambda s: s.normal(3, 2, 0.5), f32([2.1683452, 2.0644047, 2.1172311])),
    "normal 16": (lambda s: s.normal(16, 2, 0.5)[:3], f32([2.9634576, 2.743642, 2.4503586])),
    "randint": (lambda s: s.randint(0, 100, 8), np.array([42, 67, 76, 14, 26, 35, 20, 24])),
    "randint 2**28": (lambda s: s.randint(-5, 2**28, 3), np.array([89482989, 5545983, 140346675])),
    "randint 2**40": (
        lambda s: s.randint(0, 2**40, 3),
        np.array([441507790259, 395924837646, 458615280711]),
    ),
    "random": (
        lambda s: s.random(3),
        np.array([6909045637428952499, 8314211556539077902, 4279532810384561223]),
    ),
    "randperm": (lambda s: s.randperm(10), np.array([2, 6, 1, 8, 4, 5, 0, 9, 3, 7])),
    "exponential": (lambda s: s.exponential(3, 2.0), f32([0.029957008, 0.032488063, 0.06595839])),
    "cauchy": (lambda s: s.cauchy(3), f32([-5.4124875, -4.993701, -2.4448743])),
    "log_normal": (lambda s: s.log_normal(3), f32([5.3301573, 3.5170367, 4.344561])),
    "geometric": (lambda s: s.geometric(0.2, 6), f32([13, 13, 10, 14, 3, 4])),
    "bernoulli": (lambda s: s.bernoulli(0.3, 10), np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1], bool)),
    "bernoulli array": (
        lambda s: s.bernoulli(np.full(10, 0.3, f32)),
        np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 1], bool),
    ),
    "multinomial": (lambda s: s.multinomial(f32([1, 2, 3, 4]), 3), np.array([3, 1, 2])),
    "multinomial one": (
        lambda s: s.multinomial(f32([[1, 2, 3, 4], [4, 3, 2, 1]]), 1),
        np.array([[3], [0]]),
    ),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_draws(name):
    draw, want = FIRST[name]
    have = draw(Stream(42))
    assert (have.dtype, have.shape) == (want.dtype, want.shape)
    if want.dtype == f64:  # the C library decides on the last bit
        np.testing.assert_allclose(have, want, rtol=4e-16)
    else:
        np.testing.assert_array_equal(have, want)


# checksums of the bytes drawn from seed 1
LONG = {
    "rand": (lambda s: s.rand(4096), 2502121432),
    "uniform": (lambda s: s.uniform(4096, -0.1, 0.3), 961651618),
    "randn": (lambda s: s.randn(4096), 544139572),
    "normal": (lambda s: s.normal(4100, 0.5, 0.02), 625143422),
    "randperm": (lambda s: s.randperm(1000), 1706473056),
}


@pytest.mark.parametrize("name", LONG)
def test_long_draws_to_the_last_bit(name):
    draw, want = LONG[name]
    assert zlib.crc32(draw(Stream(1)).tobytes()) == want


def test_a_mixture_of_draws_stays_in_step():
    s = Stream(7)
    s.randn(3), s.rand(5), s.randperm(7), s.randn(20), s.randn(2), s.randint(0, 2**30, 3)
    s.rand(2, f64), s.exponential(3), s.randn(17, np.float16), s.randn(1, f64)
    s.multinomial(np.ones(3, f32), 2), s.bernoulli(0.5, 9)
    np.testing.assert_array_equal(s.rand(3), f32([0.34408343, 0.032577157, 0.7687715]))
    np.testing.assert_array_equal(s.randn(2), f32([-1.1794728, 0.3126447]))


def test_the_lecture_that_everybody_follows():
    s = Stream(2147483647)
    p = s.rand(3)
    np.testing.assert_array_equal(p, f32([0.70812887, 0.3542391, 0.10543233]))
    drawn = s.multinomial(p / p.sum(), 20, replacement=True)
    assert drawn.tolist() == [1, 1, 2, 0, 0, 2, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]


def test_cutting_a_draw_of_words_changes_nothing():
    whole, parts = Stream(3), Stream(3)
    drawn = np.concatenate([parts.rand(n) for n in (0, 1, 623, 1, 700, 5)])
    np.testing.assert_array_equal(whole.rand(1330), drawn)


def test_the_second_normal_of_a_pair_waits():
    a, b = Stream(5), Stream(5)
    one_by_one = np.concatenate([a.randn(1) for _ in range(7)])
    np.testing.assert_array_equal(one_by_one, b.randn(7))
    a.manual_seed(5)
    a.randn(1)
    a.manual_seed(5)  # forgets the waiting normal
    np.testing.assert_array_equal(a.randn(2), one_by_one[:2])


def test_a_state_brings_back_the_place_and_the_waiting_normal():
    s = Stream(9)
    s.randn(3)
    state = s.get_state()
    assert state.dtype == np.uint8 and state.shape == (5056,)
    assert zlib.crc32(state.tobytes()) == 3437221260
    want = s.randn(4)
    s.rand(1000)
    for other in (s, Stream(1)):
        other.set_state(state)
        np.testing.assert_array_equal(other.get_state(), state)
        np.testing.assert_array_equal(other.randn(4), want)
    assert other.initial_seed() == 9


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625])
def test_clones_and_pickles_go_on_alike(drawn):
    s = Stream(-3)
    s.rand(drawn)
    others = [s.clone(), copy.deepcopy(s), pickle.loads(pickle.dumps(s))]
    want = s.rand(5)
    for other in others:
        assert other.initial_seed() == 2**64 - 3
        np.testing.assert_array_equal(other.rand(5), want)


def test_seeds():
    assert Stream().initial_seed() == DEFAULT_SEED
    assert Stream(-5).initial_seed() == 18446744073709551611
    np.testing.assert_array_equal(Stream(2**32 + 7).rand(3), Stream(7).rand(3))
    s = Stream(0)
    assert s.seed() == s.initial_seed() < 2**53
    assert s.manual_seed(np.int64(4)) is s
    for bad, error in ((2**64, ValueError), (-(2**63) - 1, ValueError), (1.5, RuntimeError)):
        with pytest.raises(error):
            s.manual_seed(bad)


@pytest.mark.parametrize("dtype", [f32, f64, np.float16, ml_dtypes.bfloat16])
def test_uniform_stays_below_its_upper_bound(dtype):
    drawn = Stream(1).uniform(5000, 0.3, 0.3 + 2**-8, dtype)
    assert drawn.dtype == dtype
    assert np.all((drawn >= dtype(0.3)) & (drawn < dtype(0.3 + 2**-8)))
    assert np.isfinite(Stream(1).uniform(5, -1e308, 7e307, f64)).all()


def test_shapes():
    s = Stream(0)
    assert s.rand().shape == () and s.randn(()).shape == ()
    assert s.rand((2, 0, 3)).shape == (2, 0, 3)
    assert s.randn((3, 7)).shape == (3, 7)
    assert s.rand((2, 3), np.complex128).shape == (2, 3)
    assert s.randint(0, 9, (2, 2), np.uint8).dtype == np.uint8
    assert s.randperm(0).shape == (0,)


def test_what_is_refused():
    s = Stream(0)
    with pytest.raises(
        RuntimeError, match="random_ expects 'from' to be less than 'to', but got from=5 >= to=5"
    ):
        s.randint(5, 5, 1)
    with pytest.raises(RuntimeError, match="to - 1 is out of bounds for unsigned char"):
        s.randint(0, 257, 1, np.uint8)
    with pytest.raises(RuntimeError, match=r"normal expects std >= 0\.0, but found std -1"):
        s.normal(3, 0, -1)
    with pytest.raises(RuntimeError, match="cannot sample n_sample > prob_dist"):
        s.multinomial(np.ones(3, f32), 4)
    with pytest.raises(TypeError, match=r"RNG state must be a torch\.ByteTensor"):
        s.set_state(np.zeros(5056))
    with pytest.raises(RuntimeError, match="CPUGeneratorImplState of size 5056"):
        s.set_state(np.zeros(5, np.uint8))
