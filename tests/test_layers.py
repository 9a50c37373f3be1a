"""A part imports only what stands below it, files stay short, and each says what it knows.

Reads the sources; imports nothing of funcgrad.
"""

import ast
import statistics
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent / "funcgrad"

FLOORS = {
    "version": 0, "dtypes": 0, "device": 0, "precision": 0, "random_stream": 0, "interpreter": 0,
    "op": 1, "ops": 2, "tape": 3, "engine": 4, "tensor": 5,
    "autograd": 6, "compile": 6, "distributed": 6, "draw": 6, "func": 6, "io": 6, "linalg": 6, "nn": 6, "optim": 6,
    "random": 6, "special": 6, "fft": 6, "array_api": 6, "utils": 6, "amp": 6, "distributions": 6, "shim": 6, "cuda": 6, "backends": 6,
    "accelerator": 6, "compiler": 6, "jit": 6, "multiprocessing": 6, "profiler": 6, "serialization": 6, "testing": 6, "mps": 6, "xpu": 6,
    "hub": 6, "onnx": 6, "sparse": 6, "types": 6, "_dynamo": 6, "nested": 6, "overrides": 6, "_C": 6,
    "__init__": 7, "__main__": 7, "launch": 7, "bench": 7, "demo": 7, "stub": 7,
}  # fmt: skip
SHARED = (6, 7)  # floors whose parts may import each other

FILES = sorted(HOME.rglob("*.py"))
names = pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(HOME).as_posix())


def part_of(module: str, names=HOME) -> str:
    """The part that `funcgrad.x.y` belongs to; a name that is no file is what `__init__` offers."""
    part = module.split(".")[1] if "." in module else "__init__"
    there = (names / part).is_dir() or (names / f"{part}.py").exists()
    return part if there else "__init__"


def imports(tree: ast.AST, package: str):
    """(line, full name) of everything imported, at the top or inside a function or a class.

    >>> list(imports(ast.parse("def f():\\n    from ..tape import run"), "funcgrad.op"))
    [(2, 'funcgrad.tape.run')]
    >>> list(imports(ast.parse("import funcgrad as torch; from . import row"), "funcgrad.op"))
    [(1, 'funcgrad'), (1, 'funcgrad.op.row')]
    >>> list(imports(ast.parse("import_module('funcgrad.nn')"), "funcgrad.op"))
    [(1, 'funcgrad.nn')]
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else None
            base = ".".join(filter(None, (above, node.module)))
            yield from ((node.lineno, f"{base}.{a.name}") for a in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                name = node.args[0].value
                yield node.lineno, name if name[0] != "." else f"{package}.{name.lstrip('.')}"


def package_of(file: Path) -> str:
    return ".".join(("funcgrad", *file.relative_to(HOME).parent.parts))


def arrows_up(source: str, file: Path) -> list[str]:
    """The imports in `source` that a file at this place may not make."""
    package = package_of(file)
    own = file.relative_to(HOME).parts[0].removesuffix(".py")
    wrong = []
    for line, name in imports(ast.parse(source), package):
        if name.split(".")[0] != "funcgrad":
            continue
        other = part_of(name)
        above = FLOORS[other] >= FLOORS[own]
        if other != own and above and not (FLOORS[other] == FLOORS[own] and FLOORS[own] in SHARED):
            wrong.append(
                f"{file.relative_to(HOME.parent)}:{line}: {own} (floor {FLOORS[own]}) may not import "
                f"{name} of {other} (floor {FLOORS[other]})"
            )
    return wrong


def test_every_part_has_a_floor():
    parts = {f.relative_to(HOME).parts[0].removesuffix(".py") for f in FILES}
    assert parts <= FLOORS.keys(), "give these a floor in FLOORS"


@names
def test_imports_point_down(file):
    assert not arrows_up(file.read_text("utf-8"), file)


@pytest.mark.parametrize(
    ("place", "source", "wrong"),
    [
        ("op/row.py", "from ..tape import record", 1),
        ("op/row.py", "def f():\n    from .. import tensor", 1),
        ("op/row.py", "import funcgrad as torch", 1),
        ("op/row.py", "from .. import sync", 1),  # a name of funcgrad/__init__
        ("op/row.py", "from .. import dtypes\nfrom . import family\nimport jax", 0),
        ("dtypes.py", "from .device import device", 1),  # the ground floor's parts know nothing
        ("tensor/call.py", "from ..engine.leaf import Leaf\nfrom ..ops import load", 0),
        ("demo/__init__.py", "import funcgrad as torch\nfrom ..bench import main", 0),
    ],
)
def test_the_rule_itself(place, source, wrong):
    assert len(arrows_up(source, HOME / place)) == wrong


@names
def test_only_public_jax_and_no_torch(file):
    own = file.relative_to(HOME).parts[0]
    for line, name in imports(ast.parse(file.read_text("utf-8")), package_of(file)):
        assert not name.startswith("jax._src"), f"line {line}: jax._src moves under every release"
        if own != "bench":  # which times PyTorch as a peer
            assert name.split(".")[0] != "torch", f"line {line}: PyTorch is never imported"


@names
def test_a_file_opens_with_what_it_knows(file):
    assert ast.get_docstring(ast.parse(file.read_text("utf-8")))


def test_files_are_short():
    lines = {f.relative_to(HOME).as_posix(): len(f.read_text("utf-8").splitlines()) for f in FILES}
    assert not {name: n for name, n in lines.items() if n > 600}
    assert statistics.median(lines.values()) < 200
