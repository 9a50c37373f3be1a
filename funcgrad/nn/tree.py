"""Modules as JAX pytrees: their children are parameters and buffers, everything else is structure.

Parameters are given to JAX as plain Tensors, so that the gradients of a Module, a Module of plain Tensors, have its
structure. Knows the tables of a Module and `jax.tree_util`. Must not know any layer.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from ..utils.hooks import Hooks
from .parameter import Parameter, as_parameter

_TABLES = ("_parameters", "_buffers", "_modules")


class _Part(NamedTuple):
    """One module: its class, its other attributes, and (name, number) of what is in its tables; None is None."""

    kind: type
    attributes: dict
    tensors: tuple[tuple, tuple]
    modules: tuple


class Structure:
    """A Module without its tensors. Equal to another of the same classes, names and attributes.

    wanted  for each child whether a gradient is wanted for it, None for what is no Parameter
    """

    def __init__(self, parts: list[_Part], wanted: list[bool | None]):
        self.parts, self.wanted = parts, wanted

    def __hash__(self) -> int:
        return hash(tuple((p.kind, p.tensors, p.modules) for p in self.parts))

    def __eq__(self, other) -> bool:
        if not isinstance(other, Structure) or len(self.parts) != len(other.parts):
            return False
        return all(
            (p.kind, p.tensors, p.modules) == (q.kind, q.tensors, q.modules) and _alike(p.attributes, q.attributes)
            for p, q in zip(self.parts, other.parts, strict=True)
        )

    def __repr__(self) -> str:
        return f"<structure of {self.parts[0].kind.__name__}>"


def _alike(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(x is b[k] or _equal(x, b[k]) for k, x in a.items())


def _equal(x, y) -> bool:
    try:
        return bool(x == y)
    except Exception:  # arrays, and whatever else has no single answer
        return False


def _taken_apart(module):
    """(names, children, Structure): each tensor and each module once, in the order of `named_parameters`."""
    numbers: dict[int, int] = {}
    order: list = []

    def number(m, name: str) -> int:
        if id(m) not in numbers:
            numbers[id(m)] = len(order)
            order.append((name, m))
            for key, child in m._modules.items():
                if child is not None:
                    number(child, f"{name}{key}.")
        return numbers[id(m)]

    number(module, "")
    names, children, wanted, places = [], [], [], {}
    for table in _TABLES[:2]:
        for prefix, m in order:
            for key, t in getattr(m, table).items():
                if t is not None and id(t) not in places:
                    places[id(t)] = len(children)
                    names.append(prefix + key)
                    trained = isinstance(t, Parameter)
                    wanted.append(t.requires_grad if trained else None)
                    children.append(wrap(value_of(t)) if trained else t)
    parts = []
    for _, m in order:
        attributes = {k: x for k, x in m.__dict__.items() if k not in _TABLES}
        tensors = tuple(
            tuple((k, None if t is None else places[id(t)]) for k, t in getattr(m, table).items())
            for table in _TABLES[:2]
        )
        modules = tuple((k, None if c is None else numbers[id(c)]) for k, c in m._modules.items())
        parts.append(_Part(type(m), attributes, tensors, modules))
    return names, children, Structure(parts, wanted)


def _flatten(module):
    _, children, structure = _taken_apart(module)
    return children, structure


def _flatten_with_keys(module):
    names, children, structure = _taken_apart(module)
    return [(jax.tree_util.GetAttrKey(n), c) for n, c in zip(names, children, strict=True)], structure


def _unflatten(structure: Structure, children):
    """A new Module; whatever JAX puts in the place of a tensor is its parameter or buffer."""
    children = [
        t if w is None or not isinstance(t, Tensor) else as_parameter(t, w)
        for t, w in zip(children, structure.wanted, strict=True)
    ]
    made = [object.__new__(p.kind) for p in structure.parts]
    for m, p in zip(made, structure.parts, strict=True):
        m.__dict__.update({k: x.copy() if isinstance(x, Hooks | set) else x for k, x in p.attributes.items()})
        parameters, buffers = ({k: None if i is None else children[i] for k, i in some} for some in p.tensors)
        m.__dict__.update(_parameters=parameters, _buffers=buffers)
        m.__dict__["_modules"] = {k: None if i is None else made[i] for k, i in p.modules}
    return made[0]


def as_pytree(kind: type) -> None:
    """Make Modules of this very class pytrees."""
    jax.tree_util.register_pytree_with_keys(kind, _flatten_with_keys, _unflatten, _flatten)
