"""L-BFGS compiles while it warms up and nothing after that, however long its history grows."""

import copy
import pickle

import numpy as np
import pytest

import funcgrad as torch
from funcgrad import nn
from funcgrad.optim import history
from funcgrad.tape import alone, stats


def fit(search, calls, **options):
    """An equation's residual, whose closure goes backward through a gradient: (optimizer, closure, losses)."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    opt = torch.optim.LBFGS(net.parameters(), lr=0.5, line_search_fn=search, tolerance_change=0, **options)
    x = torch.linspace(0, 1, 16).unsqueeze(1).requires_grad_()

    def closure():
        opt.zero_grad()
        u = net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        loss = (slope + u).square().mean() + (net(torch.zeros(1, 1)) - 1).square().sum()
        loss.backward()
        return loss

    return opt, closure, [opt.step(closure).item() for _ in range(calls)]


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_it_compiles_nothing_once_it_is_warm(search):
    opt, closure, first = fit(search, 3, max_iter=4, history_size=100)
    warm = stats.compiles
    with torch.assert_no_recompile():
        losses = [opt.step(closure).item() for _ in range(8)]
    assert losses[-1] < first[-1] < first[0] and warm <= 16
    assert len(opt.state_dict()["state"][0]["old_dirs"]) > 15


def test_a_history_of_long_rows_grows(monkeypatch):
    monkeypatch.setattr(alone, "allowed", False)  # whose rounding grows as the search goes on
    _, _, at_once = fit(None, 6, max_iter=5, history_size=20)
    monkeypatch.setattr(history, "AT_ONCE", 1)
    opt, _, losses = fit(None, 6, max_iter=5, history_size=20)
    np.testing.assert_allclose(losses, at_once, rtol=1e-4)
    rows = opt.state[opt.param_groups[0]["params"][0]]["history"]
    assert rows.count == len(rows.ro) == 20 and rows.first > 0


@pytest.mark.parametrize("again", [copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))], ids=["deepcopy", "pickle"])
def test_a_copy_remembers(again):
    opt, _, _ = fit(None, 3, max_iter=4)
    mine = again(opt)
    old, new = opt.state_dict()["state"][0], mine.state_dict()["state"][0]
    assert old.keys() == new.keys() and mine._params is mine.param_groups[0]["params"]
    for a, b in zip(old["old_dirs"], new["old_dirs"], strict=True):
        assert a.tolist() == b.tolist()
