"""`torch.linalg` and its older names: values, gradients, named results and errors, beside PyTorch."""

import numpy as np
import pytest

import funcgrad

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


def spd(*shape):
    a = RNG.normal(size=shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


A, S, W, T3 = RNG.normal(size=(3, 3)), spd(2, 3, 3), RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 3, 6))
B, V = RNG.normal(size=(2, 3, 2)), RNG.normal(size=(4,))
LOW = np.linalg.cholesky(S)
C = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))

# calls of the module `t` on tensors, each with a gradient where it has one
CALLS = {
    "cholesky": (lambda t, s: t.cholesky(s), S),
    "cholesky upper": (lambda t, s: t.cholesky(s, True), S),
    "cholesky_solve": (lambda t, b, s: t.cholesky_solve(b, t.linalg.cholesky(s)), B, S),
    "cholesky_solve upper": (lambda t, b, s: t.cholesky_solve(b, t.linalg.cholesky(s, upper=True), True), B, S),
    "cholesky_inverse": (lambda t, s: t.cholesky_inverse(t.linalg.cholesky(s)), S),
    "cholesky_inverse of any": (lambda t, low: t.cholesky_inverse(low), A + 3 * np.eye(3)),
    "cholesky_ex": (lambda t, s: t.linalg.cholesky_ex(s), S),
    "inv_ex": (lambda t, a: t.linalg.inv_ex(a), A),
    "solve_ex": (lambda t, s, b: t.linalg.solve_ex(s, b), S, B),
    "lu_factor_ex": (lambda t, a: t.linalg.lu_factor_ex(a), A),
    "lu": (lambda t, a: t.lu(a, get_infos=True), A),
    "lu_unpack": (lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a)), A),
    "lu_solve": (lambda t, b, s: t.lu_solve(b, *t.linalg.lu_factor(s)), B, S),
    "ldl_factor": (lambda t, s: t.linalg.ldl_factor(s.detach()), S),
    "ldl_factor_ex indefinite": (lambda t, a: t.linalg.ldl_factor_ex((a + a.mT).detach()), A),
    "ldl_solve": (lambda t, a, b: t.linalg.ldl_solve(*t.linalg.ldl_factor((a.mT + a).detach()), b.detach()), A, A),
    "ldl hermitian": (lambda t, c: t.linalg.ldl_factor((c + c.mH).detach(), hermitian=True), C),
    "geqrf": (lambda t, w: t.geqrf(w.detach()), W),
    "householder_product": (lambda t, w, tau: t.linalg.householder_product(w, tau), W, RNG.normal(size=(2, 3))),
    "ormqr": (lambda t, w, tau, x: t.ormqr(w, tau, x, transpose=True), W, RNG.normal(size=(2, 3)), W),
    "ormqr right": (lambda t, w, tau, x: t.ormqr(w, tau, x, left=False), W, RNG.normal(size=(2, 3)), np.swapaxes(W, -1, -2)),
    "triangular_solve": (lambda t, b, s: t.triangular_solve(b, s, upper=False, transpose=True), B, S),
    "pinverse": (lambda t, w: t.pinverse(w), W),
    "logdet": (lambda t, s: t.logdet(s), S),
    "logdet negative": (lambda t, a: t.logdet(a), np.diag([-1.0, 2.0])),
    "matrix_power": (lambda t, a: (t.matrix_power(a, 5), a.matrix_power(-3), t.linalg.matrix_power(a, 0)), A),
    "vander": (lambda t, v: (t.linalg.vander(v), t.linalg.vander(v, N=2)), V),
    "vecdot": (lambda t, a, b: t.linalg.vecdot(a, b, dim=0).resolve_conj(), C, C * 1j),
    "diagonal": (lambda t, w: t.linalg.diagonal(w, offset=1), W),
    "tensorinv": (lambda t, x: t.linalg.tensorinv(x.reshape(6, 2, 3)[:, :, :], ind=1), RNG.normal(size=(6, 6))),
    "tensorsolve": (lambda t, x, b: t.linalg.tensorsolve(x.reshape(2, 3, 6), b), RNG.normal(size=(6, 6)), RNG.normal(size=(2, 3))),
    "cond": (lambda t, a: [t.linalg.cond(a if p in (None, -2) else a.detach(), p) for p in (None, -2, 1, -1, float("inf"), "fro", "nuc")], A),
    "lstsq": (lambda t, w, b: t.linalg.lstsq(w, b, driver="gels").solution, W, RNG.normal(size=(2, 4, 2))),
    "lstsq residuals": (lambda t, w, b: t.linalg.lstsq(w.detach(), b.detach(), driver="gelsd"), W, RNG.normal(size=(2, 4, 2))),
    "matrix_rank": (lambda t, w: [t.linalg.matrix_rank(w, tol=t.tensor([0.5, 2.0])), t.linalg.matrix_rank(w, atol=0.7, rtol=t.tensor(0.1))], W),
    "svd": (lambda t, w: (t.svd(w).S, t.svd(w, compute_uv=False).V), W),
}  # fmt: skip


def numbers(lib, call, arrays):
    given = [lib.tensor(a, requires_grad=True) for a in arrays]
    out = call(lib, *given)
    outs = [out] if isinstance(out, lib.Tensor) else list(out)
    total = sum((o * o.conj()).real.sum() for o in outs if o.requires_grad) if any(o.requires_grad for o in outs) else None
    if total is not None:
        total.backward()
    names = [n for n in type(out).__dict__ if not n.startswith("_")] if isinstance(out, tuple) else []
    return ([o.detach().numpy() for o in outs], [None if g.grad is None else g.grad.resolve_conj().numpy() for g in given], names)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients(name):
    call, *arrays = CALLS[name]
    (ours, our_grads, _), (theirs, their_grads, _) = (numbers(lib, call, arrays) for lib in (funcgrad, torch))
    assert len(ours) == len(theirs)
    for a, b in zip([*ours, *our_grads], [*theirs, *their_grads], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


FAILS = {
    "inv_ex": lambda t: t.linalg.inv_ex(t.tensor([[1.0, 2.0], [2.0, 4.0]])).info,
    "cholesky_ex": lambda t: t.linalg.cholesky_ex(t.tensor([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).info,
    "cholesky_ex first": lambda t: t.linalg.cholesky_ex(-t.eye(2)).info,
    "lu_factor_ex": lambda t: t.linalg.lu_factor_ex(t.zeros(3, 3)).info,
    "empty": lambda t: t.linalg.inv_ex(t.empty(2, 0, 0)).info,
}


@pytest.mark.parametrize("name", FAILS)
def test_info(name):
    ours, theirs = FAILS[name](funcgrad), FAILS[name](torch)
    assert ours.tolist() == theirs.tolist() and str(ours.dtype) == str(theirs.dtype)


WRONG = {
    "not square": lambda t: t.linalg.matrix_power(t.ones(2, 3), 2),
    "vander": lambda t: t.linalg.vander(t.ones(2), N=1),
    "cond": lambda t: t.linalg.cond(t.ones(2, 2), 3),
    "tensorinv": lambda t: t.linalg.tensorinv(t.ones(2, 3), ind=1),
    "tensorinv ind": lambda t: t.linalg.tensorinv(t.ones(2, 2), ind=0),
    "vecdot": lambda t: t.linalg.vecdot(t.ones(2), t.ones(2, dtype=t.float64)),
    "householder_product": lambda t: t.linalg.householder_product(t.ones(2, 3), t.ones(3)),
    "lu_unpack": lambda t: t.lu_unpack(t.ones(2, 2), t.ones(2)),
    "inv_ex": lambda t: t.linalg.inv_ex(t.zeros(2, 2), check_errors=True),
    "cholesky_ex": lambda t: t.linalg.cholesky_ex(-t.eye(2), check_errors=True),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    with pytest.raises(RuntimeError) as theirs:
        WRONG[name](torch)
    with pytest.raises(RuntimeError) as ours:
        WRONG[name](funcgrad)
    assert isinstance(ours.value, funcgrad.linalg.LinAlgError) == isinstance(theirs.value, torch.linalg.LinAlgError)
    assert str(ours.value)[:60] == str(theirs.value)[:60]


def test_names_of_results():
    s = np.eye(2)
    for call in ("eigh", "eig", "qr", "slogdet", "lu", "lu_factor", "lu_factor_ex", "inv_ex", "cholesky_ex", "ldl_factor"):
        ours, theirs = (getattr(lib.linalg, call)(lib.tensor(s)) for lib in (funcgrad, torch))
        assert type(ours).__name__ == type(theirs).__name__
        for field in type(ours)._fields:
            assert getattr(ours, field).shape == getattr(theirs, field).shape
