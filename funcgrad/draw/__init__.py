"""Floor 6. Graphs of a Tensor, drawn as text: Mermaid, or DOT for Graphviz.

`forward_graph` shows how it was computed, `backward_graph` which derivatives a backward multiplies.
Knows Tensors, the tape and `grad_fn` names. Drawing records nothing, runs nothing (but for
`values=True`) and keeps nothing alive: what comes back is text.
"""

from __future__ import annotations

import sys

from ..tensor import Tensor
from ..tensor.tensor import value_of
from .fold import shorten
from .graph import read, values_of
from .layout import backward_boxes, forward_boxes
from .names import give_names, variables
from .text import FORMATS, Chart

__all__ = ["Chart", "backward_graph", "forward_graph"]


def forward_graph(loss, /, *, format="mermaid", values=False, max_nodes=60, **names) -> Chart:
    """How `loss` was computed: leaves, constants and operations, with shapes on the edges.

    names      Tensors by the name they shall have, as in `x=x` or `**dict(model.named_parameters())`; if none
               are given, the caller's own variables
    format     "mermaid" or "dot"
    values     also show the number of what has one element; this computes what is not computed yet
    max_nodes  draw at most about so many boxes: repeated stretches are drawn once, then the middle is left out

    >>> import funcgrad as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> print(forward_graph(w * 3, w=w))
    flowchart TD
        n0(["w"])
        n1["mul 3"]
        n2(["loss"])
        n0 -->|"scalar"| n1
        n1 -->|"scalar"| n2
    """
    graph = _graph("forward_graph", loss, format, max_nodes, names, sys._getframe(1))
    boxes = forward_boxes(graph, values_of(graph) if values else {})
    return Chart.of(shorten(boxes, max_nodes), format, "forward")


def backward_graph(loss, /, *, format="mermaid", max_nodes=60, **names) -> Chart:
    """Which derivatives a backward of `loss` multiplies: a box for each Tensor with its `grad_fn`, dy/dx on the edges.

    Takes what `forward_graph` takes. An unnamed operation with one input and one reader is drawn with its reader;
    the others are called t1, t2, and so on, unnamed leaves p1, p2. Raises RuntimeError for a Tensor that requires
    no gradient.

    >>> import funcgrad as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> print(backward_graph((w - 3) ** 2, w=w))
    flowchart TD
        n0["loss<br/>PowBackward0<br/>SubBackward0"]
        n1(["w<br/>AccumulateGrad"])
        n0 -->|"dloss/dw"| n1
    """
    graph = _graph("backward_graph", loss, format, max_nodes, names, sys._getframe(1))
    if not graph.root.needs(graph.nr):
        raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
    return Chart.of(shorten(backward_boxes(graph), max_nodes), format, "backward")


def _graph(function: str, loss, format: str, max_nodes: int, names: dict, caller):
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"{function}(): argument 'loss' (position 1) must be Tensor, not {type(loss).__name__}"
        )
    if format not in FORMATS:
        raise ValueError(f"{function}(): format is one of {sorted(FORMATS)}, not {format!r}")
    if max_nodes < 3:
        raise ValueError(f"{function}(): max_nodes is at least 3, not {max_nodes}")
    for name, t in names.items():
        if not isinstance(t, Tensor):
            raise TypeError(f"{function}(): {name} is to name a Tensor, not {type(t).__name__}")
    graph = read(value_of(loss))
    give_names(graph, names or variables(caller), sure=bool(names))
    return graph
