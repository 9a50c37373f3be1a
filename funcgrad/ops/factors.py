"""Factors as LAPACK packs them: Householder reflectors, LDL, and the `info` of a factorisation that fails.

Knows `jnp.linalg` and, for what XLA has no operator for, SciPy's LAPACK on the host. Must not know tapes or Tensors.
"""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import jax_rule, op, sample
from .decomp import _diag, _eye, _h, _lu, _matrix, _near_one, _positive, _t, _torch, _triangular

# --- QR as reflectors -------------------------------------------------------------------------------------


def _geqrf(input):
    _matrix("torch.geqrf", input)
    packed, tau = jnp.linalg.qr(input, mode="raw")
    return _t(packed), tau


def _ormqr(input, tau, other, *, left=True, transpose=False):
    """Q C, Q^H C, C Q or C Q^H, Q the product of the reflectors I - tau v v^H below the diagonal of `input`."""
    for name, x in (("input", input), ("other", other)):
        if x.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    if tau.ndim != input.ndim - 1:
        raise RuntimeError("torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim equal to "
                           f"{tau.ndim} and input.ndim is equal to {input.ndim}")  # fmt: skip
    n, places = (other.shape[-2] if left else other.shape[-1]), input.shape[-2]
    if places != n:
        side = "-2" if left else "-1"
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] > input.shape[-1]:
        raise RuntimeError("torch.ormqr: other.shape[-2] must be greater than or equal to tau.shape[-1]")
    if not left:
        return _h(_ormqr(input, tau, _h(other), left=True, transpose=not transpose))
    k = tau.shape[-1]
    below = jnp.tril(input[..., :k], -1) + jnp.eye(n, k, dtype=input.dtype)
    tau = jnp.conj(tau) if transpose else tau

    def reflect(c, x):
        v, t = x
        return c - t[..., None, None] * v[..., None] * (jnp.conj(v)[..., None, :] @ c), None

    batch = jnp.broadcast_shapes(input.shape[:-2], other.shape[:-2], tau.shape[:-1])
    each = jnp.moveaxis(below, -1, 0), jnp.moveaxis(tau, -1, 0)
    made, _ = lax.scan(reflect, jnp.broadcast_to(other, (*batch, *other.shape[-2:])), each, reverse=not transpose)
    return made


# --- with a Cholesky factor, of which one triangle is read; the derivative is that of all of L L^H, as PyTorch's -----


def _cholesky_solve(B, L, *, upper=False):
    low = _h(L) if upper else L
    return _triangular(_h(low), _triangular(low, B, False, True, False), True, True, False)


def _of_factor(common, L, upper):
    common = common + _h(common)
    return -(L @ common) if upper else -(common @ L)


def _cholesky_solve_rule(g, y, B, L, *, upper=False):
    of_b = _cholesky_solve(g, L, upper=upper)
    return of_b, _of_factor(of_b @ _h(y), L, upper)


def _cholesky_inverse(L, *, upper=False):
    _matrix("cholesky_inverse", L, True)
    return _cholesky_solve(_eye(L), L, upper=upper)


def _cholesky_inverse_rule(g, y, L, *, upper=False):
    return _of_factor(y @ g @ y, L, upper)


# --- what went wrong: 0, or the place, from 1, of the first pivot that is 0 (or of the first minor not positive) ----


def _lu_info(A):
    if not A.size:
        return jnp.zeros(A.shape[:-2], jnp.int32)
    zero = _diag(_lu(A)[0]) == 0
    return jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(jnp.int32)


def _cholesky_info(A, *, upper=False):
    a = _h(A) if upper else A
    a = jnp.tril(a) + _h(jnp.tril(a, -1))
    places = jnp.arange(a.shape[-1])

    def eliminate(i, state):
        a, info = state
        pivot = jnp.real(a[..., i, i])
        info = jnp.where((info == 0) & ~(pivot > 0), i + 1, info)
        column = jnp.where(places > i, a[..., :, i], 0) / jnp.sqrt(jnp.where(pivot > 0, pivot, 1))[..., None]
        return a - column[..., :, None] * jnp.conj(column)[..., None, :], info

    none = jnp.zeros(a.shape[:-2], jnp.int32)
    return lax.fori_loop(0, a.shape[-1], eliminate, (a, none))[1] if a.size else none


def _permutation(pivots, *, size):
    """P of A = P L U, from LAPACK's pivots, which count from 1."""
    order = lax.linalg.lu_pivots_to_permutation(pivots - 1, size)
    return order[..., None, :] == jnp.arange(size, dtype=order.dtype)[:, None]


# --- LDL --------------------------------------------------------------------------------------------------


def _tail(dtype) -> tuple[int, ...]:
    """Dimensions that a number of `dtype` has as 32-bit words."""
    dtype = np.dtype(dtype)
    parts = 2 if dtype.kind == "c" else 1
    return (2,) * (parts == 2) + (2,) * (dtype.itemsize // parts == 8)


def _on_host(f, like, *arrays):
    """`f` of NumPy arrays, by way of 32-bit words: a callback runs on a thread where JAX would round 64-bit numbers."""

    def words(x):
        x = jnp.stack([x.real, x.imag], -1) if jnp.iscomplexobj(x) else x
        return lax.bitcast_convert_type(x, np.uint32)

    def numbers(w, dtype):
        shape = w.shape[: w.ndim - len(_tail(dtype))]
        return np.ascontiguousarray(w).reshape((*shape, prod(_tail(dtype)))).view(dtype)[..., 0]

    def host(*given):
        made = f(*(numbers(np.asarray(w), x.dtype) for w, x in zip(given, arrays, strict=True)))
        return tuple(np.ascontiguousarray(y).view(np.uint32).reshape((*y.shape, *_tail(y.dtype))) for y in made)

    shapes = tuple(jax.ShapeDtypeStruct((*s.shape, *_tail(s.dtype)), np.uint32) for s in like)
    found = jax.pure_callback(host, shapes, *map(words, arrays), vmap_method="expand_dims")
    parts = [lax.bitcast_convert_type(w, np.zeros((), s.dtype).real.dtype) for w, s in zip(found, like, strict=True)]
    return [
        lax.complex(x[..., 0], x[..., 1]) if np.dtype(s.dtype).kind == "c" else x
        for x, s in zip(parts, like, strict=True)
    ]


def _lapack(name: str, dtype, hermitian: bool):
    from scipy.linalg import lapack

    letter = {"f": "s", "d": "d", "F": "c", "D": "z"}[np.dtype(dtype).char]
    kind = "he" if hermitian and letter in "cz" else "sy"
    return getattr(lapack, f"{letter}{kind}{name}")


def _ldl_factor(A, *, hermitian=False):
    _matrix("torch.linalg.ldl_factor_ex", A, True)
    n, batch = A.shape[-1], A.shape[:-2]

    def host(a):
        factor = _lapack("trf", A.dtype, hermitian)
        ld, pivots = np.empty(a.shape, A.dtype), np.empty(a.shape[:-1], np.int32)
        info = np.empty(a.shape[:-2], np.int32)
        for i in np.ndindex(*a.shape[:-2]):
            made, pivots[i], info[i] = factor(np.tril(a[i]), lower=1)
            ld[i] = np.tril(made)
        return ld, pivots, info

    like = [jax.ShapeDtypeStruct((*batch, *m), d) for m, d in (((n, n), A.dtype), ((n,), np.int32), ((), np.int32))]
    return tuple(_on_host(host, like, A))


def _ldl_solve(LD, pivots, B, *, hermitian=False):
    batch = jnp.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    given = [jnp.broadcast_to(x, (*batch, *x.shape[-k:])) for x, k in ((LD, 2), (pivots, 1), (B, 2))]

    def host(ld, pivots, b):
        solve, made = _lapack("trs", LD.dtype, hermitian), np.empty(b.shape, LD.dtype)
        for i in np.ndindex(*b.shape[:-2]):
            made[i] = solve(ld[i], pivots[i], b[i], lower=1)[0] if b[i].size else b[i]
        return (made,)

    return _on_host(host, [jax.ShapeDtypeStruct(given[2].shape, LD.dtype)], *given)[0]


# --- the rows ---------------------------------------------------------------------------------------------


def _reflectors():
    packed, tau = _near_one(2, 4, 3), np.array([[0.5, 0.7, 1.2], [0.1, 0.9, 0.4]])
    return [
        sample(packed, tau, (4, 2)),
        sample(packed, tau, (2, 4, 2), transpose=True),
        sample(packed[0], tau[0], (2, 4), left=False),
        sample(packed[0], tau[0, :2], (4, 4), left=False, transpose=True),
    ]


def _with_factor():
    low = np.linalg.cholesky(_positive(2, 3, 3))
    return [sample((2, 3, 2), low), sample((3, 1), np.swapaxes(low, -1, -2), upper=True)]


def _factored():
    a, pivots = np.tril(_positive(2, 3, 3)), np.array([1, 2, 3], np.int32)
    return [sample(a[0], pivots, (3, 2)), sample(a, np.stack([pivots] * 2), (3, 2))]


def _row(name, forward, rule, sig, samples, **more):
    op(name, forward, rule, "linalg", promote=None, sig=sig, samples=samples, **{"where": "torch"} | more)


_matrices = lambda: [sample(_near_one(*s)) for s in ((3, 3), (2, 4, 4))]  # noqa: E731
_both = "its rule is PyTorch's: the derivative in both triangles of a factor, of which one is read"
_no_ldl = "XLA has no Bunch-Kaufman factorisation"

# fmt: off
_row("geqrf", _geqrf, None, "input: T", lambda: [sample(_near_one(*s)) for s in ((3, 3), (2, 4, 3), (2, 3))])
# jax_rule: a product of reflectors, each differentiated exactly
_row("ormqr", _ormqr, jax_rule, "input: T, tau: T, other: T, left: bool = True, transpose: bool = False", _reflectors)
_row("cholesky_solve", _cholesky_solve, _torch(_cholesky_solve_rule), "B: T, L: T, upper: bool = False", _with_factor,
     casts=True, skip=_both)
_row("cholesky_inverse", _cholesky_inverse, _torch(_cholesky_inverse_rule), "L: T, upper: bool = False",
     lambda: [sample(x.arrays[1], **x.params) for x in _with_factor()], casts=True, skip=_both)
_row("lu_info", _lu_info, None, "A: T", _matrices, where=None, variants="")
_row("cholesky_info", _cholesky_info, None, "A: T, *, upper: bool = False",
     lambda: [sample(_positive(2, 3, 3)), sample(_near_one(3, 3) - 3 * np.eye(3))], where=None, variants="")
_row("permutation_of_pivots", _permutation, None, "pivots: T, size: int",
     lambda: [sample(np.array([[2, 3, 3], [1, 3, 3]], np.int32), size=4)], where=None, variants="")
_row("ldl_factor_ex", _ldl_factor, None, "A: T, *, hermitian: bool = False", lambda: [sample(_positive(2, 3, 3))],
     where=None, variants="", host=_no_ldl)
_row("ldl_solve", _ldl_solve, None, "LD: T, pivots: T, B: T, *, hermitian: bool = False", _factored,
     where="linalg", variants="f", host=_no_ldl)
# fmt: on
