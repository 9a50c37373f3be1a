"""Attention: in blocks as whole, and without a matrix of queries by keys kept for the backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcgrad as torch
from funcgrad.func import to_jax
from funcgrad.nn import functional as F
from funcgrad.ops import attention

RNG = np.random.default_rng(0)


def plain(q, k, v, mask=None, causal=False):
    scores = jnp.einsum("...te,...se->...ts", q, k) / q.shape[-1] ** 0.5
    if causal:
        mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask
    return jax.nn.softmax(scores, -1) @ v


def arrays(*shapes):
    return [RNG.normal(size=s) for s in shapes]


MASKS = {
    "none": lambda n, m: None,
    "bool": lambda n, m: RNG.random((n, m)) < 0.7,
    "numbers": lambda n, m: RNG.normal(size=(2, 1, n, m)),
    "one row": lambda n, m: RNG.normal(size=(1, m)),
}


@pytest.mark.parametrize("block", [1, 40, 10**6])
@pytest.mark.parametrize("mask", [*MASKS, "causal"])
def test_values_and_gradients_in_blocks(block, mask, monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", block)
    monkeypatch.setattr(attention, "RECOMPUTED", 0)
    n, m = 7, 5
    given = arrays((2, 3, n, 4), (2, 3, m, 4), (1, 3, m, 2))
    extra = None if mask == "causal" else MASKS[mask](n, m)
    if extra is not None and extra.dtype == bool:
        extra[:, 0] = True
    weights = RNG.normal(size=(2, 3, n, 2))
    q, k, v = tensors = [torch.tensor(a, requires_grad=True) for a in given]
    bias = None if extra is None else torch.tensor(extra, requires_grad=extra.dtype != bool)
    out = F.scaled_dot_product_attention(q, k, v, bias, is_causal=mask == "causal")
    (out * torch.tensor(weights)).sum().backward()
    found = [out.detach(), *(t.grad for t in tensors)]
    with jax.enable_x64():
        given = [jnp.asarray(a) for a in given]
        extra = None if extra is None else jnp.asarray(extra)
        want = plain(*given, extra, mask == "causal")
        wants = jax.grad(lambda *a: (plain(*a, extra, mask == "causal") * weights).sum(), (0, 1, 2))(*given)
        of_mask = None
        if bias is not None and bias.requires_grad:
            of_mask = jax.grad(lambda e: (plain(*given, e) * weights).sum())(extra)
    for a, b in zip(found, [want, *wants], strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-9, atol=1e-12)
    if of_mask is not None:
        np.testing.assert_allclose(bias.grad.numpy(), of_mask, rtol=1e-9, atol=1e-12)


def test_a_query_that_attends_to_nothing():
    q, k, v = (torch.tensor(a, requires_grad=True) for a in arrays((3, 4), (5, 4), (5, 2)))
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    out = F.scaled_dot_product_attention(q, k, v, mask)
    assert out[1].tolist() == [0.0, 0.0]
    out.sum().backward()
    assert q.grad[1].tolist() == [0.0] * 4 and all(t.grad.isfinite().all() for t in (q, k, v))


def test_second_order_and_forward_mode(monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", 8)
    given = [torch.tensor(a, requires_grad=True) for a in arrays((4, 3), (4, 3), (4, 2))]
    f = lambda *a: F.scaled_dot_product_attention(*a, is_causal=True)  # noqa: E731
    assert torch.autograd.gradcheck(f, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, given)


def largest(compiled) -> int:
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("how", ["backward", "jax.grad"])
def test_no_square_matrix_is_kept(how, monkeypatch):
    """Four layers over 1024 places take less in between than the weights of one, differentiated here or by JAX."""
    monkeypatch.setattr(attention, "BLOCK", 1 << 20)
    n, heads, width, layers = 1024, 4, 16, 4
    square = heads * n * n * 4

    def loss(x, attend):
        for _ in range(layers):
            x = x + attend(x, x, x)
        return (x**2).mean()

    def ours(x):
        return loss(x, lambda *a: F.scaled_dot_product_attention(*a, is_causal=True))

    def backward(x):
        x = x.detach().requires_grad_()
        ours(x).backward()
        return x.grad

    x = jnp.ones((heads, n, width))
    f = to_jax(backward) if how == "backward" else jax.grad(to_jax(ours))
    assert largest(jax.jit(f).lower(x).compile()) < 1.2 * square
    theirs = jax.grad(lambda x: loss(x, lambda *a: plain(*a, causal=True)))
    assert largest(jax.jit(theirs).lower(x).compile()) > layers * square


def test_its_node():
    q = torch.ones(2, 1, 2, 3, requires_grad=True)
    assert F.scaled_dot_product_attention(q, q, q).grad_fn.name() == "ScaledDotProductFlashAttentionForCpuBackward0"
