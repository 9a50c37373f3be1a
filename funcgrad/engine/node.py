"""The graph as users see it: `grad_fn` nodes, made on demand from the tape.

Nothing here exists while recording. A Node names one step of one tape; the tape remembers it weakly, so
asking twice gives the same object. What users attach to a Node is kept by the tape, as long as the graph.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

from ..tape import INPUT, LEAF, Tape, Trace, Value, place
from .attached import NodeHook, RemovableHandle, attached_to
from .leaf import Leaf
from .saved import history, saved_attribute, saved_names


class Node:
    """One operation in the backward graph. Its class is named as PyTorch's."""

    def name(self) -> str:
        """PyTorch's name, such as "MulBackward0"."""
        short = type(self).__name__
        return f"torch::autograd::{short}" if short in ("CopySlices", "CopyBackwards") else short

    @property
    def next_functions(self) -> tuple:
        """((node, output number), ...) for the inputs; (None, 0) where no gradient goes."""
        raise NotImplementedError

    @property
    def metadata(self) -> dict:
        """The user's own notes; they live as long as the graph."""
        return self._attached.metadata

    @property
    def requires_grad(self) -> bool:
        return True

    def register_hook(self, hook) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` once this node has made its gradients.

        Both are tuples of Tensors and None, by the node's own direction: `grad_outputs` arrived, `grad_inputs` go on
        to `next_functions`. A tuple of as many that it returns replaces `grad_inputs`. Returns a handle.

        >>> import funcgrad as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> handle = y.grad_fn.register_hook(lambda inputs, outputs: tuple(g / 2 for g in inputs))
        >>> y.backward()
        >>> x.grad
        tensor(3.)
        """
        return _register(self._attached.after, hook)

    def register_prehook(self, hook) -> RemovableHandle:
        """Call `hook(grad_outputs)` before this node computes; a tuple that it returns replaces them."""
        return _register(self._attached.before, hook)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


class GradientEdge(NamedTuple):
    """The gradient of one output of a node, as a place to start a backward or to end one.

    `ownership_token` keeps alive what the node alone would not; it is None here, where a node keeps its graph.
    """

    node: Node
    output_nr: int
    ownership_token: object = None


def _register(hooks: list, of) -> RemovableHandle:
    hook = NodeHook(of)
    hooks.append(hook)
    return RemovableHandle(hooks, hook)


class OpNode(Node):
    """The node of a recorded operation."""

    def __init__(self, tape: Tape, step: Trace):
        self.tape, self.step = tape, step

    @property
    def _attached(self):
        return attached_to(self.tape, self.step.first)

    @property
    def next_functions(self) -> tuple:
        specs = arg_specs(self.tape, self.step)
        edges = []
        for i in edge_places(self.step, specs):
            edges.append(edge_at(self.tape, self.step.args[i]) if i in self.step.wants else (None, 0))
        return tuple(edges)

    def place(self, output_nr: int):
        """Where the gradient of that output gathers."""
        return self.tape, self.step.first + output_nr

    @property
    def specs(self) -> tuple:
        """Specs of the outputs of the forward operation."""
        return self.step.specs

    def __getattr__(self, name: str):
        return saved_attribute(self, name, arg_specs(self.tape, self.step))

    def __dir__(self):
        return [*super().__dir__(), *saved_names(self, arg_specs(self.tape, self.step))]


class AccumulateGrad(Node):
    """Where a gradient is added to a leaf's `.grad`; `variable` is that leaf."""

    def __init__(self, leaf: Leaf):
        self.leaf = leaf

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def _attached(self):
        return self.leaf.attached()

    @property
    def next_functions(self) -> tuple:
        return ()

    @property
    def variable(self):
        return self.leaf.owner()

    def place(self, output_nr: int) -> Leaf:
        return self.leaf


def edge_places(step: Trace, specs) -> list[int]:
    """Positions of the arguments that `next_functions` lists: all but those that can have no gradient."""
    count = step.op.edges(step.params) if step.op.edges is not None else len(step.args)
    return [i for i, s in enumerate(specs[:count]) if s is None or s.dtype.differentiable]


def arg_specs(tape: Tape, step: Trace) -> list:
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
    if step.op.name == "with_data":  # a write under no_grad keeps the node of what it wrote over
        return edge_at(tape, step.args[0])
    return node_at(tape, step), slot - step.first


_classes: dict[tuple, type] = {}


def _class_named(name: str, base: type) -> type:
    """The class of all nodes of that name."""
    found = _classes.get((name, base))
    if found is None:
        found = _classes[name, base] = type(name, (base,), {"__module__": "funcgrad.autograd"})
    return found


def node_at(tape: Tape, step: Trace) -> OpNode:
    ref = tape.nodes.get(step.first)
    node = ref() if ref is not None else None
    if node is None:
        kind = step.op.node_class or OpNode
        node = _class_named(step.op.node_name(step.params), kind)(tape, step)
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
    return edge_of_value(v)[0] if v.leaf is None else None


def gradient_place(v: Value):
    """Where the gradient of a Value gathers (see `place`): a write under no_grad keeps the place of what it wrote
    over, so that a gradient asked for there is whole."""
    where = place(v)
    if where.__class__ is not tuple:
        return where
    tape, slot = where
    over = _overwritten(tape)
    while slot in over:
        where = history(tape, over[slot])
        if where.__class__ is Leaf:
            return where
        tape, slot = where
        over = _overwritten(tape)
    return tape, slot


def _overwritten(tape: Tape) -> dict[int, int]:
    """For what a write under no_grad made: the slot of what it wrote over."""
    facts = tape.trace.facts
    if "overwritten" not in facts:
        steps = tape.trace.steps()
        facts["overwritten"] = {t.first: t.args[0] for t in steps if t.op is not None and t.op.name == "with_data"}
    return facts["overwritten"]


def edge_of_value(v: Value) -> tuple[Node | None, int]:
    """(node, output number) of the gradient of a Value; (None, 0) if it wants none."""
    where = place(v)
    if where.__class__ is tuple:
        return edge_at(*where)
    return (None, 0) if where is None else (accumulate_node(where), 0)
