"""What the Tensors of a graph are called: by the caller, by the caller's variables, or t1, t2 and p1, p2.

Knows Tensors and graphs. Must not know drawing. Looks at a Tensor's `_value` and never through it: reading a
stale view would record.
"""

from __future__ import annotations

import inspect
import itertools
import sys

from ..tensor import Tensor
from .graph import Graph, Item

LONG = 10_000  # of a longer list or dict, nobody wants the names


def variables(frame) -> dict[str, Tensor]:
    """The Tensors that a frame's variables name, and those in its lists, dicts and modules."""
    found, inside = {}, {}
    scope = frame.f_locals
    for name, x in list(scope.items()):
        if name.startswith("_"):
            continue
        if isinstance(x, Tensor):
            found[name] = x
            continue
        if isinstance(x, list | tuple) and len(x) <= LONG:
            items = ((f"{name}[{i}]", t) for i, t in enumerate(x))
        elif isinstance(x, dict) and len(x) <= LONG:
            items = ((f"{name}[{k!r}]", t) for k, t in x.items() if isinstance(t, Tensor))
        elif hasattr(type(x), "named_parameters"):
            items = ((f"{name}.{k}", t) for k, t in x.named_parameters())
        else:
            continue
        inside.update((k, t) for k, t in items if isinstance(t, Tensor))
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # a snapshot that the frame would keep, and with it every Tensor in it, until the function returns
        scope.clear()
    return found | inside


def give_names(graph: Graph, names: dict[str, Tensor], sure: bool) -> None:
    """Fill `names` of the items, and `held` with the Values behind the Tensors that were found.

    `sure` says that all of `names` are in the graph."""
    leaves = {item.leaf: (item, 0) for item in graph.items if item.leaf is not None}
    arrays, pending = {}, {}
    for (tape, slot), (item, nr) in graph.places.items():
        if item.kind == "op":
            continue
        if not tape.done:
            pending[tape.entered[slot]] = item, nr
        elif slot in tape.kept:
            arrays[id(tape.kept[slot])] = item, nr
    missed = {}
    for name, t in names.items():
        v = getattr(t, "_value", None)
        if v is None:
            continue
        place = (getattr(v, "tape", None) or getattr(v, "graph", None), getattr(v, "slot", None))
        key = (
            leaves.get(t._leaf)
            or graph.places.get(place)
            or pending.get(v)
            or arrays.get(id(getattr(v, "array", v)))
        )
        if key is None:
            missed[name] = v
        else:
            key[0].names.setdefault(key[1], name)
            graph.held.setdefault(key, v)
    if sure:
        _by_elimination(graph, missed)
    _give_the_rest(graph)


def _by_elimination(graph: Graph, missed: dict) -> None:
    """A finished run does not say which array a constant was. Where only one is nameless and one name of its kind
    is left over, they belong together."""
    kinds = {name: (v.spec.shape, v.spec.dtype) for name, v in missed.items() if v.leaf is None}
    for name, kind in kinds.items():
        alike = [
            item
            for item in graph.items
            if item.kind == "constant"
            and not item.names
            and (item.specs[0].shape, item.specs[0].dtype) == kind
        ]
        if len(alike) == 1 and list(kinds.values()).count(kind) == 1:
            alike[0].names[0] = name


def _give_the_rest(graph: Graph) -> None:
    taken = {n for item in graph.items for n in item.names.values()}
    default = next(name for name in ("loss", "out", "root") if name not in taken)
    taken.add(graph.root.names.setdefault(graph.nr, default))
    temporaries, parameters = (_fresh(letter, taken) for letter in "tp")
    # counted along gradients: what only a detached branch reads has none
    readers: dict[Item, int] = {graph.root: 0}
    for item in reversed(graph.items):
        for read, _ in item.wanting if item in readers else ():
            readers[read] = readers.get(read, 0) + 1
    for item in graph.items:
        if item not in readers:
            continue
        if item.kind == "leaf":
            item.names = item.names or {0: next(parameters)}
        elif item.kind == "op" and (item.names or readers[item] > 1 or len(item.wanting) > 1):
            outs = range(len(item.specs))
            if len(item.names) < len(outs):
                t = next(temporaries)
                given = {nr: t if len(outs) == 1 else f"{t}[{nr}]" for nr in outs}
                item.names = given | item.names


def _fresh(letter: str, taken: set):
    return (name for name in (f"{letter}{i}" for i in itertools.count(1)) if name not in taken)


def foldable(item: Item) -> bool:
    """Whether the backward graph draws an operation with its one reader: it has no name."""
    return item.kind == "op" and not item.names
