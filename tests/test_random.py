"""Randomness: PyTorch's own stream for factories, JAX keys inside programs, and no recompiles from drawing."""

import numpy as np

import funcgrad as torch
from funcgrad.tape import stats

F = torch.nn.functional


def test_factories_draw_pytorchs_stream():
    torch.manual_seed(0)
    np.testing.assert_allclose(torch.rand(3).tolist(), [0.49625659, 0.76822180, 0.08847743], rtol=1e-6)
    torch.manual_seed(0)
    np.testing.assert_allclose(torch.randn(3).tolist(), [1.54099607, -0.29342890, -2.17878938], rtol=1e-6)
    g = torch.Generator().manual_seed(2147483647)
    first = torch.randint(0, 100, (5,), generator=g)
    g.manual_seed(2147483647)
    assert torch.randint(0, 100, (5,), generator=g).tolist() == first.tolist()
    assert sorted(torch.randperm(10).tolist()) == list(range(10))
    assert torch.rand(2, 3, dtype=torch.float64, requires_grad=True).requires_grad


def test_a_state_can_be_put_back():
    torch.manual_seed(3)
    torch.rand(7)
    state = torch.random.get_rng_state()
    one = torch.randn(20).tolist()
    torch.random.set_rng_state(state)
    assert torch.randn(20).tolist() == one


def test_dropout_draws_anew_each_step_and_compiles_once():
    torch.manual_seed(1)
    w = torch.ones(1000, requires_grad=True)

    def step():
        y = F.dropout(w * 2, 0.25)
        y.sum().backward()
        kept = w.grad.numpy().copy()
        w.grad = None
        return kept

    step()
    first = step()
    compiles = stats.compiles
    later = [step() for _ in range(4)]
    assert stats.compiles == compiles
    assert all(((k == 0) | np.isclose(k, 8 / 3)).all() for k in [first, *later])
    assert not any((a == b).all() for a, b in zip([first, *later], later, strict=False))
    assert abs(np.mean([(k == 0).mean() for k in later]) - 0.25) < 0.05
    torch.manual_seed(1)
    step()
    assert (step() == first).all(), "the same seed, the same draws"


def test_in_place_initialisers():
    torch.manual_seed(0)
    w = torch.empty(1000)
    assert w.normal_(2.0, 0.5) is w and abs(w.mean().item() - 2) < 0.1
    assert 0 <= w.uniform_(0, 3).min().item() <= w.max().item() <= 3
    assert set(w.bernoulli_(0.5).tolist()) == {0.0, 1.0}
