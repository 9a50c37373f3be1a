"""Making views, and writing in place: what happens to everybody who shares the memory (see `storage`).

Writing to a tensor makes a new Value of its base, a functional update through the steps that cut the view, recorded
like everything else; so gradients follow by themselves. What PyTorch refuses is refused here.
"""

from __future__ import annotations

import math
import weakref

from .. import dtypes
from ..engine import Leaf, gradient_place, is_inference_mode_enabled, node_of
from ..op import REGISTRY, Op
from ..tape import LeafValue, Value, become_leaf, local, record
from . import strides
from .refusals import CUSTOM, INFERENCE, LEAF, MULTI, NO_GRAD, OVERLAP
from .slices import cut, write_through
from .storage import (
    Cut,
    Family,
    Storage,
    Version,
    as_named_view,
    detached,
    family_of,
    in_mode,
    layout,
    move_keeper,
    name,
    plainly,
    renewed,
    repeats,
    view_cut,
)
from .tensor import Tensor, as_leaf, held, value_of, without_leaf, wrap

# ---- making views ---------------------------------------------------------------------------------------


def make_view(base: Tensor, op: Op, params: dict, out: Tensor | tuple[Tensor, ...], extra: tuple = ()):
    """Register what `op` made of `base` (and of the numbers `extra`) as sharing its memory. Returns `out`."""
    family, before = _joined(base), view_cut(base)
    steps, origin = (before.steps, before.origin) if before is not None else ((), None)
    several, grad = out.__class__ is tuple, local.grad
    if not grad:
        origin = INFERENCE if is_inference_mode_enabled() else NO_GRAD
    elif op.name in _SEVERAL:
        origin = MULTI
    if several and len(out) > 1:
        family.hold()
    needs = value_of(base).spec.needs
    for i, t in enumerate(out) if several else ((None, out),):
        t._storage = family.storage
        t._cut = Cut(family, (*steps, (op, params, extra, i)), origin, (i or 0, op, params) if needs and grad else None)
        if needs and not grad:
            v = value_of(t)
            if v.__class__ is Value and v.spec.dtype.differentiable:
                become_leaf(v, nowhere(t))
        family.add(t)
    return out


_SEVERAL = frozenset({"unbind", "split", "split_with_sizes", "chunk"})  # whose outputs may not be written to


def nowhere(t: Tensor) -> Leaf:
    """Where the gradient of a view goes that wants one only because its base does, and has no history: nowhere."""
    return Leaf(weakref.ref(t))


def share_data(t: Tensor, of: Tensor, version: Version | None = None) -> Tensor:
    """`t` shares the memory of `of`, which it names, but no history; nor its version, if it is given one."""
    family, before = _joined(of), view_cut(of)
    steps = family.steps + (before.steps if before is not None else ())
    made = Family(family.storage, t, steps, version or family.version)
    family.storage.families.append(made)
    t._storage, t._cut = family.storage, Cut(made, None)
    return t


def custom_view(t: Tensor, raw: Tensor, output_nr: int, function: str) -> Tensor:
    """Register the output `t` of a custom Function as sharing the memory of `raw`, what its forward returned."""
    family, before = _joined(raw), view_cut(raw)
    t._storage = family.storage
    t._cut = Cut(family, before.steps if before is not None else (), CUSTOM, (output_nr, function, None))
    family.add(t)
    return t


def _joined(base: Tensor) -> Family:
    """The family of `base`, ready for one more to share its memory."""
    storage = base._storage
    if storage is None:
        storage = base._storage = Storage(base)
        storage.main.see()
        return storage.main
    storage.settle()
    family = family_of(base)
    if len(storage.families) > 1 or base is not family.root() or any(m() is not None for m in family.members):
        storage.main.hold()
        family.hold()
    if family.current() is None:  # the base is gone, and nobody else saw it: the memory is counted from here
        s, have = layout(base)
        once, again = _unrepeated(s.shape, have)
        family.base = in_mode(True, cut, value_of(base), once)
        family.spec, family.strides = family.base.spec.plain, have
        base._cut.steps = again
        family.holding = family.counted = True
    family.see()
    return family


def _unrepeated(shape: tuple[int, ...], have: tuple[int, ...]) -> tuple[tuple, tuple]:
    """The steps from what `expand` made to the memory under it, in which each element is once, and the steps back."""
    dims = [d for d, (n, stride) in enumerate(zip(shape, have, strict=True)) if stride == 0 and n > 1]
    narrow, expand = REGISTRY["narrow"], REGISTRY["expand"]
    once = tuple([(narrow, {"dim": d, "start": 0, "length": 1}, (), None) for d in dims])
    return once, ((expand, {"size": shape}, (), None),) if dims else ()


def base_of(view: Tensor) -> Tensor | None:
    """The tensor that `view` is a view of: under a new name if it has none any more. None where nothing of it is left
    but a part that `view` shows."""
    family, found = family_of(view), view_cut(view)
    named, v = family.named(), family.current()
    if named is not None:
        return named
    if v is None:
        s, seen = family.spec, value_of(view).spec
        if (family.leaf and seen.needs) or math.prod(s.shape) > math.prod(seen.shape) or repeats(view):
            return None
        blank = record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype})
        v = family.base = in_mode(True, write_through, blank, found.steps, value_of(view))
        family.holding = True
    root = wrap(v)
    root._storage, root._cut = family.storage, None if family is family.storage.main else Cut(family, None)
    family.root = family.named = weakref.ref(root)
    return root


def _other(m: Tensor | None, t: Tensor) -> bool:
    return m is not None and m is not t


def leave(t: Tensor) -> Version:
    """`t` shares with nobody any more. Returns what counted its versions."""
    if t._storage is None:
        return Version(t._bumps)
    family, v = family_of(t), value_of(t)
    if view_cut(t) is None:
        family.release()
    else:
        family.members = [m for m in family.members if _other(m(), t)]
    t._storage = t._cut = None
    t._bumps, t._value = family.version.n, v
    return family.version


def replace_data(t: Tensor, source: Tensor) -> None:
    """`t.data = source`: the memory of `source` under the history, or the leaf, that `t` has."""
    old, v = value_of(t), detached(value_of(source))
    version = leave(t)
    same = old.spec.shape == v.spec.shape and old.spec.dtype is v.spec.dtype
    name(t, renewed(old, v) if same or old.__class__ is LeafValue else v)
    share_data(t, source, version)


def reshaped_in_place(t: Tensor, op: Op, params: dict, v: Value) -> Tensor:
    """`t` names `v`, another view of the memory it shares; nobody else sees a change."""
    family, found = family_of(t), view_cut(t)
    if found is None:
        family.release()
        found = t._cut = Cut(family, ())
        found.renamed = True
        family.add(t)
    found.steps = (*found.steps, (op, params, (), None))
    family.version.n += 1
    old = value_of(t)
    name(t, renewed(old, v) if old.__class__ is LeafValue and not local.grad else v)
    return t


def forget_dead(t: Tensor) -> None:
    """A base whose views and `detach()`es are all gone shares with nobody, and neither does the last `detach()`
    left."""
    storage, found = t._storage, t._cut
    if found is not None and found.view:
        return
    storage.settle()
    main = storage.main
    if len(storage.families) == 1 and all(m() is None for m in main.members) and (
        found is None or (found.family is main and main.root() is t and not main.steps and _lies_in_order(t))
    ):
        t._bumps, t._storage, t._cut = main.version.n, None, None


def _lies_in_order(t: Tensor) -> bool:
    s, have = layout(t)
    return strides.is_in_order(s.shape, have)


def wants_changed(t: Tensor, wanted: bool) -> None:
    """Views without a history of their own want a gradient while their base does."""
    if t._cut is not None:
        t._cut.own = wanted
    family = family_of(t)
    if family is not None and family.root() is t:
        if family.holding:
            family.base = value_of(t)
        for ref in family.members:
            m = ref()
            v = None if m is None else held(m)
            if v is None or m._cut.own or not v.spec.dtype.differentiable:
                continue
            if wanted and not v.spec.needs:
                if m._cut.at == family.version.n:
                    m._value = as_leaf(v, nowhere(m))
                else:  # written to since it was made: its history is made again
                    family.hold()
                    del m._value
            elif not wanted and v.__class__ is LeafValue:
                m._value = without_leaf(v)


# ---- writing ----------------------------------------------------------------------------------------------


def check_writable(t: Tensor, *others, overlap: bool = True) -> None:
    """Raise what PyTorch raises before an in-place write to `t` of something computed from `others`.

    overlap  whether a tensor whose elements share a place is refused too
    """
    if local.grad:
        needs = t.requires_grad
        if needs or any(isinstance(o, Tensor) and o.requires_grad for o in others):
            found = view_cut(t)
            if found is not None and not found.renamed:
                if found.origin is not None:
                    found.refuse(False)
                if needs and _of_leaf(found.family):
                    raise RuntimeError(f"a view of {LEAF}")
            if needs and t.is_leaf:
                raise RuntimeError(LEAF)
    if overlap and t._storage is not None and repeats(t):
        raise RuntimeError(OVERLAP)


def _of_leaf(family: Family) -> bool:
    v = family.current()
    return family.leaf if v is None or family.counted else v.__class__ is LeafValue or not v.spec.needs


def write(t: Tensor, v: Value) -> Tensor:
    """`t` now names `v`, and so does whatever shares its memory. Checks shape and dtype; casts."""
    s = value_of(t).spec
    if v.spec.shape != s.shape:
        raise RuntimeError(
            f"output with shape {list(s.shape)} doesn't match the broadcast shape {list(v.spec.shape)}"
        )
    if v.spec.dtype is not s.dtype:
        if not dtypes.can_cast(v.spec.dtype, s.dtype):
            raise RuntimeError(
                f"result type {v.spec.dtype.legacy} can't be cast to the desired output type {s.dtype.legacy}"
            )
        v = record(_CAST, (v,), {"dtype": s.dtype, "node": node_of(v).name() if v.spec.needs else None})
    return put(t, v)


# what an operation in place computes in another dtype, in that of the tensor: PyTorch's history has one step for both
_CAST = Op(
    "cast_into",
    lambda x, *, dtype, node: REGISTRY["to_dtype"].forward(x, dtype=dtype),
    lambda g, y, x, **_: g,
    "internal",
    node=lambda params: params["node"],
)


def write_fresh(t: Tensor, v: Value) -> Tensor:
    """`write` of a Value recorded just now that nobody else holds: the path of every optimiser."""
    try:
        old = t._value
    except AttributeError:
        old = held(t)  # of a class that takes over
        if old is None:
            return write(t, v)
    if t._storage is not None:
        forget_dead(t)
    if t._storage is not None or v.spec is not old.spec.plain:
        return write(t, v)
    if old.spec.needs:
        if old.__class__ is not LeafValue or local.grad:
            return write(t, v)
        become_leaf(v, old.owner)
    t._bumps += 1
    name(t, v)
    return t


def put(t: Tensor, v: Value) -> Tensor:
    """`write` of a Value that already has the right shape and dtype."""
    storage, old = t._storage, value_of(t)
    if storage is None:
        t._bumps += 1
        _name(t, old, v)
        return t
    storage.settle()
    family, found = family_of(t), view_cut(t)
    family.version.n += 1
    steps = () if found is None else found.steps
    base = old if found is None else family.current()
    if base is None:  # nobody else can see this memory
        leaf = old.__class__ is LeafValue and not local.grad
        v = renewed(old, v) if leaf else as_named_view(v if local.grad else renewed(old, v), found)
        move_keeper(t, v, old)
        name(t, v)
        return t
    fresh = write_through(base, steps, v)
    root = family.root()
    if root is not None and local.grad:
        move_keeper(root, fresh, base)
    family.set(fresh if local.grad or not base.spec.needs else renewed(base, fresh))
    _stale(family, family)
    if len(storage.families) > 1:
        _tell_others(storage, family, steps, v)
    return t



def _name(t: Tensor, old: Value, v: Value) -> None:
    """Under no_grad a leaf stays a leaf, and anything else keeps its history."""
    if not local.grad and old.spec.needs:
        v = renewed(old, v)
    elif t._grad_keeper is not None:
        move_keeper(t, v, old)
    name(t, v)


def _tell_others(storage: Storage, writer: Family, steps: tuple, v: Value) -> None:
    """`v` was written through `steps` to a part of the base of `writer`: whoever else shares the memory sees it too."""
    main = storage.main
    main.hold()
    if writer is not main:
        base = main.current()
        if base is not None:
            plain = plainly(write_through, detached(base), writer.steps + steps, detached(v))
            main.set(renewed(base, plain))
            _stale(main, writer)
    for f in storage.families[1:]:
        if f is not writer or f.repeats():  # what is written to one element shows in others
            root = f.root()
            if not f.stale:
                f.base, f.stale = f.current(), True
            if root is not None and held(root) is not None:
                del root._value
            _stale(f, writer)


def _stale(family: Family, writer: Family) -> None:
    """The views of `family` have to be made again: with a new history if they share the version of `writer`."""
    seen = family.version is writer.version
    for ref in family.members:
        t = ref()
        if t is None:
            continue
        v = held(t)
        if v is not None:
            family.hold()
            t._cut.kept = v if not seen and v.spec.needs else None
            if t._grad_keeper is not None:
                t._grad_keeper.at = gradient_place(v)
            del t._value
        elif seen:
            t._cut.kept = None
