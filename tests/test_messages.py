"""Every message of autograd that applies, by class and stable words."""

import pytest
from messages import MESSAGES, said

import funcgrad


@pytest.mark.parametrize(("code", "error", "words"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_message(code, error, words):
    kind, text = said(code, funcgrad)
    assert issubclass(kind, error) and words in text, (kind, text)
