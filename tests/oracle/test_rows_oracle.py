"""Every public row against PyTorch, by its own samples: values, shapes, dtypes, gradients, grad_fn.

What a row computes comes from `rows.cases`, one program a row, shared with `test_rows.py`.
"""

import warnings

import numpy as np
import pytest
import rows
import torch

import funcgrad
import funcgrad.nn.functional
from funcgrad.dtypes import DType
from funcgrad.op import REGISTRY
from funcgrad.tape.tape import fresh

THEIRS = {
    "torch": torch,
    "F": torch.nn.functional,
    "linalg": torch.linalg,
    "special": torch.special,
}
OURS = {
    "torch": funcgrad,
    "F": funcgrad.nn.functional,
    "linalg": funcgrad.linalg,
    "special": funcgrad.special,
}
PUBLIC = [name for name, op in REGISTRY.items() if op.where in THEIRS and op.samples and not op.skip]
# what half of a float's digits leave, for chains of a few operations
RTOL = {"float64": 1e-8, "complex128": 1e-8, "float32": 1e-4, "int64": 1e-5, "bool": 1e-5}

# Names of grad_fn that differ from PyTorch's, and why.
OTHER_NODE = {}


def their_function(op):
    """The function, or the method where PyTorch has no function."""
    found = getattr(THEIRS[op.where], op.name, None) or getattr(torch.Tensor, op.name, None)
    assert found is not None, f"PyTorch has no {op.name}"
    return found


def call_torch(case, leaves: list):
    def convert(v):
        if isinstance(v, DType):
            return getattr(torch, v.name)
        if not isinstance(v, np.ndarray):
            return v
        t = torch.from_numpy(v.copy())
        if t.dtype.is_floating_point or t.dtype.is_complex:
            t.requires_grad_(case.by_rule is not None)
        leaves.append(t)
        return t

    args, kwargs = rows.torch_args(case.op, case.arrays, case.sample.params, convert)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = their_function(case.op)(*args, **kwargs)
    return list(made) if isinstance(made, tuple | list) else [made]


def numbers(t):
    return t.detach().resolve_conj().resolve_neg().numpy() if isinstance(t, torch.Tensor) else np.asarray(t)


def same(mine, theirs, rtol: float, what: str) -> None:
    assert mine.shape == theirs.shape, f"{what}: shape {mine.shape}, not {theirs.shape}"
    assert mine.dtype == theirs.dtype, f"{what}: dtype {mine.dtype}, not {theirs.dtype}"
    np.testing.assert_allclose(mine, theirs, rtol, rtol, err_msg=what)


@pytest.mark.parametrize("name", PUBLIC)
def test_row_computes_what_pytorch_does(name):
    for case in rows.cases(name):
        leaves: list = []
        try:
            theirs = call_torch(case, leaves)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            assert case.dtype != "float64", f"PyTorch refuses {case}: {error}"
            continue  # a dtype that PyTorch does not have the operator in
        assert case.refused is None, f"{case}: {case.refused!r}"
        assert len(case.y) == len(theirs), str(case)
        for mine, their in zip(case.y, theirs, strict=True):
            same(mine, numbers(their), RTOL[case.dtype], str(case))
        if case.by_rule is not None:
            same_gradients(case, leaves, theirs)


def same_gradients(case, leaves, theirs) -> None:
    pairs = [
        (t, torch.from_numpy(np.array(g)))
        for t, g in zip(theirs, case.g, strict=True)
        if g is not None and isinstance(t, torch.Tensor) and t.requires_grad
    ]
    assert pairs, f"{case}: PyTorch has no gradient"
    wanted = [t for t in leaves if t.requires_grad]
    found = torch.autograd.grad(*map(list, (
        [t for t, _ in pairs], wanted, [g for _, g in pairs])), allow_unused=True)  # fmt: skip
    arrays = zip(case.arrays, case.by_rule, strict=True)
    mine = [g for a, g in arrays if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    for i, (g, their) in enumerate(zip(mine, found, strict=True)):
        if their is not None:
            same(g, numbers(their), RTOL[case.dtype], f"gradient {i} of {case}")


def nodes(function, case, convert) -> list:
    args, kwargs = rows.torch_args(case.op, case.arrays, case.sample.params, convert)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = function(*args, **kwargs)
    made = made if isinstance(made, tuple | list) else [made]
    return [t.grad_fn and t.grad_fn.name() for t in made]


def test_grad_fn_has_pytorchs_name():
    """Nothing runs: a node is known as soon as its operation is recorded."""

    def leaf(module):
        def convert(v):
            if not isinstance(v, np.ndarray):
                return getattr(module, v.name) if isinstance(v, DType) else v
            t = module.from_numpy(v.copy())
            return t.requires_grad_() if v.dtype.kind in "fc" else t

        return convert

    other = {}
    for name in PUBLIC:
        op = REGISTRY[name]
        if not op.differentiable or "f" not in op.variants:
            continue
        for case in rows.cases(name):
            if case.dtype == "float64" and case.by_rule is not None:
                mine = nodes(getattr(OURS[op.where], name), case, leaf(funcgrad))
                theirs = nodes(their_function(op), case, leaf(torch))
                if mine != theirs:
                    other.setdefault(name, (mine, theirs))
        fresh()
    assert other.keys() == OTHER_NODE.keys(), "\n".join(f"{k}: {m}, not {t}" for k, (m, t) in other.items())
