"""`torch.linalg` and its older names over the rows of `ops.decomp` and `ops.factors`. Must not know the tape."""

from __future__ import annotations

import math
from collections import namedtuple
from functools import wraps

from .. import dtypes
from ..op import REGISTRY
from .call import call, refuse_together
from .create import tensor
from .tensor import Tensor
from .variants import METHODS, NAMES, composite, into, takes_out, takes_same_out

T, L = NAMES["torch"], NAMES["linalg"]


def _row(name: str, *tensors, **params):
    return call(REGISTRY[name], tensors, params)


# ---- results with names ----------------------------------------------------------------------------------

FIELDS = {
    "linalg_eig": "eigenvalues eigenvectors", "linalg_eigh": "eigenvalues eigenvectors", "linalg_svd": "U S Vh",
    "linalg_qr": "Q R", "linalg_slogdet": "sign logabsdet", "linalg_lu": "P L U", "linalg_lu_factor": "LU pivots",
    "linalg_lu_factor_ex": "LU pivots info", "linalg_cholesky_ex": "L info", "linalg_inv_ex": "inverse info",
    "linalg_solve_ex": "result info", "linalg_ldl_factor": "LD pivots", "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_lstsq": "solution residuals rank singular_values", "geqrf": "a tau", "qr": "Q R", "svd": "U S V",
    "slogdet": "sign logabsdet", "triangular_solve": "solution cloned_coefficient", "lu_unpack": "P L U",
}  # fmt: skip
KINDS = {name: namedtuple(name, fields.split()) for name, fields in FIELDS.items()}


def _named(name: str, made, out=None):
    """PyTorch's named result; written to `out` where one is given."""
    made = made if out is None else into(out, tuple(made), name, name == "geqrf")
    return KINDS[name](*made)


def _with_names(where: dict, name: str, kind: str) -> None:
    """Give a row of the tables its named result."""
    plain = where[name]

    @wraps(plain)
    def function(*args, **kwargs):
        return _named(kind, plain(*args, **kwargs))

    where[name] = function


for _name in ("eig", "eigh", "svd", "qr", "slogdet", "lu", "lu_factor"):
    _with_names(L, _name, f"linalg_{_name}")
_with_names(T, "geqrf", "geqrf")
_with_names(METHODS, "geqrf", "geqrf")
_with_names(METHODS, "slogdet", "slogdet")
T["slogdet"] = METHODS["slogdet"]


# ---- inverses and solutions --------------------------------------------------------------------------------


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite (`torch.linalg.LinAlgError`)."""


_FAILED = {
    "linalg.inv_ex": "The diagonal element {} is zero, the inversion could not be completed because the input matrix "
    "is singular.",
    "linalg.cholesky_ex": "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {} is not positive-definite).",
    "torch.linalg.solve_ex": "The solver failed because the input matrix is singular.",
    "torch.linalg.lu_factor_ex": "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero.",
    "torch.linalg.ldl_factor_ex": "The diagonal element {} is zero, the factorization could not be completed.",
}


def _checked(name: str, info, check_errors: bool) -> None:
    """Raise where a factorisation failed; looks at the numbers."""
    found = info.detach().numpy() if check_errors else None
    if found is not None and found.any():
        place = int(found.reshape(-1).nonzero()[0][0])
        batch = f"(Batch element {place}): " if found.ndim else ""
        raise LinAlgError(f"{name}: {batch}{_FAILED[name].format(found.reshape(-1)[place])}")


@composite(where="linalg")
def inv_ex(A, *, check_errors=False, out=None):
    """(inverse, info): info is 0, or the place of the first pivot that is 0."""
    info = _row("lu_info", A)
    _checked("linalg.inv_ex", info, check_errors)
    return _named("linalg_inv_ex", (L["inv"](A), info), out)


@composite(where="linalg")
def solve_ex(A, B, *, left=True, check_errors=False, out=None):
    """(solution of A X = B, info)."""
    info = _row("lu_info", A)
    _checked("torch.linalg.solve_ex", info, check_errors)
    return _named("linalg_solve_ex", (L["solve"](A, B, left=left), info), out)


@composite(where="linalg")
def cholesky_ex(A, *, upper=False, check_errors=False, out=None):
    """(L, info): info is 0, or the order of the first leading minor that is not positive."""
    info = _row("cholesky_info", A, upper=upper)
    _checked("linalg.cholesky_ex", info, check_errors)
    return _named("linalg_cholesky_ex", (L["cholesky"](A, upper=upper), info), out)


@composite(where="linalg")
def lu_factor_ex(A, *, pivot=True, check_errors=False, out=None):
    """(LU, pivots from 1, info)."""
    info = _row("lu_info", A)
    _checked("torch.linalg.lu_factor_ex", info, check_errors)
    return _named("linalg_lu_factor_ex", (*L["lu_factor"](A, pivot=pivot), info), out)


@composite(where="linalg")
def ldl_factor_ex(A, *, hermitian=False, check_errors=False, out=None):
    """(LD packed as LAPACK does, pivots, info), of the lower triangle of a symmetric or Hermitian matrix."""
    made = _row("ldl_factor_ex", A, hermitian=hermitian)
    _checked("torch.linalg.ldl_factor_ex", made[2], check_errors)
    return _named("linalg_ldl_factor_ex", made, out)


@composite(where="linalg")
def ldl_factor(A, *, hermitian=False, out=None):
    made = _row("ldl_factor_ex", A, hermitian=hermitian)
    _checked("torch.linalg.ldl_factor_ex", made[2], True)
    return _named("linalg_ldl_factor", made[:2], out)


@composite(where="linalg")
def lstsq(A, B, rcond=None, *, driver=None):
    """The X of least length among those with the least ||A X - B||, by the pseudo-inverse.

    (solution, residuals, rank, singular_values); residuals, of full rank and more rows than columns, and singular
    values, of driver "gelsd" and "gelss", are empty otherwise.
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), "
                           f"but got {driver!r}")  # fmt: skip
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        raise RuntimeError("torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype "
                           f"{A.dtype.legacy} and other's dtype {B.dtype.legacy}")  # fmt: skip
    vector = (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]) or (A.ndim == 2 and B.ndim == 1)
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    if b.ndim < 2 or b.shape[-2] != m:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    limit = max(m, n) * dtypes.finfo(A.dtype).eps if rcond is None else float(rcond)
    full = driver == "gels"  # which takes the matrix to be of full rank
    x = (L["pinv"](A) if full else L["pinv"](A, rtol=limit)) @ b
    values = L["svdvals"](A.detach())
    none = A.new_empty(0, dtype=values.dtype)
    rank = none.to(dtypes.int64)
    if not full:
        rank = (values > limit * values.amax(-1, keepdim=True)).sum(-1) if min(m, n) else A.new_zeros(
            A.shape[:-2], dtype=dtypes.int64)  # fmt: skip
    residuals = none
    if m > n and driver != "gelsy" and (full or bool((rank == n).all())):
        residuals = (A @ x - b).abs().square().sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    shown = values if driver in ("gelsd", "gelss") else none
    return _named("linalg_lstsq", (x.squeeze(-1) if vector else x, residuals, rank, shown))


@composite("fm")
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False, *, out=None):
    """(the X of A X = b, a copy of A)."""
    a = A.transpose(-2, -1) if transpose else A
    x = L["solve_triangular"](a, b, upper=upper != transpose, unitriangular=unitriangular)
    copy = A.expand(*x.shape[:-2], *A.shape[-2:]).clone()
    return _named("triangular_solve", (x, copy), out)


@composite("fm")
@takes_same_out
def lu_solve(b, LU_data, LU_pivots, *, out=None):
    return L["lu_solve"](LU_data, LU_pivots, b)


@composite("fm")
def pinverse(input, rcond=1e-15):
    return L["pinv"](input, rtol=rcond)


@composite("fm")
def logdet(input):
    """The logarithm of the determinant: -inf where it is 0, nan where it is negative."""
    sign, size = L["slogdet"](input)
    if input.dtype.is_complex:
        return sign.log() + size
    return T["where"](sign == -1, math.nan, size)


@composite(where="linalg")
@takes_out
def tensorinv(A, ind=2, *, out=None):
    """The inverse for `tensordot(A, B, ind)`: of shape A.shape[ind:] + A.shape[:ind]."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    head, tail = A.shape[:ind], A.shape[ind:]
    n, m = math.prod(head), math.prod(tail)
    if n != m:
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), got {m} != {n}"
        )
    return L["inv"](A.reshape(n, m)).reshape(*tail, *head)


@composite(where="linalg")
@takes_out
def tensorsolve(A, B, dims=None, *, out=None):
    """The X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    if dims is not None:
        A = T["movedim"](A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    rest = A.shape[B.ndim :]
    if math.prod(rest) != math.prod(B.shape):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {math.prod(rest)} != {math.prod(B.shape)}"
        )
    n = math.prod(rest)
    return L["solve"](A.reshape(n, n), B.reshape(-1)).reshape(rest)


# ---- factors -------------------------------------------------------------------------------------------------


@composite("fm")
@takes_out
def cholesky(input, upper=False, *, out=None):
    return L["cholesky"](input, upper=upper)


@composite("fm")
def qr(input, some=True, *, out=None):
    return _named("qr", L["qr"](input, "reduced" if some else "complete"), out)


@composite("fm")
def svd(input, some=True, compute_uv=True, *, out=None):
    """(U, S, V): A is U diag(S) V^H; without `compute_uv`, U and V are zeros."""
    if compute_uv:
        u, s, vh = L["svd"](input, full_matrices=not some)
        return _named("svd", (u, s, vh.mH), out)
    m, n = input.shape[-2:]
    zeros = [input.new_zeros(*input.shape[:-2], k, k) for k in (m, n)]
    return _named("svd", (zeros[0], L["svdvals"](input), zeros[1]), out)


@composite("fm")
@takes_out
def lu(A, pivot=True, get_infos=False, out=None):
    """(LU, pivots), and what went wrong if asked."""
    made = tuple(L["lu_factor"](A, pivot=pivot))
    return (*made, _row("lu_info", A)) if get_infos else made


@composite()
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True, *, out=None):
    """(P, L, U) of packed factors; what is not asked for is empty."""
    if LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    p = low = up = LU_data.new_empty(0)
    if unpack_data:
        eye = T["eye"](m, k, dtype=LU_data.dtype)
        low, up = LU_data[..., :k].tril(-1) + eye, LU_data[..., :k, :].triu()
    if unpack_pivots:
        p = _row("permutation_of_pivots", LU_pivots, size=m).to(LU_data.dtype)
    return _named("lu_unpack", (p, low, up), out)


@composite(where="linalg")
@takes_out
def householder_product(A, tau, *, out=None):
    """The first columns of the product of the reflectors that `geqrf` packs."""
    m, n = A.shape[-2:]
    if m < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
                           "input.shape[-1]")  # fmt: skip
    return _row("ormqr", A, tau, T["eye"](m, n, dtype=A.dtype).expand(A.shape), left=True, transpose=False)


# ---- products, powers and numbers of matrices ------------------------------------------------------------------


@composite(where="linalg")
def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    return A.diagonal(offset, dim1, dim2)


@composite(where="linalg")
@takes_same_out
def vecdot(x, y, *, dim=-1, out=None):
    """Sums of conj(x) * y over `dim`."""
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but got {x.dtype.legacy} and {y.dtype.legacy}"
        )
    return (x.conj() * y).sum(dim, dtype=x.dtype)


@composite(where="linalg")
@takes_out
def matrix_power(A, n, *, out=None):
    """A to the n-th, by repeated squaring; of the inverse for a negative n."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices" if A.ndim > 1 else
            "linalg.matrix_power: The input tensor A must have at least 2 dimensions."
        )  # fmt: skip
    square, made = (L["inv"](A), None) if n < 0 else (A, None)
    if n == 0:
        made = T["where"](tensor(True), T["eye"](A.shape[-1], dtype=A.dtype), A)  # of A, with gradient 0
    for bit in reversed(bin(abs(n))[2:] if n else ""):
        if bit == "1":
            made = square if made is None else made @ square
        square = square @ square
    return made.clone() if made is A else made


for _where in (T, METHODS):
    _where["matrix_power"] = matrix_power
    _where["inverse"] = L["inv"]


@composite(where="linalg")
def vander(x, N=None):
    """Rows 1, x, x^2, ..., N of them each; as many as there are numbers by default."""
    x = x.reshape(1) if x.ndim == 0 else x
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    x = x if x.dtype.differentiable or x.dtype.is_complex else x.to(dtypes.int64)
    powers = x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)
    return T["cat"]([T["ones_like"](powers[..., :1]), powers], -1)


@composite(where="linalg")
@takes_out
def cond(A, p=None, *, out=None):
    """The condition number in the norm `p`: ||A|| ||A^-1||; of the 2-norm if None."""
    if p in (None, 2, -2):
        s = L["svdvals"](A)
        made = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    elif not isinstance(p, str) and abs(p) not in (1, 2, math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    elif isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    else:
        norm = L["matrix_norm"]
        made = norm(A, p) * norm(L["inv"](A), p)
    return made


def _matrix_rank(input, tol=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """How many singular values are above max(atol, rtol * the largest); `tol` is the older name of atol."""
    if not isinstance(input, Tensor):
        refuse_together("linalg_matrix_rank", (input,), "Tensor input")
    given = [x for x in (tol, atol, rtol) if isinstance(x, Tensor)]
    if not given:
        made = _row("matrix_rank", input, atol=tol if atol is None else atol, rtol=rtol, hermitian=hermitian)
        return made if out is None else into(out, made, "matrix_rank")
    s = L["eigvalsh"](input).abs() if hermitian else L["svdvals"](input)
    atol = tol if atol is None else atol
    if rtol is None:
        rtol = 0.0 if tol is not None else max(input.shape[-2:]) * dtypes.finfo(input.dtype).eps
        if atol is not None and tol is None:
            rtol = T["where"](tensor(0.0) + atol > 0, 0.0, rtol)
    if not s.shape[-1]:
        return s.sum(-1, dtype=dtypes.int64)
    limit = T["maximum"](rtol * s.amax(-1), (tensor(0.0, dtype=s.dtype) if atol is None else atol + s.new_zeros(())))
    made = (s > limit.unsqueeze(-1)).sum(-1)
    return made if out is None else into(out, made, "matrix_rank")


_matrix_rank.__name__ = _matrix_rank.__qualname__ = "matrix_rank"
L["matrix_rank"] = _matrix_rank
L["LinAlgError"] = LinAlgError
T["matrix_exp"] = L["matrix_exp"]
