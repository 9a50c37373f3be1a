"""A failing run loses nothing: each failure is injected, then every Tensor is looked at and the next step taken."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcgrad as torch
from funcgrad.op import Op
from funcgrad.tape import record
from funcgrad.tensor.tensor import value_of, wrap

plan_module = importlib.import_module("funcgrad.tape.plan")
transaction_module = importlib.import_module("funcgrad.tape.transaction")
program_module = importlib.import_module("funcgrad.tape.program")


def own_op(forward, **fields):
    """An operator of this test only."""
    return Op("test_op", forward, lambda g, y, x: g, "internal", **fields)


def apply(op, t):
    return wrap(record(op, (value_of(t),)))


def lowering_fails():
    """Shape inference passes, lowering raises, until told to stop."""
    state = {"calls": 0, "fail": True}

    def forward(x):
        state["calls"] += 1
        if state["calls"] > 1 and state["fail"]:
            raise ValueError("no such luck")
        return x * 2

    return own_op(forward), state


def callback_fails():
    """A host callback that raises, until told to stop."""
    state = {"fail": True}

    def on_host(x):
        if state["fail"]:
            raise ValueError("the host said no")
        return np.asarray(x) * 2

    def forward(x):
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    return own_op(forward, host="a test"), state


@pytest.mark.parametrize("make", [lowering_fails, callback_fails])
def test_only_what_depends_on_the_failure_is_lost(make):
    op, state = make()
    x = torch.tensor([1.0, 2.0])
    good = x + 1
    bad = apply(op, x)
    after = bad * 3
    with pytest.raises(Exception) as caught:
        after.tolist()
    assert any("test_failures.py" in note for note in caught.value.__notes__), "the user's line is named"
    assert good.tolist() == [2.0, 3.0]
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="this Tensor has no value"):
        bad.tolist()
    with pytest.raises(RuntimeError, match="this Tensor has no value"):
        (after + 1).tolist()
    state["fail"] = False
    assert apply(op, x).tolist() == [2.0, 4.0]


@pytest.mark.parametrize("make", [lowering_fails, callback_fails])
def test_a_failed_step_leaves_parameters_and_gradients_as_they_were(make):
    op, state = make()
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    buffer = torch.tensor([5.0])
    state["fail"] = False

    def step():
        loss = (apply(op, w) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
            buffer.add_(1.0)
        torch.sync()

    if make is callback_fails:
        step()
        before, grad = w.tolist(), w.grad.tolist()
    else:
        before, grad = w.tolist(), None
    state["fail"] = True
    with pytest.raises(Exception, match=r"no such luck|host said no"):
        step()
    assert w.tolist() == before
    assert w.requires_grad and w.is_leaf
    assert (None if w.grad is None else w.grad.tolist()) == grad
    assert buffer.tolist() == [7.0 if make is callback_fails else 6.0]
    state["fail"] = False
    w.grad = None
    loss = (w**2).sum()
    loss.backward()
    np.testing.assert_allclose(w.grad.tolist(), 2 * np.array(before), rtol=1e-6)


def test_a_compile_error_of_unknown_cause(monkeypatch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = (w.exp() * 2).sum()
    loss.backward()
    real = plan_module.lower

    def broken(*args):
        raise RuntimeError("XLA is out of memory")

    monkeypatch.setattr(plan_module, "lower", broken)
    monkeypatch.setattr(transaction_module, "lower", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        w.grad.tolist()
    monkeypatch.setattr(plan_module, "lower", real)
    assert w.tolist() == [1.0, 2.0]
    again = (w * 2).sum()
    assert again.item() == 6.0


def test_a_compile_error_that_goes_away_loses_nothing(monkeypatch):
    x = torch.tensor([1.0, 2.0])
    y = x.cos() * 7
    real, left = plan_module.lower, [1]

    def flaky(*args):
        if left:
            left.pop()
            raise RuntimeError("transient")
        return real(*args)

    monkeypatch.setattr(plan_module, "lower", flaky)
    with pytest.raises(RuntimeError, match="transient"):
        y.tolist()
    np.testing.assert_allclose(y.tolist(), 7 * np.cos([1, 2]), rtol=1e-6)


@pytest.mark.parametrize("where", ["lower", "run"])
def test_ctrl_c_loses_nothing(monkeypatch, where):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (w.sin() * 3).sum().backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
    real = plan_module.lower if where == "lower" else program_module.Program.run

    def interrupted(*args):
        raise KeyboardInterrupt

    if where == "lower":
        monkeypatch.setattr(plan_module, "lower", interrupted)
    else:
        monkeypatch.setattr(program_module.Program, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        w.tolist()
    monkeypatch.undo()
    assert real is not None
    np.testing.assert_allclose(w.tolist(), np.array([1, 2]) - 1.5 * np.cos([1, 2]), rtol=1e-6)


def test_ctrl_c_while_donated_arrays_change_hands(monkeypatch):
    """A real SIGINT during the call is held back until the new values are in place."""
    import os
    import signal

    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step():
        (w * w).sum().backward()
        with torch.no_grad():
            w.sub_(0.25 * w.grad)
            w.grad = None

    step()
    torch.sync()
    step()
    real = program_module.Program.run

    def signalled(self, *args):
        out = real(self, *args)
        os.kill(os.getpid(), signal.SIGINT)
        return out

    monkeypatch.setattr(program_module.Program, "run", signalled)
    # a process started in the background may have been told to ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            torch.sync()
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    assert w.tolist() == [0.25, 0.5]
    step()
    assert w.tolist() == [0.125, 0.25]


def test_errors_at_the_line_that_made_them_record_nothing():
    a, b = torch.ones(2, 3), torch.ones(4, 5)
    for wrong in (
        lambda: a @ b,
        lambda: a + b,
        lambda: a.sum(dim=5),
        lambda: torch.cat([a, b]),
        lambda: a[7],
        lambda: a.view(7),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            wrong()
    assert (a + 1).sum().item() == 12.0
    assert jnp.ones(1).dtype == np.float32
