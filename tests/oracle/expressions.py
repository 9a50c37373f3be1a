"""The same expressions in PyTorch and here: values, shapes, dtypes, gradients, errors and warnings.

Everything of a group is recorded first and looked at once, so that a group is one program.
"""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import torch

import funcgrad
import funcgrad.nn.functional
from funcgrad.tensor import NAMES

OURS = SimpleNamespace(**{**NAMES["torch"], **vars(funcgrad)})


def tensors(module, arrays: dict) -> dict:
    """The arrays as leaves; floats want a gradient, except those whose name ends in `_`."""
    made = {}
    for name, a in arrays.items():
        wants = a.dtype.kind in "fc" and not name.endswith("_")
        made[name] = module.tensor(a.copy(), requires_grad=True) if wants else module.tensor(a.copy())
    return made


def record(module, F, code: str, arrays: dict):
    """(outputs, leaves that got a gradient) of an expression, not looked at yet."""
    leaves = tensors(module, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = eval(code, {"torch": module, "F": F, "np": np, **leaves})
    outs = [o for o in (out if isinstance(out, tuple | list) else [out]) if o is not None]
    total = None
    for o in outs:
        if hasattr(o, "requires_grad") and o.requires_grad:
            w = np.cos(np.arange(o.numel(), dtype=np.float64)).reshape(tuple(o.shape))
            term = (o * module.tensor(w).to(o.dtype)).sum()
            term = term.real if o.dtype.is_complex else term
            total = term if total is None else total + term
    if total is not None:
        total.backward()
    return outs, leaves


def numbers(x):
    if not hasattr(x, "dtype"):
        return x
    x = x.detach()
    return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()


def agree(cases, arrays: dict, rtol=1e-6, atol=1e-7) -> None:
    """Every expression (or (expression, names of its arrays)) gives what PyTorch gives."""
    pairs = []
    for code in cases:
        named = {name: a for name, a in arrays.items() if re.search(rf"\b{name}\b", code)}
        try:
            ours = record(OURS, funcgrad.nn.functional, code, named)
            theirs = record(torch, torch.nn.functional, code, named)
        except Exception as error:
            error.add_note(f"in {code}")
            raise
        pairs.append((code, ours, theirs))
    wrong = []
    for code, (a, ours), (b, theirs) in pairs:
        try:
            assert len(a) == len(b), f"{len(a)} results, not {len(b)}"
            for x, y in zip(a, b, strict=True):
                if hasattr(y, "dtype"):
                    assert str(x.dtype) == str(y.dtype), f"{x.dtype}, not {y.dtype}"
                    assert tuple(x.shape) == tuple(y.shape), f"{x.shape}, not {y.shape}"
                    assert x.requires_grad == y.requires_grad, f"requires_grad is {x.requires_grad}"
                np.testing.assert_allclose(numbers(x), numbers(y), rtol, atol)
            for name in theirs:
                g, h = ours[name].grad, theirs[name].grad
                assert (g is None) == (h is None), f"gradient of {name}: {g}, not {h}"
                if h is not None:
                    np.testing.assert_allclose(numbers(g), numbers(h), rtol, atol, err_msg=f"gradient of {name}")
        except AssertionError as error:
            wrong.append(f"{code}: {str(error).strip()[:400]}")
    assert not wrong, "\n".join(wrong)


def raised(module, F, code: str, arrays: dict):
    try:
        eval(code, {"torch": module, "F": F, "np": np, **tensors(module, arrays)})
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0].strip()
    return None


def same_errors(cases, arrays: dict) -> None:
    """Every expression raises PyTorch's class and words."""
    wrong = []
    for code in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = raised(OURS, funcgrad.nn.functional, code, arrays)
            theirs = raised(torch, torch.nn.functional, code, arrays)
        if ours != theirs or theirs is None:
            wrong.append(f"{code}\n  ours   {ours}\n  theirs {theirs}")
    assert not wrong, "\n".join(wrong)


def warned(module, F, code: str, arrays: dict) -> list:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        eval(code, {"torch": module, "F": F, "np": np, **tensors(module, arrays)})
    return [(w.category.__name__, str(w.message)) for w in caught]


def same_warnings(cases, arrays: dict) -> None:
    for code in cases:
        ours = warned(OURS, funcgrad.nn.functional, code, arrays)
        theirs = warned(torch, torch.nn.functional, code, arrays)
        assert ours == theirs and theirs, f"{code}\n  ours   {ours}\n  theirs {theirs}"
