"""A custom Function under `vmap`: with a rule made of its methods, and with one of its own."""

import pytest

import funcgrad as torch
from funcgrad.func import grad, jacrev, jvp, to_jax, vmap


class Cube(torch.autograd.Function):
    """Its backward is not what differentiating the forward gives: five times as much."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, k):
        return x**3 * k, x > 0

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, k = inputs
        ctx.save_for_backward(x, k)
        ctx.save_for_forward(x, k)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, g, _):
        x, k = ctx.saved_tensors
        return 15 * x**2 * k * g, (5 * x**3 * g).sum_to_size(k.shape)

    @staticmethod
    def jvp(ctx, tx, tk):
        x, k = ctx.saved_tensors
        return 15 * x**2 * k * tx + 5 * x**3 * tk, None


class Own(torch.autograd.Function):
    """A Function whose own rule counts, and puts the batch last."""

    calls = 0

    @staticmethod
    def forward(x, y):
        return x * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y, g * x

    @staticmethod
    def vmap(info, in_dims, x, y):
        Own.calls += 1
        assert info.batch_size == 3 and info.randomness == "error" and in_dims == (0, None)
        return Own.apply(x, y.expand(x.shape)).movedim(0, -1), x.ndim - 1


X = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
K = torch.tensor([2.0, -1.0])


def alone(f, *args):
    return torch.stack([f(*(a[i] for a in args)) for i in range(len(args[0]))])


def test_values_and_what_is_not_differentiable():
    y, positive = vmap(Cube.apply, in_dims=(0, None))(X, K)
    assert y.tolist() == (X**3 * K).tolist() and positive.tolist() == (X > 0).tolist()


def test_gradients_inside_and_outside():
    f = lambda x: Cube.apply(x, K)[0].sum()  # noqa: E731
    assert vmap(grad(f))(X).tolist() == alone(grad(f), X).tolist() == (15 * X**2 * K).tolist()
    x, k = X.clone().requires_grad_(), K.clone().requires_grad_()
    y, _ = vmap(Cube.apply, in_dims=(0, None))(x, k)
    assert y.grad_fn.name() == "VmappedCubeBackward"
    (y * torch.arange(6.0).reshape(3, 2)).sum().backward()
    w = torch.arange(6.0).reshape(3, 2)
    assert x.grad.tolist() == (15 * X**2 * K * w).tolist()
    assert k.grad.tolist() == (5 * X**3 * w).sum(0).tolist()  # of what all examples share, the sum


def test_other_dimensions_nesting_and_jacobians():
    x = torch.randn(2, 3, 4)
    k = torch.randn(4)
    f = lambda x, k: Cube.apply(x, k)[0]  # noqa: E731
    assert vmap(f, in_dims=(1, None), out_dims=1)(x, k).tolist() == (x**3 * k).tolist()
    assert vmap(vmap(f, in_dims=(0, None)), in_dims=(0, None))(x, k).tolist() == (x**3 * k).tolist()
    found = jacrev(lambda x: f(x, K))(X[0])
    assert found.tolist() == torch.diag(15 * X[0] ** 2 * K).tolist()
    assert vmap(jacrev(lambda x: f(x, K)))(X).tolist() == torch.diag_embed(15 * X**2 * K).tolist()


def test_forward_mode():
    f = lambda x: Cube.apply(x, K)[0]  # noqa: E731
    _, t = jvp(vmap(f), (X,), (torch.ones_like(X),))
    assert t.tolist() == (15 * X**2 * K).tolist()
    push = vmap(lambda x: jvp(f, (x,), (torch.ones_like(x),))[1])
    assert push(X).tolist() == (15 * X**2 * K).tolist()


def test_second_order():
    f = lambda x: Cube.apply(x, K)[0].sum()  # noqa: E731
    twice = vmap(grad(lambda x: grad(f)(x).sum()))
    assert twice(X).tolist() == (30 * X * K).tolist()


def test_its_own_rule():
    Own.calls = 0
    x, y = X.clone().requires_grad_(), K.clone().requires_grad_()
    out = vmap(Own.apply, in_dims=(0, None))(x, y)
    assert Own.calls == 1 and out.tolist() == (X * K).tolist()
    out.sum().backward()
    assert x.grad.tolist() == K.expand(3, 2).tolist() and y.grad.tolist() == X.sum(0).tolist()


def test_in_one_program():
    def step(x):
        x = x.detach().requires_grad_()
        vmap(lambda x: Cube.apply(x, K)[0].sum())(x).sum().backward()
        return x.grad

    assert torch.tensor(to_jax(step)(X.numpy()).tolist()).tolist() == (15 * X**2 * K).tolist()


def test_what_is_refused():
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

    with pytest.raises(RuntimeError, match="must override the setup_context staticmethod"):
        vmap(Old.apply)(X)

    class None_(Own):
        vmap = torch.autograd.Function.vmap

    with pytest.raises(RuntimeError, match="does not have vmap support"):
        vmap(None_.apply)(X, X)

    class Both(Own):
        generate_vmap_rule = True

    with pytest.raises(RuntimeError, match="both generate_vmap_rule=True and an overridden vmap"):
        vmap(Both.apply)(X, X)
