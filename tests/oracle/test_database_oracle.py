"""The values of PyTorch's database of operators, in dtypes that the tests of the rows do not draw."""

import pytest
import torch
from database import DRAWN, difference, disagreements, operators

import funcgrad

OPEN = "PyTorch leaves open which of equal elements it names"
GAUGE = "vectors of any phase will do"
MODULE = "it is given a module of PyTorch"
WRAPPED = "the database calls another function"
DIFFERENT = {
    "int64": {"topk": OPEN, "kthvalue": OPEN, "mode": OPEN, "sort": OPEN, "argsort": OPEN},
    "complex128": dict.fromkeys(("linalg.eigh", "linalg.eig", "linalg.svd", "svd", "linalg.qr"), GAUGE),
    "bfloat16": {"sort": OPEN, "argsort": OPEN, "topk": OPEN, "kthvalue": OPEN, "mode": OPEN},
}
ALWAYS = {
    "nn.functional.triplet_margin_with_distance_loss": MODULE, "linalg.pinv.singular": WRAPPED,
    "linalg.lstsq.grad_oriented": WRAPPED, "matrix_exp": "PyTorch gives infinities in half precision",
}  # fmt: skip
TOGETHER = 12  # operators of which one program is made
TOLERANCE = {"int64": 1e-5, "complex128": 1e-7, "bfloat16": 1e-2}


@pytest.mark.parametrize("name", DIFFERENT)
def test_values(name):
    dtype, left_out = getattr(torch, name), DIFFERENT[name] | ALWAYS
    some = [
        (entry, op, function)
        for entry, op, function in operators()
        if dtype in op.supported_dtypes("cpu") and not DRAWN.search(op.name) and entry not in left_out
    ]
    parts = [some[i : i + TOGETHER] for i in range(0, len(some), TOGETHER)]
    wrong = [w for part in parts for w in disagreements(part, dtype, TOLERANCE[name])]
    assert not wrong, "\n".join(wrong)
    assert len(some) > 200


FAR = [
    "torch.polygamma(2, x)", "torch.polygamma(3, x)", "torch.special.zeta(three, x)", "torch.special.zeta(three - 1, x)",
    "torch.exp2(whole)", "torch.ldexp(whole, whole)", "torch.logaddexp(z, z.flip(0))", "torch.logcumsumexp(z, 0)",
    "torch.addmm(i, i, i, beta=2.7, alpha=1.6)", "torch.addr(i > 0, i[0] > 0, i[1] > 0, beta=2, alpha=3)",
    "torch.gradient(i, spacing=[2.0, 2.1])[1]", "torch.softmax(z, 0, dtype=torch.float64)",
]  # fmt: skip


@pytest.mark.parametrize("code", FAR)
def test_what_samples_do_not_reach(code):
    found = []
    for lib in (torch, funcgrad):
        space = {
            "torch": lib, "three": lib.tensor(3.0, dtype=lib.float64), "i": lib.tensor([[3, 1, 4], [1, 5, 9], [2, 6, 5]]),
            "x": lib.tensor([-0.3, -5.5, -8.5, -9.5, -12.25, -100.3, -8.0, 0.0, 2.5], dtype=lib.float64),
            "whole": lib.tensor([5.0, -3.0, 7.0], dtype=lib.bfloat16), "z": lib.tensor([1 + 1j, 2 - 3j, 3 + 3j, 0.5 - 3j]),
        }  # fmt: skip
        found.append(eval(code, space))
    assert difference(*found, 1e-6) is None
