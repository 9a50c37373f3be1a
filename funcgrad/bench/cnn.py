"""Adam steps of a small convolutional network: two 3×3 convolutions on 28×28, batch 32."""

from __future__ import annotations

from .training import row


def build(torch):
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 10),
    )  # fmt: skip
    x, y = torch.randn(32, 1, 28, 28), torch.randint(0, 10, (32,))
    return model, torch.optim.Adam(model.parameters()), lambda m, x, y: F.cross_entropy(m(x), y), (x, y)


def jax_loss(p, x, y):
    import jax
    import jax.numpy as jnp
    from jax import lax

    # channels last: the faster layout on CPUs
    x = x.transpose(0, 2, 3, 1)
    for i in (0, 2):
        kernel = p[f"{i}.weight"].transpose(2, 3, 1, 0)
        x = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + p[f"{i}.bias"])
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    logits = x @ p["6.weight"].T + p["6.bias"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


def run(peers, rounds: int):
    return row("cnn (two 3x3 convolutions, batch 32)", build, jax_loss, peers, rounds)
