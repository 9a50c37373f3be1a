"""`torch.autograd.functional`: every function with its options on PyTorch and here."""

import numpy as np
import pytest
import torch

import funcgrad

PRODUCTS, MATRICES = ("vjp", "jvp", "hvp", "vhp"), ("jacobian", "hessian")

# a function, its inputs, and the vector of each product; F stands for the function of the module under test
CALLS = """
F(cube, x, V)   F(cube, x, V, create_graph=True)   F(prod, (x, y), V2)   F(prod, (x, y), V2, create_graph=True)
F(prod, (x, y), V2, strict=True)   F(flat, x, V)   F(flat, x, V, strict=True)   F(half, (x, y), V2, strict=True)
F(half, (x, y), V2)   F(lin, x, V)   F(lin, x, V, strict=True)   F(lin, x, V, strict=True, create_graph=True)
F(cube, 3.0, V)   F(number, x, V)   F(mixed, x, V)   F(cube, [x], V)   F(cube, xr, V)   F(cube, xr, V, create_graph=True)
"""
PRODUCTS_ONLY = """
F(cube, x)   F(cube, one)   F(prod, (x, y))   F(cube, x, t.ones(3))   F(cube, x, (x, x))   F(cube, x, 3.0)   F(twice, x, x)
"""
MATRICES_ONLY = """
F(cube, x, vectorize=True)   F(prod, (x, y), vectorize=True)   F(cube, x, STRATEGY='forward-mode')
F(cube, x, vectorize=True, STRATEGY='forward-mode')   F(cube, x, vectorize=True, STRATEGY='forward-mode', strict=True)
F(cube, x, STRATEGY='foo')   F(cube, x, vectorize=True, STRATEGY='forward-mode', create_graph=True)   F(many, (x, y))
F(twice, x)   F(same, x)   F(cube, x, vectorize=True, create_graph=True)   F(keep, x)
"""


def names(t, function):
    x, y = t.tensor([1.0, -2.0]), t.tensor([3.0, 4.0])
    scalar = function == "vjp"
    return {
        "t": t, "F": getattr(t.autograd.functional, function), "x": x, "y": y, "xr": x.clone().requires_grad_(),
        "one": t.tensor([2.0]), "V": t.ones(()) if scalar else y, "V2": t.ones(()) if scalar else (y, x),
        "cube": lambda x: (x**3).sum(), "prod": lambda x, y: (x * y).sum() ** 2, "flat": lambda x: t.ones(()),
        "half": lambda x, y: (x**2).sum(), "lin": lambda x: x.sum(), "number": lambda x: 3.0, "mixed": lambda x: (x, 3.0),
        "twice": lambda x: x * 2, "same": lambda x: x, "many": lambda x, y: (x * y, x.sum()), "keep": lambda x: x[:, None] * x,
    }  # fmt: skip


def lines():
    for f in (*PRODUCTS, *MATRICES):
        for line in [c.strip() for c in CALLS.replace("\n", "   ").split("   ") if c.strip()]:
            yield f, line.replace(", V2", "").replace(", V", "") if f in MATRICES else line
        more = PRODUCTS_ONLY if f in PRODUCTS else MATRICES_ONLY
        strategy = "outer_jacobian_strategy" if f == "hessian" else "strategy"
        for line in [c.strip() for c in more.replace("\n", "   ").split("   ") if c.strip()]:
            yield f, line.replace("STRATEGY", strategy)


def plain(w):
    if isinstance(w, torch.Tensor | funcgrad.Tensor):
        return str(w.dtype), w.requires_grad, np.round(w.detach().numpy(), 4).tolist()
    return tuple(map(plain, w))  # forward mode gives lists in PyTorch, where its documentation says tuples


def result(function, line, t):
    try:
        return plain(eval(line, names(t, function)))
    except Exception as error:
        return type(error).__name__, str(error).replace("torch.Size", "Size")


@pytest.mark.parametrize(("function", "line"), list(lines()))
@pytest.mark.filterwarnings("ignore")
def test_same(function, line):
    ours, theirs = result(function, line, funcgrad), result(function, line, torch)
    if function == "hessian" and "forward-mode" in line:  # whose result PyTorch leaves in its graph
        theirs, ours = (eval(repr(r).replace("True", "False")) for r in (theirs, ours))
    assert ours == theirs
