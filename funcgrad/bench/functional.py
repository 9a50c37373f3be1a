"""The functional API beside JAX's own transforms and `torch.func`: the same functions, the same arrays."""

from __future__ import annotations

import time

import numpy as np

from ..tape import stats
from .harness import Row, alternate
from .mlp import data

DEEP = (32, 64, 32)  # layers, width, batch: host cost rules
WIDE = (4, 1024, 256)


def mlp_loss(linear, relu):
    """The loss of a multilayer perceptron over a list of (weight, bias)."""

    def loss(params, x, y):
        h = x
        for w, b in params:
            h = relu(linear(h, w, b))
        return ((h - y) ** 2).mean()

    return loss


def _jax_parts():
    import jax
    import jax.numpy as jnp

    return jax, jnp, mlp_loss(lambda x, w, b: x @ w.T + b, jax.nn.relu)


def _params(make, size):
    weights, biases, x, y = data(*size)
    return [(make(w), make(b)) for w, b in zip(weights, biases, strict=True)], make(x), make(y)


def _calls(f, wait, *args):
    def work(n: int):
        out = None
        for _ in range(n):
            out = f(*args)
        return wait(out)

    return work


def value_and_grad(name: str, size, peers, rounds: int) -> list[Row]:
    """Jitted by `to_jax`, and called in a Python loop, beside the jitted JAX call."""
    import funcgrad as torch

    jax, jnp, jloss = _jax_parts()
    loss = mlp_loss(torch.nn.functional.linear, torch.relu)
    ours = torch.func.value_and_grad(loss)
    jargs, targs = _params(jnp.asarray, size), _params(torch.tensor, size)
    theirs = jax.jit(jax.value_and_grad(jloss))
    inside = jax.jit(torch.func.to_jax(ours))

    def called(*args):
        out = ours(*args)
        torch.sync()
        return out

    works = {"funcgrad": _calls(inside, lambda o: o[0].block_until_ready(), *jargs)}
    jitted = _calls(theirs, lambda o: o[0].block_until_ready(), *jargs)
    row = alternate(f"value_and_grad, {name}, jitted", "call", works | {"jax": jitted}, rounds=rounds, seconds=0.3)
    row.facts["first call"] = f"{_first_call(ours, jloss, jargs):.2f} x jax"
    before = stats.snapshot()
    works = {"funcgrad": _calls(called, lambda o: o[0].item(), *targs), "jax": jitted}
    if "torch" in peers:
        works["torch"] = _torch_value_and_grad(size)
    loop = alternate(f"value_and_grad, {name}, not jitted", "call", works, rounds=rounds, seconds=0.3)
    loop.facts["compiles"] = stats.snapshot()["compiles"] - before["compiles"]
    return [row, loop]


def _first_call(ours, jloss, args) -> float:
    """The time to trace and compile the first call, over JAX's; the median of five, each from nothing."""
    import jax

    import funcgrad as torch

    ratios = []
    for k in range(5):
        scale = 1.0 + k  # another constant, so that nothing is found again
        both = []
        for make in (
            lambda s: jax.jit(torch.func.to_jax(_scaled(ours, s))),
            lambda s: jax.jit(_scaled(jax.value_and_grad(jloss), s)),
        ):
            start = time.perf_counter()
            make(scale)(*args)[0].block_until_ready()
            both.append(time.perf_counter() - start)
        ratios.append(both[0] / both[1])
    return float(np.median(ratios))


def _scaled(f, s: float):
    def g(*args):
        value, grads = f(*args)
        return value * s, grads

    return g


def _torch_value_and_grad(size):
    import torch

    loss = mlp_loss(torch.nn.functional.linear, torch.relu)
    f = torch.func.grad_and_value(loss)
    args = _params(torch.tensor, size)
    return _calls(f, lambda o: o[1].item(), *args)


def _net(module):
    """A network with one hidden layer of 64 on 64 inputs, one output."""

    def net(params, x):
        w, v = params
        return module.tanh(x @ w) @ v

    return net


def batched(name: str, build, peers, rounds: int) -> list[Row]:
    """One transform: jitted by `to_jax`, and called in a Python loop, beside the jitted JAX call."""
    import jax
    import jax.numpy as jnp

    import funcgrad as torch

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(np.float32) * 0.1 for s in ((64, 64), (64,), (128, 64), (64,))]
    f, args = build(torch, torch.func, [torch.tensor(a) for a in arrays])

    def called(*args):
        out = f(*args)
        torch.sync()
        return out

    first = lambda o: o[0] if isinstance(o, tuple | list) else o  # noqa: E731
    works = {"funcgrad": _calls(called, lambda o: first(o).sum().item(), *args)}
    jf, jargs = build(jnp, jax, [jnp.asarray(a) for a in arrays])
    works["jax"] = _calls(jax.jit(jf), lambda o: first(o).block_until_ready(), *jargs)
    inside = _calls(jax.jit(torch.func.to_jax(f)), lambda o: first(o).block_until_ready(), *jargs)
    jitted = {"funcgrad": inside, "jax": works["jax"]}
    if "torch" in peers:
        import torch as pytorch

        pf, pargs = build(pytorch, pytorch.func, [pytorch.tensor(a) for a in arrays])
        works["torch"] = _calls(pf, lambda o: first(o).sum().item(), *pargs)
    before = stats.snapshot()
    row = alternate(f"{name}, not jitted", "call", works, rounds=rounds, seconds=0.2)
    row.facts["compiles"] = stats.snapshot()["compiles"] - before["compiles"]
    return [alternate(f"{name}, jitted", "call", jitted, rounds=rounds, seconds=0.2), row]


def per_sample(m, func, arrays):
    w, v, xs, _ = arrays
    net = _net(m)
    return func.vmap(func.grad(lambda p, x: net(p, x) ** 2), (None, 0)), ((w, v), xs)


def hessian(m, func, arrays):
    w, v, _, x = arrays
    net = _net(m)
    return func.hessian(lambda v: net((w, v), x) ** 2 + (v**2).sum()), (v,)


def jacrev(m, func, arrays):
    w, _, _, x = arrays
    return func.jacrev(lambda x: m.tanh(x @ w)), (x,)


def jacfwd(m, func, arrays):
    w, _, _, x = arrays
    return func.jacfwd(lambda x: m.tanh(x @ w)), (x,)


def run(peers, rounds: int) -> list[Row]:
    rows = []
    for name, size in (("deep", DEEP), ("wide", WIDE)):
        rows += value_and_grad(name, size, peers, rounds)
    for name, build in (
        ("per-sample gradients, 128 of 64x64", per_sample),
        ("Hessian of a 2-layer net, 64", hessian),
        ("jacrev 64x64", jacrev),
        ("jacfwd 64x64", jacfwd),
    ):
        rows += batched(name, build, peers, rounds)
    return rows
