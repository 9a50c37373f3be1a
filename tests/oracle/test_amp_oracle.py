"""autocast and GradScaler beside PyTorch's on a CPU: dtypes, numbers, scales and what is left out."""

import numpy as np
import pytest
import torch

import funcgrad

CALLS = {
    "matmul": lambda lib, x, F: x @ x,
    "linear": lambda lib, x, F: F.linear(x, x),
    "bmm": lambda lib, x, F: lib.bmm(x[None], x[None]),
    "einsum": lambda lib, x, F: lib.einsum("ij,jk->ik", x, x),
    "conv": lambda lib, x, F: F.conv1d(x[None], x[:, :, None].contiguous()),
    "addmm": lambda lib, x, F: lib.addmm(x, x, x),
    "attention": lambda lib, x, F: F.scaled_dot_product_attention(x[None], x[None], x[None]),
    "mixed": lambda lib, x, F: lib.matmul(x, x.to(lib.bfloat16)),
    "double": lambda lib, x, F: x.double() @ x.double(),
    "add": lambda lib, x, F: x + (x @ x),
    "softmax": lambda lib, x, F: (x @ x).softmax(-1),
    "exp": lambda lib, x, F: (x @ x).exp(),
    "layer_norm": lambda lib, x, F: F.layer_norm(x @ x, (4,)),
    "sum": lambda lib, x, F: (x @ x).sum(),
    "relu": lambda lib, x, F: (x @ x).relu(),
    "mse": lambda lib, x, F: F.mse_loss(x @ x, x),
    "cross_entropy": lambda lib, x, F: F.cross_entropy(x @ x, lib.tensor([0, 1, 2, 3])),
    "bce": lambda lib, x, F: F.binary_cross_entropy_with_logits(x @ x, x.abs().clamp(max=1)),
    "l1": lambda lib, x, F: F.l1_loss(x @ x, x),
    "prod": lambda lib, x, F: (x @ x).prod(),
    "cat": lambda lib, x, F: lib.cat([x, x @ x]),
    "off": lambda lib, x, F: off(lib, x),
}


def off(lib, x):
    with lib.autocast("cpu", enabled=False):
        return x @ x


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtypes_and_gradients(name, dtype):
    found, start = [], np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    for lib in (funcgrad, torch):
        x = lib.tensor(start, requires_grad=True)
        with lib.autocast("cpu", dtype=getattr(lib, dtype)):
            y = CALLS[name](lib, x, lib.nn.functional)
        weights = np.random.default_rng(1).normal(size=tuple(y.shape)).astype(np.float32)
        (y.float() * lib.tensor(weights)).sum().backward()
        found.append((str(y.dtype), y.detach().double().numpy(), str(x.grad.dtype), x.grad.numpy()))
    (d, y, gd, g), (d2, y2, gd2, g2) = found
    assert (d, gd) == (d2, gd2)
    near = 0.05 if dtype == "bfloat16" else 0.01
    np.testing.assert_allclose(y, y2, rtol=near, atol=near * np.abs(y2).max())
    np.testing.assert_allclose(g, g2, rtol=near, atol=near * np.abs(g2).max())


def test_the_state_of_autocast():
    for lib in (funcgrad, torch):
        assert not lib.is_autocast_enabled("cpu") and lib.get_autocast_dtype("cpu") is lib.bfloat16
        with lib.amp.autocast("cpu", dtype=lib.float16):
            assert lib.is_autocast_enabled("cpu") and lib.get_autocast_dtype("cpu") is lib.float16

        @lib.autocast("cpu")
        def f(x):
            return x @ x

        assert f(lib.ones(2, 2)).dtype is lib.bfloat16


def test_scaling():
    found = []
    for lib in (funcgrad, torch):
        p = lib.tensor([1.0, 2.0], requires_grad=True)
        q = lib.tensor([1.0], requires_grad=True)
        opt = lib.optim.Adam([p], lr=0.1)
        other = lib.optim.SGD([q], lr=0.1, momentum=0.9)
        scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        seen = []
        for k in range(8):
            opt.zero_grad()
            other.zero_grad()
            loss = (p * p).sum() * (float("inf") if k == 3 else 1.0) + (q * q).sum()
            scaler.scale(loss).backward()
            scaler.unscale_(opt)
            lib.nn.utils.clip_grad_norm_([p], 1.0)
            scaler.step(opt)
            scaler.step(other)
            scaler.update()
            seen.append((p.tolist(), q.tolist(), scaler.get_scale(), opt.state[p]["step"].item()))
        seen.append([*scaler.state_dict().items()])
        found.append(seen)
    for a, b in zip(*found, strict=True):
        for x, y in zip(a, b, strict=True):
            if isinstance(x, tuple):
                assert x == y
            else:
                np.testing.assert_allclose(x, y, rtol=1e-5)


def test_scaling_looks_at_nothing():
    """One program a step, and the same one when a step is left out."""
    p = funcgrad.tensor([1.0, 2.0], requires_grad=True)
    opt = funcgrad.optim.Adam([p], lr=0.1)
    scaler = funcgrad.amp.GradScaler("cpu", init_scale=8.0)
    factor = funcgrad.tensor(1.0)

    def step():
        opt.zero_grad()
        scaler.scale((p * p).sum() * factor).backward()
        scaler.step(opt)
        scaler.update()

    for _ in range(3):
        step()
        p.tolist()
    kept = p.tolist()
    factor.fill_(float("inf"))
    factor.tolist()
    runs = funcgrad.tape.stats.runs
    with funcgrad.assert_no_recompile():
        step()
        assert p.tolist() == kept
        assert scaler.get_scale() == 4.0
    assert funcgrad.tape.stats.runs == runs + 1


WRONG = {
    "twice": lambda lib, s, o: (s.unscale_(o), s.unscale_(o)),
    "stepped": lambda lib, s, o: (s.step(o), s.step(o)),
    "after": lambda lib, s, o: (s.step(o), s.unscale_(o)),
    "early": lambda lib, s, o: lib.amp.GradScaler("cpu").step(o),
    "update": lambda lib, s, o: s.update(),
    "factor": lambda lib, s, o: lib.amp.GradScaler("cpu", growth_factor=0.5),
    "state": lambda lib, s, o: s.load_state_dict({}),
    "closure": lambda lib, s, o: s.step(o, closure=1),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    said = []
    for lib in (funcgrad, torch):
        p = lib.ones(2, requires_grad=True)
        opt, scaler = lib.optim.SGD([p], lr=0.1), lib.amp.GradScaler("cpu")
        scaler.scale(p.sum()).backward()
        with pytest.raises(Exception) as caught:
            WRONG[name](lib, scaler, opt)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
