"""The table of kinks is PyTorch's own."""

import numpy as np
import pytest
import torch
from kinks import KINKS


@pytest.mark.parametrize(("at", "call", "gradient"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
def test_kink(at, call, gradient):
    x = torch.tensor(at, requires_grad=True)
    call(torch, x).sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), gradient, rtol=1e-6)
