"""Factorisations, solves and functions of matrices (`torch.linalg`). Knows LAPACK through `lax.linalg`.

Rules that PyTorch states with conjugate transposes are written so and conjugated on both ends (`_torch`);
where JAX's derivative is the same formula the column says `jax_rule`. A singular matrix gives infinities,
not an error: whether it is singular is known only on the device. Must not know tapes or Tensors.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm, lu_solve

from ..dtypes import from_np
from ..op import jax_rule, op, sample

# --- checks, in PyTorch's words -----------------------------------------------------------------------


def _matrix(name, x, square=False, what="A"):
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: {what} must be batches of square matrices, "
            f"but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        )
    legacy = from_np(x.dtype).legacy
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {legacy}"
        )
    if x.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {legacy}")


def _same_dtypes(name, a, b):
    if a.dtype != b.dtype:
        x, y = (from_np(t.dtype).legacy for t in (a, b))
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {x} and B of type {y} instead"
        )


def _t(x):
    return jnp.swapaxes(x, -1, -2)


def _h(x):
    return jnp.conj(_t(x))


def _diag(x):
    return jnp.diagonal(x, axis1=-2, axis2=-1)


def _eye(x):
    return jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)


def _torch(formula):
    """A rule out of PyTorch's formula, which takes and gives conjugated gradients."""

    def rule(g, y, *inputs, **params):
        found = formula(jax.tree.map(jnp.conj, g), y, *inputs, **params)
        return jax.tree.map(jnp.conj, found)

    return rule


# --- determinant, inverse, solves ---------------------------------------------------------------------


def _lu(a):
    lu, pivots, _ = lax.linalg.lu(a)
    return lu, pivots


def _parity(pivots, dtype):
    swaps = jnp.sum(pivots != jnp.arange(pivots.shape[-1], dtype=pivots.dtype), -1)
    return jnp.where(swaps % 2 == 0, 1, -1).astype(dtype)


def _det(a):
    _matrix("linalg.det", a, True)
    lu, pivots = _lu(a)
    return _parity(pivots, a.dtype) * jnp.prod(_diag(lu), -1)


def _det_rule(g, y, a):
    """g det(A) A^-T, by the factors; a zero pivot counts as tiny, so that a singular matrix gives 0 and not nan."""
    lu, pivots = _lu(a)
    size = jnp.max(jnp.abs(a), (-2, -1), initial=0)[..., None, None]
    tiny = jnp.finfo(a.dtype).eps * jnp.where(size == 0, 1, size)
    zero = (lu == 0) & jnp.eye(a.shape[-1], dtype=bool)
    return lu_solve(
        (jnp.where(zero, tiny, lu), pivots), _eye(a) * (g * y)[..., None, None], trans=1
    )


def _slogdet(a):
    _matrix("linalg.slogdet", a, True)
    lu, pivots = _lu(a)
    d = _diag(lu)
    size = jnp.abs(d)
    sign = _parity(pivots, a.dtype) * jnp.prod(
        jnp.where(size == 0, 0, d / jnp.where(size == 0, 1, size)), -1
    )
    return sign, jnp.sum(jnp.log(size), -1)


def _slogdet_rule(g, y, a):
    (g_sign, g_log), (sign, _) = g, y
    if jnp.iscomplexobj(a):
        g_log = lax.complex(g_log, jnp.imag(g_sign * sign))
    return lu_solve(_lu(a), _eye(a) * g_log[..., None, None], trans=1)


def _inv(a):
    _matrix("linalg.inv", a, True)
    return lu_solve(_lu(a), _eye(a))


def _is_vector(a, b):
    return b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])


def _solve_with(a, b, trans):
    """A X = B (or A^T X = B) for matrices B, batches broadcast."""
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    factors = _lu(a)
    lu, pivots = (jnp.broadcast_to(f, (*batch, *f.shape[a.ndim - 2 :])) for f in factors)
    return lu_solve((lu, pivots), jnp.broadcast_to(b, (*batch, *b.shape[-2:])), trans=trans)


def _incompatible(name, a, b, left):
    (m, n), (r, c) = a.shape[-2:], b.shape[-2:]
    if (r if left else c) != m:
        kind = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {kind} ({m}x{n} and {r}x{c})"
        )


def _solve(a, b, *, left=True):
    _matrix("linalg.solve", a, True)
    _same_dtypes("linalg.solve", a, b)
    if vector := _is_vector(a, b):
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False."
            )
        b = b[..., None]
    _incompatible("linalg.solve", a, b, left)
    x = _solve_with(a, b, 0) if left else _t(_solve_with(a, _t(b), 1))
    return x[..., 0] if vector else x


def _solve_rule(g, y, a, b, *, left=True):
    if _is_vector(a, b):
        of_b = _solve_with(a, g[..., None], 1)
        return -of_b * y[..., None, :], of_b[..., 0]
    if left:
        of_b = _solve_with(a, g, 1)
        return -of_b @ _t(y), of_b
    of_b = _t(_solve_with(a, _t(g), 0))
    return -_t(y) @ of_b, of_b


def _triangular(a, b, upper, left, unitriangular, transpose=False):
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    return lax.linalg.triangular_solve(
        a, b, left_side=left, lower=not upper, transpose_a=transpose, unit_diagonal=unitriangular
    )


def _solve_triangular(a, b, *, upper, left=True, unitriangular=False):
    _matrix("linalg.solve_triangular", a)
    _matrix("linalg.solve_triangular", b, what="B")
    _matrix("linalg.solve_triangular", a, True)
    _same_dtypes("linalg.solve_triangular", a, b)
    _incompatible("linalg.solve_triangular", a, b, left)
    return _triangular(a, b, upper, left, unitriangular)


def _solve_triangular_rule(g, y, a, b, *, upper, left=True, unitriangular=False):
    of_b = _triangular(a, g, upper, left, unitriangular, transpose=True)
    of_a = -of_b @ _t(y) if left else -_t(y) @ of_b
    off = int(unitriangular)
    return jnp.triu(of_a, off) if upper else jnp.tril(of_a, -off), of_b


def _lu_solve(lu, pivots, b, *, left=True, adjoint=False):
    """A X = B, A^H X = B, X A = B or X A^H = B from the factors of A."""
    if not left:
        return _h(_lu_solve(lu, pivots, _h(b), adjoint=not adjoint))
    batch = jnp.broadcast_shapes(lu.shape[:-2], b.shape[:-2])
    lu, b = (jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (lu, b))
    pivots = jnp.broadcast_to(pivots, (*batch, pivots.shape[-1]))
    return lu_solve((lu, pivots - 1), b, trans=2 if adjoint else 0)


# --- factorisations -----------------------------------------------------------------------------------


def _lu_factor(a, *, pivot=True):
    _matrix("linalg.lu_factor", a)
    lu, pivots = _lu(a)
    return lu, pivots + 1


def _lu_parts(a, *, pivot=True):
    _matrix("linalg.lu", a)
    lu, _, permutation = lax.linalg.lu(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    lower = jnp.tril(lu[..., :k], -1) + jnp.eye(m, k, dtype=a.dtype)
    places = permutation[..., None, :] == jnp.arange(m, dtype=permutation.dtype)[:, None]
    return places.astype(a.dtype), lower, jnp.triu(lu[..., :k, :])


def _one_triangle(a, upper):
    """`a` for LAPACK, which reads the lower triangle. The derivative is that of (A + A^H) / 2, as PyTorch
    spreads it, whichever triangle is read."""
    both = (a + _h(a)) / 2
    return both + lax.stop_gradient((_h(a) if upper else a) - both)


def _cholesky(a, *, upper=False):
    _matrix("linalg.cholesky", a, True)
    lower = lax.linalg.cholesky(_one_triangle(a, upper), symmetrize_input=False)
    return _h(lower) if upper else lower


def _cholesky_rule(g, y, a, *, upper=False):
    """L^-H P L^-1, P the Hermitian matrix of the lower triangle of L^H gL with half of its entries."""
    y, g = (_h(y), _h(g)) if upper else (y, g)
    p = jnp.tril(_h(y) @ g)
    p = (p + _h(jnp.tril(p, -1))) / 2
    solve = lax.linalg.triangular_solve
    p = solve(y, p, left_side=True, lower=True, transpose_a=True, conjugate_a=True)
    return solve(y, p, left_side=False, lower=True)


def _qr(a, *, mode="reduced"):
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    _matrix("linalg.qr", a)
    m, n = a.shape[-2:]
    if m < n:
        # of the first m columns, whose derivative LAPACK's wide factors do not have
        q, r = lax.linalg.qr(a[..., :m], full_matrices=False)
        r = jnp.concatenate([r, _h(q) @ a[..., m:]], -1)
    else:
        q, r = lax.linalg.qr(a, full_matrices=mode == "complete")
    return (jnp.zeros((0,), a.dtype) if mode == "r" else q), r


def _svd(a, *, full_matrices=True, driver=None):
    _matrix("linalg.svd", a)
    return tuple(lax.linalg.svd(a, full_matrices=full_matrices))


def _svd_rule(g, y, a, *, full_matrices=True, driver=None):
    """PyTorch's formula on the first k columns of U and V. With E_ij = s_j^2 - s_i^2:
    U (skew(U^H gU) / E S + S skew(V^H gV) / E + gS) V^H, and what leaves the spans of U and V."""
    k = min(a.shape[-2:])
    u, s, v = y[0][..., :k], y[1], _h(y[2][..., :k, :])
    gu, gs, gv = g[0][..., :k], g[1], _h(g[2][..., :k, :])
    row, column = s[..., :, None], s[..., None, :]
    gap = (column - row) * (column + row)

    def over(x):
        """0 / 0 is 0: equal singular values are no trouble to who does not use U or V."""
        none = (x == 0) | jnp.eye(k, dtype=bool)
        return jnp.where(none, 0, x / jnp.where(none, 1, gap))

    uu, vv = _h(u) @ gu, _h(v) @ gv
    inner = over(uu - _h(uu)) * column + row * over(vv - _h(vv)) + _eye(uu) * gs[..., None]
    if jnp.iscomplexobj(a):
        # a phase common to a column of U and of V is free, so the loss may not depend on it
        inner = inner + _eye(uu) * (1j * jnp.imag(_diag(uu)) / s)[..., None]
    found = u @ inner @ _h(v)
    if a.shape[-2] > k:
        found = found + _outside(u, gu / column) @ _h(v)
    if a.shape[-1] > k:
        found = found + u @ _h(_outside(v, gv / column))
    return found


def _outside(u, x):
    """The part of `x` outside the span of the columns of `u`."""
    return x - u @ (_h(u) @ x)


def _svdvals(a, *, driver=None):
    _matrix("linalg.svdvals", a)
    return lax.linalg.svd(a, full_matrices=False, compute_uv=False)


def _svdvals_rule(g, y, a, *, driver=None):
    u, _, vh = lax.linalg.svd(a, full_matrices=False)
    return (u * g[..., None, :]) @ vh


def _eigh(a, *, UPLO="L"):
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    _matrix("linalg.eigh", a, True)
    v, w = lax.linalg.eigh(_one_triangle(a, UPLO.upper() == "U"), symmetrize_input=False)
    return w, v


def _eigh_rule(g, y, a, *, UPLO="L"):
    """V (diag(gL) + V^H gV / (l_j - l_i)) V^H; 0 / 0 is 0, so that equal eigenvalues trouble only who uses V."""
    (gw, gv), (w, v) = g, y
    inner = _h(v) @ gv
    gap = (w[..., None, :] - w[..., :, None]).astype(v.dtype)
    off = jnp.where(inner == 0, 0, inner / jnp.where((gap == 0) & (inner == 0), 1, gap))
    eye = jnp.eye(a.shape[-1], dtype=bool)
    found = v @ jnp.where(eye, gw[..., None].astype(v.dtype), off) @ _h(v)
    return (found + _h(found)) / 2


def _eigvalsh(a, *, UPLO="L"):
    return _eigh(a, UPLO=UPLO)[0]


def _eigvalsh_rule(g, y, a, *, UPLO="L"):
    _, v = _eigh(a, UPLO=UPLO)
    return (v * g[..., None, :]) @ _h(v)


def _eig(a):
    _matrix("linalg.eig", a, True)
    w, v = lax.linalg.eig(a, compute_left_eigenvectors=False)
    return w, v


def _eig_rule(g, y, a):
    """V^-H (diag(gL) + (V^H gV - V^H V diag(Re V^H gV)) / conj(l_j - l_i)) V^H."""
    (gw, gv), (w, v) = g, y
    vg = _h(v) @ gv
    inner = vg - (_h(v) @ v) * jnp.real(_diag(vg))[..., None, :]
    gap = jnp.conj(w[..., None, :] - w[..., :, None])
    off = jnp.where(inner == 0, 0, inner / jnp.where((gap == 0) & (inner == 0), 1, gap))
    middle = jnp.where(jnp.eye(a.shape[-1], dtype=bool), gw[..., None], off)
    return jnp.linalg.solve(_h(v), middle @ _h(v))


def _eigvals(a):
    return _eig(a)[0]


def _eigvals_rule(g, y, a):
    # the derivative of this is of eigenvectors up to their length, which cancels here
    _, v = lax.linalg.eig(a, compute_left_eigenvectors=False, enable_eigvec_derivs=True)
    return jnp.linalg.solve(_h(v), g[..., None] * _h(v))


# --- functions of matrices ----------------------------------------------------------------------------


def _tolerance(s, shape, atol, rtol):
    """Singular values up to this count as 0."""
    if rtol is None:
        rtol = max(shape[-2:]) * float(jnp.finfo(s.dtype).eps) if not atol else 0.0
    return jnp.maximum(0.0 if atol is None else atol, rtol * jnp.max(s, -1, initial=0)).astype(
        s.dtype
    )[..., None]


def _pinv(a, *, atol=None, rtol=None, hermitian=False):
    if a.ndim < 2 or not jnp.issubdtype(a.dtype, jnp.inexact):
        raise RuntimeError(
            f"linalg.pinv({from_np(a.dtype).legacy}{{{list(a.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        w, v = _eigh(a)
        keep = jnp.abs(w) > _tolerance(jnp.abs(w), a.shape, atol, rtol)
        return (v * jnp.where(keep, 1 / jnp.where(keep, w, 1), 0)[..., None, :]) @ _h(v)
    u, s, vh = lax.linalg.svd(a, full_matrices=False)
    keep = s > _tolerance(s, a.shape, atol, rtol)
    return (_h(vh) * jnp.where(keep, 1 / jnp.where(keep, s, 1), 0)[..., None, :]) @ _h(u)


def _pinv_rule(g, y, a, **params):
    """-P^H gP P^H + (I - A P) gP^H P P^H + P^H P gP^H (I - P A), Golub and Pereyra (1973)."""
    p, gh = _h(y), _h(g)
    left, right = gh @ y, y @ gh
    return -p @ g @ p + (left - a @ (y @ left)) @ p + p @ (right - (right @ y) @ a)


def _matrix_rank(a, *, atol=None, rtol=None, hermitian=False):
    _matrix("linalg.matrix_rank", a)
    s = jnp.abs(_eigvalsh(a)) if hermitian else _svdvals(a)
    return jnp.sum(s > _tolerance(s, a.shape, atol, rtol), -1, dtype=jnp.int64)


def _matrix_exp(a):
    _matrix("linalg.matrix_exp", a, True)
    return expm(a) if a.size else a


def _matrix_exp_rule(g, y, a):
    """The derivative of exp at A^T along g is the corner of exp of a block matrix (Mathias, 1996)."""
    n = a.shape[-1]
    at = _t(a)
    block = jnp.concatenate(
        [jnp.concatenate([at, g], -1), jnp.concatenate([jnp.zeros_like(at), at], -1)], -2
    )
    return expm(block)[..., :n, n:] if a.size else g


# --- the rows -----------------------------------------------------------------------------------------


def _near_one(*shape, seed=0):
    """Well-conditioned matrices with distinct eigenvalues and singular values."""
    r = np.random.default_rng(seed)
    return r.uniform(-1, 1, shape) + np.eye(*shape[-2:]) * np.arange(2, 2 + shape[-1])


def _positive(*shape):
    a = _near_one(*shape)
    return a @ np.swapaxes(a, -1, -2)


def _square():
    return [sample(_near_one(3, 3)), sample(_near_one(2, 4, 4)), sample(_near_one(1, 1))]


def _symmetric(**more):
    return [sample(_positive(3, 3), **more), sample(_positive(2, 4, 4), **more)]


def _tall_and_wide(**more):
    return [sample(_near_one(*s), **more) for s in ((3, 3), (2, 4, 3), (3, 4))]


def _systems():
    a = _near_one(3, 3)
    return [
        sample(a, (3,)),
        sample(a, (3, 2)),
        sample(_near_one(2, 3, 3), (2, 3)),
        sample(_near_one(2, 3, 3), (3, 2)),
        sample(a, (4, 3), left=False),
        sample(a, (2, 3, 1)),
    ]


def _lu_systems():
    a = _near_one(3, 3)
    pivots = np.array([2, 3, 3], np.int32)
    return [
        sample(a, pivots, (3, 2)),
        sample(a, pivots, (3, 2), adjoint=True),
        sample(a, pivots, (2, 3), left=False),
    ]


def _row(name, forward, rule, sig="A: T", node=None, **more):
    op(
        name,
        forward,
        rule,
        "linalg",
        promote=None,
        where="linalg",
        sig=sig,
        node=node and f"Linalg{node}Backward0",
        **{"variants": "f"} | more,
    )


_gauge = "vectors are defined up to sign or phase, and PyTorch refuses a loss that sees the phase"
_tolerances = "input: T, *, atol: any = None, rtol: any = None, hermitian: bool = False"

# fmt: off
_row("det", _det, _det_rule, node="Det", variants="fm", samples=_square)
_row("slogdet", _slogdet, _slogdet_rule, node="Slogdet", variants="fm", samples=_square)
_row("inv", _inv, lambda g, y, a: -_t(y) @ g @ _t(y), node="InvEx", samples=_square)
_row("solve", _solve, _solve_rule, "A: T, B: T, *, left: bool = True", "SolveEx", samples=_systems)
_row("solve_triangular", _solve_triangular, _solve_triangular_rule,
     "A: T, B: T, *, upper: bool, left: bool = True, unitriangular: bool = False", "SolveTriangular",
     samples=lambda: [sample(_near_one(3, 3), _near_one(3, 2), upper=True),
                      sample(_near_one(2, 3, 3), _near_one(3, 1), upper=False),
                      sample(_near_one(3, 3), _near_one(2, 3), upper=True, left=False),
                      sample(_near_one(3, 3), _near_one(3, 2), upper=False, unitriangular=True)])
# jax_rule of the LU family: the triangular solves it is made of are differentiated exactly
_row("lu_factor", _lu_factor, jax_rule, "A: T, *, pivot: bool = True", "LuFactorEx", samples=_square)
_row("lu", _lu_parts, jax_rule, "A: T, *, pivot: bool = True", "Lu", samples=_tall_and_wide)
_row("lu_solve", _lu_solve, jax_rule, "LU: T, pivots: T, B: T, *, left: bool = True, adjoint: bool = False",
     "LuSolve", samples=_lu_systems)
_row("cholesky", _cholesky, _torch(_cholesky_rule), "A: T, *, upper: bool = False", "CholeskyEx",
     samples=lambda: [*_symmetric(), *_symmetric(upper=True)])
# jax_rule of qr: the same formula as PyTorch's
_row("qr", _qr, jax_rule, "A: T, mode: str = 'reduced'", "Qr", samples=_tall_and_wide)
_row("svd", _svd, _torch(_svd_rule), "A: T, full_matrices: bool = True, *, driver: str = None", "Svd",
     samples=lambda: _tall_and_wide(full_matrices=False), skip=_gauge)
_row("svdvals", _svdvals, _torch(_svdvals_rule), "A: T, *, driver: str = None", "Svd", samples=_tall_and_wide)
_row("eigh", _eigh, _torch(_eigh_rule), "A: T, UPLO: str = 'L'", "Eigh",
     samples=lambda: [*_symmetric(), *_symmetric(UPLO="U")], skip=_gauge)
_row("eigvalsh", _eigvalsh, _torch(_eigvalsh_rule), "A: T, UPLO: str = 'L'", "Eigh", samples=_symmetric)
_row("eig", _eig, _torch(_eig_rule), node="Eig", samples=_square, skip=_gauge)
_row("eigvals", _eigvals, _torch(_eigvals_rule), node="Eig", casts=True, samples=_square)
_row("pinv", _pinv, _torch(_pinv_rule), _tolerances.replace("input", "A"), "Pinv", casts=True, samples=_tall_and_wide)
_row("matrix_rank", _matrix_rank, None, _tolerances.replace("input", "A"), casts=True, samples=_tall_and_wide)
_row("matrix_exp", _matrix_exp, _matrix_exp_rule, node="MatrixExp", variants="fm",
     samples=lambda: [sample(_near_one(*s) / 4) for s in ((2, 3, 3),)])
# fmt: on
