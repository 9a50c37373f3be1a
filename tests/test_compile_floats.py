"""Float arguments of compiled functions: inputs of the program from the second one on, unless Python looks at them."""

import copy
import math
import pickle

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.nn import functional as F
from funcgrad.tape import stats

NUMBERS = (0.5, 0.25, -0.3, 0.0)
KEPT = []


def keeps(x, t):
    KEPT.append(t * 2)
    return x * t


INPUTS = {
    "as it is": lambda x, t: x * t,
    "in place": lambda x, t: x.clone().mul_(t).add_(x, alpha=-t),
    "computed": lambda x, t: x * (1 - t) / 2 + (t + 2) ** 2 * x - abs(-t) % 3,
    "filled": lambda x, t: torch.zeros(3).fill_(t) + x + torch.full((3,), t),
    "keyword": lambda x, t: x.clamp(min=t),
    "double": lambda x, t: x.double() * t + t,
    "gradient": lambda x, t: torch.func.grad(lambda x: (x**2 * t).sum())(x),
}
LOOKED_AT = {
    "branch": lambda x, t: x * t if t > 0.2 else x - t,
    "truth": lambda x, t: x * t if t else x,
    "max": lambda x, t: x * max(t, 0.2),
    "int": lambda x, t: x * int(t * 10),
    "round": lambda x, t: x * round(t),
    "text": lambda x, t: (f"{t:.2f}", x * t)[1],
    "key": lambda x, t: x * {0.5: 2.0}.get(t, t),
    "math": lambda x, t: x * math.exp(t),
    "branch by math": lambda x, t: x * 2 if math.exp(t) > 1.2 else x,
    "numpy": lambda x, t: x * np.sin(t).item(),
    "constant": lambda x, t: x * torch.tensor(t),
    "parameter": lambda x, t: F.leaky_relu(x - 1, t),
    "returned": lambda x, t: (x * t, t * 2)[0] + (t * 2 > 0),
    "kept": keeps,
}


def calls(f, numbers=NUMBERS):
    """What `f` and its compiled self give for each, and how often it was recorded."""
    compiled, x = torch.compile(f), torch.arange(3.0)
    pairs = [(compiled(x, t).tolist(), f(x, t).tolist()) for t in numbers]
    return pairs, compiled._recorded


@pytest.mark.parametrize("name", INPUTS)
def test_a_float_becomes_an_input(name):
    pairs, recorded = calls(INPUTS[name])
    for ours, plain in pairs:
        assert ours == pytest.approx(plain, rel=1e-6)
    assert recorded == 2
    compiled, x = torch.compile(INPUTS[name]), torch.arange(3.0)
    for t in NUMBERS[:2]:
        compiled(x, t)
    before = stats.compiles
    for t in NUMBERS:
        compiled(x, t)
    assert stats.compiles == before


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_float_that_python_looks_at_is_recorded_each_time(name):
    pairs, recorded = calls(LOOKED_AT[name])
    for ours, plain in pairs:
        assert ours == pytest.approx(plain, rel=1e-6)
    assert recorded == len(NUMBERS)


def test_only_the_float_that_changes_is_an_input():
    @torch.compile
    def f(x, scale, shift=0.0):
        return x * scale + shift

    x = torch.arange(3.0)
    for scale in (1.0, 2.0, 3.0):
        assert f(x, scale, shift=1.0).tolist() == [1.0, 1.0 + scale, 1.0 + 2 * scale]
    assert f._recorded == 2
    for shift in (2.0, 3.0, 4.0):
        assert f(x, 0.5 * shift, shift=shift).tolist() == [shift + 0.5 * shift * i for i in range(3)]
    assert f._recorded == 3
    assert f(x, scale=1.0, shift=2.0).tolist() == f(x, shift=2.0, scale=1.0).tolist() == [2.0, 3.0, 4.0]
    assert f._recorded == 4


def test_results_are_floats_and_nothing_strange_is_left_behind():
    @torch.compile
    def f(x, t):
        return x * t, {"t": t, "twice": 2 * t}

    for t in NUMBERS:
        made, told = f(torch.ones(2), t)
        assert made.tolist() == pytest.approx([t, t]) and told == {"t": t, "twice": 2 * t}
        assert all(type(v) is float for v in told.values())
    KEPT.clear()
    calls(keeps)
    assert KEPT == [2 * t for t in NUMBERS for _ in range(2)]
    assert all(type(copy.deepcopy(t)) is float and type(pickle.loads(pickle.dumps(t))) is float for t in KEPT)


def training(decorate):
    torch.manual_seed(0)
    w = torch.randn(4, requires_grad=True)
    x, y = torch.randn(8, 4), torch.randn(8)

    @decorate
    def step(lr, x, y, beta=0.5):
        loss = ((x @ w - y) ** 2).mean() + beta * w.square().sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad * lr)
            w.grad = None
        return loss

    losses = [step(0.1 / (1 + i), x, y, beta=0.01 * i).item() for i in range(12)]
    return losses, w.tolist(), step


def test_a_training_step_with_a_rate_and_a_weight():
    losses, w, _ = training(lambda f: f)
    ours, mine, step = training(torch.compile)
    assert ours == pytest.approx(losses, rel=1e-5) and mine == pytest.approx(w, rel=1e-5)
    assert step._recorded == 2 and step._replayed == 10


def test_a_group_of_an_optimizer_that_is_given_the_float():
    def losses(decorate):
        w = torch.ones(3, requires_grad=True)
        opt = torch.optim.SGD([w], lr=1.0)

        @decorate
        def step(lr):
            for group in opt.param_groups:
                group["lr"] = lr
            opt.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            opt.step()
            return loss

        return [step(0.1 * i).item() for i in range(6)]

    assert losses(torch.compile) == pytest.approx(losses(lambda f: f), rel=1e-6)


def test_an_error_of_its_arithmetic_comes_before_the_step():
    w = torch.ones(2)

    @torch.compile
    def step(x, t):
        w.add_(x / (1 / t))
        return w.sum()

    x = torch.ones(2)
    for t in (1.0, 2.0, 3.0):
        step(x, t)
    assert step._recorded == 2
    with pytest.raises(ZeroDivisionError):
        step(x, 0.0)
    assert w.tolist() == [7.0, 7.0]
    assert step(x, 1.0).item() == 16.0


def test_several_steps_at_once():
    w = torch.zeros(2)

    def step(x, t):
        w.add_(x * t)
        return w.sum()

    many = torch.compile(step, steps=3)
    xs = torch.arange(6.0).reshape(3, 2)
    total = np.zeros(2)
    for t in (1.0, 0.5, 0.25, 0.125):
        want = total + np.cumsum(xs.numpy() * t, 0)
        assert many(xs, t).tolist() == want.sum(1).tolist()
        total = want[-1]
        assert w.tolist() == total.tolist()
