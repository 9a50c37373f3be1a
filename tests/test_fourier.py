"""`torch.fft` beside NumPy's, whose names, norms and dimensions are the same."""

import numpy as np
import pytest

import funcgrad as torch

rng = np.random.default_rng(0)
REAL = rng.normal(size=(3, 4, 5))
COMPLEX = REAL + 1j * rng.normal(size=(3, 4, 5))
ONE = [("fft", COMPLEX), ("ifft", COMPLEX), ("rfft", REAL), ("irfft", COMPLEX), ("hfft", COMPLEX), ("ihfft", REAL)]
MANY = [("fftn", COMPLEX), ("ifftn", COMPLEX), ("rfftn", REAL), ("irfftn", COMPLEX), ("fft2", COMPLEX),
        ("rfft2", REAL), ("irfft2", COMPLEX)]  # fmt: skip


@pytest.mark.parametrize(("name", "x"), ONE, ids=[n for n, _ in ONE])
@pytest.mark.parametrize("how", [{}, {"n": 6}, {"n": 3, "norm": "ortho"}, {"norm": "forward"}], ids=str)
def test_one_dimension(name, x, how):
    for dim in (-1, 1):
        found = getattr(torch.fft, name)(torch.tensor(x), dim=dim, **how)
        np.testing.assert_allclose(found.numpy(), getattr(np.fft, name)(x, axis=dim, **how), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "x"), MANY, ids=[n for n, _ in MANY])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_several_dimensions(name, x, norm):
    found = getattr(torch.fft, name)(torch.tensor(x), dim=(0, 2), norm=norm)
    want = getattr(np.fft, name)(x, axes=(0, 2), norm=norm)
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-10, atol=1e-10)


def test_frequencies_and_shifts():
    for n in (4, 5):
        np.testing.assert_allclose(torch.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5), rtol=1e-6)
        np.testing.assert_allclose(torch.fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5), rtol=1e-6)
    x = torch.tensor(REAL)
    np.testing.assert_array_equal(torch.fft.fftshift(x, dim=(0, 2)).numpy(), np.fft.fftshift(REAL, (0, 2)))
    np.testing.assert_array_equal(torch.fft.ifftshift(x).numpy(), np.fft.ifftshift(REAL))
