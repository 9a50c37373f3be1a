"""The demo as a newcomer runs it: what it prints of the first example, and that the network learns."""

import re
import subprocess
import sys

import pytest

from funcgrad.demo import expression


@pytest.fixture(scope="module")
def printed():
    command = [sys.executable, "-m", "funcgrad", "demo", "--epochs", "6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_network_learns(printed):
    score = float(re.search(r"test accuracy +([\d.]+)%", printed.stdout)[1])
    assert score > 95
    assert "264/264" in printed.stderr  # the progress bar
    assert "Warning" not in printed.stderr


def test_one_program_a_step(printed):
    assert (
        "after the first epoch: 220 steps, 220 runs, 0 compiles: one program a step"
        in printed.stdout
    )
    assert int(re.search(r"programs compiled (\d+)", printed.stdout)[1]) <= 4
    assert int(re.search(r"programs run +(\d+)", printed.stdout)[1]) <= 266
    assert re.search(r"steps +264 in [\d.]+ s; \d+ a second once compiled", printed.stdout)


def table(lines):
    """name -> the cells of its row."""
    return {row[0]: row[1:] for row in (re.split(r"\s{2,}", line.strip()) for line in lines)}


def test_what_each_tensor_says():
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        expression.main()
    text = re.sub(r"0x[0-9a-f]+", "0x", out.getvalue())
    heads = [m.end() for m in re.finditer(r"(?:before|after) loss\.backward\(\)\n.*\n", text)]
    before, after, _, after_const = (table(text[at:].splitlines()[:6]) for at in heads)
    assert before == {
        "x": ["tensor(1.)", "None", "True", "True", "None"],
        "w": ["tensor(2.)", "None", "True", "True", "None"],
        "b": ["tensor(0.5000)", "None", "True", "True", "None"],
        "y": ["tensor(2.)", "None", "False", "True", "<MulBackward0 object at 0x>"],
        "z": ["tensor(2.5000)", "None", "False", "True", "<AddBackward0 object at 0x>"],
        "loss": ["tensor(0.2500)", "None", "False", "True", "<PowBackward0 object at 0x>"],
    }
    grads = {"x": "tensor(-2.)", "w": "tensor(-1.)", "b": "tensor(-1.)"}
    assert after == {n: [row[0], grads.get(n, "None"), *row[2:]] for n, row in before.items()}
    assert after_const == after | {"x": ["tensor(1.)", "None", "True", "False", "None"]}
    for label in ("dloss/dz", "dz/dy", "dz/db", "dy/dw"):
        assert text.count(f'"{label}"') == 2
    assert text.count('"dy/dx"') == 1 and text.count('"x<br/>constant"') == 1


def test_dot_on_request(capsys):
    expression.main("dot")
    out = capsys.readouterr().out
    assert out.count("digraph forward {") == out.count("digraph backward {") == 2
    assert "flowchart" not in out
