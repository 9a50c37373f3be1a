"""Random programs, the same in PyTorch and here: values, gradients and error classes compared.

Each program is a list of steps drawn from a seed: operations, views, in-place writes, no_grad, detach, looks at
numbers, several backwards. Where PyTorch refuses because a saved value was modified in place, funcgrad gives the
gradient of the program without the write; such programs are counted, not compared.
"""

import numpy as np
import pytest
import torch

import funcgrad

PROGRAMS = 120
MODIFIED = "modified by an inplace operation"

UNARY = ["sin", "exp", "tanh", "sigmoid", "neg", "abs", "square", "relu", "cos"]
BINARY = ["add", "sub", "mul", "maximum", "atan2"]
VIEWS = [
    lambda x: x[0], lambda x: x[..., :1], lambda x: x.transpose(0, -1), lambda x: x.reshape(-1), lambda x: x.unsqueeze(0),
    lambda x: x.flatten(), lambda x: x[-1:], lambda x: x.narrow(0, 0, 1), lambda x: x.select(-1, 0),
]  # fmt: skip
IN_PLACE = [
    lambda x, y: x.mul_(1.5), lambda x, y: x.add_(y), lambda x, y: x.sin_(), lambda x, y: x.zero_(),
    lambda x, y: x.copy_(y), lambda x, y: x.clamp_(-0.5, 0.5), lambda x, y: x.__setitem__(0, 0.25),
    lambda x, y: x.sub_(y, alpha=0.5),
]  # fmt: skip


class Program:
    """One seed's program, run on a module; everything it shows."""

    def __init__(self, seed: int, module):
        self.rng, self.t = np.random.default_rng(seed), module
        self.leaves = [module.tensor(self.rng.uniform(-1, 1, (2, 3)), requires_grad=True) for _ in range(2)]
        self.pool = list(self.leaves)
        self.seen: list = []

    def pick(self):
        return self.pool[self.rng.integers(len(self.pool))]

    def step(self) -> None:
        rng, t = self.rng, self.t
        kind = rng.choice(["unary", "binary", "view", "in place", "no_grad", "detach", "look", "number", "reduce", "matmul"],
                          p=[0.2, 0.2, 0.15, 0.12, 0.05, 0.05, 0.05, 0.08, 0.05, 0.05])  # fmt: skip
        x, y, i = self.pick(), self.pick(), int(rng.integers(1 << 30))
        if kind == "unary":
            self.pool.append(getattr(x, UNARY[i % len(UNARY)])())
        elif kind == "binary":
            self.pool.append(getattr(t, BINARY[i % len(BINARY)])(x, y))
        elif kind == "view":
            self.pool.append(VIEWS[i % len(VIEWS)](x))
        elif kind == "in place":
            IN_PLACE[i % len(IN_PLACE)](x, y)
        elif kind == "no_grad":
            with t.no_grad():
                self.pool.append(x * 2)
        elif kind == "detach":
            self.pool.append(x.detach())
        elif kind == "look":
            self.seen.append(x.detach().numpy().copy())
        elif kind == "number":
            self.pool.append([x * 0.7, 1.3 - x, x / 2, x**2][i % 4])
        elif kind == "reduce":
            self.pool.append([lambda: x.sum(-1), lambda: x.mean(0), lambda: x.sum(), lambda: x.amax(0)][i % 4]())
        else:
            self.pool.append(x @ y.transpose(0, -1))

    def run(self):
        """(what was seen, the class of each error, whether PyTorch refused for a modified value)."""
        errors = []
        for _ in range(14):
            try:
                self.step()
            except (RuntimeError, IndexError) as error:
                errors.append(type(error).__name__)
        total = sum((v.sum() for v in self.pool[2:] if v.requires_grad), self.leaves[0].sum() * 0)
        retain = bool(self.rng.integers(2))
        total.backward(retain_graph=retain)
        if retain:
            total.backward()
        (first,) = self.t.autograd.grad((self.leaves[0].sin() * self.leaves[1]).sum(), self.leaves[0], create_graph=True)
        first.sum().backward()
        self.seen += [v.detach().numpy().copy() for v in self.pool]
        self.seen += [leaf.grad.numpy().copy() for leaf in self.leaves if leaf.grad is not None]
        return self.seen, errors


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_program(seed):
    try:
        want, refused = Program(seed, torch).run()
    except RuntimeError as error:
        assert MODIFIED in str(error)
        Program(seed, funcgrad).run()
        return
    got, mine = Program(seed, funcgrad).run()
    assert mine == refused
    assert [g.shape for g in got] == [w.shape for w in want]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-9)
