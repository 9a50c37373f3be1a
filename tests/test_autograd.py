"""Autograd as a PyTorch user meets it: backward, grad, modes, hooks, the graph."""

import asyncio
import gc
import warnings
import weakref

import jax
import numpy as np
import pytest

import funcgrad as torch
from funcgrad.tape import stats


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


# ---- backward and grad -------------------------------------------------------------------------


def test_accumulation_is_in_place():
    a = leaf(1, 2)
    (a * a).sum().backward()
    g = a.grad
    (a * 3).sum().backward()
    assert a.grad is g and g.tolist() == [5.0, 7.0]


def test_gradient_argument_and_inputs():
    a, b = leaf(1, 2), leaf(3, 4)
    y = a * b
    y.backward(torch.tensor([1.0, 10.0]), retain_graph=True, inputs=[a])
    assert a.grad.tolist() == [3.0, 40.0] and b.grad is None
    y.backward(torch.ones(2, dtype=torch.float64), inputs=b)
    assert b.grad.tolist() == [1.0, 2.0]


def test_inputs_that_are_no_leaves():
    a = leaf(1, 2)
    y = a * 2
    z = (y * y).sum()
    z.backward(inputs=[y], retain_graph=True)
    y.retain_grad()
    assert a.grad is None and y.grad.tolist() == [4.0, 8.0]
    assert torch.autograd.grad(z, [y, a, a], retain_graph=True)[1].tolist() == [8.0, 16.0]
    assert torch.autograd.grad(z, {"y": y})["y"].tolist() == [4.0, 8.0]


def test_unused_inputs():
    a, b = leaf(1), leaf(2)
    y = (a * a).sum()
    with pytest.raises(RuntimeError, match="index 1 appears to not have been used in the graph"):
        torch.autograd.grad(y, [a, b], retain_graph=True)
    assert torch.autograd.grad(y, [a, b], retain_graph=True, allow_unused=True)[1] is None
    assert torch.autograd.grad(y, [a, b], retain_graph=True, materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed"):
        torch.autograd.grad(y, [a, b], allow_unused=False, materialize_grads=True)


def test_several_outputs():
    a = leaf(1, 2)
    torch.autograd.backward([(a * 2).sum(), a * 3], [None, torch.tensor([1.0, 10.0])])
    assert a.grad.tolist() == [5.0, 32.0]


def test_a_freed_graph_says_so_and_one_that_saved_nothing_does_not():
    a = leaf(1, 2)
    y = (a * a).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    assert a.grad.tolist() == [2.0, 4.0]
    z = (a + 1).view(1, 2)[0].sum()
    z.backward()
    z.backward()
    assert a.grad.tolist() == [4.0, 6.0]


def test_shared_trunk():
    a = leaf(1, 2)
    trunk = a.exp()
    one, two = trunk.sum(), (trunk * trunk).sum()
    one.backward(retain_graph=True)
    two.backward()
    np.testing.assert_allclose(a.grad.tolist(), np.exp([1, 2]) + 2 * np.exp([2, 4]), rtol=1e-6)
    with pytest.raises(RuntimeError, match="second time"):
        one.backward()


@pytest.mark.parametrize("look", [False, True])
def test_gradients_of_one_step_are_given_up_one_by_one(look):
    for _ in range(3):
        x, c = leaf(1, 2), leaf(3, 4)
        e, f = torch.autograd.grad((x.exp() * c).sum(), [x, c], create_graph=True)
        if look:
            e.tolist()
        (e * e).sum().backward(retain_graph=True, inputs=[c])
        assert c.grad.tolist() == pytest.approx((2 * np.exp([2, 4]) * [3, 4]).tolist(), rel=1e-6)
        a, b = leaf(1, 2), leaf(3, 4)
        e, f = torch.autograd.grad((a * b).sum(), [a, b], create_graph=True)
        e.square().sum().backward()
        f.square().sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == ([2.0, 4.0], [6.0, 8.0])
        with pytest.raises(RuntimeError, match="second time"):
            e.sum().backward()


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("retain", [False, True])
def test_across_runs(look, retain):
    """Whether or not somebody looks between forward and backward changes nothing but the number of runs."""
    a = leaf(1, 2, 3)
    h = (a * 2).sin()
    if look:
        h.tolist()
    y = (h * a).sum()
    if look:
        y.item()
    y.backward(retain_graph=retain)
    x = np.array([1.0, 2, 3])
    want = np.sin(2 * x) + 2 * x * np.cos(2 * x)
    np.testing.assert_allclose(a.grad.tolist(), want, rtol=1e-5)
    if retain:
        y.backward()
        np.testing.assert_allclose(a.grad.tolist(), 2 * want, rtol=1e-5)
    assert y.grad_fn.name() == "SumBackward0"


def test_a_parameter_updated_between_forward_and_backward():
    """PyTorch refuses this; a Value never changes, so the gradient is that of the forward that was run."""
    w = leaf(2)
    y = (w * w).sum()
    with torch.no_grad():
        w.mul_(10)
    y.backward()
    assert w.tolist() == [20.0] and w.grad.tolist() == [4.0]


def test_graphs_over_three_runs():
    w = leaf(1, 2)
    total = torch.zeros(())
    for i in range(3):
        total = total + (w * w).sum() * i
        total.item()
    total.backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_higher_order():
    x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    y, found = x.sin() * x.exp(), []
    for _ in range(4):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        found.append(y.item())
    s, c, e = np.sin(0.7), np.cos(0.7), np.exp(0.7)
    np.testing.assert_allclose(found, [e * (s + c), 2 * e * c, 2 * e * (c - s), -4 * e * s], rtol=1e-12)


def test_gradient_penalty_and_hessian_vector_product():
    x, v = leaf(1, 2), torch.tensor([1.0, -1.0])
    y = (x**3).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (hv,) = torch.autograd.grad((g * v).sum(), x, retain_graph=True)
    assert hv.tolist() == [6.0, -12.0]
    (g * g).sum().backward()
    assert x.grad.tolist() == [36.0, 288.0]


def test_create_graph_replaces_and_warns():
    x = leaf(2)
    with pytest.warns(UserWarning, match="Using backward\\(\\) with create_graph=True"):
        (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad and x.grad.tolist() == [12.0]
    (second,) = torch.autograd.grad(x.grad.sum(), x)
    assert second.tolist() == [12.0]
    x.grad = None


def test_mixed_dtypes():
    w = leaf(1, 2)
    (w * torch.tensor([3.0, 4.0], dtype=torch.float64)).sum().backward()
    assert w.grad.dtype is torch.float32 and w.grad.tolist() == [3.0, 4.0]
    w.grad = None
    (w * torch.tensor([3, 4])).sum().backward()
    assert w.grad.tolist() == [3.0, 4.0]


def test_broadcasting_sums_back():
    a, b = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    c = torch.tensor(2.0, requires_grad=True)
    ((a * b) * c).sum().backward()
    assert a.grad.shape == (2, 3) and b.grad.tolist() == [4.0] * 3 and c.grad.item() == 6.0


def test_jumps_are_taken():
    w = leaf(1, 2)

    def step():
        (w.exp() * w).sum().backward()
        w.grad = None
        torch.sync()

    step()
    walks = stats.walks
    for _ in range(5):
        step()
    assert stats.walks == walks and stats.jumps >= 5
    for _ in range(9):
        y = (w.exp() * w).sum()
        y.item()
        y.backward()
        w.grad = None
    assert stats.walks <= walks + 2, "a look before backward must not cost the jump"


def test_a_long_graph():
    w = leaf(1)
    x = w
    for _ in range(3000):
        x = x * 1.0001
    x.sum().backward()
    np.testing.assert_allclose(w.grad.item(), 1.0001**3000, rtol=1e-3)


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda a: torch.ones(2).sum().backward(), RuntimeError, "element 0 of tensors does not require grad"),
        (lambda a: (a * 2).backward(), RuntimeError, "grad can be implicitly created only for scalar outputs"),
        (lambda a: (a * 2).backward(torch.ones(3)), RuntimeError, "Mismatch in shape: grad_output[0] has a shape of torch"),
        (lambda a: (a * 2).backward(1.0), TypeError, "gradients can be either Tensors or None, but got float"),
        (lambda a: torch.autograd.backward([a, a], [torch.ones(2)]), RuntimeError, "got 2 tensors and 1 gradients"),
        (lambda a: torch.autograd.grad(a.sum(), []), RuntimeError, "`inputs` argument to `grad()` cannot be empty."),
        (lambda a: a.sum().backward(inputs=[]), RuntimeError, "`inputs` argument to `backward()` cannot be empty."),
        (lambda a: torch.autograd.grad(a.sum(), torch.ones(2)), RuntimeError, "One of the differentiated Tensors does not"),
        (lambda a: (a * 1j).sum().backward(), RuntimeError, "only for real scalar outputs but got torch.complex64"),
        (lambda a: setattr(a, "grad", torch.ones(3)), RuntimeError, "attempting to assign a gradient of size '[3]'"),
        (lambda a: setattr(a, "grad", 1), TypeError, "assigned grad expected to be a Tensor or None but got grad of type"),
        (lambda a: setattr(a, "grad", a), RuntimeError, "can't assign Variable as its own grad"),
        (lambda a: setattr(a, "grad", torch.ones(2, dtype=torch.float64)), RuntimeError, "with dtype 'double'"),
        (lambda a: torch.ones(2, dtype=torch.int64).requires_grad_(), RuntimeError, "only Tensors of floating point"),
        (lambda a: (a * 2).requires_grad_(False), RuntimeError, "you can only change requires_grad flags of leaf"),
        (lambda a: a.add_(1), RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."),
        (lambda a: a.__setitem__(0, 1.0), RuntimeError, "a view of a leaf Variable that requires grad is being used"),
        (lambda a: torch.ones(2).retain_grad(), RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"),
        (lambda a: torch.ones(2).register_hook(print), RuntimeError, "cannot register a hook on a tensor that doesn't"),
        (lambda a: (a * 2).register_post_accumulate_grad_hook(print), RuntimeError, "cannot be registered on non-leaf"),
        (lambda a: a @ torch.ones(3), RuntimeError, ""),
        (lambda a: torch.ones(2, 3) @ torch.ones(4, 5), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x3 and"),
        (lambda a: a + torch.ones(3), RuntimeError, "The size of tensor a (2) must match the size of tensor b (3) at"),
        (lambda a: a.sum(3), IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 3)"),
        (lambda a: torch.cat([torch.ones(2, 3), torch.ones(2, 4)]), RuntimeError, "Sizes of tensors must match except in"),
        (lambda a: torch.stack([torch.ones(2), torch.ones(3)]), RuntimeError, "stack expects each tensor to be equal size"),
        (lambda a: torch.tensor([1]).mean(), RuntimeError, "mean(): could not infer output dtype"),
        (lambda a: a.view(3), RuntimeError, "shape '[3]' is invalid for input of size 2"),
        (lambda a: a[::-1], ValueError, "step must be greater than zero"),
    ],
)
def test_messages(wrong, error, words):
    a = leaf(1, 2)
    with pytest.raises(error) as caught:
        wrong(a)
    assert words in str(caught.value)
    assert a.tolist() == [1.0, 2.0] and a.requires_grad and a.grad is None
    (a * a).sum().backward()
    assert a.grad.tolist() == [2.0, 4.0]


def test_grad_of_a_non_leaf_warns():
    y = leaf(1) * 2
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None


# ---- modes -------------------------------------------------------------------------------------


def test_modes():
    a = leaf(1)
    with torch.no_grad():
        assert not (a * 2).requires_grad and not torch.is_grad_enabled()
        with torch.enable_grad():
            assert (a * 2).requires_grad
        assert torch.ones(2, requires_grad=True).requires_grad
    assert torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        assert not (a * 2).requires_grad
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not (a * 2).requires_grad
    assert not torch.is_inference_mode_enabled()


def test_modes_as_decorators():
    a = leaf(1)

    @torch.no_grad()
    def one():
        return a * 2

    @torch.no_grad
    def two():
        return a * 2

    @torch.no_grad()
    def generator():
        sent = yield a * 2
        assert not torch.is_grad_enabled()
        yield sent

    @torch.no_grad()
    async def coroutine():
        await asyncio.sleep(0)
        return a * 2

    assert not one().requires_grad and not two().requires_grad
    g = generator()
    assert not next(g).requires_grad and torch.is_grad_enabled()
    assert g.send(5) == 5 and torch.is_grad_enabled()
    assert not asyncio.run(coroutine()).requires_grad
    assert torch.is_grad_enabled()


def test_a_mode_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        raise ZeroDivisionError
    assert torch.is_grad_enabled()


# ---- hooks -------------------------------------------------------------------------------------


def test_hooks_run_in_order_replace_and_go():
    a = leaf(1, 2)
    y = a * 2
    seen = []
    y.register_hook(lambda g: seen.append("one"))
    handle = y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward(retain_graph=True)
    assert seen == ["one", [10.0, 10.0]] and a.grad.tolist() == [20.0, 20.0] and y.grad.tolist() == [10.0, 10.0]
    handle.remove()
    a.grad = None
    y.sum().backward()
    assert a.grad.tolist() == [2.0, 2.0]
    with a.register_hook(lambda g: g + 1):
        (a * 3).sum().backward()
    assert a.grad.tolist() == [6.0, 6.0]


def test_hooks_that_return_nonsense():
    a = leaf(1, 2)
    with a.register_hook(lambda g: 5), pytest.raises(TypeError, match="expected Variable, but hook returned 'int'"):
        (a * 2).sum().backward()
    with a.register_hook(lambda g: g.sum()), pytest.raises(RuntimeError, match="has changed the size of value"):
        (a * 2).sum().backward()
    a.grad = None
    (a * 2).sum().backward()
    assert a.grad.tolist() == [2.0, 2.0]


def test_a_hook_that_only_computes_makes_no_run():
    a = leaf(1, 2)
    a.register_hook(lambda g: g * 2 + 1)
    (a * a).sum().backward()
    assert stats.runs == 0
    assert a.grad.tolist() == [5.0, 9.0] and stats.runs == 1


def test_optimiser_in_backward():
    w = leaf(1, 2)

    def update(p):
        with torch.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    w.register_post_accumulate_grad_hook(update)
    (w * w).sum().backward()
    assert w.tolist() == [0.0, 0.0] and w.grad is None


# ---- the graph ---------------------------------------------------------------------------------


def test_the_founding_example():
    x, w, b = (torch.tensor(v, requires_grad=True) for v in (1.0, 2.0, 0.5))
    y = w * x
    z = y + b
    loss = (z - 3) ** 2
    assert [t.grad_fn and t.grad_fn.name() for t in (x, y, z, loss)] == [
        None, "MulBackward0", "AddBackward0", "PowBackward0",
    ]  # fmt: skip
    assert loss.grad_fn is loss.grad_fn
    ((sub, _),) = loss.grad_fn.next_functions
    assert sub.name() == "SubBackward0" and sub.next_functions == ((z.grad_fn, 0), (None, 0))
    (first, _), (second, _) = y.grad_fn.next_functions
    assert first.variable is w and second.variable is x and first.name() == "torch::autograd::AccumulateGrad"
    loss.backward()
    assert (x.grad.item(), w.grad.item(), b.grad.item()) == (-2.0, -1.0, -1.0)
    assert loss.grad_fn.name() == "PowBackward0"
    x.requires_grad = False
    ((w * x + b - 3) ** 2).backward()
    assert x.grad.item() == -2.0, "what was there stays"


def test_data_and_detach():
    p = leaf(1, 2)
    (p * p).sum().backward()
    p.data.add_(p.grad.data, alpha=-0.5)
    assert p.tolist() == [0.0, 0.0] and p.requires_grad and p.is_leaf and p._version == 0
    p.data = torch.ones(3)
    assert p.shape == (3,) and p.requires_grad
    d = p.detach()
    assert not d.requires_grad and d.grad_fn is None
    d.zero_()
    assert p.tolist() == [0.0] * 3 and p._version == 1


# ---- in place and views --------------------------------------------------------------------------


def test_views_are_seen_from_every_alias():
    base = torch.zeros(3, 4)
    row, column, flat, turned = base[1], base[:, 2], base.view(-1), base.t()
    row.add_(1)
    column.mul_(5)
    flat[0] = 9
    assert base.tolist() == [[9.0, 0, 0, 0], [1.0, 1, 5, 1], [0.0, 0, 0, 0]]
    assert turned.tolist() == [list(c) for c in zip(*base.tolist(), strict=True)]
    assert row.tolist() == base.tolist()[1] and flat.tolist() == [x for line in base.tolist() for x in line]
    assert base._version == row._version == 3 and row._base is base and row._is_view() and base._base is None


def test_a_detached_repetition_shows_what_is_written_to_one_of_its_elements():
    a = torch.arange(3.0)
    e = a.expand(2, 3)
    g, h = e.data, e.detach()
    g[-1] = torch.tensor([7.0, 8.0, 9.0])
    g[0, 1] = 5.0
    assert a.tolist() == [7.0, 5.0, 9.0] and all(t.tolist() == [a.tolist()] * 2 for t in (e, g, h))


def test_a_base_without_a_name_is_named_again():
    x = torch.arange(6).view(2, 3)
    base = x._base
    assert base.tolist() == list(range(6)) and not base._is_view() and x._base is base
    x.add_(1)
    base.mul_(2)
    assert x.tolist() == [[2, 4, 6], [8, 10, 12]] and base._version == x._version == 2
    w = torch.ones(6, requires_grad=True)
    y = (w * 2).view(2, 3)
    y._base.mul_(3)
    y.sum().backward()
    assert not y._base.is_leaf and w.grad.tolist() == [6.0] * 6
    rows = torch.arange(6.0).view(2, 3)
    row, other = rows[0], rows[1]
    del rows
    row.fill_(9)
    assert row._base is other._base and row._base.tolist() == [[9.0] * 3, [3.0, 4.0, 5.0]]
    assert (torch.ones(3) * 2)[1:]._base is None  # of which only a part is left


@pytest.mark.parametrize(
    ("write", "same"),
    [
        (lambda y: y[0].mul_(3), lambda y: torch.cat([y[:1] * 3, y[1:]])),
        (lambda y: y[:, 1:].add_(y[:, :1]), lambda y: torch.cat([y[:, :1], y[:, 1:] + y[:, :1]], 1)),
        (lambda y: y.t()[0].exp_(), lambda y: torch.cat([y[:, :1].exp(), y[:, 1:]], 1)),
        (lambda y: y.diagonal().zero_(), lambda y: y * torch.tensor([[0.0, 1, 1], [1, 0, 1]])),
        (lambda y: y.view(-1)[::2].mul_(y.sum()), lambda y: torch.where(
            torch.tensor([[True, False, True], [False, True, False]]), y * y.sum(), y)),
        (lambda y: y.__setitem__((slice(None), [0, 2]), y[:, 1:2] * 2), lambda y: torch.stack(
            [y[:, 1] * 2, y[:, 1], y[:, 1] * 2], 1)),
        (lambda y: y.__setitem__(y > 1, 0.5), lambda y: torch.where(y > 1, 0.5, y)),
        (lambda y: y.sigmoid_().mul_(y), lambda y: y.sigmoid() * y.sigmoid()),
    ],
)  # fmt: skip
def test_in_place_has_the_gradient_of_the_program_without(write, same):
    values = np.array([[0.5, 1.5, -1.0], [2.0, 0.25, 1.25]])
    found = []
    for in_place in (True, False):
        x = torch.tensor(values, requires_grad=True)
        y = x * 1.5
        before = (y * y).sum()  # saved before the write: PyTorch would refuse some of these
        if in_place:
            write(y)
        else:
            y = same(y)
        (before + (y * torch.tensor([[1.0, 2, 3], [4, 5, 6]])).sum()).backward()
        found.append((y.tolist(), x.grad.tolist()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


def test_a_buffer_that_a_gradient_is_written_into():
    buffer, x = torch.zeros(3), leaf(1, 2)
    buffer[:2] = x * x
    assert buffer.requires_grad and buffer.grad_fn.name() == "torch::autograd::CopySlices"
    buffer.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: x[0].add_(1), "a view of a leaf Variable that requires grad is being used in an in-place operation."),
        (lambda x: (x * 1).unbind()[0].add_(1), "Output 0 of Unbind is a view and is being modified inplace."),
        (lambda x: torch.ones(1).expand(3).add_(1), "more than one element of the written-to tensor refers to a single"),
        (lambda x: (x * 1).split(1)[1].add_(1), "Output 1 of Split is a view and is being modified inplace."),
    ],
)
def test_views_that_may_not_be_written(wrong, words):
    with pytest.raises(RuntimeError) as caught:
        wrong(leaf(1, 2))
    assert words in str(caught.value)


def test_a_view_made_under_no_grad():
    y = leaf(1, 2) * 1
    with torch.no_grad():
        v = y[0]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and is being modified inplace"):
        v.add_(1)


def test_complex_gradients_are_conjugate():
    z = torch.tensor([1 + 2j], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (z * (2 - 1j)).real.sum().backward()
    assert z.grad.tolist() == [2 + 1j]
    z.grad = None
    z.abs().sum().backward()
    np.testing.assert_allclose(z.grad.tolist(), [(1 + 2j) / np.sqrt(5)], rtol=1e-6)


@pytest.mark.parametrize("f", [lambda x: x // 2, lambda x: torch.heaviside(x, x)])
def test_what_has_no_derivative_is_recorded_and_looked_at(f):
    """Only a backward through it raises, and at its own line."""
    x = torch.tensor([1.0, 5.0], requires_grad=True)
    y = f(x)
    assert y.requires_grad and y.tolist() == f(x.detach()).tolist()
    z = (y * x).sum()
    with pytest.raises(RuntimeError, match="derivative for aten::.* is not implemented"):
        z.backward()
    assert x.grad is None and z.item() == (y * x).sum().item()


@pytest.mark.parametrize("f", [torch.special.gammainc, torch.special.gammaincc, torch.special.zeta])
def test_what_has_no_derivative_by_its_first_argument(f):
    a, x = torch.tensor([1.5, 2.0], requires_grad=True), torch.tensor([0.5, 3.0], requires_grad=True)
    y = f(a, x)
    assert y.tolist() == f(a.detach(), x.detach()).tolist()
    with pytest.raises(NotImplementedError, match="the derivative for '.*' is not implemented"):
        y.sum().backward()
    (g,) = torch.autograd.grad(f(a.detach(), x).sum(), x)
    with pytest.raises(NotImplementedError, match="the derivative for"):
        torch.func.jvp(f, (a.detach(), x.detach()), (a.detach(), x.detach()))
    pure = torch.func.to_jax(f)
    raw = a.detach().numpy(), x.detach().numpy()
    with pytest.raises(NotImplementedError, match="the derivative for"):
        jax.grad(lambda a: pure(a, raw[1]).sum())(raw[0])
    assert jax.grad(lambda x: pure(raw[0], x).sum())(raw[1]).tolist() == pytest.approx(g.tolist())


def test_memory_under_a_view_whose_base_is_gone():
    """Elements that `expand` shows several times are one place still, for who writes to a part of them."""
    base = torch.arange(3.0).requires_grad_() * 1
    wide = base.expand(2, 3)
    del base
    wide[::2].mul_(5.0)
    assert wide.tolist() == [[0.0, 5.0, 10.0]] * 2
    wide.sum().backward()


def test_reshaped_in_place_without_gradients():
    """Under no_grad what has a history is reshaped, and gradients come back to the shape it had."""
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    with torch.no_grad():
        y.t_().unsqueeze_(0)
    assert y.shape == (1, 3, 2) and y.requires_grad
    (y * torch.arange(6.0).reshape(1, 3, 2)).sum().backward()
    assert x.grad.tolist() == [[0.0, 4.0, 8.0], [2.0, 6.0, 10.0]]


def test_set_has_no_derivative():
    source, t = torch.ones(3, requires_grad=True), torch.zeros(2)
    t.set_(source)
    assert t.requires_grad and not t.is_leaf and t.grad_fn.name() == "torch::autograd::NotImplemented" and t.tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="derivative for set_ is not implemented"):
        t.sum().backward()
    with torch.no_grad():
        other = torch.zeros(2)
        other.set_(source)
    assert not other.requires_grad


def test_a_refusal_keeps_nothing_alive():
    """What is raised again and again is a new error each time, without the frames of the last."""
    x = torch.ones(2, requires_grad=True)
    gone = weakref.ref(x)
    with pytest.raises(RuntimeError, match="derivative for aten::floor_divide"):
        (x // 2).sum().backward()
    del x
    gc.collect()
    assert gone() is None


def test_counting_makes_one_run():
    x = torch.tensor([0, 2, 2]) * 1
    before = stats.runs
    assert torch.bincount(x).shape == (3,) and stats.runs == before + 1


def test_a_leaf_that_is_a_view_stays_a_leaf_under_no_grad():
    """Also when the memory's first name is gone."""
    base = torch.ones(3)
    for w in (base.view(3).requires_grad_(), torch.ones(3).view(3).requires_grad_()):
        for _ in range(2):
            (w * w).sum().backward()
            with torch.no_grad():
                w -= 0.25 * w.grad
            assert w.is_leaf and w._is_view() and w.grad is not None
            w.grad = None
        assert w.tolist() == [0.25, 0.25, 0.25]
    assert base.tolist() == [0.25, 0.25, 0.25]
