"""Every optimizer with every option, beside PyTorch's, for 100 steps in float64; and their state_dicts there and back."""

import numpy as np
import pytest
import torch

import funcgrad

STEPS = 100

# (class, options), each on the same problem
CASES = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "maximize": True, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.0, "amsgrad": True, "foreach": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.01, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.02, "etas": (0.4, 1.3), "step_sizes": (1e-4, 1.0)}),
    ("ASGD", {"lr": 0.01}),
    ("ASGD", {"lr": 0.01, "lambd": 0.1, "alpha": 0.5, "t0": 20, "weight_decay": 0.1}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.05, "beta2_decay": -0.5, "eps": (1e-8, 1e-2), "d": 1.5, "weight_decay": 0.1}),
]
NAMES = [f"{name}-{'-'.join(options) or 'plain'}" for name, options in CASES]


def problem(lib, dtype="float64"):
    """Two parameters, and a third that has a gradient in every other step only."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(2, 2))]
    ps = [lib.tensor(a, dtype=getattr(lib, dtype), requires_grad=True) for a in arrays]
    x, y = (lib.tensor(rng.normal(size=s), dtype=getattr(lib, dtype)) for s in ((8, 4), (8, 3)))

    def loss(k):
        out = ((x @ ps[0] + ps[1]).tanh() - y).square().mean()
        return out + (ps[2] ** 2).sum().cos() if k % 2 else out

    return ps, loss


def train(lib, name, options, steps=STEPS, state=None, change=None):
    ps, loss = problem(lib)
    opt = getattr(lib.optim, name)([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.003}], **options)
    if state is not None:
        opt.load_state_dict(state)
    losses = []
    for k in range(steps):
        opt.zero_grad()
        out = loss(k)
        out.backward()
        opt.step()
        if change:
            change(opt, k)
        losses.append(out)
    return [p.detach().numpy() for p in ps], [float(x.detach()) for x in losses], opt


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_a_hundred_steps(name, options):
    def change(opt, k):  # a schedule, on top
        for group in opt.param_groups:
            group["lr"] *= 0.99

    mine, losses, opt = train(funcgrad, name, options, change=change)
    theirs, expected, peer = train(torch, name, options, change=change)
    # the states that PyTorch keeps in float32 round a little otherwise after a hundred steps
    near = 1e-6 if name in ("ASGD", "NAdam") else 1e-9
    np.testing.assert_allclose(losses, expected, rtol=near)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=near, atol=near)
    for p, q in zip(opt.state_dict()["state"].values(), peer.state_dict()["state"].values(), strict=True):
        assert list(p) == list(q)
        for key in p:
            assert str(p[key].dtype) == str(q[key].dtype) and tuple(p[key].shape) == tuple(q[key].shape), key
            np.testing.assert_allclose(p[key].numpy(), q[key].numpy(), rtol=10 * near, atol=10 * near, err_msg=key)


def test_the_same_options():
    """Every option of PyTorch's is here, with its default; and what a state_dict says of the groups is the same."""
    for name in sorted({name for name, _ in CASES} | {"LBFGS", "SparseAdam", "Muon"}):
        shape = (2, 2)
        mine = getattr(funcgrad.optim, name)([funcgrad.zeros(shape, requires_grad=True)])
        theirs = getattr(torch.optim, name)([torch.zeros(shape, requires_grad=True)])
        assert mine.defaults == theirs.defaults, name
        assert mine.state_dict()["param_groups"] == theirs.state_dict()["param_groups"], name
        assert repr(mine) == repr(theirs)


@pytest.mark.parametrize(("name", "options"), [CASES[1], CASES[4], CASES[16], CASES[25]], ids=["SGD", "Adam", "Adagrad", "ASGD"])
def test_state_dicts_go_both_ways(name, options):
    def as_lib(lib, x):
        if isinstance(x, dict):
            return {k: as_lib(lib, v) for k, v in x.items()}
        return lib.tensor(x.numpy()) if hasattr(x, "numpy") else x

    _, _, peer = train(torch, name, options, 7)
    state = peer.state_dict()
    mine, _, _ = train(funcgrad, name, options, 9, {**state, "state": as_lib(funcgrad, state["state"])})
    theirs, _, _ = train(torch, name, options, 9, state)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def lbfgs(lib, search, steps, load=None):
    """(losses, state) of some steps, after those whose state_dict is loaded."""
    ps, loss = problem(lib)
    opt = lib.optim.LBFGS(ps, lr=0.5 if search is None else 1, max_iter=6, history_size=4, line_search_fn=search)
    if load is not None:
        opt.load_state_dict(load[1])
        with lib.no_grad():
            for p, x in zip(ps, load[0], strict=True):
                p.copy_(lib.tensor(x))
    losses = []

    def closure():
        opt.zero_grad()
        out = loss(1)
        out.backward()
        return out

    for _ in range(steps):
        losses.append(opt.step(closure).item())
    return losses, ([p.detach().numpy() for p in ps], opt.state_dict())


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(search):
    (mine, (_, ours)), (theirs, (_, peer)) = lbfgs(funcgrad, search, 5), lbfgs(torch, search, 5)
    np.testing.assert_allclose(mine, theirs, rtol=1e-7)
    for name in ("func_evals", "n_iter"):
        assert ours["state"][0][name] == peer["state"][0][name]


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_goes_on_from_the_state_of_the_other(search):
    def as_lib(lib, x):
        if isinstance(x, dict):
            return {k: as_lib(lib, v) for k, v in x.items()}
        if isinstance(x, list):
            return [as_lib(lib, v) for v in x]
        return lib.tensor(x.numpy()) if hasattr(x, "numpy") else x

    _, mine = lbfgs(funcgrad, search, 2)
    _, theirs = lbfgs(torch, search, 2)
    for name in ("old_dirs", "old_stps", "ro"):
        a, b = mine[1]["state"][0][name], theirs[1]["state"][0][name]
        assert len(a) == len(b) == 4
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-4, atol=1e-10)
    whole = lbfgs(torch, search, 5)[0][2:]
    for lib, state in ((funcgrad, mine), (funcgrad, theirs), (torch, mine)):
        params, found = state
        groups = found["param_groups"]
        load = (params, {"state": as_lib(lib, found["state"]), "param_groups": groups})
        np.testing.assert_allclose(lbfgs(lib, search, 3, load)[0], whole, rtol=1e-5)


def test_muon():
    """Its iteration is in bfloat16, so the directions agree to that."""
    rng = np.random.default_rng(1)
    start, g = rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    found = []
    for lib in (funcgrad, torch):
        p = lib.tensor(start, requires_grad=True)
        opt = lib.optim.Muon([p], lr=0.1, adjust_lr_fn="match_rms_adamw")
        for k in range(3):
            p.grad = lib.tensor(g * (k + 1))
            opt.step()
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, atol=0.02)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Rprop"])
def test_complex_parameters(name):
    found = []
    for lib in (funcgrad, torch):
        p = lib.tensor([1 + 2j, -0.5 + 0.3j], dtype=lib.complex128, requires_grad=True)
        opt = getattr(lib.optim, name)([p], lr=0.05)
        for _ in range(10):
            opt.zero_grad()
            (p * p.conj() + p.real).real.sum().backward()
            opt.step()
        found.append(p.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-9)


WRONG = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"fused": True, "foreach": True}),
    ("Adam", {"lr": -0.1}),
    ("Adam", {"eps": -1.0}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("AdamW", {"betas": (0.9, 1.5)}),
    ("Adam", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("Adadelta", {"rho": 1.5}),
    ("Rprop", {"etas": (1.5, 2)}),
    ("Adafactor", {"d": 0.5}),
    ("Muon", {"ns_steps": 100}),
    ("LBFGS", {"lr": -1}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_what_is_refused(name, options):
    said = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as caught:
            p = lib.zeros(2, 2, requires_grad=True)
            opt = getattr(lib.optim, name)([p], **options)
            p.grad = lib.ones(2, 2)
            opt.step()
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


GROUPS = [
    lambda lib: lib.optim.SGD([]),
    lambda lib: lib.optim.SGD(lib.zeros(2)),
    lambda lib: lib.optim.SGD([1.0]),
    lambda lib: lib.optim.SGD([lib.nn.Linear(1, 1)]),
    lambda lib: lib.optim.SGD([lib.nn.Linear]),
    lambda lib: lib.optim.SGD([problem]),
    lambda lib: lib.optim.SGD([len]),
    lambda lib: lib.optim.SGD([iter([])]),
    lambda lib: lib.optim.SGD([{"params": {lib.zeros(2)}}]),
    lambda lib: lib.optim.SGD([lib.zeros(2, requires_grad=True) * 2]),
    lambda lib: (lambda p: lib.optim.SGD([{"params": p}, {"params": [p]}]))(lib.zeros(2)),
    lambda lib: lib.optim.SGD([("a", lib.zeros(2)), lib.zeros(2)]),
    lambda lib: lib.optim.SGD([lib.zeros(2)]).add_param_group([lib.zeros(2)]),
    lambda lib: lib.optim.SGD([lib.zeros(2)]).load_state_dict({"state": {}, "param_groups": []}),
    lambda lib: lib.optim.SGD([lib.zeros(2)]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
]


@pytest.mark.parametrize("wrong", GROUPS)
def test_groups_that_are_refused(wrong):
    said = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as caught:
            wrong(lib)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
