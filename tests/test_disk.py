"""Programs on disk: a second process finds them, and never one that is another."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.op import REGISTRY, backward_op, batch_op, tangent_op
from funcgrad.op.row import Op
from funcgrad.tape import describe, disk

STEP = """
import funcgrad as torch, funcgrad.tape.program as program
evaluate, steps = program.evaluate, [0]
def counted(t, env):
    steps[0] += 1
    return evaluate(t, env)
program.evaluate = counted
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
x = torch.linspace(-1, 1, 12).view(3, 4)
for _ in range(3):
    loss = (net(x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item().hex(), steps[0])
"""
OWN = """
from funcgrad.func import from_jax
import jax.numpy as jnp
y = from_jax(lambda x: jnp.sin(x) * {})(torch.ones(3))
print(float(y.sum()))
"""


def script(text: str, folder, **env) -> list[str]:
    env = {**os.environ, "FUNCGRAD_CACHE_DIR": str(folder), "JAX_PLATFORMS": "cpu", **env}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_second_process_traces_nothing(tmp_path):
    loss, steps = script(STEP, tmp_path, PYTHONHASHSEED="1")
    assert int(steps) > 20
    assert script(STEP, tmp_path, PYTHONHASHSEED="2") == [loss, "0"]
    for file in (tmp_path / "paths").iterdir():  # what is not whole is made again
        file.write_bytes(file.read_bytes()[:100])
    assert script(STEP, tmp_path) == [loss, steps]
    assert script(STEP, tmp_path) == [loss, "0"]


def test_functions_of_the_user_are_traced_each_time(tmp_path):
    """The same text at the same place may mean something else in another process."""
    start = STEP.split("torch.manual_seed")[0]
    results = [script(start + OWN.format(k), tmp_path)[0] for k in (2, 3)]
    np.testing.assert_allclose([float(r) for r in results], [6 * np.sin(1), 9 * np.sin(1)], rtol=1e-6)


def test_every_row_can_be_told():
    told = {}
    for op in REGISTRY.values():
        if op.host is not None:
            continue
        derived = [backward_op(op), tangent_op(op), backward_op(backward_op(op))] if op.rule is not None else []
        for one in (op, batch_op(op), *derived):
            assert told.setdefault(describe._op(one), one) is one


def test_what_is_the_users_own_cannot_be_told():
    factor = 2.0
    for own in (lambda x: factor * x, partial(np.multiply, object()), object()):
        with pytest.raises(describe.Untold):
            describe._text(own)
    with pytest.raises(describe.Untold):
        describe._op(Op("double", lambda x: factor * x, None, "unary"))


def two(k):
    return lambda x: x * k, lambda x: x + k


def test_functions_are_told_apart(monkeypatch):
    monkeypatch.setattr(describe, "KNOWN", describe.KNOWN | {__name__})
    functions = [*two(2), *two(3), *two((2.0,))]
    assert len({describe._text(f) for f in functions}) == 6
    assert describe._text(two(2)[0]) == describe._text(functions[0])


def test_a_digest_is_of_the_whole_path(monkeypatch):
    """Another number, shape, operator, or text of the package is another path."""
    digests = []
    monkeypatch.setattr(disk, "_paths", "nowhere")
    monkeypatch.setattr("funcgrad.tape.program.lowered_before", lambda f, s, digest: digests.append(digest()))
    with torch.no_grad():
        for x, f in ((3, torch.sin), (4, torch.sin), (3, torch.cos), (3, lambda t: t * 2), (3, lambda t: t * 5)):
            f(torch.ones(x, dtype=torch.float64).fill_(0.5) + 41.5).tolist()
    assert len(digests) == len(set(digests)) >= 5
    before = describe.described([], [], (), ())
    monkeypatch.setattr(describe, "source", lambda: "another")
    assert describe.described([], [], (), ()) != before
