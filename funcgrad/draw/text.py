"""Boxes as text: Mermaid, or DOT for Graphviz.

Knows boxes and the two languages.
"""

from __future__ import annotations

from itertools import groupby

from .layout import Box

FORMATS = frozenset({"mermaid", "dot"})


class Chart(str):
    """The text of a chart. A notebook that knows Mermaid shows the picture."""

    format: str

    @classmethod
    def of(cls, boxes: list[Box], format: str, kind: str) -> Chart:
        """`kind` is "forward" or "backward": which way the edges point."""
        lines = (_mermaid if format == "mermaid" else _dot)(boxes, kind)
        chart = cls("\n".join(lines))
        chart.format = format
        return chart

    def _repr_markdown_(self) -> str:
        return f"```{self.format}\n{self}\n```"


def _laid_out(boxes: list[Box], kind: str):
    """(boxes in the order they are written, their ids, edges as (from, to, label))."""
    edges = [(s, box, label) for box in boxes for s, label in box.ins]
    if kind == "backward":
        boxes = boxes[::-1]
        edges = [(to, s, label) for s, to, label in edges]
    ids = {box: f"n{i}" for i, box in enumerate(boxes)}
    if kind == "backward":
        edges.sort(key=lambda e: int(ids[e[0]][1:]))
    return boxes, ids, [(ids[a], ids[b], label) for a, b, label in edges]


def _stretches(boxes: list[Box]):
    """The boxes in runs of one stretch each: (how often it repeats, boxes). A stretch of one box says so itself."""
    for _, run in groupby(boxes, key=lambda box: box.stretch):
        run = list(run)
        if run[0].stretch is not None and len(run) == 1:
            yield 1, [(run[0], [*run[0].lines, f"× {run[0].times}"])]
        else:
            yield (
                run[0].times if run[0].stretch is not None else 1,
                [(box, box.lines) for box in run],
            )


_SHAPES = {
    "leaf": ("([", "])"),
    "constant": ("[/", "/]"),
    "result": ("([", "])"),
    "gap": ("{{", "}}"),
}
_ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}
)


def _mermaid(boxes: list[Box], kind: str):
    boxes, ids, edges = _laid_out(boxes, kind)
    yield "flowchart TD"
    for i, (times, run) in enumerate(_stretches(boxes)):
        indent = "    "
        if times > 1:
            yield f'    subgraph s{i}["× {times}"]'
            indent *= 2
        for box, lines in run:
            left, right = _SHAPES.get(box.kind, ("[", "]"))
            yield f"{indent}{ids[box]}{left}{_quoted(lines)}{right}"
        if times > 1:
            yield "    end"
    for a, b, label in edges:
        yield f"    {a} -->|{_quoted(label)}| {b}" if label else f"    {a} --> {b}"


def _quoted(lines: list[str]) -> str:
    return '"' + "<br/>".join(line.translate(_ENTITIES) for line in lines) + '"'


_DOT_SHAPES = {
    "leaf": "ellipse",
    "constant": "ellipse, style=dashed",
    "result": "ellipse",
    "gap": "plaintext",
}


def _dot(boxes: list[Box], kind: str):
    boxes, ids, edges = _laid_out(boxes, kind)
    yield f"digraph {kind} {{"
    yield "    node [shape=box];"
    for i, (times, run) in enumerate(_stretches(boxes)):
        indent = "    "
        if times > 1:
            yield f"    subgraph cluster_{i} {{"
            indent *= 2
            yield f'{indent}label="× {times}";'
        for box, lines in run:
            shape = f", shape={_DOT_SHAPES[box.kind]}" if box.kind in _DOT_SHAPES else ""
            yield f"{indent}{ids[box]} [label={_escaped(lines)}{shape}];"
        if times > 1:
            yield "    }"
    for a, b, label in edges:
        yield f"    {a} -> {b} [label={_escaped(label)}];" if label else f"    {a} -> {b};"
    yield "}"


def _escaped(lines: list[str]) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
