"""Training programs in the style of PyTorch's examples: written once, run under PyTorch and under funcgrad.

Each takes the library as `torch` and yields its losses. Data is made from NumPy's generator, parameters from the
library's own: the same seed gives the same beginning.
"""

import math
from types import SimpleNamespace

import numpy as np


def data(torch, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.normal(size=s).astype(np.float32)) for s in shapes]


def classes(torch, n, size, seed=1):
    return torch.tensor(np.random.default_rng(seed).integers(0, n, size))


def mlp(torch):
    """A classifier with batch normalisation, Adam and a schedule, by a DataLoader."""
    nn, F = torch.nn, torch.nn.functional
    (x,), y = data(torch, (48, 20)), classes(torch, 5, 48)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    net = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5))
    opt = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(opt, 1, gamma=0.7)
    for _ in range(2):
        net.train()
        for a, b in loader:
            opt.zero_grad()
            loss = F.nll_loss(F.log_softmax(net(a), dim=1), b)
            loss.backward()
            opt.step()
            yield loss
        schedule.step()
        net.eval()
        with torch.no_grad():
            yield F.cross_entropy(net(x), y)
            yield (net(x).argmax(1) == y).float().mean()


def cnn(torch):
    """Convolutions, pooling, group normalisation; SGD with momentum and clipped gradients."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, stride=2)
            self.norm, self.fc = nn.GroupNorm(2, 8), nn.Linear(8 * 9, 3)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            return self.fc(torch.flatten(F.gelu(self.norm(self.conv2(x))), 1))

    (x,), y = data(torch, (8, 1, 14, 14)), classes(torch, 3, 8)
    net = Net()
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(5):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        yield loss


def vae(torch):
    """A variational autoencoder: draws by the reparameterisation trick."""
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc, self.mu, self.logvar = nn.Linear(16, 12), nn.Linear(12, 3), nn.Linear(12, 3)
            self.dec = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 16), nn.Sigmoid())

        def forward(self, x):
            h = F.relu(self.enc(x))
            mu, logvar = self.mu(h), self.logvar(h)
            std = torch.exp(0.5 * logvar)
            return self.dec(mu + torch.randn_like(std) * std), mu, logvar

    x = torch.sigmoid(data(torch, (10, 16))[0])
    net = VAE()
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(5):
        opt.zero_grad()
        out, mu, logvar = net(x)
        bce = F.binary_cross_entropy(out, x, reduction="sum")
        loss = bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss.backward()
        opt.step()
        yield loss


def gan(torch):
    """Two networks against each other, an optimizer for each."""
    nn = torch.nn
    gen = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 6), nn.Tanh())
    dis = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    for net in (gen, dis):
        net.apply(lambda m: nn.init.normal_(m.weight, 0.0, 0.2) if isinstance(m, nn.Linear) else None)
    opt_g = torch.optim.Adam(gen.parameters(), lr=0.01, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(dis.parameters(), lr=0.01, betas=(0.5, 0.999))
    real, bce = data(torch, (12, 6))[0].tanh(), nn.BCEWithLogitsLoss()
    one, zero = torch.ones(12, 1), torch.zeros(12, 1)
    for _ in range(4):
        fake = gen(torch.randn(12, 4))
        opt_d.zero_grad()
        loss_d = bce(dis(real), one) + bce(dis(fake.detach()), zero)
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss_g = bce(dis(fake), one)
        loss_g.backward()
        opt_g.step()
        yield loss_d
        yield loss_g


def char_rnn(torch):
    """Truncated backpropagation through time: the hidden state is detached between pieces."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb, self.rnn, self.out = nn.Embedding(11, 6), nn.GRU(6, 8, num_layers=2), nn.Linear(8, 11)

        def forward(self, x, h):
            y, h = self.rnn(self.emb(x), h)
            return self.out(y), h

    text = classes(torch, 11, (25, 3))
    net = Net()
    opt = torch.optim.RMSprop(net.parameters(), lr=1e-2)
    h = torch.zeros(2, 3, 8)
    for i in range(0, 20, 5):
        h = h.detach()
        opt.zero_grad()
        out, h = net(text[i : i + 5], h)
        loss = F.cross_entropy(out.view(-1, 11), text[i + 1 : i + 6].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        yield loss


def sine(torch):
    """A time series by two LSTM cells in double precision, trained by L-BFGS."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.out = nn.LSTMCell(1, 7), nn.LSTMCell(7, 7), nn.Linear(7, 1)

        def forward(self, x):
            h1, c1, h2, c2 = (torch.zeros(x.size(0), 7, dtype=torch.double) for _ in range(4))
            outs = []
            for t in x.split(1, dim=1):
                h1, c1 = self.one(t, (h1, c1))
                h2, c2 = self.two(h1, (h2, c2))
                outs.append(self.out(h2))
            return torch.cat(outs, dim=1)

    x = torch.tensor(np.sin(np.arange(9)[None] / 2 + np.arange(4)[:, None]))
    net = Net().double()
    opt = torch.optim.LBFGS(net.parameters(), lr=0.8, max_iter=4)
    for _ in range(2):

        def closure():
            opt.zero_grad()
            loss = nn.MSELoss()(net(x[:, :-1]), x[:, 1:])
            loss.backward()
            return loss

        yield opt.step(closure)


def words(torch):
    """A word language model with tied weights and a plain SGD written by hand."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb, self.rnn, self.out = nn.Embedding(13, 8), nn.LSTM(8, 8, 2, dropout=0.0), nn.Linear(8, 13)
            self.out.weight = self.emb.weight
            nn.init.uniform_(self.emb.weight, -0.1, 0.1)

        def forward(self, x, h=None):
            y, h = self.rnn(self.emb(x), h)
            return F.log_softmax(self.out(y).view(-1, 13), dim=1), h

    text = classes(torch, 13, (7, 4))
    net, h = Net(), None
    for _ in range(4):
        net.zero_grad()
        out, h = net(text[:-1], h)
        h = tuple(v.detach() for v in h)
        loss = nn.NLLLoss()(out, text[1:].view(-1))
        loss.backward()
        for p in net.parameters():
            p.data.add_(p.grad, alpha=-2.0)
        yield loss


def gpt(torch):
    """A small GPT: AdamW with two groups, accumulated gradients, clipping, a cosine schedule, autocast to bfloat16."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(16), nn.LayerNorm(16, bias=False)
            self.attn, self.proj = nn.Linear(16, 48, bias=False), nn.Linear(16, 16)
            self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), nn.Dropout(0.0))

        def forward(self, x):
            b, t, c = x.size()
            q, k, v = self.attn(self.ln1(x)).split(c, dim=2)
            q, k, v = (z.view(b, t, 2, c // 2).transpose(1, 2) for z in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).contiguous().view(b, t, c))
            return x + self.mlp(self.ln2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.h = nn.ModuleDict({"wte": nn.Embedding(11, 16), "wpe": nn.Embedding(6, 16), "blocks": nn.ModuleList([Block(), Block()])})
            self.ln, self.head = nn.LayerNorm(16), nn.Linear(16, 11, bias=False)
            self.h.wte.weight = self.head.weight
            self.apply(self.start)
            for name, p in self.named_parameters():
                if name.endswith("proj.weight"):
                    nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(4))

        def start(self, m):
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

        def forward(self, x, y):
            h = self.h["wte"](x) + self.h["wpe"](torch.arange(0, x.size(1), dtype=torch.long))
            for block in self.h["blocks"]:
                h = block(h)
            logits = self.head(self.ln(h))
            return F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)

    net = GPT()
    params = {n: p for n, p in net.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for p in params.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    opt = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), fused=False)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 6)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    text = classes(torch, 11, (24, 7))
    for i in range(4):
        for k in range(2):
            batch = text[(2 * i + k) * 3 :][:3]
            with torch.amp.autocast(device_type="cpu", dtype=torch.bfloat16):
                loss = net(batch[:, :-1].contiguous(), batch[:, 1:].contiguous()) / 2
            scaler.scale(loss).backward()
        scaler.unscale_(opt)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(opt)
        scaler.update()
        opt.zero_grad(set_to_none=True)
        schedule.step()
        yield loss.float()


def policy(torch):
    """A policy gradient: actions drawn from a Categorical, rewards discounted and normalised."""
    nn, F = torch.nn, torch.nn.functional
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)
    states = data(torch, (3, 6, 4))[0]
    for episode in states:
        logs, rewards = [], []
        for state in episode:
            dist = torch.distributions.Categorical(F.softmax(net(state), dim=-1))
            action = dist.sample()
            logs.append(dist.log_prob(action))
            rewards.append(1.0 if action.item() == int(state[0] > 0) else -0.5)
        total, returns = 0.0, []
        for r in rewards[::-1]:
            total = r + 0.9 * total
            returns.insert(0, total)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        loss = torch.stack([-log * r for log, r in zip(logs, returns, strict=True)]).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        yield loss


def siamese(torch):
    """Two images through one network, their difference judged."""
    nn = torch.nn
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 8))
    head = nn.Sequential(nn.Linear(16, 8), nn.ReLU(inplace=True), nn.Linear(8, 1), nn.Sigmoid())
    one, two = data(torch, (6, 1, 10, 10), (6, 1, 10, 10))
    target = torch.tensor([1.0, 0, 1, 0, 0, 1])
    opt = torch.optim.Adadelta([*body.parameters(), *head.parameters()], lr=1.0)
    for _ in range(4):
        opt.zero_grad()
        out = head(torch.cat((body(one), body(two)), 1)).squeeze()
        loss = nn.BCELoss()(out, target) + 0.1 * nn.CosineEmbeddingLoss()(body(one), body(two), 2 * target - 1)
        loss.backward()
        opt.step()
        yield loss


def gcn(torch):
    """A graph network with a normalised adjacency matrix."""
    nn, F = torch.nn, torch.nn.functional

    class Layer(nn.Module):
        def __init__(self, i, o):
            super().__init__()
            self.weight = nn.Parameter(torch.FloatTensor(i, o) if hasattr(torch, "FloatTensor") else torch.empty(i, o))
            self.bias = nn.Parameter(torch.zeros(o))
            bound = 1.0 / math.sqrt(self.weight.size(1))
            self.weight.data.uniform_(-bound, bound)

        def forward(self, x, adj):
            return torch.mm(adj, torch.mm(x, self.weight)) + self.bias

    (x,), y = data(torch, (9, 6)), classes(torch, 3, 9)
    edges = torch.tensor(np.random.default_rng(2).random((9, 9)) < 0.3).float()
    adj = ((edges + edges.t()) > 0).float() + torch.eye(9)
    degree = adj.sum(1).pow(-0.5)
    adj = degree[:, None] * adj * degree[None]
    one, two = Layer(6, 8), Layer(8, 3)
    opt = torch.optim.Adam([*one.parameters(), *two.parameters()], lr=0.02, weight_decay=5e-4)
    train = torch.arange(5)
    for _ in range(4):
        opt.zero_grad()
        out = F.log_softmax(two(F.relu(one(x, adj)), adj), dim=1)
        loss = F.nll_loss(out[train], y[train])
        loss.backward()
        opt.step()
        yield loss


def super_resolution(torch):
    """Orthogonal initialisation and PixelShuffle."""
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.PixelShuffle(2))
    nn.init.orthogonal_(net[0].weight, nn.init.calculate_gain("relu"))
    nn.init.orthogonal_(net[2].weight)
    x, y = data(torch, (2, 1, 6, 6), (2, 1, 12, 12))
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(4):
        opt.zero_grad()
        loss = nn.MSELoss()(net(x), y)
        loss.backward()
        opt.step()
        yield loss
        yield 10 * torch.log10(1 / loss)


def translation(torch):
    """nn.Transformer from sequence to sequence, with masks."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.src, self.tgt = nn.Embedding(9, 16, padding_idx=0), nn.Embedding(9, 16, padding_idx=0)
            self.core = nn.Transformer(16, 2, 1, 1, 24, dropout=0.0, batch_first=True)
            self.out = nn.Linear(16, 9)

        def forward(self, src, tgt):
            mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
            padded = src == 0
            y = self.core(self.src(src), self.tgt(tgt), tgt_mask=mask, src_key_padding_mask=padded.float() * -1e9)
            return self.out(y)

    src, tgt = classes(torch, 9, (4, 5)), classes(torch, 9, (4, 6), seed=3)
    net = Net()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) ** -0.5, (s + 1) * 4**-1.5))
    for _ in range(4):
        opt.zero_grad()
        out = net(src, tgt[:, :-1])
        loss = F.cross_entropy(out.reshape(-1, 9), tgt[:, 1:].reshape(-1), ignore_index=0)
        loss.backward()
        opt.step()
        schedule.step()
        yield loss


def averaged(torch):
    """Stochastic weight averaging, a frozen layer, hooks, and a checkpoint in the middle."""
    nn, F = torch.nn, torch.nn.functional
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 2))
    net[0].requires_grad_(False)
    norms = []
    net[3].register_forward_hook(lambda m, i, o: norms.append(o.detach().norm()))
    net[3].register_full_backward_hook(lambda m, gi, go: norms.append(go[0].norm()))
    opt = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1)
    ema = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    (x,), y = data(torch, (10, 6)), classes(torch, 2, 10)
    for k in range(6):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        ema.update_parameters(net)
        if k == 2:
            saved = SimpleNamespace(net={k: v.clone() for k, v in net.state_dict().items()}, opt=opt.state_dict())
        yield loss
    net.load_state_dict(saved.net)
    opt.load_state_dict(saved.opt)
    yield F.cross_entropy(net(x), y)
    ema.eval()
    yield F.cross_entropy(ema(x), y)
    yield torch.stack(norms).sum()


PROGRAMS = {
    f.__name__: f
    for f in (
        mlp, cnn, vae, gan, char_rnn, sine, words, gpt, policy, siamese, gcn, super_resolution, translation, averaged,
    )
}  # fmt: skip
# relative: float32 drifts apart over a few steps, bfloat16 has eight bits
NEAR = {"gpt": 2e-2, "sine": 1e-6}
