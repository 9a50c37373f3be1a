"""Adam steps of a classifier of digits: 784-512-256-10, batch 128."""

from __future__ import annotations

from .training import row


def build(torch):
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    x, y = torch.randn(128, 784), torch.randint(0, 10, (128,))
    return model, torch.optim.Adam(model.parameters()), lambda m, x, y: F.cross_entropy(m(x), y), (x, y)


def jax_loss(p, x, y):
    import jax
    import jax.numpy as jnp

    for i in (0, 2):
        x = jax.nn.relu(x @ p[f"{i}.weight"].T + p[f"{i}.bias"])
    logits = x @ p["4.weight"].T + p["4.bias"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


def run(peers, rounds: int):
    return row("mlp_adam (784-512-256-10, batch 128)", build, jax_loss, peers, rounds)
