"""The scalars of a program that vary: an argument from the host when they change, on the device while they stay."""

import jax
import numpy as np

import funcgrad as torch
from funcgrad.tape.numbers import Numbers


def test_a_vector_that_stays_is_on_the_device():
    n = Numbers((3, 5), np.float64)
    first, second, third = n.vector([0.1, 2]), n.vector([0.1, 2]), n.vector([0.1, 2])
    assert type(first) is np.ndarray and isinstance(second, jax.Array) and third is second
    assert second.dtype == np.float64 and second.tolist() == [0.1, 2.0]
    assert type(n.vector([0.2, 2])) is np.ndarray
    assert type(n.vector([0.1, 2])) is np.ndarray  # not the one before


def test_equal_is_not_enough():
    n = Numbers((0,), np.float64)
    n.vector([0.0]), n.vector([0.0])
    assert np.signbit(n.vector([-0.0])).all()


def losses(decorate, rates):
    torch.manual_seed(0)
    w = torch.randn(4, requires_grad=True)
    opt = torch.optim.SGD([w], lr=0.5, momentum=0.5)

    @decorate
    def step():
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    found = []
    for r in rates:
        opt.param_groups[0]["lr"] = r
        found.append(step().item())
    return found


def test_a_rate_that_changes_after_it_stayed():
    rates = [0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3]
    plain = losses(lambda f: f, rates)
    torch.manual_seed(0)
    w, v = torch.randn(4).numpy().copy(), 0
    for r, loss in zip(rates, plain, strict=True):
        np.testing.assert_allclose(((w - 1) ** 2).sum(), loss, rtol=1e-5)
        v = 0.5 * v + 2 * (w - 1)
        w = w - r * v
    assert losses(torch.compile, rates) == plain
