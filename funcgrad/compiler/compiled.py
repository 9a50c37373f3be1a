"""A compiled function: which variant fits a call, and what happens when none does.

Where nothing fits, the Python runs once more and is recorded as a new variant, with the reason for it in `explain()`.
What cannot be replayed runs its Python each time, as it would without `compile`, and says why. A float argument is
part of what a variant is for until another one comes; from then on it is an input, where it can be (see `floats`).
"""

from __future__ import annotations

import functools
import warnings
from itertools import repeat
from operator import attrgetter

import numpy as np

from ..engine import going_on
from ..func.tree import flatten, unflatten
from ..nn.module import Module
from ..op import REGISTRY
from ..tape import RecompileWarning, fresh, local, record, run, spec, stats
from ..tape.where import user_line
from ..tensor import Tensor
from ..tensor.tensor import held, value_of, wrap
from .capture import LOOKED, Capture, NotReplayed
from .floats import ANY, Floats, plain, same_but_for, same_constants
from .guards import TooMuch
from .variant import Variant

VARIANTS = 64  # kept of one function, the last used first
TRIES = 3  # recordings that cannot be replayed, for one kind of arguments, before its Python just runs
_spec = attrgetter("_value.spec")
OFTEN = 16  # recordings, more than there were replays, after which its Python just runs


class Compiled:
    """`fn`, recorded on its first call and replayed from then on as one program."""

    def __init__(self, fn, looks: bool):
        self._fn, self._looks = fn, looks
        self._variants: list[tuple[tuple, Variant]] = []
        self._tried: dict[tuple, int] = {}
        self._fixed: set[tuple] = set()  # keys whose floats are looked at
        self._last: tuple | None = None
        self._recorded = self._replayed = 0
        functools.update_wrapper(self, fn if not isinstance(fn, Module) else fn.forward)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        if local.whole is not None or local.body is not None or local.traced is not None or going_on():
            return self._fn(*args, **kwargs)
        if self._last is not None and not kwargs:
            variant, root, specs, kinds = self._last
            given, floats = args, ()
            if True in kinds:
                given = [a for a in args if a.__class__ is not float]
                floats = tuple([a for a in args if a.__class__ is float])
            try:
                values = (
                    variant.fits(given)
                    if local.tape.trace is root
                    and list(map(_spec, given)) == specs
                    and all(map(isinstance, given, repeat(Tensor)))
                    and len(set(map(id, given))) == len(given)
                    and (not floats or (variant.floats == floats and _kinds(args) == kinds))
                    else None
                )
            except AttributeError:
                values = None
            if values is not None:
                self._replayed += 1
                return variant.replay(given, floats, values)
        given, floats, others = _split(args, kwargs)
        if local.tape.trace.parent is not None:
            _settle(())
        for t in given:
            if not hasattr(held(t), "array"):
                _settle(given)
        key = (others, local.tape.trace, tuple([value_of(t).spec for t in given]), _same(given))
        for i, (for_, variant) in enumerate(self._variants):
            values = self._fits(variant, given) if for_ == key and variant.floats == floats else None
            if values is not None:
                self._put_first(i, *self._variants.pop(i))
                self._replayed += 1
                return variant.replay(given, floats, values)
        if self._tried.get(key, 0) >= TRIES or (self._recorded > OFTEN and self._recorded > self._replayed):
            return self._fn(*args, **kwargs)
        return self._record(key, given, floats, args, kwargs)

    def _put_first(self, i: int, key: tuple, variant: Variant) -> None:
        """The variant used last is looked at first, and on a short way where all arguments are Tensors."""
        self._variants.insert(0, (key, variant))
        del self._variants[VARIANTS:]
        others, root, specs, same = key
        self._last = (variant, root, list(specs), others) if others.__class__ is _Kinds and same is None else None

    def _fits(self, variant: Variant, given) -> list | None:
        try:
            return variant.fits(given)
        except AttributeError:
            _settle(variant.settle(given))
            return variant.fits(given)

    def _record(self, key: tuple, given: list, floats: tuple, args: tuple, kwargs: dict):
        before = next((v for for_, v in self._variants if for_ == key), None)
        handed = Floats(floats, self._to_hand(key, floats, before))
        capture = Capture(given, user_line(), self._why(key, given, floats), handed)
        self._recorded += 1
        compiles = stats.compiles
        try:
            capture.guards.function(self._fn)
            capture.guards.function([x for x in flatten((args, kwargs))[0] if not isinstance(x, Tensor)])
        except TooMuch as error:
            return self._declined(key, str(error), args, kwargs)
        if handed.handed:
            args, kwargs = _with_floats(args, kwargs, handed.arguments())
        local.whole = capture
        try:
            out = self._fn(*args, **kwargs)
        except BaseException as error:
            capture.roll_back()
            fresh()
            if self._looks and isinstance(error, RuntimeError) and str(error) == LOOKED:
                local.whole = None
                return self._declined(key, "it looks at a number", args, kwargs)
            raise
        finally:
            local.whole = None
        leaves, structure = flatten(out)
        results = [t for t in leaves if isinstance(t, Tensor)]
        try:
            capture.closed()
            capture.nothing_left(out, leaves, results)
            variant = Variant(capture, results)
        except NotReplayed as error:
            self._note(key, str(error), error.expected)
            return out
        except BaseException:
            capture.roll_back()
            fresh()
            raise
        capture.roll_back()
        args = kwargs = None  # whoever holds a float that was handed in has kept it
        if handed.handed:
            self._hand_over(key, variant, handed, capture, before)
            leaves = [plain(x) for x in leaves]
            out = unflatten(structure, leaves) if handed.kept() else out
        if stats.compiles == compiles:
            stats.reasons.append(f"{capture.line}: {capture.why}; recorded anew, for the same program")
        variant.took_over(_structured(out, leaves, structure), isinstance(out, Tensor))
        del out, leaves, results
        made = variant.replay(given, floats, first=capture)
        self._put_first(0, key, variant)
        return made

    def _to_hand(self, key: tuple, floats: tuple, before: Variant | None) -> frozenset[int]:
        """Which floats are to be inputs: those that were others `before`, unless they are looked at."""
        if before is None or key in self._fixed:
            return frozenset()
        pairs = zip(floats, before.floats, strict=True)
        return frozenset([i for i, (x, was) in enumerate(pairs) if was is ANY or x != was])

    def _hand_over(self, key: tuple, variant: Variant, floats: Floats, capture: Capture, before: Variant) -> None:
        """The floats that were handed in are inputs of `variant`, if nothing else depends on them."""
        if (
            floats.looked
            or floats.kept()
            or capture.guards.names_c()
            or not same_but_for(variant.links, variant.tape, before.tape)
            or not same_constants(variant.others, before.others)
        ):
            self._fixed.add(key)
            return
        variant.floats = floats.pattern()
        self._variants = [(k, v) for k, v in self._variants if k != key or v.floats != variant.floats]

    def _declined(self, key: tuple, why: str, args: tuple, kwargs: dict):
        self._tried[key] = TRIES - 1
        self._note(key, why)
        return self._fn(*args, **kwargs)

    def _note(self, key: tuple, why: str, expected: bool = False) -> None:
        """This call was recorded, but can't be replayed."""
        self._tried[key] = TRIES if expected else self._tried.get(key, 0) + 1
        stats.reasons.append(f"{user_line()}: compile: not replayed, because {why}")
        if self._tried[key] == TRIES and not self._looks and not expected:
            warnings.warn(
                f"{getattr(self._fn, '__name__', 'a function')} is compiled but runs its Python each time: {why}",
                RecompileWarning,
                stacklevel=4,
            )

    def _why(self, key: tuple, given, floats: tuple) -> str:
        if not self._variants:
            return "compile: the first call"
        for for_, variant in self._variants:
            if for_ == key:
                if variant.floats != floats:
                    return f"compile: float arguments {floats}, were {variant.floats}"
                return f"compile: {variant.changed(given)}"
        was = self._variants[0][0]
        if was[2] != key[2]:
            return f"compile: arguments {list(key[2])}, were {list(was[2])}"
        return "compile: other arguments that are no Tensors" if was[0] != key[0] else "compile: another mode"

    def __repr__(self) -> str:
        return f"<compiled {self._fn!r}>"


class Rounds:
    """`fn` for several steps at once, of arguments stacked along a new first dimension: one loop in one program.

    The first call is step by step, which is what the loop is then made from.
    """

    def __init__(self, fn, looks: bool, rounds: int):
        self._one, self._rounds = Compiled(fn, looks), rounds
        self._loops: dict[Variant, Variant | None] = {}
        functools.update_wrapper(self, fn)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        given, floats, others = _split(args, kwargs)
        for t in given:
            if not t.ndim or t.shape[0] != self._rounds:
                raise ValueError(
                    f"compile: steps={self._rounds}, so each Tensor comes as {self._rounds} of them stacked; got one "
                    f"of shape {list(t.shape)}"
                )
        if local.whole is None and local.body is None and local.traced is None and not going_on():
            _settle(given)
            specs = tuple([spec(s.shape[1:], s.dtype, s.needs) for s in map(_spec, given)])
            key = (others, local.tape.trace, specs, _same(given))
            for for_, variant in self._one._variants:
                if for_ == key and variant.floats == floats and self._one._fits(variant, given) is not None:
                    if variant not in self._loops:
                        self._loops[variant] = variant.loop(self._rounds)
                    if self._loops[variant] is not None:
                        return self._loops[variant].replay(given, floats)
        return self._step_by_step(args, kwargs)

    def _step_by_step(self, args: tuple, kwargs: dict):
        leaves, structure = flatten((args, kwargs))
        found = []
        for i in range(self._rounds):
            a, k = unflatten(structure, [t[i].detach() if isinstance(t, Tensor) else t for t in leaves])
            found.append(flatten(self._one(*a, **k)))
        columns = zip(*(made for made, _ in found), strict=True)
        return unflatten(found[0][1], [_stacked(c) if isinstance(c[0], Tensor) else c[0] for c in columns])


def _stacked(tensors) -> Tensor:
    return wrap(record(REGISTRY["stack"], [value_of(t.detach()) for t in tensors], {"dim": 0}))


class _Kinds(tuple):
    """Of arguments that are Tensors and floats alone: which are floats."""

    __slots__ = ()


def _kinds(args: tuple) -> _Kinds:
    return _Kinds([a.__class__ is float for a in args])


def _split(args: tuple, kwargs: dict) -> tuple[list, tuple[float, ...], object]:
    """The Tensors among the arguments; the floats that are arguments themselves, those of keywords by name; and all
    else of them, to compare."""
    floats = tuple([a for a in (*args, *[kwargs[k] for k in sorted(kwargs)]) if a.__class__ is float])
    if not kwargs and all([isinstance(a, Tensor) or a.__class__ is float for a in args]):
        return [a for a in args if a.__class__ is not float] if floats else args, floats, _kinds(args)
    leaves, structure = flatten(_with_floats(args, kwargs, [_FLOAT] * len(floats)) if floats else (args, kwargs))
    rest = []
    for x in leaves:
        if isinstance(x, np.ndarray):
            raise TypeError(
                "compile: an argument is a numpy.ndarray, whose numbers would be recorded once and for all. Pass "
                "torch.from_numpy(array) or torch.tensor(array)."
            )
        if not isinstance(x, Tensor):
            rest.append((type(x), x) if isinstance(x, str | int | float | complex) else (type(x), _Same(x)))
    return [t for t in leaves if isinstance(t, Tensor)], floats, (structure, tuple(rest))


_FLOAT = object()


def _with_floats(args: tuple, kwargs: dict, new: list) -> tuple[tuple, dict]:
    """The arguments with `new` in the places of the floats that `_split` finds."""
    each = iter(new)
    put = lambda x: next(each) if x.__class__ is float else x  # noqa: E731
    args, found = tuple([put(a) for a in args]), {k: put(kwargs[k]) for k in sorted(kwargs)}
    return args, {k: found[k] for k in kwargs}


class _Same:
    """Equal to what holds the same object."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x

    def __eq__(self, other) -> bool:
        return other.__class__ is _Same and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def _same(given) -> object:
    """Which arguments are one Tensor."""
    if len(given) < 2:
        return None
    ids = [id(t) for t in given]
    return None if len(set(ids)) == len(ids) else tuple(map(ids.index, ids))


def _settle(tensors) -> None:
    """Each of these Tensors names a computed Value, and nothing is pending in this thread."""
    for t in tensors:
        value_of(t)
    run()
    if local.tape.trace.parent is not None:
        fresh()


def _structured(out, leaves: list, structure):
    """What puts replayed results where the recorded ones were."""
    if isinstance(out, Tensor):
        return lambda made: made[0]
    fixed = [None if isinstance(t, Tensor) else (t,) for t in leaves]

    def put(made: list):
        rest = iter(made)
        return unflatten(structure, [next(rest) if x is None else x[0] for x in fixed])

    return put
