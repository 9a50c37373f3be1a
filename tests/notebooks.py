"""Notebooks without a notebook server: their cells are run as Python, and what they show is compared or stored.

    python tests/notebooks.py notebooks/01_functional.ipynb    runs it and stores its outputs
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path


def outputs_of(notebook: dict) -> list[list[str]]:
    """For each code cell, the lines it shows: what it prints, then the value of its last expression."""
    space: dict = {"__name__": "__main__"}
    return [_shown("".join(cell["source"]), space) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _shown(source: str, space: dict) -> list[str]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "<cell>", "exec"), space)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last is not None else None
    return out.getvalue().splitlines() + ([] if value is None else repr(value).splitlines())


def stored(notebook: dict) -> list[list[str]]:
    """What is stored for each code cell."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines: list[str] = []
        for output in cell["outputs"]:
            text = output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]
            lines += "".join(text).splitlines()
        found.append(lines)
    return found


def store(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for n, (cell, lines) in enumerate(zip(code, outputs_of(notebook), strict=True), 1):
        text = "\n".join(lines).splitlines(keepends=True)
        cell["execution_count"] = n
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": text}] if lines else []
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        store(Path(name))
