"""Paths that seldom come again: run operation by operation, by NumPy or by programs that they share."""

import gc

import numpy as np
import pytest
from interpreted import always

import funcgrad as torch
from funcgrad import nn
from funcgrad.tape import Trace, alone, cache, limit, stats

LENGTHS = [20, 12, 31, 17, 25, 14, 28, 22, 19, 30, 13, 26]


def ran_alone() -> int:
    return sum("operation by operation" in r for r in stats.reasons)


def train(lengths):
    """Losses, the parameter and the programs compiled, of steps through a recurrence of these lengths."""
    rng = np.random.default_rng(0)
    w = torch.tensor([0.5, -0.25, 1.0], requires_grad=True)
    opt = torch.optim.Adam([w], lr=0.05)
    losses, compiles = [], []
    for n in lengths:
        before = stats.compiles
        h, seen = torch.zeros(3), []
        for x in rng.normal(size=(n, 3)).astype(np.float32):
            h = torch.tanh(h * w + torch.tensor(x))
            seen.append(h.sum())
        loss = (torch.stack(seen) - 0.5).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
        compiles.append(stats.compiles - before)
    return losses, w.tolist(), compiles


def test_a_loop_of_another_length_each_time_compiles_a_handful(monkeypatch):
    losses, w, compiles = train(LENGTHS)
    assert ran_alone() == len(LENGTHS) - alone.FEW
    # some whole, then each operation once, then those that have the length in their shapes
    assert compiles[: alone.FEW] == [1] * alone.FEW and max(compiles[alone.FEW + 1 :]) <= 6
    monkeypatch.setattr(alone, "FEW", 10**9)
    whole = train(LENGTHS)
    np.testing.assert_allclose(losses, whole[0], rtol=1e-5)
    np.testing.assert_allclose(w, whole[1], rtol=1e-5)


def test_a_length_that_comes_in_a_row_is_compiled_whole():
    train(LENGTHS)
    assert train([27] * 6)[2] == [0] * alone.STEADY + [1] + [0] * (5 - alone.STEADY)


def test_a_length_that_comes_often_is_compiled_whole(monkeypatch):
    monkeypatch.setattr(alone, "STEADY", 10**9)
    train(LENGTHS)
    assert train(LENGTHS[5:8] * 2)[2] == [0] * 6  # known
    assert train([27] * 3)[2][1:] == [0, 0] and ran_alone() == len(LENGTHS) - alone.FEW + 1
    programs = [p for end in cache.ends() for plan in end.plans.values() for p in plan.programs.values()]
    last = [p.call for p in programs if type(p.call) is alone.OneByOne][-1]
    assert 0 < last.left
    last.left = 0  # it has cost what compiling it would
    assert train([27] * 4)[2] == [0, 1, 0, 0] and ran_alone() == len(LENGTHS) - alone.FEW + 1


def test_a_deep_net_that_comes_again_is_compiled_whole():
    net = nn.Sequential(*[m for _ in range(12) for m in (nn.Linear(4, 4), nn.Tanh())])
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
    for _ in range(3):
        for n in (8, 8, 8, 8, 3):
            loss = net(torch.ones(n, 4)).square().mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            loss.item()
        schedule.step()
        assert not ran_alone()


def test_each_set_of_living_values_has_a_program_of_its_own_to_give_up():
    def step(keep):
        x = torch.ones(3)
        a = x.sin()
        total = a.cos().sum()
        if not keep:
            del a
        return total.item()

    with always():
        step(True)
        compiled = stats.compiles
        step(False)
    programs = [p for end in cache.ends() for plan in end.plans.values() for p in plan.programs.values()]
    assert len(programs) == 2 == len({p.call for p in programs}) and stats.compiles == compiled


def test_one_program_may_serve_several_sets_of_inputs_that_may_be_given_up():
    def step(keep):
        x = torch.tensor([1.0, 2.0])
        x.tolist()
        y = (x * 2).sin().sum()
        if not keep:
            del x
        return y.item()

    with always():
        found = [step(True), step(False), step(True), step(False)]
        for end in cache.ends():
            for plan in end.plans.values():
                for p in plan.programs.values():
                    if type(p.call) is alone.OneByOne:
                        p.call.left = 0
        found += [step(False), step(True), step(False), step(True)]
    assert found == [found[0]] * 4 + [found[4]] * 4
    np.testing.assert_allclose(found[0], found[4], rtol=1e-6)


def moving(a, b, c):
    """A loss through what only moves data, and its gradients."""
    a, b, c = (torch.tensor(x, requires_grad=True) for x in (a, b, c))
    rows = a.unbind(1)
    joined = torch.cat([*rows, b[0], c, c[:0]], -1)
    piled = torch.stack([r * 2 for r in rows], -1)
    mixed = torch.cat([a.half(), a, a.double(), b, b, a], 1)  # of several dtypes
    loss = (joined * torch.arange(joined.numel())).sum() + (piled * a.t().unbind(0)[1].unsqueeze(1)).sum()
    (loss + mixed.sum()).backward()
    return loss.item(), [t.grad.numpy() for t in (a, b, c)]


def test_what_moves_data_is_moved_on_the_host():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(np.float32) for s in ((3, 5), (3, 4), (6,))]
    whole = moving(*arrays)
    torch.compiler.reset()
    with always():
        ours = moving(*arrays)
    assert ran_alone()
    np.testing.assert_allclose(ours[0], whole[0], rtol=1e-5)
    for x, y in zip(ours[1], whole[1], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5)


def test_numbers_that_vary_and_gradients_of_gradients():
    x = torch.tensor([0.3, -0.7], requires_grad=True)

    def slope_of_slope(scale):
        y = x
        for _ in range(4):
            y = torch.sin(y * scale) + x
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x)
        return g.tolist() + h.tolist()

    whole = [slope_of_slope(s) for s in (1.0, 1.5, 0.5)]
    torch.compiler.reset()
    with always():
        known, before = [], stats.compiles
        for s, want in zip((1.0, 1.5, 0.5), whole, strict=True):
            np.testing.assert_allclose(slope_of_slope(s), want, rtol=1e-5)
            known.append(len(alone._singles))
    assert stats.compiles == before
    assert known[0] > 0 and known == [known[0]] * 3  # a number is an input of its operation


def test_what_an_operation_raises_is_said_and_nothing_is_lost(monkeypatch):
    x = torch.ones(3)
    y = x + 1
    monkeypatch.setattr(alone, "traced", lambda *args, **kwargs: 1 / 0)
    with always(), pytest.raises(ZeroDivisionError):
        y.tolist()
    monkeypatch.undo()
    assert y.tolist() == [2.0, 2.0, 2.0]


def test_a_text_that_grows_compiles_its_first_lengths():
    torch.manual_seed(0)
    words, mix, head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 20)

    @torch.no_grad()
    def write(n):
        text, compiles = torch.tensor([[3]]), []
        for _ in range(n):
            before = stats.compiles
            x = words(text)
            x = nn.functional.scaled_dot_product_attention(x, x, mix(x), is_causal=True)
            scores = nn.functional.layer_norm(head(x), (20,))[:, -1]
            text = torch.cat([text, scores.argmax(-1, keepdim=True)], 1)
            text.tolist()
            compiles.append(stats.compiles - before)
        return text.tolist(), compiles

    found, compiles = write(12)
    assert sum(compiles[: alone.FEW]) > 0 and compiles[alone.FEW :] == [0] * (12 - alone.FEW)
    with pytest.MonkeyPatch.context() as patch:
        torch.compiler.reset()
        patch.setattr(alone, "FEW", 10**9)
        whole, compiles = write(12)
    assert found == whole and min(compiles) > 0


def test_a_long_path_is_compiled_when_it_comes_again():
    def step():
        x = torch.linspace(0, 1, 5, requires_grad=True)
        y = x
        for _ in range(130):
            y = torch.sin(y) * 0.01 + y
        y.sum().backward()
        return x.grad.numpy()

    compiles, found = [], []
    for _ in range(4):
        before = stats.compiles
        found.append(step())
        compiles.append(stats.compiles - before)
    assert compiles == [0, 1, 0, 0] and ran_alone() == 1
    for g in found:
        np.testing.assert_allclose(g, found[0], rtol=1e-5)


def test_whoever_wants_the_same_bits_has_everything_compiled():
    x = torch.linspace(0, 1, 3)

    def step():
        y = x
        for _ in range(10):
            y = torch.sin(y) * 0.1 + y
        return y.tolist()

    try:
        with always():
            step()
            assert ran_alone() == 1
            torch.use_deterministic_algorithms(True)
            before = stats.compiles
            first = step()
            assert stats.compiles == before + 1 and step() == first and ran_alone() == 1
    finally:
        torch.use_deterministic_algorithms(False)


def test_large_arrays_are_left_to_xla():
    x = y = torch.rand(2000, 500, requires_grad=True)
    before = stats.compiles
    for _ in range(60):
        y = torch.sin(y) * 0.01 + y
    y.sum().backward()
    x.grad.sum().item()
    assert stats.compiles == before + 1 and not ran_alone()


def test_what_it_makes_is_nobody_elses():
    x = torch.ones(64)
    x.tolist()
    with always():
        y, z = x.clone(), x.expand(2, 64) * 1
        assert y[0].item() == 1
    torch.compiler.reset()
    for _ in range(3):
        x.add_(1)  # the old array is given up
        x.tolist()
    assert y.tolist() == [1.0] * 64 and z.tolist() == [[1.0] * 64] * 2


def test_an_operation_that_comes_often_is_compiled(monkeypatch):
    x = torch.tensor([1.0, 2.0])
    monkeypatch.setattr(alone, "ONE", 20e-6)
    with always():
        before, found = stats.compiles, []
        for _ in range(20):
            x = torch.sin(x)
            found.append(x.tolist())
    assert 0 < stats.compiles - before < 20
    np.testing.assert_allclose(found[-1], _sines([1.0, 2.0], 20), rtol=1e-5)


def _sines(x, times):
    for _ in range(times):
        x = np.sin(x)
    return x


def test_an_operation_that_is_kept_holds_no_path():
    with always():
        x = torch.ones(3).sin() + 1
        x.tolist()
        del x
    before = steps()
    limit(limit(0))
    assert steps() < before - 2 and alone._singles


def steps() -> int:
    gc.collect()
    return sum(isinstance(x, Trace) for x in gc.get_objects())


def test_dropout_draws_what_the_program_would():
    x = torch.ones(40, 30)

    def step():
        torch.manual_seed(3)
        return nn.functional.dropout(nn.functional.dropout(x, 0.3) + 1, 0.5).tolist()

    whole = step()
    with always():
        before = stats.compiles
        torch.compiler.reset()
        assert step() == whole and stats.compiles == before
