"""`torch.func`: the same calls on PyTorch and here, values, structures and errors compared."""

import numpy as np
import pytest
import torch

import funcgrad

LINES = """
grad(lambda x: (x.sin() * x).sum())(x)
grad(lambda x: x)(x)
grad(lambda x: 3.0)(x)
grad(t.sum, argnums=3)(x)
grad(t.sum, argnums=-1)(x)
grad(t.sum, has_aux=True)(x)
grad(t.sum)(t.tensor([1, 2]))
grad(lambda x: x)(3.0)
grad(lambda d, y: (d['a'] * y).sum(), argnums=(0, 1))({'a': x}, y)
grad(lambda x: (x * x).sum().backward())(x)
grad(grad(lambda x: x**4))(s)
grad(lambda x: x * grad(lambda z: x + z)(t.tensor(1.0)))(s)
grad(no_grad_inside)(x)
grad(lambda x: t.autograd.grad((x**3).sum(), x, create_graph=True)[0].sum())(x)
grad(in_place)(x)
grad(lambda x: t.relu(x).sum() + x.abs().sum())(t.zeros(3))
grad_and_value(lambda x: ((x * x).sum(), {'y': x}), has_aux=True)(x)
vjp(lambda x: x.sin(), x)[1](y)
vjp(lambda x, y: (x * y, x.sum()), x, y)[1]((y, s))
vjp(lambda x: {'o': x * 2}, x)[0]
vjp(lambda x: 3.0, x)
jvp(lambda x: x.sin(), (x,), (y,))
jvp(lambda d: {'o': d['a'] * 2}, ({'a': x},), ({'a': y},))
jvp(lambda x: x.sin(), (x,), (t.ones(2),))
jvp(lambda x: x.sin(), x, (x,))
jvp(lambda x: (x * x, x), (x,), (y,), has_aux=True)
jvp(lambda x: jvp(lambda x: x**3, (x,), (x,))[1], (x,), (y,))
jvp(grad(lambda x: (x**3).sum()), (x,), (y,))
grad(lambda x: jvp(lambda x: (x**3).sum(), (x,), (y,))[1])(x)
linearize(lambda x: x.sin(), x)[1](y)
jacrev(lambda x: (x * 2, x.sum()))(x)
jacrev(lambda x, y: x * y, argnums=(0, 1))(x, y)
jacrev(lambda d: d['a'] * d['b'])({'a': x, 'b': y})
jacrev(lambda x: x.outer(y))(x)
jacrev(lambda x: x.outer(y), chunk_size=2)(x)
jacrev(lambda x: (x * 2, x.sum()), has_aux=True)(x)
jacfwd(lambda x: (x * 2, x.sum()))(x)
jacfwd(lambda x: x.outer(y))(x)
jacfwd(lambda x: (x * 2, x.sum()), has_aux=True)(x)
jacfwd(lambda x, y: x * y, argnums=(0, 1))(x, y)
hessian(lambda x: (x.sin() * x.sum()).sum())(x)
hessian(lambda d: (d['a']**2).sum())({'a': x})
jacrev(jacfwd(lambda x: (x**3).sum()))(x)
jacrev(jacrev(lambda x: (x**3).sum()))(x)
vmap(lambda x: x.sum())(m)
vmap(lambda x: x.sum(), in_dims=1)(m)
vmap(lambda x: x.sum(), in_dims=-1)(m)
vmap(lambda x: x, out_dims=1)(m)
vmap(lambda x: x, out_dims=2)(x)
vmap(lambda x: (x, x), out_dims=(0, 1))(m)
vmap(lambda x: x, out_dims=None)(x)
vmap(t.add)(x, t.ones(4))
vmap(t.mul, in_dims=(0, None))(x, s)
vmap(lambda x: x)(3)
vmap(lambda x: 's')(x)
vmap(lambda x: x, in_dims=3)(x)
vmap(lambda x: x, in_dims=None)(x)
vmap(lambda: x)()
vmap(lambda x: x, randomness='foo')
vmap(lambda x: x * 2, chunk_size=0)
vmap(lambda x: x * 2, chunk_size=2)(m)
vmap(lambda x: x.item())(x)
vmap(lambda x: x if x > 0 else -x)(x)
vmap(lambda x: x + t.rand(()))(x)
vmap(lambda d: d['a'] + d['b'], in_dims=({'a': 0, 'b': None},))({'a': x, 'b': s})
vmap(lambda x, k=None: x * k)(x, k=s)
vmap(vmap(t.mul))(m, m)
vmap(vmap(t.mul, (0, None)), (None, 0))(x, y)
vmap(lambda x, i: x[i])(m, i)
vmap(lambda x: t.where(x > 1, x, 0.0))(m)
vmap(t.argmax)(m)
vmap(in_place)(m)
vmap(lambda x: x.sort()[0])(m)
vmap(lambda x: x.softmax(0))(m)
vmap(lambda x: t.cat([x, x * 2]))(m)
vmap(lambda x: x.reshape(1, -1).transpose(0, 1))(m)
vmap(lambda x: x.view(-1)[1:] @ x.view(-1)[:-1])(m)
vmap(lambda x: t.nn.functional.layer_norm(x, (3,)))(m)
vmap(lambda x: t.linalg.norm(x))(m)
vmap(lambda a, b: a @ b, in_dims=(0, None))(m, m.t())
vmap(grad(lambda x: (x**3).sum()))(m)
vmap(grad(lambda w, x: (w * x).sin().sum()), in_dims=(None, 0))(y, m)
vmap(hessian(lambda x: (x**3).sum()))(m)
vmap(jacrev(lambda x: x.sin()), chunk_size=1)(m)
jacrev(vmap(lambda x: (x**2).sum()))(m)
jacfwd(vmap(grad(lambda x: (x**3).sum())))(m)
grad(lambda m: vmap(lambda x: (x**3).sum())(m).sum())(m)
vmap(vjp(lambda x: x.sin(), x)[1])(t.eye(3))
vmap(lambda v: jvp(lambda x: x.sin(), (x,), (v,))[1])(t.eye(3))
closure_gradient()
functionalize(in_place)(x)
"""


def names(t):
    """What the lines name, on module `t`."""
    f = t.func

    def no_grad_inside(x):
        with t.no_grad():
            c = x * x
        return (c * x).sum()

    def in_place(x):
        y = x.clone()
        y[0] = y[1] * 2
        y.mul_(x)
        return y.sum()

    def closure_gradient():
        w = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        g = f.grad(lambda x: (w * x * x).sum())(x)
        return g, t.autograd.grad(g.sum(), w)

    x, y = t.tensor([0.5, -1.0, 2.0]), t.tensor([1.0, 2.0, 3.0])
    return {
        "t": t, "x": x, "y": y, "s": t.tensor(0.5), "m": t.tensor([[1.0, 2.0, 0.5], [-1.0, 0.25, 3.0]]),
        "i": t.tensor([2, 0]), "no_grad_inside": no_grad_inside, "in_place": in_place, "closure_gradient": closure_gradient,
        **{n: getattr(f, n) for n in ("grad", "grad_and_value", "vjp", "jvp", "linearize", "jacrev", "jacfwd", "hessian",
                                      "vmap", "functionalize")},
    }  # fmt: skip


def plain(w):
    if isinstance(w, torch.Tensor | funcgrad.Tensor):
        return str(w.dtype), w.requires_grad, np.round(w.detach().numpy().astype(np.float64), 4).tolist()
    if isinstance(w, tuple | list):
        return type(w).__name__, [plain(x) for x in w]
    if isinstance(w, dict):
        return {k: plain(v) for k, v in w.items()}
    return w if isinstance(w, bool | int | float | str | None) else type(w).__name__


def result(line, t):
    try:
        return plain(eval(line, names(t)))
    except Exception as error:
        words = str(error).split("TreeSpec")[0].split("PyTreeDef")[0].split("\n")[0]
        return type(error).__name__, words.replace("torch.Tensor", "Tensor")


@pytest.mark.parametrize("line", [n for n in LINES.splitlines() if n])
@pytest.mark.filterwarnings("ignore")
def test_same(line):
    assert result(line, funcgrad) == result(line, torch)


def stateless(t):
    """Per-sample gradients and an ensemble of small networks, by hand-written modules."""
    class Net(t.nn.Module):
        def __init__(self, k):
            super().__init__()
            self.w = t.nn.Parameter(t.tensor([[0.1, 0.2], [0.3, -0.4]]) * k)
            self.b = t.nn.Parameter(t.tensor([0.5, -0.5]))

        def forward(self, x):
            return t.tanh(x @ self.w + self.b).sum()

    f, x = t.func, t.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    net = Net(1.0)
    params = dict(net.named_parameters())
    each = f.vmap(f.grad(lambda p, x: f.functional_call(net, p, (x,))), in_dims=(None, 0))(params, x)
    stacked, _ = f.stack_module_state([Net(1.0), Net(2.0)])
    both = f.vmap(lambda p: f.functional_call(net, p, (x,)))(stacked)
    return plain((each, both))


def test_modules():
    assert stateless(funcgrad) == stateless(torch)
