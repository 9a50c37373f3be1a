"""The graph behind a Value, read off the tapes it was recorded on, older ones included.

Knows tapes and leaves. Must not know Tensors, names or drawing. Makes no `grad_fn` node: a live node
would change what the next run keeps, and so its program.
"""

from __future__ import annotations

import re

from ..op.signature import REQUIRED
from ..tape import LeafValue, Tape, Trace, Value, base, force, specs_of, uses


class Item:
    """A leaf, a constant, or an operation, with what it read.

    kind   "leaf", "constant" or "op"
    text   an operation's name with its scalars and parameters
    fn     the name of its grad_fn
    args   [(Item, number of its output)]
    goes   which of the args a gradient goes on to
    specs  of its outputs
    names  output number -> name
    leaf   the Leaf, for a leaf
    """

    __slots__ = ("args", "fn", "goes", "kind", "leaf", "names", "specs", "text")

    def __init__(self, kind: str, specs, text: str = "", fn: str = "", leaf=None):
        self.kind, self.specs, self.text, self.fn, self.leaf = kind, specs, text, fn, leaf
        self.args: list[tuple[Item, int]] = []
        self.goes: list[bool] = []
        self.names: dict[int, str] = {}

    def needs(self, nr: int) -> bool:
        return self.specs[nr].needs

    @property
    def wanting(self) -> list[tuple[Item, int]]:
        """The arguments a gradient goes to."""
        return [arg for arg, goes in zip(self.args, self.goes, strict=True) if goes]


class Graph:
    """`items`, each after what it read; `root` and `nr` are what was asked for; `places` says where on which
    tape an output lies, (tape, slot) -> (Item, number); `held` the Values that somebody holds of them."""

    def __init__(self):
        self.items: list[Item] = []
        self.places: dict[tuple[Tape, int], tuple[Item, int]] = {}
        self.held: dict[tuple[Item, int], Value] = {}
        self.root: Item | None = None
        self.nr = 0


def read(v: Value) -> Graph:
    """The graph of `v`."""
    graph = Graph()
    v = base(v)
    tape = v.tape if v.tape is not None else v.graph
    if v.leaf is not None or tape is None:
        graph.root = Item("leaf" if v.leaf is not None else "constant", (v.spec,), leaf=v.leaf)
        graph.items.append(graph.root)
        graph.held[graph.root, 0] = v
        return graph
    wanted: dict[Tape, set[int]] = {tape: {v.slot}}
    aliases: dict[tuple[Tape, int], tuple[Tape, int]] = {}
    reads: dict[Item, tuple[Tape, dict[int, bool]]] = {}
    leaves: dict = {}
    found: list[list[Item]] = []
    while wanted:
        # edges lead to older tapes only, so the newest is complete when its turn comes
        now = max(wanted, key=_age)
        found.append(_read_tape(now, wanted.pop(now), wanted, graph.places, aliases, reads, leaves))
    seen = set()
    for item in (i for items in reversed(found) for i in items):
        if item not in seen:
            seen.add(item)
            graph.items.append(item)
    for place in aliases:
        end = aliases[place]
        while end in aliases:
            end = aliases[end]
        graph.places[place] = graph.places[end]
    for item, (where, slots) in reads.items():
        item.args, item.goes = [graph.places[where, s] for s in slots], list(slots.values())
    graph.root, graph.nr = graph.places[tape, v.slot]
    graph.held[graph.root, graph.nr] = v
    return graph


def _age(tape: Tape) -> float:
    return tape.serial if tape.done else float("inf")


def _read_tape(tape, slots, wanted, places, aliases, reads, leaves) -> list[Item]:
    """The items of one tape that `slots` come from, oldest first."""
    items, steps = [], tape.trace.steps()
    specs = specs_of(steps)
    for t in reversed(steps):
        if slots.isdisjoint(t.outs):
            continue
        if t.op is None:
            item = _entered(tape, t, wanted, aliases, leaves)
            if item is None:
                continue
        else:
            item = Item("op", t.specs, _op_text(tape, t), t.op.node_name(t.params))
            mine = _shown_args(t, specs)
            slots.update(mine)
            reads[item] = tape, mine
        places.update({(tape, slot): (item, i) for i, slot in enumerate(t.outs)})
        items.append(item)
    items.reverse()
    return items


def _shown_args(t: Trace, specs: dict) -> dict[int, bool]:
    """The slots that a step is shown to read, and whether a gradient goes there: of a custom Function what it was
    called with, of a rule what it depends on."""
    if t.op.edges is not None:
        shown = range(t.op.edges(t.params))
    elif t.op.exact:
        arg_specs = tuple(None if a is None else specs[a] for a in t.args)
        shown = sorted(uses(t.op, arg_specs, [s and s.struct for s in arg_specs], t.params))
    else:
        shown = range(len(t.args))
    found: dict[int, bool] = {}
    for i in shown:
        slot = t.args[i]
        if slot is not None and slot not in t.scalar_slots:
            found[slot] = found.get(slot, False) or i in t.wants
    return found


def _entered(tape: Tape, t: Trace, wanted, aliases, leaves) -> Item | None:
    """What an input of a tape is: a leaf, a constant, or None for a result of an older tape."""
    edge = None
    if t.spec.needs and tape.done:
        edge = tape.edges.get(t.first)
    elif t.spec.needs:
        v = tape.entered[t.first]
        edge = v.leaf
        if edge is None and getattr(v, "graph", None) is not None:
            edge = v.graph, v.slot
    if edge is None:
        return Item("constant", t.specs)
    if edge.__class__ is tuple:
        older, slot = aliases[tape, t.first] = edge
        wanted.setdefault(older, set()).add(slot)
        return None
    if edge not in leaves:
        leaves[edge] = Item("leaf", t.specs, leaf=edge)
    return leaves[edge]


_FILLED = {"unit": "ones", "blank": "zeros"}  # what a backward begins with


def _op_text(tape: Tape, t: Trace) -> str:
    """The operation with the scalars and the unusual parameters it was called with."""
    op, node = t.op, t.op.node_name(t.params)
    if op.edges is not None:
        return op.name
    if not t.args and op.name in _FILLED:
        return _FILLED[op.name]
    if op.exact:
        return node.removesuffix("Backward0")
    # a row for one spelling of an operator (pow_int) goes by the operator's name
    short = _snake(node)
    words = [short if op.where is None and op.name.startswith(short + "_") else op.name]
    reflected = words == ["rsub"]  # whose scalar is what is subtracted from
    words = ["sub"] if reflected else words
    for i, a in enumerate(t.args):
        if a in t.scalar_slots:
            # "3 sub" is 3 - x
            at = 0 if reflected or (i == 0 and len(t.args) > 1) else len(words)
            words.insert(at, _number(tape.scalars.get(a)))
    usual = {a.name: a.default for a in op.sig.params}
    for name, value in t.params.items():
        if isinstance(value, bool | int | float | str | tuple) and value != usual.get(name):
            named = usual.get(name, REQUIRED) is not REQUIRED
            words.append(f"{name}={value}" if named else str(value))
    text = " ".join(words)
    return text if len(text) <= 50 else text[:49] + "…"


def _number(x) -> str:
    return f"{x:g}" if isinstance(x, float) else str(x)


def _snake(node: str) -> str:
    """PowBackward0 -> pow, LogSoftmaxBackward0 -> log_softmax."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"Backward\d*$", "", node)).lower()


def values_of(graph: Graph) -> dict[tuple[Item, int], str]:
    """The numbers of all that has one element, as text; one run computes those that are pending. What a finished run
    did not keep is known only where a Tensor still holds it."""
    held: dict[tuple[Item, int], object] = {}
    for (tape, slot), key in graph.places.items():
        if not tape.done:
            held[key] = tape.at(slot, key[0].specs[key[1]])
        elif slot in tape.kept:
            held[key] = tape.kept[slot]
    # last, because a leaf that has been updated since is not what it was when it was read
    held = {**graph.held, **held}
    single = {key: v for key, v in held.items() if _numel(key[0].specs[key[1]].shape) == 1}
    del held  # what is not asked for must not become an output of the run
    return {
        key: _shown(force(v) if isinstance(v, Value | LeafValue) else v)
        for key, v in single.items()
    }


def _shown(array) -> str:
    number = array.item()
    return str(number) if isinstance(number, bool | int) else f"{number:.4g}"


def _numel(shape) -> int:
    n = 1
    for d in shape:
        n *= d
    return n
