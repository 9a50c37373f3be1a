"""AdamW steps of a small GPT: 4 layers, 4 heads, 128 wide, context 64, batch 12."""

from __future__ import annotations

from .training import row

LAYERS, HEADS, WIDTH, CONTEXT, BATCH, WORDS, DECAY = 4, 4, 128, 64, 12, 65, 0.1


def block(torch, width: int):
    """The class of a Transformer block, `width` wide."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = self.qkv(self.ln1(x)).split(width, dim=2)
            q, k, v = (z.view(b, t, HEADS, width // HEADS).transpose(1, 2) for z in (q, k, v))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, width))
            return x + self.down(F.gelu(self.up(self.ln2(x))))

    return Block


def build(torch):
    nn, F = torch.nn, torch.nn.functional
    Block = block(torch, WIDTH)

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
            self.ln, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)

        def forward(self, x):
            x = self.words(x) + self.places(torch.arange(x.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.ln(x))

    model = GPT()
    text = torch.randint(0, WORDS, (BATCH, CONTEXT + 1))

    def loss_of(m, x, y):
        return F.cross_entropy(m(x).view(-1, WORDS), y.reshape(-1))

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=DECAY)
    return model, optimizer, loss_of, (text[:, :-1], text[:, 1:])


def jax_parts(p):
    """(linear, norm, block) as an expert writes them, of the parameters in `p`; a block is also given its mask."""
    import jax
    import jax.numpy as jnp

    def linear(name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(name, x):
        mean = x.mean(-1, keepdims=True)
        var = jnp.mean((x - mean) ** 2, -1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def block(name, x, mask):
        b, t, width = x.shape
        q, k, v = jnp.split(linear(f"{name}.qkv", norm(f"{name}.ln1", x)), 3, -1)
        q, k, v = (z.reshape(b, t, HEADS, -1).transpose(0, 2, 1, 3) for z in (q, k, v))
        scores = q @ k.swapaxes(-1, -2) / (width // HEADS) ** 0.5
        a = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), -1) @ v
        x = x + linear(f"{name}.out", a.transpose(0, 2, 1, 3).reshape(b, t, width))
        h = jax.nn.gelu(linear(f"{name}.up", norm(f"{name}.ln2", x)), approximate=False)
        return x + linear(f"{name}.down", h)

    return linear, norm, block


def causal(t: int):
    import jax.numpy as jnp

    return jnp.tril(jnp.ones((t, t), bool))


def jax_loss(p, x, y):
    import jax
    import jax.numpy as jnp

    _, norm, block = jax_parts(p)
    mask = causal(x.shape[1])
    x = p["words.weight"][x] + p["places.weight"]
    for i in range(LAYERS):
        x = block(f"blocks.{i}", x, mask)
    logits = norm("ln", x) @ p["head.weight"].T
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], -1))


def run(peers, rounds: int):
    return row("gpt (4 layers, 128 wide, 64 x 12)", build, jax_loss, peers, rounds, decay=DECAY)
