"""What holds of every row, checked over the whole registry, without PyTorch.

Rules against `jax.vjp` of the forward (an independent derivative), the derivative of rules against
finite differences, what is inferred against what is computed, and the functions and methods made from
a row against its forward. `oracle/test_rows_oracle.py` compares the same cases with PyTorch.
"""

import inspect

import numpy as np
import pytest
import rows

import funcgrad as torch
from funcgrad import dtypes
from funcgrad.op import REGISTRY
from funcgrad.op.signature import REQUIRED
from funcgrad.tape import constant, force, record
from funcgrad.tape.tape import fresh

NAMES = rows.NAMES
TABLE = [REGISTRY[name] for name in NAMES]

# Rules that mean to differ from the derivative JAX finds, and where.
CONVENTIONS = {
    "with_data": "`x.data = y`: the value of y, the gradient to x",
    "rpow": "0 for the exponent where the base is 0, as PyTorch; log(0) is nan in JAX",
    "nan_to_num": "a complex number of which a part is replaced has no gradient at all in PyTorch",
    "cholesky": "for complex matrices PyTorch does not make the gradient of L's diagonal real first",
}
# Forwards that JAX cannot differentiate at all, in some sample at least.
NO_JAX = {
    "nextafter": "no derivative of the primitive",
    "eig": "JAX wants to be told that eigenvectors may be differentiated",
    "eigvals": "JAX wants to be told that eigenvectors may be differentiated",
    "max_pool2d_with_indices": "large windows carry their indices through reduce_window",
    "max_pool3d_with_indices": "large windows carry their indices through reduce_window",
    "adaptive_max_pool2d_with_indices": "large windows carry their indices through reduce_window",
    "adaptive_max_pool3d_with_indices": "large windows carry their indices through reduce_window",
}
# Tangents that `jax.jvp` does not find.
NO_TANGENT = {
    **dict.fromkeys(("polygamma", "zeta"), "nan in JAX along the order, which has no derivative in PyTorch"),
    **dict.fromkeys(("logsumexp", "vector_norm"), "nan in JAX of nothing, where there is nothing to move"),
    **dict.fromkeys(rows.OWN_VJP, "JAX cannot push through a forward that has a rule of its own"),
}
# Rows whose rule is `jax.vjp` of their forward: the whole list, so that it grows by decision only.
BY_JAX = {"grid_sample", "lu", "lu_factor", "lu_solve", "ormqr", "qr"}
# Rows of which NumPy does no sample: they factor matrices, transform, sum series that XLA has, or draw until it fits.
NOT_BY_NUMPY = set(
    "binomial cholesky cholesky_inverse cholesky_solve det eig eigh eigvals eigvalsh fft_c2c fft_c2r fft_r2c gcd "
    "geqrf i0 i0e i1 i1e igamma igammac inv lcm ldl_factor_ex ldl_solve lgamma lu lu_factor lu_info lu_solve "
    "matrix_exp matrix_rank mvlgamma permutation_of_pivots pinv poisson polygamma qr slogdet solve "
    "solve_triangular standard_gamma svd svdvals zeta".split()
)
# Second derivatives that finite differences do not meet.
NOT_SMOOTH = {}
# No samples: rows that make a constant out of nothing, random keys, and an identity for XLA's scheduler.
NO_SAMPLES = {"barrier", "blank", "keys", "unit", "units"}
# Rows without a rule whose result is of floating point all the same.
FLAT = {
    "bincount": "PyTorch's is not implemented for weights that require a gradient",
    "detach": "cuts the graph: that is what it is for",
    "histc": "counts, kept in the dtype of the input",
    **dict.fromkeys("geqrf ldl_factor_ex ldl_solve".split(), "PyTorch's derivative is not implemented"),
    **dict.fromkeys(
        "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 "
        "modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0 "
        "chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w "
        "shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v "
        "shifted_chebyshev_polynomial_w hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l "
        "legendre_polynomial_p".split(),
        "PyTorch has no derivative",
    ),
}


def each(names=NAMES):
    return pytest.mark.parametrize("name", names)


# ---- the registry ------------------------------------------------------------------------------


def test_there_are_enough_operators():
    assert sum(op.where is not None for op in TABLE) >= 180


def test_every_row_has_samples():
    assert {name for name, op in REGISTRY.items() if op.samples is None} == NO_SAMPLES


def test_rows_differentiated_by_jax_are_these():
    assert {op.name for op in TABLE if op.differentiable and not op.own_rule} == BY_JAX


def test_rows_that_skip_say_why():
    assert all(len(op.skip) > 20 for op in TABLE if op.skip)


def test_rows_without_a_rule_have_no_gradient_to_give():
    """Comparisons, indices, bits and draws: nothing whose result depends smoothly on an input."""
    for op in TABLE:
        if op.differentiable or op.family in ("random", "internal") or op.name in FLAT:
            continue
        for case in rows.cases(op.name):
            if case.y is not None and case.dtype == "float64":
                assert all(a.dtype.kind in "biu" for a in case.y), str(case)


@each([op.name for op in TABLE if op.sig.text])
def test_signature_is_what_the_forward_takes(name):
    op = REGISTRY[name]
    for s in op.samples():
        assert set(s.params) <= {a.name for a in op.sig.params}, s
        params = {a.name: s.params.get(a.name, a.default) for a in op.sig.params}
        assert REQUIRED not in params.values(), f"{s} leaves a required argument out"
        hash(tuple(params.items()))
        if any(a.kind == "Ts" for a in op.sig.args):
            arrays = s.arrays
        else:
            left_out = op.sig.arrays[len(s.arrays) :]
            assert len(s.arrays) <= len(op.sig.arrays), s
            assert all(a.default is not REQUIRED for a in left_out), s
            arrays = (*s.arrays, *(a.default for a in left_out))
        inspect.signature(op.forward).bind(*arrays, **params)
        if op.differentiable and op.own_rule:
            inspect.signature(op.rule).bind(None, None, *arrays, **params)


ELEMENTWISE = ("unary", "unary_float", "unary_bool", "activation", "binary", "binary_float", "compare")
WANT_DIMENSIONS = {"prelu": "channels", "glu": "halves a dimension", "softmax": "dim", "log_softmax": "dim"}


@each([op.name for op in TABLE if op.family in ELEMENTWISE and op.name not in WANT_DIMENSIONS])
@pytest.mark.parametrize("shape", [(), (0, 2)])
def test_elementwise_rows_take_scalars_and_nothing(name, shape):
    op = REGISTRY[name]
    s = op.samples()[0]
    dtypes_of = [np.float64 if isinstance(a, tuple) else getattr(a, "dtype", None) for a in s.arrays]
    arrays = [a if d is None else constant(np.ones(shape, d)) for a, d in zip(s.arrays, dtypes_of, strict=True)]
    made = record(op, arrays, s.params)
    for v in made if isinstance(made, tuple) else (made,):
        assert v.spec.shape[: len(shape)] == shape
        assert force(v).shape == v.spec.shape
    fresh()


# ---- derivatives -------------------------------------------------------------------------------

DIFFERENTIABLE = [op.name for op in TABLE if op.differentiable and not op.skip]


@each([n for n in DIFFERENTIABLE if REGISTRY[n].own_rule])
def test_rule_is_the_derivative_that_jax_finds(name):
    compared = 0
    for case in rows.cases(name):
        if case.no_jax is not None:
            assert name in NO_JAX, f"{case}: {case.no_jax}"
        if case.by_jax is None:
            continue
        compared += 1
        for i, (mine, jax) in enumerate(zip(case.by_rule, case.by_jax, strict=True)):
            if mine is not None and name not in CONVENTIONS:
                assert mine.shape == jax.shape and mine.dtype == jax.dtype
                assert rows.close(mine, jax), f"{case}: input {i}: {mine} by the rule, {jax} by JAX"
    assert compared or name in NO_JAX


@each([n for n in DIFFERENTIABLE if REGISTRY[n].own_rule and n not in CONVENTIONS | NO_JAX | NO_TANGENT])
def test_tangent_is_the_one_that_jax_finds(name):
    """The tangent of a row is its rule transposed: forward mode."""
    compared = 0
    for case in rows.cases(name):
        for mine, jax in zip(*(case.pushed or ((), ())), strict=True):
            compared += 1
            assert mine.shape == jax.shape and rows.close(mine, jax), f"{case}: {mine} by the rule, {jax} by JAX"
    assert compared


@each(DIFFERENTIABLE)
def test_derivative_of_the_rule_is_what_finite_differences_say(name):
    for case in rows.cases(name):
        if case.second is not None and name not in NOT_SMOOTH:
            by_rule, by_differences = case.second
            assert rows.close(by_rule, by_differences, 1e-5, 1e-6), f"{case}: {by_rule}, {by_differences}"


# ---- inference ---------------------------------------------------------------------------------


@each()
def test_inferred_is_what_is_computed(name):
    """Shape and dtype known at the user's line; and what the forward refuses is refused there."""
    for case in rows.cases(name):
        values = [constant(a) if isinstance(a, np.ndarray) else a for a in case.arrays]
        try:
            made = record(case.op, values, case.sample.params)
        except Exception as error:
            assert case.refused is not None, f"{case}: {error!r}"
            continue
        assert case.refused is None, f"{case}: recorded, though the forward raises {case.refused!r}"
        specs = [v.spec for v in (made if isinstance(made, tuple) else (made,))]
        assert [(s.shape, s.dtype.np) for s in specs] == [(y.shape, y.dtype) for y in case.y], str(case)
    fresh()


# ---- by NumPy ------------------------------------------------------------------------------------


@each()
def test_numpy_does_what_is_compiled(name):
    """Forward, rule and derivative of the rule, as `interpreter` lays them open."""
    done = 0
    for case in rows.cases(name):
        if case.by_numpy is None or not case.compiled:
            continue
        done += 1
        for x, y in zip(case.by_numpy, case.compiled, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), str(case)
            near = 1e-4 if x.dtype in (np.float32, np.complex64) else 1e-8
            largest = np.abs(y[np.isfinite(y)]).max(initial=1)
            np.testing.assert_allclose(x, y, rtol=near, atol=near * largest, err_msg=str(case))
    assert (done == 0) == (name in NOT_BY_NUMPY)


# ---- functions and methods ---------------------------------------------------------------------

SPACES = {
    "torch": torch,
    "F": getattr(getattr(torch, "nn", None), "functional", None),
    "linalg": torch.linalg,
    "special": torch.special,
}
PUBLIC = [op.name for op in TABLE if op.where in SPACES and op.variants and not op.skip]
CHUNK = 40  # rows whose results are looked at together: one program, not a hundred
KL_DIV = "ignore:reduction. 'mean' divides the total loss:UserWarning"  # what PyTorch says too


def _tensor(a):
    return torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a


def _calls(op, case):
    """(form, Tensor or tuple of Tensors, expected) for each form the row has."""
    args, kwargs = rows.torch_args(op, case.arrays, case.sample.params, _tensor)
    if "f" in op.variants:
        for name in (op.name, *op.aliases):
            yield name, getattr(SPACES[op.where], name)(*args, **kwargs), case.y
    this, *rest = args if args else [None]
    if not isinstance(this, torch.Tensor):
        return
    if "m" in op.variants:
        yield f".{op.name}", getattr(this, op.name)(*rest, **kwargs), case.y
    fits = case.y[0].shape == this.shape and dtypes.can_cast(dtypes.from_np(case.y[0].dtype), this.dtype)
    if "i" in op.variants and (op.family == "view" or fits):
        there = this.clone()
        made = getattr(there, op.name + "_")(*rest, **kwargs)
        assert made is there
        yield f".{op.name}_", there, [case.y[0].astype(this.dtype.np)]


@pytest.mark.filterwarnings(KL_DIV)
@pytest.mark.parametrize("first", range(0, len(PUBLIC), CHUNK))
def test_function_method_and_in_place_agree(first):
    made = []
    for name in PUBLIC[first : first + CHUNK]:
        chosen = [c for c in rows.cases(name) if c.dtype == "float64" and c.y is not None][:2]
        for case in chosen:
            made += [(case, *call) for call in _calls(case.op, case)]
    for case, form, tensors, expected in made:
        found = list(tensors) if isinstance(tensors, tuple | list) else [tensors]
        assert len(found) == len(expected), f"{form} of {case}"
        for a, b in zip(found, expected, strict=True):
            assert a.dtype is dtypes.from_np(b.dtype) and rows.close(a.detach().numpy(), b), f"{form} of {case}"
