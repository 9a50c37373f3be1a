"""From a graph to boxes and labelled edges: what a forward chart shows, and what a backward chart shows.

Knows graphs and names. Must not know Mermaid or DOT.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import dtypes
from .graph import Graph, Item
from .names import foldable


@dataclass(eq=False)
class Box:
    """A box. `ins` are (Box, label) of what it was computed from, in both charts; a label has lines, as a text has.

    kind     "leaf", "constant", "op", "result" or "gap"
    sort     what it has in common with the same box of another layer: all but names
    times    how many boxes it stands for, one after the other
    stretch  number of the repeated stretch it belongs to
    """

    kind: str
    lines: list[str]
    sort: tuple
    ins: list[tuple[Box, list[str]]] = field(default_factory=list)
    times: int = 1
    stretch: int | None = None

    def reads(self, source: Box, label: list[str]) -> None:
        """An edge, once."""
        if not any(box is source and lines == label for box, lines in self.ins):
            self.ins.append((source, label))


def forward_boxes(graph: Graph, values: dict) -> list[Box]:
    """Every leaf (those of one operation together), constant and operation, and the result. `values` are shown."""
    boxes, made = [], {}
    groups = _groups(graph)
    for item in graph.items:
        group = groups.get(item)
        if group is not None and group[0] in made:
            made[item] = made[group[0]]
            continue
        if group is not None:
            box = Box("leaf", _group_lines(group), ("leaf", *_shapes(group)))
        elif item.kind == "op":
            box = Box("op", [item.text], ("op", item.text, item.specs))
        else:
            lines = [_equals(item.names.get(0), values.get((item, 0))) or item.kind]
            if item.kind == "constant" and lines != ["constant"]:
                lines.append("constant")
            box = Box(item.kind, lines, (item.kind, item.specs))
        for source, nr in item.args:
            box.reads(made[source], _carried(source, nr, values, source in groups))
        made[item] = box
        boxes.append(box)
    root, nr = graph.root, graph.nr
    if root.kind == "op":
        result = Box("result", [_equals(root.names[nr], values.get((root, nr)))], ("result",))
        result.reads(made[root], [shape_text(root.specs[nr])])
        boxes.append(result)
    return boxes


def _carried(source: Item, nr: int, values: dict, grouped: bool) -> list[str]:
    """The label of an edge of the forward chart."""
    if grouped:
        return []
    shape = shape_text(source.specs[nr])
    if source.kind != "op":
        return [shape]
    name, value = source.names.get(nr), values.get((source, nr))
    if value is not None:
        return [_equals(name, value)]
    return [f"{name}: {shape}" if name else shape]


def _equals(name: str | None, value: str | None) -> str:
    return f"{name} = {value}" if name and value is not None else name or value or ""


def backward_boxes(graph: Graph) -> list[Box]:
    """A box for each Tensor that a gradient reaches and that has a name; the others are part of their reader's."""
    reached, found = {graph.root}, {}
    for item in reversed(graph.items):
        if item not in reached:
            continue
        edges = found[item] = []
        if foldable(item):
            reached.update(a for a, _ in item.wanting)
            continue
        for source, nr in item.wanting:
            edges.append(_followed(source, nr))
            reached.add(source)
    groups = {item: group for item, group in _groups(graph).items() if item in reached}
    boxes, made = [], {}
    for item in graph.items:
        if item not in reached or foldable(item):
            continue
        group = groups.get(item)
        if group is not None and group[0] in made:
            made[item] = made[group[0]]
            continue
        edges = found[item]
        inside = edges[0][2] if len(edges) == 1 else []
        fns = {"op": [item.fn, *inside], "leaf": ["AccumulateGrad"]}.get(item.kind, [])
        lines = _group_lines(group) if group is not None else [title(item)]
        sort = (item.kind, *fns, *(_shapes(group) if group is not None else item.specs))
        box = made[item] = Box(item.kind, [*lines, *fns], sort)
        for source, nr, chain in edges:
            below = groups.get(source)
            label = _derivative(
                title(item, graph.nr if item is graph.root else None), source, nr, below
            )
            box.reads(made[source], [*label, *(chain if len(edges) > 1 else [])])
        boxes.append(box)
    return boxes


def _followed(item: Item, nr: int) -> tuple[Item, int, list[str]]:
    """Where the gradient of an output is drawn to: past what is unnamed, whose nodes come third."""
    chain = []
    while foldable(item) and item.wanting:
        chain.append(item.fn)
        item, nr = item.wanting[0]
    return item, nr, chain


def _derivative(above: str, source: Item, nr: int, group: list[Item] | None) -> list[str]:
    """ "dloss/dz", and the shape where there is one."""
    if group is not None:
        return [f"d{_term(above)}/d({', '.join(i.names[0].rpartition('.')[2] for i in group)})"]
    text = f"d{_term(above)}/d{_term(source.names[nr])}"
    return [f"{text}: {shape_text(source.specs[nr])}" if source.specs[nr].shape else text]


def _term(name: str) -> str:
    return name if name.isidentifier() else f"({name})"


def title(item: Item, nr: int | None = None) -> str:
    """What an item is called; an operation with several outputs by the names of all that want a gradient."""
    return (
        item.names[nr]
        if nr is not None
        else ", ".join(n for i, n in sorted(item.names.items()) if item.needs(i))
    )


def _groups(graph: Graph) -> dict[Item, list[Item]]:
    """Leaves that are drawn in one box: two or more read by one operation only, which reads something else too (the
    weight and bias of a layer)."""
    readers: dict[Item, set] = {}
    for item in graph.items:
        for source, _ in item.args:
            readers.setdefault(source, set()).add(item)
    found, at = {}, {item: i for i, item in enumerate(graph.items)}
    for item in graph.items:
        own = [
            a
            for a in dict.fromkeys(a for a, _ in item.args)
            if a.kind == "leaf" and len(readers[a]) == 1
        ]
        if len(own) > 1 and any(a not in own for a, _ in item.args):
            own.sort(key=at.get)
            found.update(dict.fromkeys(own, own))
    return found


def _group_lines(group: list[Item]) -> list[str]:
    return [f"{i.names.get(0, 'leaf')} {shape_text(i.specs[0])}" for i in group]


def _shapes(group: list[Item]) -> list:
    return [i.specs[0] for i in group]


def shape_text(s) -> str:
    """32×64, or "scalar"; the dtype where it is not the default one."""
    shape = "×".join(map(str, s.shape)) or "scalar"
    return shape if s.dtype is dtypes.get_default_dtype() else f"{shape} {s.dtype.name}"
