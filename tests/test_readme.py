"""The README tells the truth: its Python prints what it says, and its files and commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)


def commands() -> list[str]:
    return "".join(re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)).splitlines()


@pytest.mark.parametrize("block", BLOCKS, ids=range(1, len(BLOCKS) + 1))
def test_python_prints_what_it_says(block):
    """Each block on its own, in a new process, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    expected = PRINTED.findall(block)
    assert expected, "a block that prints nothing shows nothing"
    assert done.stdout.splitlines() == expected


def test_the_example_is_ten_lines_at_most():
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10


def test_commands_are_those_that_ci_runs():
    assert commands() == [
        "pip install -e . && python -m funcgrad demo",
        'pip install -e ".[test]" && pytest',
    ]
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "README.md" in ci, ".ci/run takes its commands from the README"
    assert not [c for c in commands() if c in ci], "a second copy of a command will drift"


def test_files_named_exist():
    named = re.findall(r"`((?:funcgrad|tests|\.ci)/[\w./]*)`", README)
    named += re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
