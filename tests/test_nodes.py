"""Nodes are named as PyTorch's: the golden list."""

import pytest
from nodes import OTHERS, calls, node_of

import funcgrad

CALLS = calls()


@pytest.mark.parametrize("first", range(0, len(CALLS), 20), ids=lambda i: CALLS[i][0])
@pytest.mark.filterwarnings("ignore")
def test_names(first):
    chunk = CALLS[first : first + 20]
    wanted = {call: OTHERS.get(call, (name,))[0] for call, name in chunk}
    assert {call: node_of(call, funcgrad) for call, _ in chunk} == wanted


def test_the_list_is_long_and_differences_are_few():
    assert len(CALLS) >= 250 and len(OTHERS) <= 0.05 * len(CALLS)
    assert all(name != dict(CALLS)[call] for call, (name, _) in OTHERS.items())
