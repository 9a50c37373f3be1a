"""Who shares a piece of memory, and what they name now, over Values that never change.

A Storage is a piece of memory. Those who share it are in families: a base, and the views that gradients flow through
to it. A `detach()` or `.data` begins a family of its own over the same memory, because it has no history in common
with the others. When memory is written to (see `alias`), everybody else goes stale: loses its Value, and gets a new one
here when somebody next reads it. A view is cut again from its base, as PyTorch's regenerated history is; another
family keeps its history and shows the new numbers.
"""

from __future__ import annotations

import weakref

from ..engine import gradient_place
from ..op import REGISTRY
from ..tape import Failed, LeafValue, Value, computed, local, record, set_grad
from . import strides
from .refusals import refuse_view
from .slices import cut, named_view
from .tensor import Tensor, as_leaf, held, leaf_of, value_of


class Version:
    """How often those who share it were written to in place."""

    __slots__ = ("n",)

    def __init__(self, n: int = 0):
        self.n = n


class Storage:
    """A piece of memory, held by those who share it. The first family is the main one: the others' `steps` begin at its
    base. `number` is what somebody who asked was told that it is (see `data_ptr`)."""

    __slots__ = ("__weakref__", "families", "number")

    def __init__(self, root: Tensor):
        self.families = [Family(self, root, (), Version(root._bumps))]
        self.number = root._number

    @property
    def main(self) -> Family:
        return self.families[0]

    @property
    def version(self) -> int:
        return self.main.version.n

    @version.setter
    def version(self, n: int) -> None:
        self.main.version.n = n

    def settle(self) -> None:
        """Forget families that nobody is left of; the main one stays while another needs its Value."""
        if len(self.families) == 1:
            return
        main, *others = self.families
        others = [f for f in others if f.alive()]
        if not main.alive() and len(others) == 1 and not others[0].stale:
            main = others.pop()
            main.strides, main.steps = main.layout()[1], ()
        self.families = [main, *others]


class Family:
    """A base and its views.

    root     weak reference to the base, `named` also after it has gone its own way
    base     its Value, while `holding`: when somebody might need it after the base's name is gone
    stale    another family wrote to the memory; `base` is what was before, and says which history to keep
    members  weak references to the views
    steps    from the main family's base to this one
    spec     of the base; `strides`, if it is a main one that does not lie in order
    leaf     whether the base was a leaf when last seen
    counted  the base was gone, and the memory is counted from one of its views
    """

    __slots__ = (
        "_storage",
        "base",
        "counted",
        "holding",
        "leaf",
        "members",
        "named",
        "root",
        "spec",
        "stale",
        "steps",
        "strides",
        "version",
    )  # fmt: skip

    def __init__(self, storage: Storage, root: Tensor, steps: tuple, version: Version):
        # weakly: in a cycle it would live, and what it holds with it, until the garbage collector comes
        self._storage, self.steps, self.version = weakref.ref(storage), steps, version
        self.root = self.named = weakref.ref(root)
        self.base: Value | None = None
        self.holding = self.stale = self.counted = False
        self.members: list[weakref.ref] = []
        self.spec, self.strides, self.leaf = None, None, True

    @property
    def storage(self) -> Storage:
        return self._storage()

    def alive(self) -> bool:
        return self.root() is not None or any(m() is not None for m in self.members)

    def add(self, view: Tensor) -> None:
        members = self.members
        if len(members) > 8 and len(members) & (len(members) - 1) == 0:
            self.members = members = [m for m in members if m() is not None]
        members.append(weakref.ref(view))

    def see(self) -> None:
        """Note what the base is, for when it is gone."""
        root = self.root()
        if root is not None:
            v = value_of(root)
            self.spec, self.leaf = v.spec.plain, v.__class__ is LeafValue or not v.spec.needs

    def hold(self) -> None:
        if not self.holding:
            v = self.current()
            self.base, self.holding = v, v is not None

    def release(self) -> None:
        """The base goes its own way; the views keep what they see."""
        self.see()
        self.hold()
        self.root = _GONE

    def set(self, v: Value) -> None:
        """The base names `v` now."""
        root = self.root()
        if root is not None:
            name(root, v)
        self.base = v if self.holding or root is None else None

    def current(self) -> Value | None:
        """The base's Value now; None if it is gone and nobody could need it."""
        root = self.root()
        if root is not None and held(root) is not None:
            return held(root)
        if not self.stale:
            return self.base
        seen = plainly(cut, detached(self.storage.main.current()), self.steps)
        self.stale, v = False, renewed(self.base, seen)
        self.set(v)
        return v

    def repeats(self) -> bool:
        """Whether some elements of the base lie at one place because of the steps to it."""
        return _repeating(self.steps)

    def layout(self) -> tuple:
        """(Spec, strides) of the base."""
        root = self.root()
        s = value_of(root).spec if root is not None else self.spec
        if not self.steps:
            return s, self.strides or strides.in_order(s.shape)
        return s, strides.through(*self.storage.main.layout(), self.steps)[1]


class _Nothing:
    """What a weak reference to nothing once named."""


_GONE = weakref.ref(_Nothing())


class Cut:
    """How a tensor that is no main base came about.

    steps    from its family's base, if it is a view; else it is the base of its family
    origin   why writing to it is refused (see `refusals`), or None
    fn       (output number, row or name, parameters) of its history, for messages
    own      a leaf because the user said so
    kept     what it named before another family wrote to the memory
    taken    the steps before its memory was counted from itself
    renamed  a base that was reshaped in place
    at       the version when its history was made
    """

    __slots__ = ("at", "family", "fn", "kept", "origin", "own", "renamed", "steps", "taken", "view")

    def __init__(self, family: Family, steps: tuple | None, origin: str | None = None, fn=None):
        self.family, self.view, self.steps = family, steps is not None, steps or ()
        self.origin, self.fn, self.own, self.kept, self.renamed = origin, fn, False, None, False
        self.at, self.taken = family.version.n, self.steps

    def follows(self) -> bool:
        """Whether it is a view that wants a gradient because its base does."""
        base = self.family.current() if self.view else None
        return base is not None and base.spec.needs

    def refuse(self, indirect: bool) -> None:
        nr, op, params = self.fn or (0, None, None)
        refuse_view(self.origin, op if op is None or op.__class__ is str else op.node_name(params), nr, indirect)


def family_of(t: Tensor) -> Family | None:
    """The family of a tensor, None if it shares with nobody."""
    found = t._cut
    if found is not None:
        return found.family
    return None if t._storage is None else t._storage.main


def view_cut(t: Tensor) -> Cut | None:
    """How a differentiable view was cut; None for anything else."""
    found = t._cut
    return found if found is not None and found.view else None


def layout(t: Tensor) -> tuple:
    """(Spec, strides) of a tensor over its memory."""
    if t._storage is None:
        s = value_of(t).spec
        return s, strides.in_order(s.shape)
    found, base = view_cut(t), family_of(t).layout()
    return base if found is None else strides.through(base[0].plain, base[1], found.steps)


_REPEATING = frozenset({"expand", "broadcast_to", "unfold", "as_strided"})


def _repeating(steps: tuple) -> bool:
    return any(op.name in _REPEATING for op, _, _, _ in steps)


def repeats(t: Tensor) -> bool:
    """Whether several elements of a tensor lie at one place."""
    family, found = family_of(t), view_cut(t)
    main = family.storage.main
    steps = (*family.steps, *(found.steps if found is not None else ()))
    if main.strides is None and not _repeating(steps):
        return False
    s, have = layout(t)
    return strides.repeats(s.shape, have)


# ---- Values ------------------------------------------------------------------------------------------------


def refresh(t: Tensor, reading: bool = False) -> Value:
    """The Value of a stale tensor. Raises RuntimeError for a view whose history PyTorch refuses to make again, unless
    only its numbers are read."""
    if t.__class__ is not Tensor and held(t) is not None:
        return held(t)  # of a class that takes over: see `overrides`
    found = view_cut(t)
    if found is None:
        return family_of(t).current()
    base = found.family.current()
    if found.kept is not None:
        v = renewed(found.kept, plainly(cut, detached(base), found.steps))
    else:
        v = as_view(base, found)
        if v.spec.needs and found.origin is not None:
            if reading or not local.grad:
                return v
            found.refuse(True)
        if v.spec.needs:
            found.at = found.family.version.n
        elif found.own:
            v = as_leaf(v, leaf_of(t))
        move_keeper(t, v)
    t._value, found.kept = v, None
    return v


def detached(v: Value) -> Value:
    """The same array without history. One that is computed needs no program for that."""
    if hasattr(v, "array") and v.array.__class__ is not Failed:
        return computed(v.array, v.spec.plain) if v.spec.needs else v
    return record(REGISTRY["detach"], (v,)) if v.spec.needs else v


def as_view(base: Value, found: Cut) -> Value:
    """What a view shows of `base`, with its history whatever the mode."""
    if found.family.counted and not found.steps:
        return as_named_view(base, found)
    return in_mode(True, cut, base, found.steps)


def as_named_view(v: Value, found: Cut) -> Value:
    """`v` itself, which a view shows whose base is gone."""
    return in_mode(True, named_view, v, found.steps or found.taken)


def plainly(f, *args) -> Value:
    """`f` of Values, without history."""
    return in_mode(False, f, *args)


def in_mode(grad: bool, f, *args) -> Value:
    mode = local.grad
    set_grad(grad)
    try:
        return f(*args)
    finally:
        set_grad(mode)


def renewed(old: Value | None, v: Value) -> Value:
    """What keeps the place of `old` in the graph and shows the numbers of `v`, which has no history."""
    if old is None or not old.spec.needs:
        return v
    if old.__class__ is LeafValue:
        return as_leaf(v, old.owner)
    return in_mode(True, record, REGISTRY["with_data"], (old, v))


def name(t: Tensor, v: Value) -> None:
    """Rebind, and note what to put back should the run fail."""
    journal = local.tape.journal
    noted = journal.get(id(t))
    if noted is None or noted[0]() is not t:
        journal[id(t)] = weakref.ref(t), "_value", held(t) or v
    t._value = v


def move_keeper(t: Tensor, v: Value, old: Value | None = None) -> None:
    """What retains the gradient of `t` goes with it to its new history."""
    keep, where = t._grad_keeper, gradient_place(v)
    if keep is None or where.__class__ is not tuple:
        return
    before = gradient_place(old) if old is not None else getattr(keep, "at", None)
    if before.__class__ is tuple and before != where:
        hooks = before[0].hooks.get(before[1], [])
        if keep in hooks:
            hooks.remove(keep)
            where[0].hooks.setdefault(where[1], []).append(keep)
