"""`__torch_function__`: classes of Tensors, and others, that take over; and what a plain Tensor pays for it: nothing."""

from typing import ClassVar

import pytest

import funcgrad as torch
import funcgrad.nn.functional as F
from funcgrad.tape import stats


class Kept(torch.Tensor):
    """Takes nothing over: what is made of it is of its class."""


class Listed(torch.Tensor):
    seen: ClassVar[list] = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append((func.__name__, len(args), sorted(kwargs or {})))
        return super().__torch_function__(func, types, args, kwargs or {})


class Unit:
    """No Tensor at all: a number with a unit."""

    def __init__(self, number, unit):
        self.number, self.unit = number, unit

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is not torch.mul:
            return NotImplemented
        a, b = (x if isinstance(x, Unit) else Unit(x, "") for x in args)
        return Unit(a.number * b.number, a.unit + b.unit)


def test_results_keep_the_class():
    a = torch.ones(2, 3).as_subclass(Kept)
    made = [
        a + 1, 1 + a, 2 - a, a * torch.ones(3), torch.ones(3) * a, a**2, a / 2, -a, a.sum(), torch.sin(a), F.softmax(a, -1),
        F.relu(a), a[0], a.view(-1), a.reshape(3, 2), a.t(), a.max(1).values, a.max(1)[0], a @ a.t(), a.detach(), a.clone(),
        torch.cat([a, torch.ones(1, 3)]), a.unbind()[1], F.linear(torch.ones(1, 3), a), a > 0, a.double(), a.clone().add_(1),
    ]  # fmt: skip
    assert {type(m) for m in made} == {Kept}
    assert type(torch.ones(2) + 1) is torch.Tensor
    assert type(torch.nn.Parameter(torch.ones(3)) + 1) is torch.Tensor
    assert repr(a + 1) == "Kept([[2., 2., 2.],\n      [2., 2., 2.]])"


def test_autograd_views_and_writes_of_a_class():
    a = torch.arange(4.0).as_subclass(Kept).requires_grad_()
    (a * a).sum().backward()
    assert a.grad.tolist() == [0.0, 2.0, 4.0, 6.0]
    b = torch.zeros(2, 3).as_subclass(Kept)
    row = b[1]
    row.add_(5)
    b[0, 0] = 7
    assert b.tolist() == [[7.0, 0.0, 0.0], [5.0, 5.0, 5.0]]
    b.mul_(2)
    assert row.tolist() == [10.0, 10.0, 10.0]
    assert (row.sum() + torch.ones(1)).tolist() == [31.0]


def test_a_class_sees_functions_as_they_were_written():
    b = torch.ones(2).as_subclass(Listed)
    Listed.seen.clear()
    torch.sum(b, 0), F.softmax(b, dim=0), b.mul_(2), torch.stack([b, b]), 2 - b, b**2, b / 2, b[0], b.float()
    b[0] = 1
    assert Listed.seen == [
        ("sum", 2, []), ("softmax", 1, ["dim"]), ("mul_", 2, []), ("stack", 1, []), ("__rsub__", 2, []), ("pow", 2, []),
        ("div", 2, []), ("__getitem__", 2, []), ("float", 1, []), ("__setitem__", 3, []),
    ]  # fmt: skip
    with torch._C.DisableTorchFunctionSubclass():
        assert type(b + 1) is torch.Tensor
    assert Listed.seen[-1][0] == "__setitem__"


def test_something_else_than_a_tensor():
    made = torch.mul(Unit(3, "m"), Unit(2, "s"))
    assert (made.number, made.unit) == (6, "ms")
    assert torch.mul(torch.tensor(2.0), Unit(2, "s")).number.item() == 4.0
    with pytest.raises(TypeError, match=r"Multiple dispatch failed for 'torch.add'; all __torch_function__ handlers"):
        torch.add(Unit(3, "m"), 1)
    assert torch.overrides.is_tensor_like(made) and not torch.overrides.is_tensor_like(3)


def test_the_subclass_is_asked_first():
    class Deeper(Kept):
        pass

    a, b = torch.ones(2).as_subclass(Kept), torch.ones(2).as_subclass(Deeper)
    assert type(a + b) is Deeper and type(b + a) is Deeper


def test_a_function_of_ones_own():
    @torch.overrides.wrap_torch_function(lambda x: (x,))
    def double(x):
        return x * 2

    b = torch.ones(2).as_subclass(Listed)
    Listed.seen.clear()
    assert type(double(b)) is Listed and Listed.seen[0][0] == "double"
    assert double(torch.ones(1)).tolist() == [2.0]


def test_a_loop_over_a_class_is_one_program():
    w = torch.ones(3).as_subclass(Kept).requires_grad_()
    for k in range(5):
        loss = ((w * torch.arange(3.0)) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.01 * w.grad
        w.grad = None
        assert loss.item() > 0
        if k == 2:
            compiled = stats.compiles
    assert stats.compiles == compiled
