"""Modules as pytrees: under JAX's transforms, under `func`, under `tree_map` and optax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcgrad as torch
from funcgrad import nn
from funcgrad.func import grad, jacrev, to_jax, value_and_grad, vjp


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()


def loss(m, x):
    return (m(x) ** 2).sum()


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(5, 3, dtype=torch.float64)


def near(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-14)


def grads(net):
    return [p.grad.numpy() for p in net.parameters()]


def test_children_are_parameters_then_buffers_by_name():
    found = jax.tree_util.tree_leaves_with_path(network())
    names = [path[0].name for path, _ in found]
    assert names == [
        "0.weight", "1.weight", "1.bias", "3.weight", "3.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked",
    ]  # fmt: skip
    assert all(isinstance(leaf, jax.Array | np.ndarray) for _, leaf in found)


def test_under_jax(x):
    net = network().eval()
    with jax.enable_x64(True):
        arrays = jnp.asarray(x)
        traced = []

        def f(m, x):
            traced.append(m.training)
            return loss(m, x)

        pure = jax.jit(to_jax(f))
        near(pure(net, arrays), loss(net, x).detach())
        pure(jax.tree.map(lambda a: a + 1, net), arrays)
        assert traced == [False]  # the same structure, so nothing is traced again
        pure(net.train(), arrays)
        assert traced == [False, True]
        net.eval()
        found = jax.grad(to_jax(loss), allow_int=True)(net, arrays)
    loss(net, x).backward()
    assert type(found) is nn.Sequential and isinstance(found[0].weight, nn.Parameter)
    for p, g in zip(found.parameters(), grads(net), strict=True):
        near(p.detach(), g)


def test_value_and_grad_of_a_module(x):
    net, other = network(), network()
    step = value_and_grad(loss)
    for _ in range(3):
        value, found = step(net, x)
        expected = loss(other, x)
        other.zero_grad()
        expected.backward()
        near(value, expected.detach())
        for p, g in zip(found.parameters(), grads(other), strict=True):
            near(p, g)
    assert not value.requires_grad and not any(p.requires_grad for p in found.parameters())
    assert all(p.grad is None for p in net.parameters())
    near(net[1].running_mean, other[1].running_mean)  # written in place, as a call writes them
    assert not found[1].running_mean.any() and found[1].num_batches_tracked.dtype is torch.int64
    for _ in range(2):
        step(net, x)
        torch.sync()
    with torch.assert_no_recompile():
        for _ in range(3):
            step(net, x)
            torch.sync()


def test_other_transforms_of_a_module(x):
    net = network().eval()
    loss(net, x).backward()
    near(grad(loss)(net, x)[3].bias, net[3].bias.grad)
    value, pull = vjp(loss, net, x)
    of_net, of_x = pull(torch.ones_like(value))
    near(of_net[0].weight, net[0].weight.grad)
    assert of_x.shape == x.shape
    rows = jacrev(lambda m: m(x))(net)
    assert rows[0].weight.shape == (5, 1, 4, 3)


def test_a_frozen_parameter_has_zeros(x):
    net = network()
    net[0].weight.requires_grad_(False)
    _, found = value_and_grad(loss)(net, x)
    assert not found[0].weight.any() and found[3].weight.any()


def test_tree_map_leaves_the_module_alone():
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 1))
    calls = []
    net[0].register_forward_hook(lambda *args: calls.append(1))
    made = jax.tree.map(lambda a: a * 0, net)
    assert not made[0].weight.any() and net[0].weight.any()
    assert isinstance(made[0].weight, nn.Parameter) and made[0].weight.requires_grad
    assert made[0].bias is None and made.training
    made.eval()
    assert net.training
    made(torch.ones(2, 3))
    assert calls == [1]
    made.register_forward_hook(lambda *args: None)
    assert not net._forward_hooks


def test_what_is_shared_is_there_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = nn.Linear(2, 2)
            self.b.weight = self.a.weight
            self.c = self.a

    net = Tied()
    assert len(jax.tree.leaves(net)) == 3
    made = jax.tree.map(lambda a: a + 1, net)
    assert made.b.weight is made.a.weight and made.c is made.a


def test_other_attributes_are_other_structures():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert hash(jax.tree.structure(a)) == hash(jax.tree.structure(b))
    b.in_features = 7
    assert jax.tree.structure(a) != jax.tree.structure(b)
    with pytest.raises(ValueError):
        jax.tree.map(lambda x, y: x, a, b)


def test_an_ensemble_by_jax_vmap(x):
    nets = [network().eval() for _ in range(3)]
    for i, net in enumerate(nets):
        net[0].weight.data += i
    with jax.enable_x64(True):
        stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *nets)
        found = jax.vmap(to_jax(loss), (0, None))(stacked, jnp.asarray(x))
    near(found, [loss(net, x).item() for net in nets])


def test_optax_trains_a_module(x):
    optax = pytest.importorskip("optax")
    net, x = nn.Linear(3, 1), x.float()
    tx = optax.adam(0.1)
    state, values = tx.init(net), []
    for _ in range(30):
        value, g = value_and_grad(loss)(net, x)
        updates, state = tx.update(g, state, net)
        net = optax.apply_updates(net, updates)
        values.append(value.item())
    assert type(net) is nn.Linear and values[-1] < 0.05 * values[0]
