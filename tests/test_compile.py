"""`compile`: what a replayed step reads and writes is what the undecorated one does."""

import copy
import gc
import itertools
import warnings

import numpy as np
import pytest

import funcgrad as torch
from funcgrad import nn
from funcgrad.nn import functional as F
from funcgrad.tape import alone, stats


class Net(nn.Module):
    def __init__(self, width=8, p=0.0):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 3)
        self.drop, self.scale = nn.Dropout(p), 1.0

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.first(x))))) * self.scale


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "groups": lambda p: (lambda p: torch.optim.AdamW([{"params": p[:2]}, {"params": p[2:], "lr": 0.1}], lr=0.01))(
        list(p)
    ),
}


def batches(n=8, size=6):
    rng = np.random.default_rng(0)
    return [
        (torch.tensor(rng.normal(size=(size, 4)).astype(np.float32)), torch.tensor(rng.integers(0, 3, size)))
        for _ in range(n)
    ]


def training(optimizer, make_step, decorate=lambda f: f, p=0.0, n=8):
    """The losses of `n` steps, and everything that they leave behind."""
    torch.manual_seed(0)
    net = Net(p=p)
    opt = optimizer(net.parameters())
    step = decorate(make_step(net, opt))
    losses = [step(x, y).item() for x, y in batches(n)]
    state = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    kept = opt.state_dict()["state"]
    moments = {f"{i}.{k}": v.numpy() for i, s in kept.items() for k, v in s.items() if isinstance(v, torch.Tensor)}
    grads = {k: None if q.grad is None else q.grad.numpy() for k, q in net.named_parameters()}
    versions = [q._version for q in net.parameters()]
    return losses, state, moments, grads, versions, torch.rand(2).tolist()


def same(a, b):
    if a is None or b is None:
        assert a is b
    elif isinstance(a, dict | tuple):
        assert a.keys() == b.keys() if isinstance(a, dict) else len(a) == len(b)
        for k in a if isinstance(a, dict) else range(len(a)):
            same(a[k], b[k])
    else:
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def plain(net, opt):
    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


def emptied_after(net, opt):
    def step(x, y):
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        opt.zero_grad()
        return loss.detach()

    return step


def scheduled(net, opt):
    schedule = torch.optim.lr_scheduler.SequentialLR(
        opt, [torch.optim.lr_scheduler.LinearLR(opt, 0.1, total_iters=3),
              torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10)], [3])  # fmt: skip

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        schedule.step()
        return loss

    return step


def accumulating(net, opt):
    def step(x, y):
        for half in (slice(0, 3), slice(3, 6)):
            (F.cross_entropy(net(x[half]), y[half]) / 2).backward()
        opt.step()
        opt.zero_grad(set_to_none=False)
        return F.cross_entropy(net(x), y).detach()

    return step


def drawing(net, opt):
    def step(x, y):
        opt.zero_grad()
        noisy = x + 0.1 * torch.randn_like(x) + torch.rand(x.shape)
        loss = F.cross_entropy(net(noisy), y)
        loss.backward()
        opt.step()
        return loss

    return step


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_of_every_kind_of_optimizer(optimizer):
    same(training(OPTIMIZERS[optimizer], plain), training(OPTIMIZERS[optimizer], plain, torch.compile))


@pytest.mark.parametrize("make", [emptied_after, scheduled, accumulating, drawing], ids=lambda f: f.__name__)
@pytest.mark.parametrize("p", [0.0, 0.5])
def test_steps_of_every_kind(make, p):
    found = training(OPTIMIZERS["momentum"], make, p=p)
    step = []
    same(found, training(OPTIMIZERS["momentum"], make, lambda f: step.append(torch.compile(f)) or step[0], p=p))
    assert step[0]._replayed >= 4


def count(step, *args):
    """(compiles, recordings) of one call."""
    before = stats.compiles, step._recorded
    step(*args)
    return stats.compiles - before[0], step._recorded - before[1]


def ready(decorate=torch.compile, **kwargs):
    torch.manual_seed(0)
    net = Net(**kwargs)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    step = decorate(plain(net, opt))
    x, y = batches(1)[0]
    for _ in range(3):
        step(x, y)
    return net, opt, step, x, y


def test_a_replay_runs_no_python_and_one_program():
    ticks = itertools.count()

    def decorate(f):
        def traced(x, y):
            next(ticks)
            return f(x, y)

        return torch.compile(traced)

    *_, step, x, y = ready(decorate)
    before = stats.runs, next(ticks)
    for _ in range(5):
        step(x, y)
    assert stats.runs - before[0] == 5 and next(ticks) == before[1] + 1


def test_a_learning_rate_is_an_input():
    net, opt, step, x, y = ready()
    for lr in (0.2, 0.0, 0.05):
        opt.param_groups[0]["lr"] = lr
        before = [torch.tensor(p.detach().numpy().copy()) for p in net.parameters()]
        assert count(step, x, y) == (0, 0)
        for p, b in zip(net.parameters(), before, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), (b - lr * p.grad).numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda net, opt: net.eval(), "training"),
        (lambda net, opt: setattr(net, "scale", 2.0), "scale"),
        (lambda net, opt: setattr(net, "last", nn.Linear(8, 3)), "last"),
        (lambda net, opt: setattr(net.first, "weight", nn.Parameter(torch.ones(8, 4))), "weight"),
        (lambda net, opt: setattr(net.drop, "p", 0.25), "p"),
        (lambda net, opt: net.register_forward_hook(lambda m, a, out: out * 3), "hooks"),
        (lambda net, opt: opt.load_state_dict(opt.state_dict()), "state"),
        (lambda net, opt: opt.param_groups[0].update(nesterov=False, momentum=0.9), "momentum"),
        (lambda net, opt: net.first.bias.requires_grad_(False), "reads"),
    ],
    ids=["mode", "number", "module", "parameter", "p", "hook", "state", "option", "requires_grad"],
)
def test_what_changes_behind_its_back_is_seen_and_said(change, reason, monkeypatch):
    """The step does what an undecorated one would after the change, and `explain()` says what it was."""
    monkeypatch.setattr(alone, "allowed", False)  # to the last digit, if that is compiled, too
    results = []
    for decorate in (lambda f: f, torch.compile):
        net, opt, step, x, y = ready(decorate)
        torch.manual_seed(1)
        change(net, opt)
        losses = [step(x, y).item() for _ in range(3)]
        results.append((losses, {k: v.numpy() for k, v in net.state_dict().items()}))
    same(results[0][1], results[1][1])
    assert results[0][0] == results[1][0]
    assert any("compile:" in r and reason in r for r in stats.reasons)


def test_a_global_and_a_closure_are_seen():
    factor = 2.0

    @torch.compile
    def f(x):
        return x * factor + OFFSET["n"]

    OFFSET["n"] = 1.0
    x = torch.ones(2)
    assert f(x).tolist() == [3.0, 3.0]
    assert f(x).tolist() == [3.0, 3.0]
    factor = 5.0
    assert f(x).tolist() == [6.0, 6.0]
    OFFSET["n"] = 2.0
    assert f(x).tolist() == [7.0, 7.0]


OFFSET = {}


def test_a_method_reads_its_object():
    class Trainer:
        def __init__(self):
            self.w, self.lr, self.calls = torch.ones(3, requires_grad=True), 0.5, 0

        def loss(self, x):
            return ((self.w - x) ** 2).sum()

        @torch.compile
        def step(self, x):
            loss = self.loss(x)
            loss.backward()
            with torch.no_grad():
                self.w -= self.lr * self.w.grad
                self.w.grad = None
            return loss

    t = Trainer()
    x = torch.zeros(3)
    found = []
    for i in range(6):
        t.calls = i  # which the step does not name
        found.append(t.step(x).item())
    assert found == [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    t.lr = 0.25
    t.w = torch.full((3,), 2.0, requires_grad=True)
    assert [t.step(x).item() for _ in range(2)] == [12.0, 3.0]


def test_shapes_and_dtypes_are_variants_of_one_function():
    *_, step, x, y = ready()
    assert count(step, x[:3], y[:3])[1] == 1
    assert count(step, x, y) == (0, 0)
    assert count(step, x[:3], y[:3]) == (0, 0)


def test_arguments_of_every_kind():
    @torch.compile
    def f(batch, *, scale, name="a"):
        return {"sum": batch["x"] + batch["y"][0] * scale, "name": name, "n": 3}

    x, y = torch.ones(2), torch.arange(2.0)
    for scale in (2, 3.0, 2):
        for _ in range(2):
            out = f({"x": x, "y": [y]}, scale=scale)
            assert out["sum"].tolist() == [1.0, 1.0 + scale] and out["name"] == "a" and out["n"] == 3
    with pytest.raises(TypeError, match="numpy"):
        f({"x": np.ones(2), "y": [y]}, scale=2)


def test_the_same_tensor_twice_is_another_variant():
    @torch.compile
    def f(a, b):
        a.add_(1)
        return a * b

    for _ in range(2):
        a, b = torch.ones(2), torch.ones(2)
        assert f(a, b).tolist() == [2.0, 2.0] and b.tolist() == [1.0, 1.0] and a.tolist() == [2.0, 2.0]
        assert f(a, a).tolist() == [9.0, 9.0] and a.tolist() == [3.0, 3.0]


def test_an_argument_that_wants_a_gradient():
    @torch.compile
    def f(x):
        loss = (x**3).sum()
        loss.backward()
        return loss.detach()

    for n in (1.0, 2.0, 3.0):
        x = torch.full((2,), n, requires_grad=True)
        f(x)
        assert x.grad.tolist() == [3 * n * n] * 2
        f(x)
        assert x.grad.tolist() == [6 * n * n] * 2


@pytest.mark.parametrize("look", [lambda t: t.item(), lambda t: print(t), lambda t: bool(t > 0), lambda t: t.numpy()],
                         ids=["item", "print", "bool", "numpy"])  # fmt: skip
def test_looking_inside_raises_and_nothing_is_lost(look):
    w = torch.ones(1, requires_grad=True)

    @torch.compile
    def f(x):
        loss = (w * x).sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(1)
        look(loss.detach())
        return loss

    with pytest.raises(RuntimeError, match="looked at inside a compiled function"):
        f(torch.ones(1))
    assert w.tolist() == [1.0] and w.grad is None and w.is_leaf and w._version == 0


def test_looking_at_an_argument_raises_too():
    @torch.compile
    def f(x):
        return x * 2 if x.sum().item() > 0 else x

    x = torch.ones(2)
    with pytest.raises(RuntimeError, match="looked at"):
        f(x)

    @torch.compile
    def g(i, x):
        return x[i] + 0

    assert [g(torch.tensor(i), torch.arange(3.0)).item() for i in (0, 2, 1)] == [0.0, 2.0, 1.0]
    assert torch.compile(f._fn, fullgraph=False)(x).tolist() == [2.0, 2.0]


def test_an_error_inside_leaves_every_tensor_as_it_was():
    w = torch.ones(2, requires_grad=True)

    @torch.compile
    def f(x):
        (w * 2).sum().backward()
        with torch.no_grad():
            w.mul_(3)
        return w @ x

    with pytest.raises(RuntimeError, match="size mismatch|inconsistent|shapes"):
        f(torch.ones(3))
    assert w.tolist() == [1.0, 1.0] and w.grad is None
    assert f(torch.ones(2)).item() == 6.0 and w.tolist() == [3.0, 3.0]


def test_tensors_that_the_garbage_collector_is_told_to_leave_alone():
    w, x = torch.zeros(2), torch.ones(2)

    @torch.compile
    def step(x):
        w.add_(x)
        return w.sum()

    kept = []

    @torch.compile
    def keeps(x):
        y = x * 2
        kept[:] = [y]
        return y

    gc.freeze()
    try:
        assert [step(x).item() for _ in range(4)] == [2.0, 4.0, 6.0, 8.0] and w.tolist() == [4.0, 4.0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for i in range(4):
                gc.freeze()
                assert keeps(x * i).tolist() == [2.0 * i] * 2 == kept[0].tolist()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_somebody_who_holds_the_old_parameter_keeps_it():
    net, _, step, x, y = ready()
    kept = net.first.weight.detach().clone()
    array = net.first.weight.detach().numpy()
    before = array.copy()
    step(x, y)
    np.testing.assert_array_equal(array, before)
    assert not torch.equal(kept, net.first.weight)
    alias = net.first.weight.detach()
    step(x, y)
    assert torch.equal(alias, net.first.weight)  # as in PyTorch, who shares memory sees the write
    step(x, y)
    assert torch.equal(alias, net.first.weight)


def test_a_tensor_left_behind_is_recorded_each_time_and_said():
    kept = []

    @torch.compile
    def f(x):
        y = x * 2
        kept.append(y)
        return y + 1

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for i in range(5):
            assert f(torch.full((2,), float(i))).tolist() == [2 * i + 1] * 2
    assert [t[0].item() for t in kept] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert any("leaves a Tensor behind" in str(w.message) for w in seen)


def test_a_module_whose_output_is_differentiated_outside():
    torch.manual_seed(0)
    net = Net()
    twin = copy.deepcopy(net)
    compiled = torch.compile(net)
    for x, y in batches(3):
        for m in (compiled, twin):
            F.cross_entropy(m(x), y).backward()
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    net.eval()
    with torch.no_grad():
        x = batches(1)[0][0]
        want = net(x)
        for _ in range(3):
            assert torch.equal(compiled(x), want)


def test_a_graph_made_outside_is_not_replayed_wrongly():
    w = torch.ones(2, requires_grad=True)

    @torch.compile
    def f(h):
        loss = (h * w).sum()
        loss.backward()
        return loss.detach()

    for n in (1.0, 2.0, 3.0):
        w.grad = None
        f(w * n)
        assert w.grad.tolist() == [2 * n, 2 * n]


def test_a_second_backward_through_a_result_raises():
    *_, step, x, y = ready()
    loss = step(x, y)
    assert loss.requires_grad and loss.grad_fn.name() == "NllLossBackward0"
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_nested_and_under_transforms():
    inner = torch.compile(lambda x: torch.sin(x) * 2)
    outer = torch.compile(lambda x: inner(x) + 1)
    x = torch.tensor([0.5, 1.0])
    want = torch.sin(x) * 2
    for _ in range(2):
        assert torch.equal(outer(x), want + 1) and torch.equal(inner(x), want)
    grads = torch.func.vmap(torch.func.grad(inner))(x)
    np.testing.assert_allclose(grads.numpy(), (2 * torch.cos(x)).numpy(), rtol=1e-6)


def test_modes_are_variants():
    @torch.compile
    def f(x):
        return (x * 2).sum()

    x = torch.ones(3)
    assert f(x).item() == 6.0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert f(x).item() == 6.0
    with torch.no_grad():
        assert f(x).item() == 6.0
    assert f(x).item() == 6.0


def test_live_bytes_do_not_grow():
    *_, step, x, y = ready()

    def held():
        import jax

        return sum(a.nbytes for a in jax.live_arrays())

    step(x, y)
    gc.collect()
    before = held()
    for _ in range(20):
        step(x, y)
    gc.collect()
    assert held() <= before


def test_options_and_decorators():
    @torch.compile(mode="max-autotune", fullgraph=True)
    def f(x):
        """Doubles."""
        return x * 2

    assert f.__doc__ == "Doubles." and f(torch.ones(1)).item() == 2.0
    assert torch.compile(f) is f
    g = lambda x: x  # noqa: E731
    assert torch.compile(g, disable=True) is g
    with pytest.raises(RuntimeError, match="expected a function or a Module"):
        torch.compile(3)
    seen = []
    torch.compile(lambda x: seen.append(torch.compiler.is_compiling()) or x + 1)(torch.ones(1))
    assert seen == [True] and not torch.compiler.is_compiling()


def test_a_compiled_module_is_a_module():
    net = Net()
    compiled = torch.compile(net)
    assert isinstance(compiled, nn.Module) and compiled.first is net.first and torch.compile(compiled) is compiled
    assert list(compiled.state_dict()) == [f"_orig_mod.{k}" for k in net.state_dict()]
    compiled.eval()
    assert not net.training and not compiled.training
    compiled.scale = 3.0
    assert net.scale == 3.0 and repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Net(")
    x = batches(1)[0][0]
    with torch.no_grad():
        want = net(x)
        other = copy.deepcopy(compiled)
        for m in (compiled, other, compiled, other):
            assert torch.equal(m(x), want)
    assert other._compiled._recorded == 1 and compiled._compiled._replayed == 1
    net.compile()
    with torch.no_grad():
        for _ in range(2):
            assert torch.equal(net(x), want)
    assert net.forward._replayed == 1


@pytest.mark.parametrize("make", [emptied_after, plain, scheduled, drawing], ids=lambda f: f.__name__)
def test_several_steps_are_one_loop(make):
    """The same as one by one: losses, parameters, moments, the schedule, draws; one program from the second call on."""
    found = []
    for steps in (None, 4):
        torch.manual_seed(0)
        net = Net(p=0.5)
        opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        step = torch.compile(make(net, opt), steps=steps)
        data = batches(12)
        if steps is None:
            losses = [step(x, y).item() for x, y in data]
        else:
            losses = []
            for i in range(0, 12, 4):
                xs, ys = (torch.stack(t) for t in zip(*data[i : i + 4], strict=True))
                runs = stats.runs
                losses += step(xs, ys).tolist()
                assert i == 0 or stats.runs - runs == 2  # the stacking is one of them
            assert len(step._loops) >= 1
        state = {k: v.numpy() for k, v in net.state_dict().items()}
        found.append((losses, state, opt.param_groups[0]["lr"], [p._version for p in net.parameters()],
                      torch.rand(2).tolist()))  # fmt: skip
    same(*found)
    with pytest.raises(ValueError, match="stacked"):
        step(data[0][0], data[0][1])


def scaled(net):
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0, growth_interval=2)

    def step(x, y):
        opt.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x), y)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        return loss

    return step, lambda: scaler.get_scale()


def averaged(net):
    opt, target = torch.optim.Adam(net.parameters(), lr=0.01), copy.deepcopy(net)

    def step(x, y):
        loss = F.cross_entropy(net(x), y) + F.mse_loss(net(x), target(x).detach())
        loss.backward()
        opt.step()
        opt.zero_grad()
        with torch.no_grad():
            for a, b in zip(target.parameters(), net.parameters(), strict=True):
                a.mul_(0.9).add_(b, alpha=0.1)
        return loss

    return step, lambda: {k: v.numpy() for k, v in target.state_dict().items()}


def adversarial(net):
    judge = nn.Linear(3, 1)
    first, second = (torch.optim.Adam(m.parameters(), lr=0.01) for m in (judge, net))

    def step(x, y):
        fake = net(x)
        loss = F.softplus(-judge(torch.randn(6, 3))).mean() + F.softplus(judge(fake.detach())).mean()
        first.zero_grad()
        loss.backward()
        first.step()
        fooled = F.softplus(-judge(fake)).mean()
        second.zero_grad()
        fooled.backward()
        second.step()
        return loss + fooled.detach()

    return step, lambda: {k: v.numpy() for k, v in judge.state_dict().items()}


def penalised(net):
    opt = torch.optim.SGD(net.parameters(), lr=0.01)

    def step(x, y):
        x = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        loss = (g.norm(dim=1) - 1).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, lambda: None


@pytest.mark.parametrize("make", [scaled, averaged, adversarial, penalised], ids=lambda f: f.__name__)
def test_whole_programs(make):
    found = []
    for decorate in (lambda f: f, torch.compile):
        torch.manual_seed(0)
        net = Net()
        step, rest = make(net)
        step = decorate(step)
        losses = [step(x, y).item() for x, y in batches(6)]
        found.append((losses, {k: v.numpy() for k, v in net.state_dict().items()}, rest()))
    same(*found)
    assert step._replayed >= 4


def test_a_checkpoint_draws_the_same_again_without_a_run():
    """Going back to where a generator was looks at no number."""
    from funcgrad.utils.checkpoint import checkpoint

    x = torch.ones(64, requires_grad=True)

    def f(x):
        return F.dropout(F.dropout(x, 0.5), 0.5) * 2

    F.dropout(x, 0.5).sum().item()
    for reentrant in (True, False):
        x.grad = None
        before = stats.runs
        y = checkpoint(f, x, use_reentrant=reentrant)
        y.sum().backward()
        assert stats.runs == before
        assert torch.equal(x.grad != 0, y != 0)


def test_a_result_that_somebody_else_keeps_is_always_the_last_one():
    class Box:
        def __init__(self):
            self.last = None

    box = Box()

    def f(x):
        y = x * 2
        box.last = (y,)
        return y

    f = torch.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(6):
            y = f(torch.full((2,), float(i)))
            assert y.tolist() == [2.0 * i] * 2 == box.last[0].tolist()
