"""The command line: what it prints, and its exit codes."""

import signal
import subprocess
import sys

import pytest

import funcgrad
from funcgrad import bench, demo
from funcgrad.__main__ import main


def usage(argv):
    """The exit code argparse leaves with."""
    with pytest.raises(SystemExit) as left:
        main(argv)
    return left.value.code


def test_version_and_help(capsys):
    assert usage(["--version"]) == 0
    assert capsys.readouterr().out == f"funcgrad {funcgrad.__version__}\n"
    assert usage(["--help"]) == 0
    out = capsys.readouterr().out
    assert "demo" in out and "bench" in out
    assert usage(["demo", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--dot" in out and "--epochs" in out and "--seed" in out
    assert usage(["bench", "--help"]) == 0
    assert "--peers" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["demo", "--epochs", "0"],
        ["demo", "--epochs", "x"],
        ["demo", "more"],
        ["--what"],
        ["bench", "nonsense"],
    ],
)
def test_wrong_usage(argv, capsys):
    assert usage(argv) == 2
    assert "usage: funcgrad" in capsys.readouterr().err


def test_demo_gets_its_options(monkeypatch):
    seen = []
    monkeypatch.setattr(demo, "main", lambda **options: seen.append(options) or 1)
    assert main(["demo", "--dot", "--epochs", "3", "--seed", "7"]) == 1
    assert main(["demo"]) == 1
    assert seen == [{"dot": True, "epochs": 3, "seed": 7}, {"dot": False, "epochs": 15, "seed": 0}]


def test_bench_gets_its_arguments(monkeypatch):
    seen = []
    monkeypatch.setattr(bench, "main", lambda argv: seen.append(argv) or 0)
    assert main(["bench", "ops", "mlp", "--peers", "jax", "--json", "f.json"]) == 0
    assert main(["bench"]) == 0
    assert seen == [["ops", "mlp", "--peers", "jax", "--json", "f.json"], []]


def test_an_interrupt_is_quiet(monkeypatch, capsys):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "main", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_while_training():
    # a shell's background job is told to ignore Ctrl-C, and hands that on: this one shall hear it
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from funcgrad.__main__ import main; sys.exit(main(['demo', '--epochs', '100000']))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        seen = b""
        while b"epoch=" not in seen:
            read = process.stderr.read(1)
            assert read, seen.decode()
            seen += read
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_leaves_early():
    command = f"{sys.executable} -m funcgrad demo --epochs 1 2>&1 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("y = w * x") and "Traceback" not in done.stdout
