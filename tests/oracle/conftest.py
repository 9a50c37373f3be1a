"""Tests here compare with PyTorch itself, of the one version whose behaviour funcgrad follows.

Without it the folder is skipped, and pytest says so at its end.
"""

from importlib.metadata import PackageNotFoundError, version

WANTED = "2.13"


def missing() -> str | None:
    """Why nothing here can run, or None."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        return "torch is not installed"
    if found != WANTED and not found.startswith(f"{WANTED}."):
        return f"torch is {found}, not {WANTED}"
    return None


MISSING = missing()
collect_ignore_glob = ["[!c]*.py"] if MISSING else []  # all but this file


def pytest_terminal_summary(terminalreporter):
    if MISSING:
        terminalreporter.section("tests/oracle skipped")
        terminalreporter.line(f'{MISSING}; pip install -e ".[oracle]" brings it')

