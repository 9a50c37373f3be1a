"""The golden list of node names is PyTorch's own."""

import pytest
import torch
from nodes import calls, node_of

CALLS = calls()


@pytest.mark.parametrize("first", range(0, len(CALLS), 50))
@pytest.mark.filterwarnings("ignore")
def test_names(first):
    chunk = CALLS[first : first + 50]
    assert {call: node_of(call, torch) for call, _ in chunk} == dict(chunk)
