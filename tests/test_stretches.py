"""A long path is cut where it repeats: the same numbers, few programs, nothing compiled again."""

import numpy as np
import pytest

import funcgrad as torch
from funcgrad import nn
from funcgrad.tape import alone, stats, stretches
from funcgrad.tape.stretches import InPieces


@pytest.fixture
def cuts(monkeypatch):
    """What was cut, in order: (programs, calls) of each."""
    found, init = [], InPieces.__init__

    def noted(self, *args):
        init(self, *args)
        found.append((self.programs, len(self.calls)))

    monkeypatch.setattr(InPieces, "__init__", noted)
    monkeypatch.setattr(alone, "LONG", float("inf"))  # nothing runs operation by operation before
    return found


def chain(rounds, size=5):
    a = torch.tensor(np.linspace(0, 1, size), requires_grad=True)
    w = torch.full((size,), 0.01, dtype=torch.float64, requires_grad=True)
    x = a
    for _ in range(rounds):
        x = torch.sin(x) * w + x
    x.sum().backward()
    return np.stack([a.grad.numpy(), w.grad.numpy()])


def test_a_chain_of_small_operations(cuts, monkeypatch):
    found = chain(200)
    assert len(cuts) == 1
    programs, calls = cuts[0]
    assert programs <= 10 and calls >= 12
    before = stats.compiles
    np.testing.assert_array_equal(chain(200), found)
    assert stats.compiles == before
    x, slope = np.linspace(0, 1, 5), np.ones(5)
    for _ in range(200):
        slope, x = slope * (1 + 0.01 * np.cos(x)), x + 0.01 * np.sin(x)
    np.testing.assert_allclose(found[0], slope, rtol=1e-12)


def trained(layers, schedule, decorate=lambda f: f):
    torch.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(layers) for m in (nn.Linear(6, 6), nn.LayerNorm(6), nn.Tanh())])
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
    x, y = torch.rand(3, 6), torch.rand(3, 6)
    losses = []

    @decorate
    def step(x, y):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    for lr in schedule:
        opt.param_groups[0]["lr"] = lr
        losses.append(step(x, y).item())
    return losses, [p.detach().numpy().copy() for p in net.parameters()]


@pytest.mark.parametrize("decorate", [lambda f: f, torch.compile], ids=["undecorated", "compiled"])
def test_a_deep_net_and_its_optimizer(cuts, monkeypatch, decorate):
    schedule = [1e-3, 1e-3, 2e-3, 3e-3]
    monkeypatch.setattr(stretches, "LONG", 100)
    monkeypatch.setattr(stretches, "PIECE", 15)
    found = trained(24, schedule, decorate)
    assert cuts and all(programs * 1.5 < calls for programs, calls in cuts)
    monkeypatch.setattr(stretches, "LONG", 10**9)
    whole = trained(24, schedule, decorate)
    np.testing.assert_allclose(found[0], whole[0], rtol=1e-4)
    for a, b in zip(found[1], whole[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_path_that_does_not_repeat_is_left_whole(cuts):
    x = torch.ones(2, requires_grad=True)
    y = x
    for i in range(400):
        y = torch.cat([y, y[:1]]) if i % 7 == 3 else y * 1.001
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all() and not cuts


def test_numbers_that_vary_and_values_that_are_kept(cuts):
    """A scalar that changes is an input of the pieces that read it; a graph that lives on keeps what it needs."""
    w = torch.tensor([0.5, 0.25], dtype=torch.float64, requires_grad=True)
    for scale in (1.0, 1.5, 1.25):
        y = w
        for _ in range(310):
            y = torch.cos(y * scale) + w
        y.sum().item()  # a run before the backward
        w.grad = None
        y.sum().backward()
        x, slope = np.array([0.5, 0.25]), np.ones(2)
        for _ in range(310):
            slope, x = 1 - slope * scale * np.sin(x * scale), np.cos(x * scale) + np.array([0.5, 0.25])
        np.testing.assert_allclose(w.grad.numpy(), slope, rtol=1e-9)
    assert cuts
