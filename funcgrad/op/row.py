"""One operator is one row; the registry refuses two of one name.

    op("log", jnp.log, lambda g, y, x: g / x, "unary_float", domain=(0, inf))

    name | forward(*arrays, **params) | rule(g, y, *arrays, **params) -> all cotangents | family | exceptions

`forward` is pure JAX: arrays positional, parameters keyword-only and hashable. `rule` is pure JAX and
linear in `g`; it returns a cotangent for every array (one bare array if there is only one), None for
those that have none (indices). Rules are written in JAX's convention for complex numbers (the plain
transpose, no conjugates), for inputs that are already promoted, and need not un-broadcast: `derive`
conjugates, un-broadcasts and casts back once for all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .checks import Indices
from .family import FAMILIES, Family
from .signature import Signature

REGISTRY: dict[str, Op] = {}
_FAMILY_FIELDS = {f.name for f in dataclasses.fields(Family)} - {"name"}


class Op:
    """A row. Compared and hashed by identity; `node` is the name of its grad_fn."""

    __slots__ = (
        "aliases",
        "backward",
        "batch",
        "casts",
        "domain",
        "edges",
        "exact",
        "family",
        "forward",
        "host",
        "indices",
        "infer",
        "masked",
        "name",
        "node",
        "node_class",
        "numbers",
        "options",
        "out",
        "own_rule",
        "promote",
        "reads",
        "results",
        "rule",
        "samples",
        "sig",
        "skip",
        "tangent",
        "underivable",
        "variants",
        "where",
        "write",
    )

    def __init__(self, name: str, forward: Callable, rule: Callable | None, family: str | Family, **over):
        family = FAMILIES[family] if isinstance(family, str) else family
        for key in _FAMILY_FIELDS:
            setattr(self, key, over.pop(key, getattr(family, key)))
        self.name, self.forward, self.family = name, forward, family.name
        # a name, or params -> name where PyTorch's name depends on how it was called
        self.node: str | Callable[[dict], str] = over.pop("node", None) or camel(name) + "Backward0"
        # for a view: (base, value, **params) -> base with `value` written where the view looks
        self.write: Callable | None = over.pop("write", None)
        self.aliases: tuple[str, ...] = over.pop("aliases", ())
        self.host: str | None = over.pop("host", None)  # why this row calls back to the host
        self.indices: Indices | None = over.pop("indices", None)  # which its index argument may have
        # the dtype in which Python numbers come, where they are not promoted with the arrays; None for their default
        self.numbers = over.pop("numbers", None)
        # (specs of the arrays, params) -> [(shape, dtype)], a tuple of outputs; or None where that is not known so
        self.results: Callable | None = over.pop("results", None)
        # which arrays the backward reads, where that is declared: params -> (positions of outputs, of arguments)
        self.reads: Callable | None = over.pop("reads", None)
        # how many of the first arguments have an edge in `next_functions`: params -> number; None for all
        self.edges: Callable | None = over.pop("edges", None)
        self.node_class: type | None = over.pop("node_class", None)  # of its grad_fn, None for the engine's own
        # its results want a gradient only if an input that they depend on does (a rule gets more than it reads)
        self.exact: bool = over.pop("exact", False)
        # what XLA is told of a program that has this row in it: platform -> {option: value}
        self.options: dict = over.pop("options", {})
        self.masked: bool = over.pop("masked", False)  # and not by way of a comparison
        # arguments by which PyTorch lets one record, but not differentiate: what it raises, by their positions
        self.underivable: dict[int, Exception] = over.pop("underivable", {})
        self.skip: str | None = over.pop("skip", None)  # why a property test leaves this row out
        # the operators made from this one, when first asked for: see `derive`, `tangent`, `batch`
        self.backward: Op | None = None
        self.tangent: Op | None = None
        self.batch: Op | None = None
        if over:
            raise TypeError(f"op {name!r}: unknown fields {sorted(over)}")
        if self.sig is None and self.where is not None:
            raise TypeError(f"op {name!r}: family {family.name!r} has no signature of its own; give sig=")
        self.sig = Signature(self.sig or "")
        self.own_rule = getattr(rule, "own", True)
        self.rule = rule.bind(forward) if hasattr(rule, "bind") else rule
        if self.rule is not None and self.own_rule and self.rule.__code__.co_varnames[:2] != ("g", "y"):
            raise TypeError(f"op {name!r}: a rule's arguments are g, y, then the inputs")

    def check_derivable(self, wants) -> None:
        """That none of the arguments that want a gradient is one by which there is none."""
        for i, error in self.underivable.items():
            if wants[i]:
                raise type(error)(*error.args)  # one of its own: a raised one holds the frames it came through

    @property
    def differentiable(self) -> bool:
        return self.rule is not None

    def node_name(self, params: dict) -> str:
        return self.node if isinstance(self.node, str) else self.node(params)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def op(name: str, forward: Callable, rule: Callable | None, family: str | Family, **over) -> Op:
    """Register a row (see the module's text). Overrides: any field of Family, and
    node, write, aliases, host, skip."""
    if name in REGISTRY:
        raise ValueError(f"op {name!r} is registered twice")
    row = Op(name, forward, rule, family, **over)
    for alias in row.aliases:
        if alias in REGISTRY:
            raise ValueError(f"alias {alias!r} of op {name!r} is an op of its own")
    REGISTRY[name] = row
    return row


def camel(name: str) -> str:
    """log_softmax -> LogSoftmax, as PyTorch names its nodes."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
