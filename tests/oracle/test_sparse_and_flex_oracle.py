"""`nn.attention.flex_attention` and sparse tensors held dense, beside PyTorch's."""

import numpy as np
import pytest
import torch as real

import funcgrad

RNG = np.random.default_rng(0)
Q, K, V = (RNG.normal(size=(2, 4, n, 8)).astype(np.float32) for n in (6, 9, 9))


def relative(torch):
    return lambda score, b, h, q, k: score + 0.1 * (q - k) * (h + 1)


def soft_cap(torch):
    return lambda score, b, h, q, k: 2.0 * torch.tanh(score / 2.0)


def causal(b, h, q, k):
    return q >= k


def odd_heads_look_ahead(b, h, q, k):
    return (q >= k) | (h % 2 == 1)


def window(b, h, q, k):
    return (q - k < 3) & (k - q < 3)


def of(torch, flex, mod, mask, heads, **options):
    q, k, v = (torch.tensor(a) for a in (Q, K[:, :heads], V[:, :heads]))
    block = None if mask is None else flex.create_block_mask(mask(flex), None, 4, 6, 9, device="cpu", BLOCK_SIZE=4)
    score = None if mod is None else mod(torch)
    return flex.flex_attention(q, k, v, score, block, **options), block


MASKS = {
    "all": None,
    "causal": lambda f: causal,
    "heads": lambda f: odd_heads_look_ahead,
    "and": lambda f: f.and_masks(causal, window),
    "or": lambda f: f.or_masks(causal, window),
}
CASES = [  # function of the scores, mask, heads of keys, options
    (None, "all", 4, {}), (relative, "all", 4, {"scale": 0.3}), (soft_cap, "causal", 4, {"return_lse": True}),
    (None, "heads", 4, {}), (relative, "and", 2, {"return_lse": True}), (None, "or", 2, {"scale": 0.3}),
    (soft_cap, "heads", 2, {}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mod, mask, heads, options", CASES, ids=range(len(CASES)))
def test_flex_attention(mod, mask, heads, options):
    import torch.nn.attention.flex_attention as theirs

    mask, options = MASKS[mask], {**options, "enable_gqa": heads != 4}
    got, block = of(funcgrad, funcgrad.nn.attention.flex_attention, mod, mask, heads, **options)
    want, other = of(real, theirs, mod, mask, heads, **options)
    for a, b in zip(got, want, strict=True) if options.get("return_lse") else [(got, want)]:
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-6)
    if block is not None:
        assert block.shape == tuple(other.shape) and block.sparsity() == pytest.approx(other.sparsity())


def test_its_gradient_is_that_of_plain_attention():
    from funcgrad.nn.attention.flex_attention import create_block_mask, flex_attention

    both = []
    for flex in (True, False):
        q, k, v, w = (funcgrad.tensor(a, requires_grad=True) for a in (Q, K, V, np.float32(0.3)))
        bias = lambda score, b, h, i, j, w=w: score + w * (i - j)  # noqa: E731
        if flex:
            out = flex_attention(q, k, v, bias, create_block_mask(causal, None, None, 6, 9))
        else:
            places = funcgrad.arange(6)[:, None] - funcgrad.arange(9)
            scores = (q @ k.mT / 8**0.5 + w * places).masked_fill(places < 0, -np.inf)
            out = scores.softmax(-1) @ v
        out.square().sum().backward()
        both.append([t.grad.numpy() for t in (q, k, v, w)])
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_what_it_refuses():
    for torch, flex in ((funcgrad, funcgrad.nn.attention.flex_attention), (real, real.nn.attention.flex_attention)):
        q, k = torch.randn(1, 4, 2, 8), torch.randn(1, 2, 2, 8)
        with pytest.raises(ValueError, match="same number of heads but got Hq=4 and Hkv=2. Try setting enable_gqa"):
            flex.flex_attention(q, k, k)
        with pytest.raises(ValueError, match="block_mask was created for block_mask.shape="):
            flex.flex_attention(q, q, q, block_mask=flex.create_block_mask(causal, None, None, 256, 256, device="cpu"))


def sparse_layer(torch):
    """A product with an adjacency matrix that is given by its edges, as graph networks have it."""
    edges = torch.tensor([[0, 1, 1, 2, 3, 3], [1, 0, 2, 3, 3, 3]])
    weights = torch.tensor([1.0, 2.0, 0.5, 1.5, 1.0, 0.25], requires_grad=True)
    adj = torch.sparse_coo_tensor(edges, weights, (4, 4))
    x = torch.arange(8.0).reshape(4, 2).requires_grad_()
    out = torch.spmm(adj, x) + torch.sparse.mm(adj, x)
    out.square().sum().backward()
    whole = adj.detach().coalesce()
    return [
        out.detach(), x.grad, weights.grad, whole.to_dense(), whole.indices(), whole.values(),
        torch.sparse.sum(whole), torch.eye(3).to_sparse().to_dense(), torch.sparse_coo_tensor(edges, weights.detach()).to_dense(),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_sparse_tensors_held_dense():
    for got, want in zip(sparse_layer(funcgrad), sparse_layer(real), strict=True):
        assert got.tolist() == want.tolist()
    for torch in (funcgrad, real):
        with pytest.raises(RuntimeError, match="size. == sparse_dim .+ dense_dim. is not satisfied: len.size. = 3, sparse_dim = 2, dense_dim = 0"):
            torch.sparse_coo_tensor(torch.tensor([[0], [1]]), torch.ones(1), (2, 2, 2))
