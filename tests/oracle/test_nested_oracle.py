"""`torch.nested` beside PyTorch's: expressions in both, and a network on sentences of different lengths."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: F401  so that torch.nn.functional is there

import funcgrad

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
SIZES = (2, 4, 1)


def names(t) -> dict:
    """What the expressions below speak of, in one of the modules."""
    parts = [t.arange(n * 4, dtype=t.float64).reshape(n, 4) / 7 for n in SIZES]
    x = t.nested.nested_tensor(parts, layout=t.jagged)
    q = x.unflatten(-1, [2, 2]).transpose(1, 2)
    words = t.nested.nested_tensor([t.tensor([0, 1]), t.tensor([2])], layout=t.jagged)
    rows = t.arange(24.0, dtype=t.float64).reshape(3, 8)
    return {"torch": t, "F": t.nn.functional, "parts": parts, "x": x, "q": q, "words": words, "rows": rows, "d": t.float64}


def plain(a):
    """Something comparable: components, arrays, sizes."""
    if isinstance(a, torch.Tensor | funcgrad.Tensor):
        if a.is_nested:
            shape = [n if isinstance(n, int) else "j" for n in a.shape] if "jagged" in str(a.layout) else None
            return shape, str(a.dtype), [plain(c) for c in a.unbind()]
        return tuple(a.shape), str(a.dtype), a.detach().numpy().copy()
    if isinstance(a, tuple | list):
        return [plain(b) for b in a]
    return a if isinstance(a, bool | int | float | type(None)) else str(a)


def agree(a, b) -> None:
    if isinstance(a, np.ndarray):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), (a, b)
        for one, other in zip(a, b, strict=True):
            agree(one, other)
    else:
        assert a == b, (a, b)


EXPRESSIONS = """
    x; x.size(0); x.size(-1); x.dim(); x.ndim; x.is_nested; x.layout; x.dtype; x.numel(); len(x); list(x)
    x.values(); x.offsets(); x.lengths(); x.unbind(); x.to_padded_tensor(-1.0); x[0]; x[-1, 0]; x.is_contiguous()
    torch.nested.to_padded_tensor(x, 0.0, (3, 5, 4)); x.size(1) == (x + 1).size(1); x.shape == x.sin().shape
    x + 1; 2 - x; x * x; -x; x ** 2; x / 2; x == x; x > 1; x + torch.ones(4, dtype=d); torch.ones(4, dtype=d) + x
    x * torch.arange(3.0, dtype=d).reshape(3, 1, 1); x * torch.ones(1, 1, 4, dtype=d); x + torch.ones(3, 4, 4, dtype=d)
    torch.where(x > 1, x, 0.0); x.masked_fill(x > 1, 0.0); x.clamp(0, 1); torch.sin(x); F.gelu(x); F.relu(x); x.abs().sqrt()
    F.softmax(x, -1); F.softmax(x, 1); F.log_softmax(x, 2); F.layer_norm(x, (4,)); F.rms_norm(x, (4,)); F.silu(x)
    F.linear(x, torch.ones(2, 4, dtype=d)); x @ torch.ones(4, 3, dtype=d); torch.bmm(x, torch.ones(3, 4, 2, dtype=d))
    torch.matmul(x.transpose(1, 2), x); F.embedding(words, torch.eye(3)); F.dropout(x, 0.5, training=False)
    x.sum(); x.sum(-1); x.sum(1); x.sum(-1, keepdim=True); x.mean(); x.mean(1); x.mean(-1); x.amax(1); x.amin(1)
    x.any(); x.max(-1); x.prod(1); x.sum(1, keepdim=True); x.sum((0, 1))
    q; q.transpose(1, 2).flatten(-2); x.transpose(1, 2); x.permute(0, 2, 1); x.chunk(2, -1); x.split([1, 3], -1); x.split(2, -1)
    x.unsqueeze(-1); x.unsqueeze(-1).squeeze(-1); x.unsqueeze(1); x.view(3, -1, 2, 2); x.reshape(3, -1, 2, 2); x.narrow(-1, 1, 2)
    x.select(-1, 0); x.expand(3, -1, 4); x.chunk(3, 0); x.unflatten(-1, (2, 2)).permute(0, 2, 1, 3); x.transpose(-1, -2).sum(-1)
    torch.cat([x, x], -1); torch.stack([x, x], -1); torch.cat([x, 2 * x], dim=2); x.double(); x.to(torch.float32); x.clone()
    x.detach(); x.contiguous(); torch.ones_like(x); torch.zeros_like(x); x.float().dtype; x.clone().add_(1); x.clone().fill_(2.0)
    F.scaled_dot_product_attention(q, q, q); F.scaled_dot_product_attention(q, q, q, scale=0.3).transpose(1, 2).flatten(-2)
    torch.nested.as_nested_tensor(parts, layout=torch.jagged); torch.nested.as_nested_tensor(rows.reshape(3, 4, 2), layout=torch.jagged)
    torch.nested.nested_tensor_from_jagged(rows, torch.tensor([0, 2, 3])); torch.nested.nested_tensor([[1, 2], [3]], layout=torch.jagged)
    torch.nested.nested_tensor_from_jagged(rows, torch.tensor([0, 2, 3]), torch.tensor([1, 1]))
    torch.nested.nested_tensor_from_jagged(rows, lengths=torch.tensor([1, 2])); torch.nested.masked_select(rows, rows > 5)
    torch.nested.narrow(rows, 1, torch.tensor([0, 1, 2]), torch.tensor([2, 3, 1]), layout=torch.jagged)
    torch.nested.narrow(rows, 1, 0, torch.tensor([2, 3, 1]), layout=torch.jagged); torch.nested.nested_tensor([rows[:, :2], rows], layout=torch.jagged)
    torch.nested.nested_tensor(parts); torch.nested.nested_tensor(parts) * 2; torch.nested.nested_tensor(parts).size(2)
    torch.nested.nested_tensor(parts).to_padded_tensor(0.0); torch.nested.nested_tensor([rows, rows[:1, :2]]).to_padded_tensor(1.0, (2, 5, 9))
    F.linear(torch.nested.nested_tensor(parts), torch.ones(2, 4, dtype=d)); F.softmax(torch.nested.nested_tensor(parts), -1)
    torch.nested.nested_tensor(parts).transpose(1, 2); torch.nested.nested_tensor(parts)[1]; torch.nested.nested_tensor(parts).numel()
    F.layer_norm(torch.nested.nested_tensor(parts), (4,), torch.ones(4, dtype=d), torch.zeros(4, dtype=d)); F.gelu(torch.nested.nested_tensor(parts)); torch.nested.nested_tensor(parts).values()
    torch.nested.nested_tensor([rows, rows[:1, :2]]); torch.nested.as_nested_tensor(rows.reshape(3, 2, 4))
"""

REFUSED = """
    x + torch.nested.nested_tensor(parts, layout=torch.jagged); x.sum(0); x[:, 0:1]; x[1:2]; x.flatten(1); x.flatten(-2); x.squeeze(1)
    torch.cat([x, x], 0); x.matmul(x.transpose(1, 2)); x.cumsum(-1); x.det(); torch.linalg.inv(x); x.numpy(); x.item(); x.reshape(3, -1)
    torch.nested.nested_tensor([rows, rows[:1, :2]], layout=torch.jagged); torch.nested.nested_tensor([], layout=torch.jagged)
    torch.nested.nested_tensor(rows); torch.nested.nested_tensor([rows, rows[0]]); torch.nested.nested_tensor(parts).size(1)
    torch.nested.nested_tensor(parts).shape; x.unflatten(1, (1, 2)); x.size(1) > 5; x.repeat(1, 1, 2); x.unbind(1)
    torch.nested.nested_tensor_from_jagged(rows); F.scaled_dot_product_attention(q, q, q, torch.ones(2, 2))
"""


def listed(text: str) -> list[str]:
    return [e.strip() for line in text.strip().splitlines() for e in line.split(";") if e.strip()]


@pytest.fixture(scope="module")
def theirs():
    return names(torch)


def test_expressions(theirs):
    """All are recorded before the first is looked at, so that they are one program."""
    ours, expressions = names(funcgrad), listed(EXPRESSIONS)
    made = [eval(e, ours) for e in expressions]
    for e, a in zip(expressions, made, strict=True):
        try:
            agree(plain(eval(e, theirs)), plain(a))
        except AssertionError as error:
            raise AssertionError(e) from error


@pytest.mark.parametrize("expression", listed(REFUSED))
def test_refused(expression, theirs):
    with pytest.raises(Exception) as expected:
        eval(expression, theirs)
    with pytest.raises(expected.type):
        eval(expression, names(funcgrad))


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp", "amax"])
def test_what_pytorch_leaves_out(name):
    """Reductions over the ragged and other dimensions together, and more functions along the others."""
    space = names(funcgrad)
    x, parts = space["x"], space["parts"]
    for dim, inner in (((1, 2), (0, 1)), (-1, -1)):
        made, each = getattr(x, name)(dim), [getattr(p, name)(inner) for p in parts]
        for one, other in zip(made.unbind(), each, strict=True):
            agree(plain(other), plain(one))


def step_by_step(t) -> list[float]:
    """A sentence classifier: attention within each sentence, the mean over its padded words, three steps of Adam."""

    class Attention(t.nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.norm = heads, t.nn.LayerNorm(width)
            self.q, self.k, self.v, self.out = (t.nn.Linear(width, width) for _ in range(4))

        def forward(self, x):
            y = self.norm(x)
            q, k, v = (f(y).unflatten(-1, [self.heads, 16 // self.heads]).transpose(1, 2) for f in (self.q, self.k, self.v))
            y = t.nn.functional.scaled_dot_product_attention(q, k, v)
            return x + self.out(y.transpose(1, 2).flatten(-2))

    t.manual_seed(0)
    layer, head = Attention(16, 2), t.nn.Linear(16, 4)
    optimizer = t.optim.Adam([*layer.parameters(), *head.parameters()], lr=1e-2)
    losses = []
    for lengths in ([3, 7, 5, 1], [2, 2, 6, 6], [3, 7, 5, 1]):
        x = t.nested.nested_tensor([t.randn(n, 16) for n in lengths], layout=t.jagged)
        logits = head(t.nn.functional.gelu(layer(x)).to_padded_tensor(0.0).mean(1))
        loss = t.nn.functional.cross_entropy(logits, t.randint(0, 4, (4,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_network_learns_alike():
    np.testing.assert_allclose(step_by_step(funcgrad), step_by_step(torch), rtol=2e-5)


@pytest.mark.parametrize("t", [torch, funcgrad], ids=["torch", "funcgrad"])
def test_gradients_come_to_leaves_and_components(t):
    parts = [t.ones(n, 2, requires_grad=True) for n in (1, 3)]
    w = t.full((2,), 3.0, requires_grad=True)
    (t.nested.as_nested_tensor(parts, layout=t.jagged) * w).sum().backward()
    assert parts[1].grad.tolist() == [[3.0, 3.0]] * 3
    assert w.grad.tolist() == [4.0, 4.0]
    x = t.nested.nested_tensor(parts, layout=t.jagged, requires_grad=True)
    assert x.is_leaf and x.grad is None
    y = x * x
    assert type(y.grad_fn).__name__ == "MulBackward0" and not y.is_leaf
    y.sum().backward()
    assert x.grad.is_nested and x.grad.size(1) == x.size(1)
    assert x.grad.values().tolist() == [[2.0, 2.0]] * 4
    s = t.nested.nested_tensor([t.ones(2), t.ones(3)], requires_grad=True)
    (s * 2).to_padded_tensor(0.0).sum().backward()
    assert [g.tolist() for g in s.grad.unbind()] == [[2.0, 2.0], [2.0, 2.0, 2.0]]
    s = t.nested.nested_tensor([t.ones(2), t.ones(3)], requires_grad=True)
    (s * 2).backward(t.nested.nested_tensor([t.ones(2), t.zeros(3)]))
    assert [g.tolist() for g in s.grad.unbind()] == [[2.0, 2.0], [0.0, 0.0, 0.0]]


def test_printing():
    for t in (torch, funcgrad):
        x = t.nested.nested_tensor([t.ones(2, 3), t.ones(1, 3)], layout=t.jagged, requires_grad=True)
        text = repr(x).replace(f"{x.size(1)}", "j")
        assert text == "NestedTensor(size=(2, j, 3), offsets=tensor([0, 2, 3]), requires_grad=True, contiguous=True)"
    assert repr(funcgrad.nested.nested_tensor([funcgrad.ones(2)])) == repr(torch.nested.nested_tensor([torch.ones(2)]))


def test_copies_and_compiled_functions():
    x = funcgrad.nested.nested_tensor([funcgrad.ones(2, 3), funcgrad.ones(1, 3)], layout=funcgrad.jagged)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.offsets().tolist() == [0, 2, 3] and y.values().tolist() == x.values().tolist()
    double = funcgrad.compile(lambda t: t * 2)
    with pytest.warns(funcgrad.RecompileWarning, match="one of its results is a NestedTensor"):
        for k in range(4):
            made = double(x + k)
            assert made.is_nested and made.values().tolist() == ((x + k).values() * 2).tolist()
