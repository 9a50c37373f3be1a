"""Adam steps of an MLP with 20 layers, beside hand-written JAX, flax.nnx and equinox where they are installed."""

from __future__ import annotations

from functools import partial

from .harness import Row, alternate
from .training import BETAS, EPS, LR, beginning, check, jax_loop, torch_like

LAYERS, WIDTH, BATCH = 20, 64, 32


def build(torch):
    nn = torch.nn
    model = nn.Sequential(*[m for _ in range(LAYERS) for m in (nn.Linear(WIDTH, WIDTH), nn.ReLU())])
    x, y = torch.randn(BATCH, WIDTH), torch.randn(BATCH, WIDTH)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, betas=BETAS, eps=EPS)
    return model, optimizer, lambda m, x, y: ((m(x) - y) ** 2).mean(), (x, y)


def _forward(jnp, layers, x):
    import jax

    for w, b in layers:
        x = jax.nn.relu(x @ w.T + b)
    return x


def jax_loss(p, x, y):
    import jax.numpy as jnp

    layers = [(p[f"{2 * i}.weight"], p[f"{2 * i}.bias"]) for i in range(LAYERS)]
    return jnp.mean((_forward(jnp, layers, x) - y) ** 2)


def nnx_loop(params, inputs, cached: bool):
    """As the documentation of flax.nnx writes it: a Module, an Optimizer around optax, `nnx.jit` with donation."""
    import jax.numpy as jnp
    import optax
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self):
            rngs = nnx.Rngs(0)
            self.layers = nnx.List([nnx.Linear(WIDTH, WIDTH, rngs=rngs) for _ in range(LAYERS)])

        def __call__(self, x):
            for layer in self.layers:
                x = nnx.relu(layer(x))
            return x

    net = Net()
    for i, layer in enumerate(net.layers):
        layer.kernel[...] = jnp.asarray(params[f"{2 * i}.weight"].T)
        layer.bias[...] = jnp.asarray(params[f"{2 * i}.bias"])
    optimizer = nnx.Optimizer(net, optax.adam(LR, *BETAS, EPS), wrt=nnx.Param)

    @partial(nnx.jit, donate_argnums=(0, 1))
    def step(net, optimizer, x, y):
        loss, grads = nnx.value_and_grad(lambda net: jnp.mean((net(x) - y) ** 2))(net)
        optimizer.update(net, grads)
        return loss

    one = nnx.cached_partial(step, net, optimizer) if cached else partial(step, net, optimizer)
    x, y = map(jnp.asarray, inputs)

    def work(n: int):
        loss = None
        for _ in range(n):
            loss = one(x, y)
        return float(loss)

    return work


def equinox_loop(params, inputs):
    """As the documentation of equinox writes it: `filter_jit` of a step that returns the new model and state."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    layers = []
    for i in range(LAYERS):
        layer = eqx.nn.Linear(WIDTH, WIDTH, key=jax.random.key(0))
        new = jnp.asarray(params[f"{2 * i}.weight"]), jnp.asarray(params[f"{2 * i}.bias"])
        layers += [eqx.tree_at(lambda m: (m.weight, m.bias), layer, new), eqx.nn.Lambda(jax.nn.relu)]
    model = eqx.nn.Sequential(layers)
    tx = optax.adam(LR, *BETAS, EPS)
    state = tx.init(eqx.filter(model, eqx.is_inexact_array))
    x, y = map(jnp.asarray, inputs)

    @partial(eqx.filter_jit, donate="all-except-first")
    def step(inputs, model, state):
        x, y = inputs
        loss, grads = eqx.filter_value_and_grad(lambda m: jnp.mean((jax.vmap(m)(x) - y) ** 2))(model)
        updates, state = tx.update(grads, state, model)
        return eqx.apply_updates(model, updates), state, loss

    def work(n: int):
        nonlocal model, state
        loss = None
        for _ in range(n):
            model, state, loss = step((x, y), model, state)
        return float(loss)

    return work


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    params, inputs = beginning(build)
    works = {"funcgrad": torch_like(funcgrad, build), "compiled": torch_like(funcgrad, build, funcgrad.compile)}
    if "jax" in peers:
        works["jax"] = jax_loop(params, jax_loss, inputs)
    if "flax" in peers:
        works["nnx.jit"], works["nnx.cached"] = (nnx_loop(params, inputs, cached) for cached in (False, True))
    if "equinox" in peers:
        works["equinox"] = equinox_loop(params, inputs)
    if "torch" in peers:
        import torch

        works["torch"] = torch_like(torch, build)
    check({peer: work(1) for peer, work in works.items()})
    return [alternate(f"frameworks ({LAYERS} x {WIDTH}, Adam)", "step", works, rounds=rounds, seconds=0.3)]
