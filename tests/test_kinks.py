"""At kinks the derivative is a convention, and the convention is PyTorch's."""

import numpy as np
import pytest
from kinks import KINKS

import funcgrad as torch


@pytest.mark.parametrize(("at", "call", "gradient"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
def test_kink(at, call, gradient):
    x = torch.tensor(at, requires_grad=True)
    call(torch, x).sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), gradient, rtol=1e-6)
