"""Spec and Value: what is known of an array before it exists, and the array once it does.

A Value is immutable. It is *pending* while it is only recorded (`tape` is the Tape it is on, `slot` its
place there, `array` unset), then *computed* (`tape` None, `array` set). Attributes that are not known
yet are left unset, because creating Values is the hottest thing this library does.
"""

from __future__ import annotations

import weakref

import jax
import numpy as np

from ..dtypes import DType, x64


class Spec:
    """Shape, dtype and whether a gradient is wanted. Interned: equal specs are one object."""

    __slots__ = ("__weakref__", "_needing", "dtype", "needs", "plain", "shape", "struct")

    shape: tuple[int, ...]
    dtype: DType
    needs: bool
    plain: Spec  # the same without a gradient
    struct: jax.ShapeDtypeStruct

    def needing(self) -> Spec:
        found = self._needing
        if found is None:
            found = self._needing = self if self.needs else spec(self.shape, self.dtype, True)
        return found

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}{'*' if self.needs else ''}"


_specs: weakref.WeakValueDictionary[tuple, Spec] = weakref.WeakValueDictionary()


def spec(shape: tuple[int, ...], dtype: DType, needs: bool = False) -> Spec:
    """The one Spec of these."""
    key = (shape, dtype, needs)
    found = _specs.get(key)
    if found is None:
        found = Spec()
        found.shape, found.dtype, found.needs = shape, dtype, needs
        found.plain = spec(shape, dtype) if needs else found
        found._needing = None
        found.struct = jax.ShapeDtypeStruct(shape, dtype.np)
        found = _specs.setdefault(key, found)
    return found


class _Fields:
    """The storage that Value and LeafValue share, so that one can become the other."""

    __slots__ = ("__weakref__", "array", "graph", "home", "owner", "seen", "slot", "spec", "tape")


class Value(_Fields):
    """An immutable array, perhaps not computed yet.

    tape   the Tape it is pending on; None once computed
    slot   its number on that tape (kept after the run, for the graph)
    spec   shape, dtype, needs
    array  the jax.Array or NumPy array, once computed; a `Failed` when its run failed
    graph  once computed: the finished Tape whose graph it belongs to, None without history
    """

    __slots__ = ()

    leaf = None  # the Leaf that receives its gradient (see LeafValue)


class LeafValue(_Fields):
    """A Value whose gradient goes to `leaf`. While it is pending on the Tape `home`, `tape` is None all the same:
    whoever reads it must ask whether a run comes first (see `record.ready`)."""

    __slots__ = ()

    @property
    def leaf(self):
        return self.owner


class Failed:
    """Stands where an array would: the run that should have made it raised `error`, or `words` say why not."""

    __slots__ = ("error", "words")

    def __init__(self, error: BaseException | None, words: str = ""):
        self.error, self.words = error, words

    def throw(self):
        if self.error is None:
            raise RuntimeError(self.words)
        raise RuntimeError(
            f"this Tensor has no value: the run that should have computed it failed with "
            f"{type(self.error).__name__}: {self.error}"
        ) from self.error


def computed(array, spec_: Spec) -> Value:
    """A Value of an array that is already there. `array` must never be written to afterwards."""
    v = Value()
    v.tape, v.home, v.spec, v.array, v.graph = None, None, spec_, array, None
    return v


def moved(v: Value):
    """An array on the host, moved to the device for good when it is used a second time (moving costs 30 us by itself,
    2 us as an argument of the call; beside a GPU it is 100 and 150)."""
    if hasattr(v, "seen"):
        with x64():
            v.array = jax.device_put(v.array)
    v.seen = True
    return v.array


def leaf_value(v: Value, leaf) -> LeafValue:
    """The array of a computed Value, as a leaf of the graph."""
    made, array, s = LeafValue(), v.array, v.spec
    if array.__class__ is np.ndarray:
        array = moved(v)  # so that it happens once, however often leaves are made of it
    made.tape = made.graph = made.home = None
    made.owner, made.array, made.spec = leaf, array, s._needing or s.needing()
    return made


_LEAVES = frozenset({LeafValue})


def only_leaves(values) -> bool:
    """Whether all of them are leaves."""
    return _LEAVES.issuperset(map(type, values))


def become_leaf(v: Value, leaf) -> LeafValue:
    """Turn a pending Value that nobody else holds into a leaf, where it is."""
    home = v.tape
    v.__class__ = LeafValue
    v.tape, v.home, v.owner, v.graph, v.spec = None, home, leaf, None, v.spec.needing()
    return v


def place(v: Value):
    """Where the gradient of `v` goes: its Leaf, (tape, slot) in a graph, or None without history."""
    if v.__class__ is LeafValue:
        return v.owner
    if not v.spec.needs:
        return None
    while not isinstance(v, _Fields):  # a transform's: see `lifted`
        v = v.inner
        if v.leaf is not None:
            return v.leaf
    tape = v.tape if v.tape is not None else v.graph
    return None if tape is None else (tape, v.slot)
