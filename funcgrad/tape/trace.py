"""The trie of traces: every operation this process has recorded, by what was recorded before it.

A Trace is one step of a path. It holds all that is known of the step without running it: which slots it
reads, which it makes, their specs, its scalars, and the programs and jumps that start or end here. A hit
is one look-up in `children`; a miss comes to `extend`, which infers shapes and raises PyTorch's errors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax

from .. import dtypes
from ..op import Op
from ..op.family import compute_dtype
from .jaxprs import traced
from .stats import stats
from .uses import uses
from .value import Spec, spec
from .where import user_line

INPUT = "input"  # a computed Value enters the tape
LEAF = "leaf"  # a pending Value becomes a leaf of the graph
MODE = "mode"  # what holds for the steps that follow: see `Mode`
SCALARS = frozenset({bool, int, float, complex})


def scalar_key(value):
    """What a scalar contributes to a key: its type; a complex one (rare) its value too, so that it never varies."""
    kind = value.__class__
    return (kind, value) if kind is complex else kind


class Mode(NamedTuple):
    """What holds for the steps of a path from here on, whatever they are.

    grad     what is recorded may want a gradient
    default  the default dtype
    scope    names that the compiled program gives these steps, outermost first
    watched  somebody sees every step: none may be taken without `record` (see `local.watch`)
    cast     what casts the arguments of some operations before they are recorded (see `local.cast`)
    """

    grad: bool
    default: dtypes.DType
    scope: tuple[str, ...] = ()
    watched: bool = False
    cast: object = None


class Varied:
    """Stands for the constant of a scalar place that has met two values: an input from then on."""

    def __repr__(self) -> str:
        return "varied"


VARIED = Varied()


class Trace:
    """One step of a path; the root has no parent."""

    __slots__ = (
        "args",
        "children",
        "consts",
        "cut",
        "dtype",
        "facts",
        "first",
        "graph",
        "jumps",
        "key",
        "kind",
        "kinds",
        "line",
        "mode",
        "nops",
        "nslots",
        "odd",
        "op",
        "params",
        "parent",
        "period",
        "plans",
        "scalar_slots",
        "single",
        "spec",
        "specs",
        "wants",
    )

    def __init__(self, parent: Trace | None, key, kind, nslots: int, mode: Mode, nops: int):
        self.parent, self.key, self.kind = parent, key, kind
        self.nslots, self.mode, self.nops = nslots, mode, nops
        self.children: dict = {}
        self.op: Op | None = None
        self.args, self.params, self.dtype = (), {}, None
        self.specs: tuple[Spec, ...] = ()
        self.spec, self.single, self.first = None, True, parent.nslots if parent is not None else 0
        self.consts, self.kinds, self.scalar_slots = [], (), ()
        self.wants: frozenset[int] = frozenset()  # positions of the arguments that a gradient goes on to
        self.plans: dict = {}
        self.jumps: dict = {}  # what leads many steps on at once: each has its `end`
        self.facts: dict = {}  # what others found out about the path to here
        self.cut, self.line = False, None
        self.period = parent.period if parent is not None else 0
        self.graph = parent is not None and parent.graph  # whether some step to here wants a gradient

    def steps(self) -> list[Trace]:
        """The path from the root to here."""
        out, node = [], self
        while node is not None:
            out.append(node)
            node = node.parent
        out.reverse()
        return out

    @property
    def outs(self) -> range:
        """The slots this step makes."""
        return range(self.first, self.first + len(self.specs))

    def scalar_spec(self, slot: int) -> Spec:
        """What the scalar at `slot`, met first by this step, is to the operations that read it."""
        own = self.dtype or self.op.numbers
        return spec((), own or dtypes.scalar_dtype(self.kinds[self.scalar_slots.index(slot)]()))

    def __repr__(self) -> str:
        what = self.op.name if self.op else self.kind
        return f"<Trace %{self.first} {what}{tuple(self.args)} -> {list(self.specs)}>"


def same_number(a, b) -> bool:
    if a != b:
        return isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return a != 0 or isinstance(a, int) or repr(a) == repr(b)


_roots: dict[tuple, Trace] = {}


def root(mode: Mode) -> Trace:
    """Where paths start: one root for each mode."""
    key = (MODE, mode)
    if key not in _roots:
        _roots[key] = Trace(None, key, MODE, 0, mode, 0)
    return _roots[key]


def specs_of(steps: list[Trace]) -> dict[int, Spec]:
    """slot -> Spec of everything these steps make, scalars included."""
    specs = {}
    for t in steps:
        for slot in t.scalar_slots:
            specs[slot] = t.scalar_spec(slot)
        specs.update(zip(t.outs, t.specs, strict=True))
    return specs


def mode_step(trace: Trace, mode: Mode) -> Trace:
    key = (MODE, mode)
    child = trace.children.get(key)
    if child is None:
        child = Trace(trace, key, MODE, trace.nslots, mode, trace.nops)
        trace.children[key] = child
    return child


def input_step(trace: Trace, spec_: Spec) -> Trace:
    """A computed Value of `spec_` takes the next slot."""
    key = (INPUT, spec_)
    child = trace.children.get(key)
    if child is None:
        child = Trace(trace, key, INPUT, trace.nslots + 1, trace.mode, trace.nops)
        child.specs, child.spec, child.line = (spec_,), spec_, user_line()
        trace.children[key] = child
    return child


def leaf_step(trace: Trace, slot: int, spec_: Spec) -> Trace:
    """The pending Value at `slot` becomes a leaf, at the next slot."""
    key = (LEAF, slot)
    child = trace.children.get(key)
    if child is None:
        child = Trace(trace, key, LEAF, trace.nslots + 1, trace.mode, trace.nops)
        child.args, child.specs, child.spec, child.line = (slot,), (spec_,), spec_, user_line()
        trace.children[key] = child
    return child


def extend(trace: Trace, key: tuple, op: Op, slots: list, args, numbers: list, params: dict) -> Trace:
    """A miss: the new child of `trace` for `op`.

    `slots` are those of `args`: an int for a Value, None for nothing, the scalar's key for a scalar (all
    scalars are `numbers`, in order). Raises what the operator's checks raise, and records nothing then.
    """
    stats.misses += 1
    line = user_line()
    specs = tuple(a.spec if s.__class__ is int else None for a, s in zip(args, slots, strict=True))
    dtype, results, nout = infer(op, tuple(s and s.plain for s in specs), slots, numbers, params)
    first = trace.nslots + len(numbers)
    wants = {i for i, s in enumerate(specs) if s is not None and s.needs} if trace.mode.grad and op.rule else set()
    if wants and op.exact:
        wants &= uses(op, specs, [_struct(s, k) for s, k in zip(specs, slots, strict=True)], params, op.masked)
    needs = bool(wants)
    child = Trace(trace, key, op, first + len(results), trace.mode, trace.nops + bool(slots))
    places = iter(range(trace.nslots, first))
    child.args = tuple(s if s is None or s.__class__ is int else next(places) for s in slots)
    child.op, child.params, child.dtype, child.line = op, dict(params), dtype, line
    child.specs = tuple(spec(shape, dt, needs and dt.differentiable) for shape, dt in results)
    child.wants, child.graph = frozenset(wants), trace.graph or needs
    child.spec, child.single, child.first = child.specs[0] if child.specs else None, nout is None, first
    child.consts, child.kinds = list(numbers), tuple(n.__class__ for n in numbers)
    child.scalar_slots = tuple(range(trace.nslots, first))
    child.odd = bool(numbers) or nout is not None  # what the hot path must look at twice
    trace.children[key] = child
    return child


def promoted(op: Op, args, params: dict) -> dtypes.DType | None:
    """What `op` casts these Values, scalars and None to. Raises what recording them would raise."""
    slots = [0 if hasattr(a, "spec") else None if a is None else scalar_key(a) for a in args]
    specs = tuple(a.spec.plain if s == 0 else None for a, s in zip(args, slots, strict=True))
    numbers = [a for a, s in zip(args, slots, strict=True) if s is not None and s != 0]
    return infer(op, specs, slots, numbers, params)[0]


def _struct(s: Spec | None, key):
    if s is not None:
        return s.struct
    if key is None:
        return None
    kind = key if key.__class__ is type else key[0]
    return jax.ShapeDtypeStruct((), dtypes.scalar_dtype(kind()).np)


_inferred: dict[tuple, tuple] = {}


def infer(op: Op, specs: tuple, slots: list, numbers: list, params: dict):
    """(promoted dtype, [(shape, dtype)], number of outputs or None for a bare one), memoised."""
    kinds = tuple(s if s is None or s.__class__ is type else 0 for s in slots)
    key = (op, specs, kinds, tuple(params.items()), dtypes.get_default_dtype())
    found = _inferred.get(key)
    if found is None:
        if len(_inferred) > 50_000:
            _inferred.clear()
        found = _inferred[key] = _infer(op, specs, slots, numbers, params)
    return found


def _infer(op: Op, specs: tuple, slots: list, numbers: list, params: dict):
    shaped = [(s.dtype, len(s.shape)) for s in specs if s is not None]
    dtype = compute_dtype(op.promote, shaped, numbers) if shaped or numbers else None
    if op.infer is not None and shaped:
        shapes = [s.shape if s is not None else () for s, a in zip(specs, slots, strict=True) if a is not None]
        out = dtypes.bool_ if op.out == "bool" else dtype or specs[0].dtype
        return dtype, [(tuple(op.infer(shapes)), out)], None
    results = None if op.results is None else op.results(specs, params)
    if results is not None:
        return dtype, results, len(results)
    structs, rest = [], iter(numbers)
    for s, slot in zip(specs, slots, strict=True):
        if s is not None:
            structs.append(jax.ShapeDtypeStruct(s.shape, (dtype or s.dtype).np))
        elif slot is None:
            structs.append(None)
        else:
            own = dtype or op.numbers or dtypes.scalar_dtype(next(rest))
            structs.append(jax.ShapeDtypeStruct((), own.np))
    try:
        out = traced(op, structs, params).out
    except (TypeError, ValueError, AssertionError, ZeroDivisionError) as error:
        if _from_row(error):
            raise error.with_traceback(None) from None
        words = str(error).strip().split("\n")[0]
        shapes = ", ".join("None" if s is None else f"{s.dtype}{list(s.shape)}" for s in structs)
        raise RuntimeError(f"{op.name}({shapes}): {words}") from None
    except Exception as error:
        raise error.with_traceback(None) from None
    if isinstance(out, tuple | list):
        return dtype, [(tuple(o.shape), dtypes.from_np(o.dtype)) for o in out], len(out)
    return dtype, [(tuple(out.shape), dtypes.from_np(out.dtype))], None


def _from_row(error: BaseException) -> bool:
    """Whether a row itself raised it (PyTorch's words), rather than JAX inside a row."""
    tb = error.__traceback__
    last = None
    while tb is not None:
        last = tb.tb_frame.f_globals.get("__name__", "")
        tb = tb.tb_next
    return bool(last) and last.startswith("funcgrad")
