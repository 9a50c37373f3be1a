"""Adam steps through an LSTMCell called 32 times in a loop: hidden 128, batch 16."""

from __future__ import annotations

from .training import row

STEPS, HIDDEN, BATCH = 32, 128, 16


def build(torch):
    nn = torch.nn
    model = nn.ModuleDict({"cell": nn.LSTMCell(HIDDEN, HIDDEN), "out": nn.Linear(HIDDEN, HIDDEN)})
    x, y = torch.randn(STEPS, BATCH, HIDDEN), torch.randn(BATCH, HIDDEN)

    def loss_of(m, x, y):
        h = c = x.new_zeros(BATCH, HIDDEN)
        for t in range(STEPS):
            h, c = m["cell"](x[t], (h, c))
        return ((m["out"](h) - y) ** 2).mean()

    return model, torch.optim.Adam(model.parameters()), loss_of, (x, y)


def jax_loss(p, x, y):
    import jax
    import jax.numpy as jnp
    from jax import lax

    # what the inputs contribute is one product, outside the loop
    inputs = x @ p["cell.weight_ih"].T + (p["cell.bias_ih"] + p["cell.bias_hh"])

    def step(state, gates):
        h, c = state
        i, f, g, o = jnp.split(gates + h @ p["cell.weight_hh"].T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((BATCH, HIDDEN))
    (h, _), _ = lax.scan(step, (zeros, zeros), inputs, unroll=8)
    return jnp.mean((h @ p["out.weight"].T + p["out.bias"] - y) ** 2)


def run(peers, rounds: int):
    return row("lstm (32 steps, hidden 128, batch 16)", build, jax_loss, peers, rounds)
