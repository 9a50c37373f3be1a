"""How exactly float32 is multiplied on a GPU: what a program asks XLA for, on a machine that need not have one."""

import jax
import jax.numpy as jnp
import pytest

import funcgrad as torch
from funcgrad.func import to_jax

X, W, K = jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.ones((1, 1, 3, 3))


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    monkeypatch.undo()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")


def asked(f, *args) -> list[str]:
    """The precisions in what `f` of Tensors is traced to, in order."""
    found = []

    def visit(jaxpr):
        for eqn in jaxpr.eqns:
            if "precision" in eqn.params:
                p = eqn.params["precision"]
                p = p[0] if isinstance(p, tuple) else p
                found.append("none" if p is None else p.name)
            for inner in jax.tree.leaves(eqn.params, is_leaf=lambda x: hasattr(x, "jaxpr") or hasattr(x, "eqns")):
                if hasattr(inner, "jaxpr") or hasattr(inner, "eqns"):
                    visit(getattr(inner, "jaxpr", inner))

    visit(jax.make_jaxpr(to_jax(f))(*args).jaxpr)
    return found


def both(x, w, k):
    return (x @ w).sum() + torch.nn.functional.conv2d(k, k, padding=1).sum()


def test_as_pytorch_begins(gpu):
    assert asked(both, X, W, K) == ["HIGHEST", "DEFAULT"]


def test_convolutions_exact_too(gpu):
    torch.backends.cudnn.allow_tf32 = False
    assert asked(both, X, W, K) == ["HIGHEST", "HIGHEST"]


def test_what_was_asked_for_is_left_alone(gpu):
    torch.set_float32_matmul_precision("high")
    assert asked(both, X, W, K) == ["HIGH", "HIGH"]
    torch.backends.cuda.matmul.allow_tf32 = False
    with jax.default_matmul_precision("bfloat16"):
        assert asked(both, X, W, K) == ["DEFAULT", "DEFAULT"]


def test_backward_as_forward(gpu):
    def loss(x, w, k):
        x, k = x.detach().requires_grad_(), k.detach().requires_grad_()
        both(x, w, k).backward()
        return x.grad, k.grad

    assert set(asked(loss, X, W, K)) == {"HIGHEST", "DEFAULT"}
    torch.backends.cudnn.allow_tf32 = False
    assert set(asked(loss, X, W, K)) == {"HIGHEST"}


def test_on_a_cpu_nothing_is_asked():
    assert asked(both, X, W, K) == ["none", "none"]


def test_default_device():
    assert torch.get_default_device() == torch.device("cpu") == torch.zeros(1).device
    torch.set_default_device("cpu")
    with torch.device("cpu") as here:
        assert here == torch.device("cpu")
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.set_default_device("cuda")
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"), torch.device("cuda"):
        pass
