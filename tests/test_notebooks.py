"""Every notebook runs and shows what it has stored."""

import json
from pathlib import Path

import pytest

from notebooks import outputs_of, stored

FOUND = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.name)
def test_it_shows_what_it_has_stored(path):
    notebook = json.loads(path.read_text("utf-8"))
    assert any(lines for lines in stored(notebook)), "outputs are stored"
    assert outputs_of(notebook) == stored(notebook)


def test_there_are_notebooks():
    assert FOUND
