"""Linear algebra that leaves XLA, or fails: what is computed on the host, and what a failure says."""

import threading

import numpy as np
import pytest

import funcgrad as torch

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_ldl_from_any_thread(n, dtype):
    """JAX rounds what a callback returns to 32 bits on a thread that it does not know to be in 64-bit mode."""
    a = RNG.normal(size=(2, n, n)) + (1j * RNG.normal(size=(2, n, n)) if "complex" in dtype else 0)
    a, b = (a + a.swapaxes(-1, -2)).astype(dtype), RNG.normal(size=(2, n, 3)).astype(dtype)
    found = []

    def solve():
        x = torch.linalg.ldl_solve(*torch.linalg.ldl_factor(torch.tensor(a)), torch.tensor(b))
        found.append(x.numpy())

    thread = threading.Thread(target=solve)
    thread.start()
    thread.join()
    solve()
    assert found[0].dtype == dtype
    for x in found:
        loose = dtype in ("float32", "complex64")
        np.testing.assert_allclose(a @ x, b, atol=1e-3 if loose else 1e-10)


def test_failures_are_named():
    singular = torch.ones(2, 2, 2)
    assert torch.linalg.inv_ex(singular).info.tolist() == [2, 2]
    with pytest.raises(torch.linalg.LinAlgError, match=r"\(Batch element 0\): The diagonal element 2 is zero"):
        torch.linalg.inv_ex(singular, check_errors=True)
    with pytest.raises(torch.linalg.LinAlgError, match="leading minor of order 1"):
        torch.linalg.cholesky_ex(-torch.eye(3), check_errors=True)
