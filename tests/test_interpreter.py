"""NumPy's side of JAX's primitives, beside XLA's, where it is easy to be wrong: ends of ranges, ties, what lies outside.

What whole operators and their rules compute is compared in `test_rows.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcgrad.interpreter import interpreted

I32 = np.array([7, -7, 5, -5, -(2**31), 2**31 - 1, 0, 1], np.int32)
BY = np.array([2, 2, 0, -3, -1, -1, 0, 40], np.int32)
F = np.array([0.0, -0.0, 1.5, -2.5, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e30, -3e9, 255.7], np.float32)
X = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
AT = np.array([[0, 3], [-1, 2], [7, 1], [3, 5]])
TIES = np.array([[3, 1, np.nan, 3, 1], [0.0, -0.0, 2, -np.inf, 2]], np.float32)


def gathered(mode, sizes=(2, 1, 3), collapsed=(1,)):
    dn = lax.GatherDimensionNumbers(offset_dims=(0, 2), collapsed_slice_dims=collapsed, start_index_map=(0, 2))
    return lambda x, at: lax.gather(x, at, dn, sizes, mode=mode, fill_value=-7.0)


def scattered(scatter, mode):
    dn = lax.ScatterDimensionNumbers((0, 2), (1,), (0, 2))
    return lambda x, at: scatter(x, at, X[:2, :4, :3], dn, mode=mode)


def batched(x, at):
    dn = lax.GatherDimensionNumbers((), (1,), (1,), operand_batching_dims=(0,), start_indices_batching_dims=(0,))
    return lax.gather(x[:, :, 0], at[:, :1] % 5, dn, (1, 1))


def convolved(x, w, **how):
    return lax.conv_general_dilated(x, w, dimension_numbers=("NHWC", "HWIO", "NHWC"), **how)


def looped(x):
    def body(carry, row):
        return carry * 0.5 + row.sum(), (carry, row[::-1])

    return lax.scan(body, jnp.float32(1), x[0], reverse=True)


PICTURE, KERNEL = X[:2, :, :, None].repeat(4, 3) * np.arange(1, 5, dtype=np.float32), X[:3, :2, :2, None]
CASES = {
    "quotients": (lambda x, y: [lax.div(x, y), lax.rem(x, y)], I32, BY),
    "unsigned quotients": (lambda x, y: [lax.div(x, y), lax.rem(x, y)], I32.view(np.uint32), BY.view(np.uint32)),
    "short quotients": (lambda x, y: [lax.div(x, y), lax.rem(x, y)], I32.astype(np.int8), BY.astype(np.int8)),
    "shifts": (
        lambda x, y: [f(x, y) for f in (lax.shift_left, lax.shift_right_arithmetic, lax.shift_right_logical)], I32, BY
    ),
    "to integers": (lambda x: [x.astype(t) for t in ("int32", "int64", "uint8", "int8", "uint32", "bool")], F),
    "of complex": (lambda x: [jnp.real(x + 1j), jnp.imag(1j * x), lax.complex(x, x).conj()], F[:6]),
    "bits": (lambda x: lax.bitcast_convert_type(x, jnp.int32), F),
    "rounding": (
        lambda x: [lax.round(x, m) for m in lax.RoundingMethod] + [jnp.floor(x), jnp.ceil(x), jnp.sign(x)], F
    ),
    "larger and smaller": (lambda x: [jnp.maximum(x, x[::-1]), jnp.minimum(x, 1.0), jnp.clip(x, -1.0, 1.0)], F),
    "powers": (lambda x: [lax.integer_pow(x, n) for n in (-3, 0, 5)] + [lax.pow(x, F[::-1]), lax.pow(x, I32[0])], F),
    "integer powers": (lambda x: [lax.integer_pow(x, 2), lax.integer_pow(x, 7)], I32),
    "chosen": (lambda x: lax.select_n((I32[:4] % 3).astype(np.int32), x, x * 2, x * 3), F[:4]),
    "padding": (
        lambda x: [
            lax.pad(x, np.float32(-1), c)
            for c in (
                [(1, 2, 0), (0, 0, 3), (-1, -2, 0)],
                [(-3, 1, 2), (-2, -2, 1), (2, -5, 2)],
                [(-9, 9, 0), (0, 0, 0), (0, 0, 0)],
            )
        ],
        X,
    ),
    "slices": (lambda x: [x[1:, ::2, ::-3], lax.dynamic_slice(x, (-1, 3, 9), (2, 3, 4)), x[:, -1]], X),
    "updates": (lambda x: lax.dynamic_update_slice(x, x[:2, :3] * 2, (3, -4, 0)), X),
    "reshapes": (lambda x: [lax.reshape(x, (6, 20), (2, 0, 1)), jnp.moveaxis(x, 0, 2).reshape(-1)], X),
    "pieces": (lambda x: [*jnp.split(x, [1, 4], 2), jnp.stack([x, x], 1), *jnp.unstack(x, axis=1)], X),
    "made": (lambda x: [lax.broadcasted_iota(jnp.int32, (2, 3, 2), 1), x + jnp.arange(6)], X),
    "order": (lambda x: [jnp.sort(x, 1), jnp.argsort(x, 1), *lax.top_k(x, 4), jnp.argmax(x, 1), jnp.argmin(x, 0)], TIES),
    "by several keys": (lambda x: lax.sort((x.astype(jnp.int32), x, -x), num_keys=2, dimension=1), TIES[:, :2]),
    "running": (
        lambda x: [f(x, 1, reverse=r) for f in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin) for r in (0, 1)]
        + [lax.cumlogsumexp(x, 1)],
        X[0],
    ),
    "of nothing": (lambda x: [f(x[:, :0], 1) for f in (jnp.sum, jnp.prod, jnp.any, jnp.all)] + [x[:0].max(0, initial=-1)], TIES),
    "of bools": (lambda x: [jnp.any(x > 1, 0), jnp.all(x > 1, 1), (x > 1).sum(), jnp.max(x > 1, 1)], TIES),
    "products": (
        lambda x: [jnp.einsum(e, x, x) for e in ("abc,abc->", "abc,adc->bda", "abc,dbc->ad", "abc,def->adbecf")], X[:2, :2]
    ),
    "integer products": (lambda x: [x @ x, jnp.dot(x, x[0])], I32[:4].reshape(2, 2)),
    "gather, clipped": (gathered("clip"), X, AT),
    "gather, filled": (gathered("fill"), X, AT),
    "gather, whole axes": (gathered("fill", (4, 1, 3)), X, AT * [0, 1]),
    "gather, batched": (batched, X, AT),
    "scatter, dropped": (scattered(lax.scatter_add, "drop"), X, AT),
    "scatter, clipped": (scattered(lax.scatter_add, "clip"), X, AT),
    "scatter the largest": (scattered(lax.scatter_max, "drop"), X, AT),
    "scatter over": (lambda x, at: x.at[:, at[:2, 1]].set(x[:, :2] * 2), X, AT),
    "convolution": (lambda x, w: convolved(x, w, window_strides=(2, 1), padding=[(1, 2), (-1, 1)]), PICTURE[..., :2], KERNEL),
    "transposed": (
        lambda x, w: convolved(x, w, window_strides=(1, 1), padding=[(3, 0), (1, 2)], lhs_dilation=(2, 3), rhs_dilation=(1, 2)),
        PICTURE[..., :2],
        KERNEL,
    ),
    "groups": (
        lambda x, w: convolved(x, jnp.tile(w, (1, 1, 1, 4)), window_strides=(1, 1), padding="VALID", feature_group_count=2),
        PICTURE,
        KERNEL,
    ),
    "groups of the batch": (
        lambda x, w: convolved(x, jnp.tile(w, (1, 1, 2, 4)), window_strides=(1, 1), padding="VALID", batch_group_count=2),
        PICTURE,
        KERNEL,
    ),
    "loops": (looped, X),
    "draws": (
        lambda k: [
            f(jax.random.split(jax.random.wrap_key_data(k, impl="threefry2x32"), 3)[i], (5, 7), t)
            for i, f, t in (
                (0, jax.random.bits, np.uint32), (1, jax.random.bits, np.uint64), (2, jax.random.bits, np.uint8),
                (0, jax.random.normal, np.float32), (1, jax.random.uniform, np.float32),
            )
        ],
        np.array([7, 2**32 - 1], np.uint32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_primitive_is_what_xla_makes_of_it(name):
    f, *arrays = CASES[name]
    with jax.enable_x64(True):
        traced = jax.jit(f).trace(*arrays)
        want = jax.tree.leaves(traced.lower().compile()(*arrays))
    kept = [a.copy() for a in arrays]
    found = interpreted(traced.jaxpr)(*arrays)
    for x, y in zip(found, want, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
        if x.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(x)[x == 0], np.signbit(y)[y == 0])
    for a, b in zip(arrays, kept, strict=True):  # nothing is written to what is given
        np.testing.assert_array_equal(a, b)


def test_what_is_in_no_table_is_left_to_xla():
    def with_other_keys(x):
        return x + jax.random.normal(jax.random.key(0, impl="rbg"))

    forever = lambda x: lax.while_loop(lambda x: x.sum() < 9, lambda x: x * 2, x)  # noqa: E731
    for f in (jnp.linalg.inv, forever, lambda x: x.astype(jnp.bfloat16) * 2, with_other_keys):
        assert interpreted(jax.make_jaxpr(f)(np.eye(2, dtype=np.float32))) is None
    dead = jax.make_jaxpr(lambda x: (jnp.linalg.inv(x), x + 1)[1])(np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(interpreted(dead)(np.eye(2, dtype=np.float32))[0], np.eye(2) + 1)


def test_a_key_that_is_closed_over():
    key = jax.random.key(3)
    traced = jax.jit(lambda x: x * jax.random.bernoulli(key, 0.5, x.shape)).trace(X)
    np.testing.assert_array_equal(interpreted(traced.jaxpr)(X)[0], traced.lower().compile()(X))


def test_what_it_takes_grows_with_the_work():
    def seconds(n):
        return interpreted(jax.make_jaxpr(lambda x: jnp.tanh(x @ x))(np.zeros((n, n), np.float32))).seconds

    assert 1e-6 < seconds(2) < 1e-5 and 100 < seconds(1000) / seconds(100) < 1000
