"""`funcgrad.func`: the doors to JAX, control flow, what is counted. The transforms themselves are compared with PyTorch's
in `oracle/test_func_oracle.py`, and with JAX's here."""

import gc
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcgrad as torch
from funcgrad.func import (
    cond,
    from_jax,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    scan,
    to_jax,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from funcgrad.tape import stats

X = np.array([0.5, -1.0, 2.0], np.float32)
M = np.array([[1.0, 2.0, 0.5], [-1.0, 0.25, 3.0]], np.float32)
W = np.array([[0.1, 0.2, -0.3], [0.4, -0.5, 0.6], [0.7, 0.8, 0.9]], np.float32)


def f(x):
    w = torch.tensor(W)
    return (torch.sin(w @ x) * x).sum()


def jf(x):
    return (jnp.sin(W @ x) * x).sum()


def near(a, b, tol=1e-5):
    a = a.detach().numpy() if isinstance(a, torch.Tensor) else np.asarray(a)
    np.testing.assert_allclose(a, np.asarray(b), rtol=tol, atol=tol)


NESTS = {
    "grad": (grad, jax.grad), "jacrev": (jacrev, jax.jacrev), "jacfwd": (jacfwd, jax.jacfwd), "hessian": (hessian, jax.hessian),
    "rev-rev": (lambda f: jacrev(jacrev(f)), jax.hessian), "rev-fwd": (lambda f: jacrev(jacfwd(f)), jax.hessian),
    "fwd-fwd": (lambda f: jacfwd(jacfwd(f)), jax.hessian), "third": (lambda f: jacfwd(hessian(f)), lambda f: jax.jacfwd(jax.hessian(f))),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTS)
def test_as_jax(name):
    ours, theirs = NESTS[name]
    near(ours(f)(torch.tensor(X)), theirs(jf)(X), 1e-4)
    near(vmap(ours(f))(torch.tensor(M)), jax.vmap(theirs(jf))(M), 1e-4)


@pytest.mark.parametrize(
    "step",
    [
        lambda x: grad(f)(x), lambda x: value_and_grad(f)(x)[1], lambda x: hessian(f)(x), lambda x: vmap(grad(f))(x.expand(4, 3)),
        lambda x: jvp(f, (x,), (x,))[1], lambda x: vjp(torch.sin, x)[1](x)[0], lambda x: scan(lambda c, a: (c * a, c), x, x)[0],
        lambda x: cond(x.sum() > 0, torch.sin, torch.cos, x), lambda x: from_jax(jf)(x), lambda x: jacrev(grad(f))(x),
    ],
)  # fmt: skip
def test_called_in_a_loop_one_program_is_found_again(step):
    x = torch.tensor(X)
    step(x).sum().item(), step(x).sum().item()
    before = stats.compiles, stats.runs
    for k in range(4):
        x = torch.tensor(X * k)
        step(x).sum().item()
    assert stats.compiles == before[0] and stats.runs - before[1] == 4


def test_value_and_grad_over_trees():
    params = {"w": torch.tensor(W), "layers": [torch.tensor(X), torch.tensor(2.0)]}

    def loss(params, x, scale):
        return ((params["w"] @ x + params["layers"][0]) * params["layers"][1]).sum() * scale

    value, (g, gx) = value_and_grad(loss, argnums=(0, 1))(params, torch.tensor(X), 3.0)
    jl = lambda p, x: ((p["w"] @ x + p["layers"][0]) * p["layers"][1]).sum() * 3.0  # noqa: E731
    jp = {"w": W, "layers": [X, np.float32(2)]}
    wanted, (jg, jgx) = jax.value_and_grad(jl, (0, 1))(jp, X)
    near(value, wanted), near(gx, jgx)
    assert g.keys() == jg.keys()
    near(g["w"], jg["w"]), near(g["layers"][1], jg["layers"][1])
    assert not value.requires_grad and not g["w"].requires_grad


def test_mixing_with_backward_outside():
    x = torch.tensor(X, requires_grad=True)
    g = grad(f)(x)
    assert g.requires_grad
    g.sum().backward()
    near(x.grad, jax.grad(lambda x: jax.grad(jf)(x).sum())(X))


def test_backward_inside_a_transform_is_refused():
    with pytest.raises(RuntimeError, match=r"backward\(\) called inside a functorch transform"):
        grad(lambda x: (x * x).sum().backward())(torch.tensor(X))


def test_what_escapes_vmap_says_so():
    kept = []
    vmap(lambda x: kept.append(x) or x)(torch.tensor(X))
    with pytest.raises(RuntimeError, match=r"escaped from the function that vmap\(\) was given"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match="escaped"):
        print(kept[0])


# ---- to_jax ------------------------------------------------------------------------------------------------


def test_to_jax_under_every_transform():
    t = to_jax(f)
    near(t(X), jf(X))
    near(jax.jit(t)(X), jf(X))
    near(jax.grad(t)(X), jax.grad(jf)(X))
    near(jax.jvp(t, (X,), (X,))[1], jax.jvp(jf, (X,), (X,))[1])
    near(jax.hessian(t)(X), jax.hessian(jf)(X))
    near(jax.vmap(jax.grad(t))(M), jax.vmap(jax.grad(jf))(M))
    near(jax.grad(jax.checkpoint(t))(X), jax.grad(jf)(X))
    near(jax.lax.scan(lambda c, x: (c + t(x), c), 0.0, M)[0], jf(M[0]) + jf(M[1]))
    near(jax.jit(jax.value_and_grad(t))(X)[1], jax.grad(jf)(X))


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "at"),
    [("maximum", lambda x: torch.maximum(x, torch.zeros(3)).sum(), lambda x: jnp.maximum(x, 0).sum(), 0.0),
     ("clamp", lambda x: x.clamp(0, 1).sum(), lambda x: jnp.clip(x, 0, 1).sum(), 0.0)],
)  # fmt: skip
def test_our_rules_hold_at_kinks_in_both_modes(name, ours, theirs, at):
    x, v = jnp.full(3, at), jnp.ones(3)
    leaf = torch.tensor(np.asarray(x), requires_grad=True)
    ours(leaf).backward()
    reverse, forward = jax.grad(to_jax(ours))(x), jax.jvp(to_jax(ours), (x,), (v,))[1]
    near(reverse, leaf.grad)
    near(forward, leaf.grad.sum())
    near(jax.grad(jax.jit(to_jax(ours)))(x), leaf.grad)
    assert name != "clamp" or np.abs(np.asarray(jax.grad(theirs)(x)) - np.asarray(reverse)).max() > 0.1, "a telling point"


def test_shard_map():
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("i",))
    spec = jax.sharding.PartitionSpec("i")
    one = to_jax(lambda x: torch.softmax(x, -1))
    mapped = jax.jit(jax.shard_map(one, mesh=mesh, in_specs=spec, out_specs=spec))
    near(mapped(M), jax.nn.softmax(M, -1))


def step(w, x, y):
    w = w.requires_grad_()
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    return w, loss


def test_a_stateful_training_step_is_exported():
    pytest.importorskip("flatbuffers")
    w, y = jnp.zeros(3), jnp.array([1.0, 2.0])
    pure = jax.jit(to_jax(step))
    data = jax.export.export(pure)(w, M, y).serialize()
    again = jax.export.deserialize(data).call
    for _ in range(3):
        (w2, loss), (w3, loss3) = pure(w, M, y), again(w, M, y)
        near(w2, w3), near(loss, loss3)
        w = w2
    g = jax.grad(lambda w: jnp.mean((M @ w - y) ** 2))(jnp.zeros(3))
    near(pure(jnp.zeros(3), M, y)[0], -0.1 * g)


def test_tracing_runs_and_compiles_nothing_of_its_own():
    before = stats.runs, stats.compiles
    jax.jit(jax.grad(to_jax(f))).lower(X)
    assert (stats.runs, stats.compiles) == before


def test_what_is_pending_outside_is_a_constant_inside():
    k = torch.tensor(X) * 2
    near(jax.jit(to_jax(lambda x: x * k))(X), X * X * 2)


def test_tracers_do_not_leak():
    kept, w = [], torch.tensor(X, requires_grad=True)

    def bad(x):
        kept.append(x * 2)
        (w * x).sum().backward()
        return x

    jax.jit(to_jax(bad))(X)
    for use in (lambda: kept[0] + 1, lambda: kept[0].tolist(), lambda: w.grad.tolist()):
        with pytest.raises(RuntimeError, match=r"escaped from bad, which to_jax\(\) was tracing"):
            use()
    assert w.tolist() == X.tolist()
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(to_jax(lambda x: x * 2 if x.sum() > 0 else x))(X)
    assert (torch.tensor(X) + 1).tolist() == (X + 1).tolist(), "and the tape outside goes on"


def test_a_custom_function_inside_to_jax_says_what_to_do():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    near(jax.grad(to_jax(lambda x: grad(lambda y: Twice.apply(y).sum())(x).sum()))(X), np.zeros(3))
    want = to_jax(lambda x: Twice.apply(x.requires_grad_()).sum())
    near(want(X), X.sum() * 2)
    with pytest.raises(NotImplementedError, match="Differentiate inside"):
        jax.grad(want)(X)


def test_integers_cross_as_each_side_has_them():
    ce = to_jax(torch.nn.functional.cross_entropy)
    value = jax.jit(ce)(M, jnp.array([0, 2]))
    wanted = -np.mean([jax.nn.log_softmax(M[0])[0], jax.nn.log_softmax(M[1])[2]])
    near(value, wanted)
    assert to_jax(torch.argmax)(X).dtype == jnp.int32


# ---- from_jax ----------------------------------------------------------------------------------------------


def test_from_jax_over_trees():
    g = from_jax(lambda d, k: {"a": jnp.sin(d["x"]) * k, "b": (d["x"].sum(), d["n"])})
    x = torch.tensor(X, requires_grad=True)
    out = g({"x": x, "n": torch.tensor([1, 2])}, k=3.0)
    assert out["b"][1].tolist() == [1, 2] and not out["b"][1].requires_grad
    (out["a"].sum() + out["b"][0]).backward()
    near(x.grad, 3 * np.cos(X) + 1)


def test_from_jax_with_a_derivative_of_its_own():
    @jax.custom_vjp
    def odd(x):
        return x * 2

    odd.defvjp(lambda x: (x * 2, None), lambda _, g: (g * 100,))
    x = torch.tensor(X, requires_grad=True)
    assert torch.autograd.grad(from_jax(odd)(x).sum(), x)[0].tolist() == [100.0] * 3
    mine = from_jax(jnp.abs, vjp=lambda g, y, x: g * 7 + y)
    assert torch.autograd.grad(mine(x).sum(), x)[0].tolist() == (7 + np.abs(X)).tolist()
    assert mine(x).grad_fn.name() == "AbsBackward0"


def test_from_jax_with_keys_and_loops():
    noise = from_jax(lambda key, x: x + jax.random.normal(key, x.shape))
    x = torch.tensor(X, requires_grad=True)
    for key in (jax.random.key(3), jax.random.PRNGKey(3)):
        near(noise(key, x), X + jax.random.normal(jax.random.PRNGKey(3), (3,)))
    powers = from_jax(lambda x: jax.lax.while_loop(lambda c: c[1] < 4, lambda c: (c[0] * 1.5, c[1] + 1), (x, 0))[0])
    near(jvp(powers, (x.detach(),), (torch.ones(3),))[1], np.full(3, 1.5**4))
    with pytest.raises((RuntimeError, ValueError), match="Reverse-mode differentiation does not work"):
        powers(x).sum().backward()
    total = from_jax(lambda x: jax.lax.scan(lambda c, a: (c * a, c), jnp.float32(1), x)[0])
    near(torch.autograd.grad(total(x), x)[0], [-2.0, 1.0, -0.5])
    near(vmap(grad(total))(torch.tensor(M)), jax.vmap(jax.grad(jnp.prod))(M))


def test_wrapping_again_records_the_same_operator():
    x = torch.tensor(X)
    from_jax(jf)(x).item()
    before = stats.compiles
    for _ in range(3):
        from_jax(jf)(x).item()
    assert stats.compiles == before


# ---- control flow ------------------------------------------------------------------------------------------


def test_scan_is_the_loop():
    w = torch.tensor([0.5, 2.0, 1.0], requires_grad=True)
    xs = torch.tensor(M, requires_grad=True)

    def body(c, x):
        c = torch.relu(c * w + x) * 0.5
        return c, {"s": c.sum()}

    def unrolled():
        c, out = torch.zeros(3), []
        for x in xs:
            c, y = body(c, x)
            out.append(y["s"])
        return c, torch.stack(out)

    last, ys = scan(body, torch.zeros(3), xs)
    want, wants = unrolled()
    near(last, want.detach().numpy()), near(ys["s"], wants.detach().numpy())
    for a, b in zip(
        torch.autograd.grad(last.sum() + ys["s"].sum(), [w, xs]), torch.autograd.grad(want.sum() + wants.sum(), [w, xs]), strict=True
    ):
        near(a, b.numpy())


def test_scan_reads_what_is_pending_and_nests():
    w = torch.tensor(X)
    twice = w * 2  # not computed yet

    def outer(c, _):
        d = c * twice
        inner, _ = scan(lambda e, x: (e * 0.5 + d + x, None), c, torch.tensor(M))
        return inner, inner.sum()

    before = stats.runs
    last, sums = scan(outer, torch.ones(3), length=3)
    assert stats.runs == before, "recording a body runs nothing"
    c = np.ones(3, np.float32)
    for k in range(3):
        d, e = c * X * 2, c
        for x in M:
            e = e * 0.5 + d + x
        c = e
        near(sums[k], c.sum(), 1e-4)
    near(last, c, 1e-4)
    near(grad(lambda w: scan(lambda c, x: (c * w + x, None), torch.zeros(3), torch.tensor(M))[0].sum())(w), M[0])
    near(vmap(lambda c: scan(lambda c, x: (c * w + x, None), c, torch.tensor(M))[0])(torch.ones(2, 3))[1],
         (X + M[0]) * X + M[1])  # fmt: skip
    reverse, _ = scan(lambda c, x: (c * w + x, None), torch.zeros(3), torch.tensor(M), reverse=True)
    near(reverse, M[1] * X + M[0])


def test_cond_and_while_loop():
    w = torch.tensor(3.0, requires_grad=True)
    for value, name in ((-2.0, "false"), (2.0, "true")):
        x = torch.tensor(value, requires_grad=True)
        y = cond(x > 0, lambda x: x * w, lambda x: x**2, x)
        gx, gw = torch.autograd.grad(y, [x, w], allow_unused=True)
        assert (y.item(), gx.item(), gw.item()) == ((6.0, 3.0, 2.0) if name == "true" else (4.0, -4.0, 0.0))
    total, n = while_loop(lambda c: c[0] < 100, lambda c: (c[0] * w.detach(), c[1] + 1), (torch.tensor(2.0), torch.tensor(0)))
    assert (total.item(), n.item()) == (162.0, 4)
    assert jvp(lambda x: while_loop(lambda x: x < 100, lambda x: x * 3, x), (torch.tensor(2.0),), (torch.tensor(1.0),))[1] == 81


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: scan(lambda c, x: (c if c.sum() > 0 else x, c), torch.zeros(3), torch.tensor(M)), RuntimeError, "its body is recorded once"),
        (lambda: scan(lambda c, x: (c.sum(), c), torch.zeros(3), torch.tensor(M)), RuntimeError, "must keep its shapes and dtypes"),
        (lambda: scan(lambda c, x: ((c, c), c), torch.zeros(3), torch.tensor(M)), RuntimeError, "must keep its structure"),
        (lambda: scan(lambda c, x: c, torch.zeros(3), torch.tensor(M)), RuntimeError, r"must return a pair \(carry, y\)"),
        (lambda: scan(lambda c, x: (c, c), torch.zeros(3)), ValueError, "give xs, or a length"),
        (lambda: cond(torch.tensor(True), lambda: torch.ones(2), lambda: torch.ones(3)), RuntimeError, "both branches must return the same"),
    ],
)  # fmt: skip
def test_control_flow_misused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()
    assert (torch.ones(2) + 1).tolist() == [2.0, 2.0]


def test_what_escapes_a_body_says_so():
    kept = []
    scan(lambda c, x: (kept.append(c * 2) or c, c), torch.zeros(3), torch.tensor(M))
    with pytest.raises(RuntimeError, match="escaped from the body of scan"):
        kept[0] + 1


# ---- trees, arrays, memory ----------------------------------------------------------------------------------


def test_tensors_are_a_pytree_for_optax():
    optax = pytest.importorskip("optax")
    params = {"w": torch.tensor(X), "b": torch.tensor(1.0)}
    jparams = {"w": jnp.asarray(X), "b": jnp.float32(1)}
    loss = lambda p: ((p["w"] * 2 + p["b"]) ** 2).sum()  # noqa: E731
    tx = optax.adam(0.1)
    state, jstate = tx.init(params), tx.init(jparams)
    for _ in range(3):
        g, jg = grad(loss)(params), jax.grad(loss)(jparams)
        updates, state = tx.update(g, state, params)
        params = optax.apply_updates(params, updates)
        jupdates, jstate = tx.update(jg, jstate, jparams)
        jparams = optax.apply_updates(jparams, jupdates)
    assert isinstance(params["w"], torch.Tensor)
    near(params["w"], jparams["w"])


def test_transforms_leave_nothing_behind():
    marks = []

    def once():
        x = torch.tensor(X)
        marks.append(weakref.ref(x))
        hessian(f)(x).tolist()
        vmap(grad(f))(x.expand(2, 3)).tolist()
        jax.jit(to_jax(partial(f)))(X)

    for _ in range(3):
        once()
    gc.collect()
    assert sum(m() is not None for m in marks) == 0
