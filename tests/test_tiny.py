"""In seconds: does anything work at all? Run this first when everything fails."""

import funcgrad as torch


def test_founding_example():
    x = torch.tensor(1.0, requires_grad=True)
    w = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(0.5, requires_grad=True)
    y = w * x
    z = y + b
    loss = (z - 3) ** 2
    loss.backward()
    assert (y.item(), z.item(), loss.item()) == (2.0, 2.5, 0.25)
    assert (x.grad.item(), w.grad.item(), b.grad.item()) == (-2.0, -1.0, -1.0)
    assert [t.is_leaf for t in (x, w, b, y, z, loss)] == [True, True, True, False, False, False]
    assert loss.grad_fn.name() == "PowBackward0" and x.grad_fn is None
    assert repr(loss) == "tensor(0.2500, grad_fn=<PowBackward0>)"


def test_without_a_gradient():
    x, w = torch.tensor(1.0), torch.tensor(2.0, requires_grad=True)
    (w * x).backward()
    assert x.grad is None and w.grad.item() == 1.0


def test_matmul_and_sum():
    assert (torch.ones(2, 3) @ torch.ones(3, 4)).sum().item() == 24.0


def test_second_derivative():
    x = torch.tensor(3.0, requires_grad=True)
    (g,) = torch.autograd.grad(x**3, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert (g.item(), h.item()) == (27.0, 18.0)


def test_in_place_through_a_view():
    x = torch.zeros(2, 2)
    x[0].add_(1)
    assert x.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_sixty_four_bits_are_real():
    assert (torch.tensor([2**40]) + 1).tolist() == [2**40 + 1]
    assert (torch.tensor([1.0], dtype=torch.float64) / 3).item() == 1 / 3


def test_a_loop_is_one_program():
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step():
        nonlocal w
        loss = ((w - 3) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None

    for _ in range(5):
        step()
    torch.sync()
    before = torch.tape.stats.compiles
    for _ in range(20):
        step()
    assert torch.tape.stats.compiles == before
    assert torch.allclose(w, torch.full((2,), 3.0), atol=0.02)
