"""The messages are PyTorch's own."""

import pytest
import torch
from messages import MESSAGES, said


@pytest.mark.parametrize(("code", "error", "words"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_message(code, error, words):
    kind, text = said(code, torch)
    assert issubclass(kind, error) and words in text, (kind, text)
