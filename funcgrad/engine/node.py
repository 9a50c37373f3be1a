"""The graph as users see it: `grad_fn` nodes, made on demand from the tape.

Nothing here exists while recording. A Node names one step of one tape; the tape remembers it weakly, so
asking twice gives the same object.
"""

from __future__ import annotations

import weakref

from ..tape import INPUT, LEAF, Tape, Trace, Value, place
from .leaf import Leaf


class Node:
    """One operation in the backward graph."""

    def name(self) -> str:
        """PyTorch's name, such as "MulBackward0"."""
        raise NotImplementedError

    @property
    def next_functions(self) -> tuple:
        """((node, output number), ...) for the inputs; (None, 0) where no gradient goes."""
        raise NotImplementedError

    @property
    def metadata(self) -> dict:
        return self.__dict__.setdefault("_metadata", {})

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {hex(id(self))}>"


class OpNode(Node):
    """The node of a recorded operation."""

    def __init__(self, tape: Tape, step: Trace):
        self.tape, self.step = tape, step

    def name(self) -> str:
        return self.step.op.node_name(self.step.params)

    @property
    def next_functions(self) -> tuple:
        edges = []
        for slot, s in zip(self.step.args, _arg_specs(self.tape, self.step), strict=True):
            if s is not None and not s.dtype.differentiable:
                continue
            edges.append(edge_at(self.tape, slot) if s is not None and s.needs else (None, 0))
        return tuple(edges)

    def output_nr(self, v: Value) -> int:
        return v.slot - self.step.first

    @property
    def specs(self) -> tuple:
        """Specs of the outputs of the forward operation."""
        return self.step.specs


class AccumulateGrad(Node):
    """Where a gradient is added to a leaf's `.grad`; `variable` is that leaf."""

    def __init__(self, leaf: Leaf):
        self.leaf = leaf

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def next_functions(self) -> tuple:
        return ()

    @property
    def variable(self):
        return self.leaf.owner()

    def output_nr(self, v: Value) -> int:
        return 0


def _arg_specs(tape: Tape, step: Trace) -> list:
    """The Spec of each argument of `step`, None for scalars and absent ones."""
    wanted = {a for a in step.args if a is not None}
    specs, node = {}, step.parent
    while node is not None and wanted:
        for slot in wanted.intersection(node.outs):
            specs[slot] = node.specs[slot - node.first]
            wanted.discard(slot)
        node = node.parent
    return [specs.get(a) for a in step.args]


def step_of(tape: Tape, slot: int) -> Trace:
    """The step that makes `slot`."""
    node = tape.trace
    while not node.first <= slot < node.nslots:
        node = node.parent
    return node


def edge_at(tape: Tape, slot: int):
    """(node, output number) of the gradient of `slot`."""
    step = step_of(tape, slot)
    if step.kind is INPUT or step.kind is LEAF:
        found = tape.edges.get(slot) if tape.done else place(tape.entered[slot])
        if found is None:
            return (None, 0)
        return (accumulate_node(found), 0) if found.__class__ is Leaf else edge_at(*found)
    return node_at(tape, step), slot - step.first


def node_at(tape: Tape, step: Trace) -> OpNode:
    ref = tape.nodes.get(step.first)
    node = ref() if ref is not None else None
    if node is None:
        node = OpNode(tape, step)
        tape.nodes[step.first] = weakref.ref(node)
    return node


def accumulate_node(leaf: Leaf) -> AccumulateGrad:
    node = leaf.node() if leaf.node is not None else None
    if node is None:
        node = AccumulateGrad(leaf)
        leaf.node = weakref.ref(node)
    return node


def node_of(v: Value) -> Node | None:
    """`grad_fn` of a Value: None for a leaf and for what wants no gradient."""
    if not v.spec.needs or v.leaf is not None:
        return None
    tape = v.tape if v.tape is not None else v.graph
    return edge_at(tape, v.slot)[0]
