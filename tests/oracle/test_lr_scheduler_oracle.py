"""Every schedule over forty epochs, with two groups, beside PyTorch's: to the last bit. And averages of models."""

import math
import warnings

import numpy as np
import pytest
import torch

import funcgrad

S = "lib.optim.lr_scheduler"


def shrink(epoch):
    return 0.95**epoch


SCHEDULES = {
    "lambda": lambda s, o: s.LambdaLR(o, [shrink, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * (e % 3)),
    "step": lambda s, o: s.StepLR(o, 5, gamma=0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [3, 7, 7, 20], gamma=0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.7, 12),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "polynomial": lambda s, o: s.PolynomialLR(o, 20, power=1.5),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 7, eta_min=0.001),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.001),
    "cyclic": lambda s, o: s.CyclicLR(o, [0.001, 0.002], [0.1, 0.2], 4, 6),
    "cyclic halved": lambda s, o: s.CyclicLR(o, 0.001, 0.1, 4, mode="triangular2", cycle_momentum=False),
    "cyclic exponential": lambda s, o: s.CyclicLR(o, 0.001, 0.1, 4, mode="exp_range", gamma=0.99),
    "cyclic by a function": lambda s, o: s.CyclicLR(o, 0.001, 0.1, 4, scale_fn=lambda x: 1 / x, scale_mode="cycle"),
    "one cycle": lambda s, o: s.OneCycleLR(o, [0.1, 0.2], total_steps=45),
    "one cycle, three phases": lambda s, o: s.OneCycleLR(o, 0.1, epochs=5, steps_per_epoch=9, three_phase=True, anneal_strategy="linear"),
    "sequential": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 9)], [5, 15]),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.5, 4), s.ExponentialLR(o, 0.95)]),
}  # fmt: skip


def optimizer(lib, kind="SGD"):
    ps = [lib.zeros(2, requires_grad=True) for _ in range(2)]
    more = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(lib.optim, kind)([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.03}], lr=0.1, **more)


def rates(opt):
    return [[g["lr"], g.get("momentum"), g.get("betas")] for g in opt.param_groups]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name, kind):
    found = []
    for lib in (funcgrad, torch):
        opt = optimizer(lib, kind)
        s = SCHEDULES[name](lib.optim.lr_scheduler, opt)
        seen = [rates(opt)]
        for _ in range(40):
            opt.step()
            s.step()
            seen.append((rates(opt), s.get_last_lr()))
        again = SCHEDULES[name](lib.optim.lr_scheduler, opt)
        state = s.state_dict()
        again.load_state_dict(state)
        opt.step()
        again.step()
        seen.append(rates(opt))
        found.append((seen, {k for k in state if not k.startswith("_scale")}))
    assert found[0][0] == found[1][0]
    assert found[0][1] >= found[1][1] - {"_get_lr_called_within_step", "_is_initial"}


@pytest.mark.parametrize("options", [{}, {"mode": "max", "threshold_mode": "abs", "cooldown": 2}, {"min_lr": [0.01, 0.02], "factor": 0.5}])
def test_plateau(options):
    found = []
    for lib in (funcgrad, torch):
        opt = optimizer(lib)
        s = lib.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=2, **options)
        seen = []
        for k in range(30):
            opt.step()
            s.step(lib.tensor(math.sin(k / 4)))
            seen.append((rates(opt), s.get_last_lr(), s.num_bad_epochs))
        found.append(seen)
    assert found[0] == found[1]


def test_a_rate_that_is_a_tensor_is_filled_in_place():
    found = []
    for lib in (funcgrad, torch):
        p, lr = lib.ones(2, requires_grad=True), lib.tensor(0.5)
        opt = lib.optim.Adam([p], lr=lr)
        s = lib.optim.lr_scheduler.ExponentialLR(opt, 0.5)
        for _ in range(3):
            p.grad = lib.ones(2)
            opt.step()
            s.step()
        assert opt.param_groups[0]["lr"] is lr
        found.append((lr.item(), p.tolist()))
    np.testing.assert_allclose(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)


def test_a_schedule_compiles_nothing():
    p = funcgrad.ones(2, requires_grad=True)
    opt = funcgrad.optim.Adam([p], lr=0.1)
    s = funcgrad.optim.lr_scheduler.CosineAnnealingLR(opt, 10)

    def step():
        opt.zero_grad()
        (p * p).sum().backward()
        opt.step()
        s.step()
        return p.tolist()

    for _ in range(3):
        step()
    with funcgrad.assert_no_recompile():
        for _ in range(10):
            step()


WARNED = {
    "before the optimizer": lambda lib, o, s: s.step(),
    "an epoch": lambda lib, o, s: (o.step(), s.step(3)),
    "get_lr": lambda lib, o, s: s.get_lr(),
    "overridden": lambda lib, o, s: (setattr(o, "step", lambda: None), s.step()),
}
WRONG = {
    "no optimizer": lambda s, o: s.StepLR(3, 2),
    "lambdas": lambda s, o: s.LambdaLR(o, [shrink]),
    "constant": lambda s, o: s.ConstantLR(o, 1.5),
    "linear": lambda s, o: s.LinearLR(o, 0.0),
    "linear end": lambda s, o: s.LinearLR(o, 0.5, 2.0),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "restarts factor": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 0.5),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"),
    "cyclic sizes": lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.1),
    "one cycle steps": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=-1),
    "one cycle share": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, pct_start=2),
    "one cycle strategy": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="x"),
    "one cycle over": lambda s, o: [x.step() for x in [s.OneCycleLR(o, 0.1, total_steps=2)] for _ in range(4)],
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, factor=1.5),
    "plateau mode": lambda s, o: s.ReduceLROnPlateau(o, mode="x"),
    "plateau rates": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
    "sequential": lambda s, o: s.SequentialLR(o, [s.ExponentialLR(o, 0.9)], [3]),
    "sequential plateau": lambda s, o: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
    "chained": lambda s, o: s.ChainedScheduler([]),
    "resumed": lambda s, o: s.StepLR(o, 3, last_epoch=2),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_is_warned_of(name):
    said = []
    for lib in (funcgrad, torch):
        opt = optimizer(lib)
        s = lib.optim.lr_scheduler.ExponentialLR(opt, 0.9)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            WARNED[name](lib, opt, s)
        said.append([(w.category, str(w.message)) for w in caught])
    assert said[0] == said[1] and said[0]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    said = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as caught, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            WRONG[name](lib.optim.lr_scheduler, optimizer(lib))
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


AVERAGES = {
    "mean": lambda u: {},
    "ema": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
    "ema of one": lambda u: {"avg_fn": u.get_ema_avg_fn(0.8), "use_buffers": True},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_of_a_model(name):
    found = []
    data = np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)
    for lib in (funcgrad, torch):
        lib.manual_seed(0)
        net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4))
        u = lib.optim.swa_utils
        average = u.AveragedModel(net, **AVERAGES[name](u))
        opt = lib.optim.SGD(net.parameters(), lr=0.1)
        s = u.SWALR(opt, 0.02, anneal_epochs=3)
        lrs = []
        for x in data:
            opt.zero_grad()
            net(lib.tensor(x)).square().sum().backward()
            opt.step()
            average.update_parameters(net)
            s.step()
            lrs += s.get_last_lr()
        u.update_bn([lib.tensor(x) for x in data], average)
        found.append(({k: v.detach().numpy() for k, v in average.state_dict().items()}, lrs))
    assert list(found[0][0]) == list(found[1][0]) and found[0][1] == found[1][1]
    for k in found[0][0]:
        np.testing.assert_allclose(found[0][0][k], found[1][0][k], rtol=1e-4, atol=1e-5, err_msg=k)


@pytest.mark.parametrize("lib", [funcgrad, torch], ids=["funcgrad", "torch"])
def test_the_first_average_is_no_average(lib):
    """The model is taken as it is: what averages is not asked."""
    calls = []

    def mean(averages, current, n):
        calls.append(int(n))
        for a, c in zip(averages, current, strict=True):
            a.add_(c - a)

    net = lib.nn.Linear(2, 2)
    average = lib.optim.swa_utils.AveragedModel(net, multi_avg_fn=mean)
    with lib.no_grad():
        net.weight.fill_(3.0)
    for _ in range(3):
        average.update_parameters(net)
    assert calls == [1, 2] and average.module.weight.eq(3).all()
