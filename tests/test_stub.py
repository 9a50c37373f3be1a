"""The type stubs are what the tables say now; `python -m funcgrad.stub` writes them."""

import ast

import pytest

from funcgrad import stub


@pytest.mark.parametrize(
    ("path", "write", "names"),
    [
        ("tensor/tensor.pyi", stub.tensor, ["matmul", "sum", "view", "add_", "__mul__", "backward", "sin", "register_hook"]),
        ("__init__.pyi", stub.functions, ["matmul", "sum", "tensor", "where", "zeros", "einsum", "manual_seed"]),
    ],
)
def test_stubs_are_fresh(path, write, names):
    text = (stub.HOME / path).read_text("utf-8")
    tree = ast.parse(text)
    found = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert set(names) <= found
    assert text == write(), "run python -m funcgrad.stub"


def test_types_come_from_the_signature():
    assert "def sum(self, dim: int | Sequence[int] | None = None, keepdim: bool = False" in stub.tensor()
    assert "def masked_fill(self, mask: Tensor, value: Tensor | Number)" in stub.tensor()


def test_the_table_of_operators_is_fresh():
    readme = (stub.HOME.parent / "README.md").read_text("utf-8")
    assert stub.with_operators(readme) == readme, "run python -m funcgrad.stub"
