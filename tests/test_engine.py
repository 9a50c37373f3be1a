"""What the engine promises in counts: one program a step whatever Python takes part in the walk, linear time, threads."""

import gc
import gzip
import json
import threading
import weakref

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.tape import alone, cache, local, stats
from funcgrad.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def compiles(step, times=6, warm=3):
    """Programs compiled and runs made by `times` steps once `warm` are over."""
    for _ in range(warm):
        step()
    before = stats.compiles, stats.runs
    for _ in range(times):
        step()
    return stats.compiles - before[0], (stats.runs - before[1]) / times


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


def sgd(loss_of, w):
    def step():
        loss = loss_of(w)
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
            w.grad = None
        return loss.item()

    return step


def with_hooks(w):
    y = w.exp()
    y.register_hook(lambda g: g.clamp(-1, 1))
    y.grad_fn.register_prehook(lambda g: (g[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + outputs[0],))
    return y.sum()


def with_class_made_anew(w):
    class Local(Square):
        pass

    return Local.apply(w).sum()


def with_packed(w):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.to(torch.bfloat16), lambda t: t.float()):
        return (w.exp() * w).sum()


def with_gradient_penalty(w):
    y = (w.sin() * w).sum()
    (g,) = torch.autograd.grad(y, w, create_graph=True)
    return y + ((g.norm() - 1) ** 2)


def with_checkpoint(w):
    return checkpoint(lambda w: w.sin().exp().sum(), w, use_reentrant=False)


def with_reentrant_checkpoint(w):
    return checkpoint(lambda w: w.sin().exp().sum(), w, use_reentrant=True)


def with_forward_mode(w):
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        return ad.unpack_dual((ad.make_dual(w, torch.ones(2)) ** 3).sum()).tangent


@pytest.mark.parametrize(
    "loss_of",
    [with_hooks, lambda w: Square.apply(w).sum(), with_class_made_anew, with_packed, with_gradient_penalty, with_checkpoint,
     with_reentrant_checkpoint, with_forward_mode],
)  # fmt: skip
def test_python_in_the_walk_leaves_one_program(loss_of):
    assert compiles(sgd(loss_of, leaf(0.3, -0.2))) == (0, 1)


def test_a_hook_that_looks_makes_a_run_there():
    def loss_of(w):
        y = w.exp()
        y.register_hook(lambda g: g * 2 if g.sum().item() > 0 else g)
        return y.sum()

    assert compiles(sgd(loss_of, leaf(0.3, -0.2))) == (0, 2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders_jump(order):
    def step():
        x = leaf(0.5, 1.5)
        y = (x.sin() * x).sum()
        for _ in range(order):
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            y = g.sum()
        return y.item()

    step(), step()
    before = stats.walks, stats.jumps, stats.compiles
    step()
    assert (stats.walks - before[0], stats.jumps - before[1], stats.compiles - before[2]) == (0, order, 0)


def test_a_rule_wants_a_gradient_only_where_it_depends_on_one():
    x = leaf(1, 2)
    (g,) = torch.autograd.grad((3 * x).sum(), x, create_graph=True)
    assert not g.requires_grad
    (g,) = torch.autograd.grad((x * x).sum(), x, create_graph=True)
    assert g.requires_grad


# ---- memory ------------------------------------------------------------------------------------------------


def kept_bytes(y):
    """What the graph of `y` keeps once it has run."""
    y.item()
    return sum(a.nbytes for a in y._value.graph.kept.values())


def region(x, w):
    for _ in range(8):
        x = (x @ w).sin()
    return x


def test_checkpointing_keeps_less_across_runs():
    w, x = torch.full((16, 16), 0.1, requires_grad=True), torch.ones(32, 16, requires_grad=True)

    def products():
        return create_selective_checkpoint_contexts([torch.matmul])

    plain = kept_bytes(region(x, w).sum())
    assert plain >= 8 * 32 * 16 * 4
    assert kept_bytes(checkpoint(region, x, w, use_reentrant=False).sum()) == 0  # the frame holds the arguments
    assert kept_bytes(checkpoint(region, x, w, use_reentrant=False, context_fn=products).sum()) == 0
    reference = torch.autograd.grad(region(x, w).sum(), [x, w])
    for kind in ({"use_reentrant": False}, {"use_reentrant": False, "context_fn": products}):
        y = checkpoint(region, x, w, **kind).sum()
        y.item()
        for g, r in zip(torch.autograd.grad(y, [x, w]), reference, strict=True):
            np.testing.assert_allclose(g.numpy(), r.numpy(), rtol=1e-5)


def programs():
    """The programs compiled for the current trie."""
    stack, found = [t for t in cache._ends], []
    for t in stack:
        for plan in t.plans.values():
            found.extend(plan.programs.values())
    return found


def test_checkpointing_keeps_less_within_a_program(monkeypatch):
    monkeypatch.setattr(alone, "allowed", False)
    w = torch.full((32, 32), 0.1, requires_grad=True)
    x = torch.ones(512, 32)

    def bytes_of(f):
        h = x
        for _ in range(4):
            h = f(h)
        h.sum().backward()
        w.grad.tolist()
        w.grad = None
        found = max(p.call.memory_analysis().temp_size_in_bytes for p in programs())
        for t in cache._ends:
            t.plans.clear()
        return found

    plain = bytes_of(lambda h: region(h, w))
    less = bytes_of(lambda h: checkpoint(region, h, w, use_reentrant=False))
    assert less < plain / 2


def read_steps(trace, slot):
    """The operators whose numbers `slot` depends on."""
    wanted, found = {slot}, []
    for t in reversed(trace.steps()):
        if t.op is not None and not wanted.isdisjoint(t.outs):
            found.append(t.op.name)
            wanted.update(t.args[1:] if t.op.name == "with_data" else t.args)  # which reads a shape first
    return found


def test_selective_checkpointing_does_not_repeat_what_it_kept():
    x = torch.tensor(np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8))
    seen, products = [], []

    def policy(ctx, op, *args, **params):
        seen.append((ctx.is_recompute, op.__name__))
        return op is torch.mm

    for keep in (policy, [torch.mm], ["sin"], []):
        w = torch.tensor(np.full((8, 8), 0.1, np.float32), requires_grad=True)
        f = lambda x: (x @ w).sin() @ w  # noqa: E731, B023
        y = checkpoint(f, x, use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts(keep))  # noqa: B023
        (y.exp().sum()).backward()
        products.append(read_steps(local.tape.trace, w.grad._value.slot).count("mm"))
    assert seen == [(False, "mm"), (False, "sin"), (False, "mm"), (True, "mm"), (True, "sin"), (True, "mm")]
    assert products == [2, 2, 3, 3]  # the derivative of the sine asks for the first product


def test_a_finished_graph_goes_away():
    class Big:
        pass

    marks = []

    def step():
        x = leaf(1, 2)
        y = Square.apply(x * 2)
        mark = Big()
        y.register_hook(lambda g, mark=mark: None)
        marks.append(weakref.ref(mark))
        y.sum().backward()
        x.grad.tolist()

    for _ in range(3):
        step()
    gc.collect()
    assert sum(m() is not None for m in marks) <= 1


# ---- long graphs, many programs, threads -------------------------------------------------------------------


@pytest.mark.parametrize("n", [10_000, 40_000])
def test_long_graphs_go_backward_by_the_same_programs(n):
    x, y = leaf(1, 2), None
    y = x
    for _ in range(n // 2):
        y = y * 1.0001 + 0.1
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full(2, 1.0001 ** (n // 2)), rtol=2e-2)
    assert stats.compiles < 20


def test_programs_are_given_up_before_mappings_run_out(monkeypatch):
    monkeypatch.setattr(cache, "crowded", lambda steps: stats.programs >= 8)
    for n in range(1, 30):
        assert torch.ones(n).sum().item() == n
        assert stats.programs <= 8


def test_threads_share_leaves():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    losses, errors = [], []

    def work(k):
        try:
            for _ in range(10):
                (w * w * k).sum().backward()
                losses.append(0)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    np.testing.assert_allclose(w.grad.numpy(), 10 * (1 + 2 + 3 + 4) * 2 * np.array([1.0, 2.0]))


def test_threads_go_backward_over_one_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    trunk = (x * 3).exp().sin()
    heads = [(trunk * k).sum() for k in range(1, 4)]
    found, errors = {}, []

    def work(k):
        try:
            found[k] = torch.autograd.grad(heads[k - 1], x, retain_graph=True)[0].numpy()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    for k in range(1, 4):
        np.testing.assert_allclose(found[k], k * found[1], rtol=1e-5)


# ---- names in the program, anomalies -------------------------------------------------------------------------


def test_record_function_names_the_program():
    x = torch.tensor([1.0, 2.0, 3.0])
    with torch.autograd.profiler.record_function("encoder"):
        y = x * 2
        with torch.autograd.profiler.record_function("inner"):
            z = y.exp()
    z.sum().item()
    (program,) = programs()
    text = program.call.as_text()
    assert "encoder/mul" in text and "encoder/inner/exp" in text and "encoder/inner/sum" not in text


def test_anomalies_cost_one_run_a_backward():
    x = leaf(1, 2)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        context = torch.autograd.detect_anomaly()
    with context:
        y = (x.sqrt().exp() * x).sum()
        before = stats.runs
        y.backward()
        assert stats.runs - before == 1
    assert not local.watch


def test_a_profile_tells_the_kernels_that_ran(tmp_path):
    x = torch.ones(64, 64) * 2
    with torch.autograd.profiler.profile(use_cuda=False, record_shapes=True) as prof:
        for _ in range(3):
            (x @ x).tanh().sum().item()
        waiting = x.exp().sum()  # nobody looks at it within
    found = prof.key_averages()
    assert max(k.count for k in found) >= 3 and all(k.time_total > 0 for k in found)
    assert waiting.item() == pytest.approx(64 * 64 * np.e**2, rel=1e-5)
    text = found.table(sort_by="count", row_limit=1).splitlines()
    assert len(text) == 3 and text[1].startswith(max(found, key=lambda k: k.count).key[:50])
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    prof.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert events == json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))["traceEvents"]
    assert {k.key for k in found} <= {e.get("name") for e in events}
    with torch.autograd.profiler.profile(enabled=False) as off:
        (x @ x).sum().item()
    assert off.key_averages() == []
    with pytest.raises(RuntimeError, match="no trace"):
        off.export_chrome_trace("nowhere")


def test_a_profile_follows_its_schedule():
    x, seen = torch.ones(8, 8), []
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    ready = lambda prof: seen.append(max(k.count for k in prof.key_averages()))  # noqa: E731
    with torch.profiler.profile(schedule=schedule, on_trace_ready=ready) as prof:
        for _ in range(10):
            (x @ x).sum().item()
            prof.step()
    assert seen == [2, 2]
