"""Functions composed of others, against NumPy."""

import numpy as np

import funcgrad as torch

A = np.arange(12.0).reshape(3, 4) - 5
V = np.array([1.0, -2.0, 4.0])


def test_against_numpy():
    a, v = torch.tensor(A), torch.tensor(V)
    pairs = [
        (torch.norm(a), np.linalg.norm(A)),
        (a.norm(1, dim=1), np.abs(A).sum(1)),
        (torch.linalg.norm(a, "nuc"), np.linalg.norm(A, "nuc")),
        (torch.linalg.norm(a, 1), np.linalg.norm(A, 1)),
        (torch.linalg.norm(a, float("inf")), np.linalg.norm(A, np.inf)),
        (torch.linalg.norm(a, 2), np.linalg.norm(A, 2)),
        (torch.hstack([v, v]), np.hstack([V, V])),
        (torch.vstack([v, v]), np.vstack([V, V])),
        (torch.dstack([v, v]), np.dstack([V, V])),
        (torch.column_stack([v, v]), np.column_stack([V, V])),
        (torch.fliplr(a), np.fliplr(A)),
        (torch.flipud(a), np.flipud(A)),
        (torch.inner(a, a), np.inner(A, A)),
        (torch.kron(a, v), np.kron(A, V)),
        (torch.diff(v), np.diff(V)),
        (torch.diff(a, n=2, dim=1), np.diff(A, 2, 1)),
        (torch.trapezoid(a, dim=0), np.trapezoid(A, axis=0)),
        (torch.trapezoid(v, torch.tensor([0.0, 1.0, 3.0])), np.trapezoid(V, [0, 1, 3])),
        (torch.nanmean(torch.tensor([1.0, np.nan, 3.0])), 2.0),
        (torch.msort(v), np.sort(V)),
        (torch.cov(a), np.cov(A)),
        (torch.corrcoef(a), np.corrcoef(A)),
        (torch.vander(v), np.vander(V)),
        (torch.argwhere(v > 0), np.argwhere(V > 0)),
        (torch.float_power(v, 2), V**2),
        (torch.block_diag(v, v), np.array([[*V, 0, 0, 0], [0, 0, 0, *V]])),
        (torch.cartesian_prod(v, v)[4], [-2.0, -2.0]),
        (torch.combinations(v), [[1.0, -2.0], [1.0, 4.0], [-2.0, 4.0]]),
        (torch.special.expit(v), 1 / (1 + np.exp(-V))),
        (torch.zeros(3).index_put_((torch.tensor([0, 0, 2]),), v.float(), accumulate=True), [-1.0, 0, 4.0]),
        (torch.zeros(2, 2).fill_diagonal_(3.0), 3 * np.eye(2)),
    ]
    for i, (found, wanted) in enumerate(pairs):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, err_msg=str(i))


def test_gradient_of_the_norm():
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    x.norm().backward()
    np.testing.assert_allclose(x.grad.tolist(), [0.6, 0.8], rtol=1e-6)
