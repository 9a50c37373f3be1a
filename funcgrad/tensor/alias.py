"""In-place writes and views: several names for one piece of memory, over Values that never change.

A Storage is what a tensor, its views and its `detach()`es share: a version, and who they are. Writing
to any of them makes a new Value of the base (a functional update through the steps that cut the view);
the other names go stale and are cut again from the new base when somebody next reads them. Gradients
follow by themselves, because the update and the new cuts are recorded like everything else.
"""

from __future__ import annotations

import weakref

from .. import dtypes
from ..op import REGISTRY, Op
from ..op.derive import vjp_of
from ..tape import Failed, LeafValue, Value, become_leaf, computed, local, record, set_grad
from .tensor import Tensor, as_leaf, leaf_of, value_of

LEAF_WRITE = "a leaf Variable that requires grad is being used in an in-place operation."
NO_GRAD_VIEW = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use "
    "case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the "
    "inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if "
    "you want the inplace to be tracked)."
)

CUSTOM = (
    "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to "
    "handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect "
    "gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function."
)


class Storage:
    """What aliases share. `base` holds the base's Value once two of them could need it."""

    __slots__ = ("base", "members", "root", "version")

    def __init__(self, root: Tensor):
        self.root = weakref.ref(root)
        self.base: Value | None = None
        self.members: list[weakref.ref] = []
        self.version = root._bumps

    def add(self, view: Tensor) -> None:
        if len(self.members) > 8 and len(self.members) & (len(self.members) - 1) == 0:
            self.members = [m for m in self.members if m() is not None]
        self.members.append(weakref.ref(view))

    def base_value(self) -> Value | None:
        root = self.root()
        return value_of(root) if root is not None else self.base


class Cut:
    """How a view was made from its base: (op, params) steps, and what may be done with it."""

    __slots__ = ("custom", "detached", "grad", "leaf", "multi", "own_version", "steps")

    def __init__(self, steps, grad: bool, detached: bool = False, multi: str | None = None):
        self.steps, self.grad, self.detached, self.multi = steps, grad, detached, multi
        self.own_version: int | None = None  # `.data` does not share the version
        self.leaf = False  # it became a leaf of its own
        self.custom: tuple[int, str] | None = None  # the output of a custom Function, which cannot be cut again


def make_view(base: Tensor, op: Op, params: dict, out: Tensor | tuple[Tensor, ...], extra: tuple = ()):
    """Register what `op` made of `base` (and of the numbers `extra`) as sharing its memory. Returns `out`."""
    storage = base._storage
    if storage is None:
        storage = base._storage = Storage(base)
    elif storage.base is None and any(m() is not None for m in storage.members):
        storage.base = storage.base_value()
    before = base.__dict__.get("_cut")
    steps = before.steps if before is not None else ()
    detached = before is not None and before.detached
    if out.__class__ is tuple:
        for i, t in enumerate(out):
            multi = f"{i}:{op.node_name(params)}"
            _join(t, storage, Cut((*steps, (op, params, extra, i)), local.grad, detached, multi))
        return out
    _join(out, storage, Cut((*steps, (op, params, extra, None)), local.grad, detached or op.name == "detach"))
    return out


def custom_view(t: Tensor, raw: Tensor, output_nr: int, function: str) -> Tensor:
    """Register the output `t` of a custom Function as sharing the memory of `raw`, what its forward returned."""
    cut = raw.__dict__.get("_cut")
    if raw._storage is None:
        raw._storage = Storage(raw)
    made = Cut(cut.steps if cut is not None else (), True)
    made.custom = (output_nr, function)
    _join(t, raw._storage, made)
    return t


def _join(t: Tensor, storage: Storage, cut: Cut) -> None:
    t._storage, t._cut = storage, cut
    storage.add(t)


def detached(v: Value) -> Value:
    """The same array without history. One that is computed needs no program for that."""
    if hasattr(v, "array") and v.array.__class__ is not Failed:
        return computed(v.array, v.spec.plain)
    return record(REGISTRY["detach"], (v,))


def refresh(t: Tensor) -> Value:
    """The Value of a stale view, cut again from its base."""
    cut, v = t._cut, t._storage.base_value()
    if cut.custom is not None:
        i, name = cut.custom
        raise RuntimeError(
            f"Output {i} of {name} is a view and its base or another view of its base has been modified inplace. "
            + CUSTOM
        )
    mode = local.grad
    set_grad(cut.grad and not cut.detached)
    try:
        for op, params, extra, i in cut.steps:
            v = detached(v) if op.name == "detach" else record(op, (v, *extra), params)
            v = v if i is None else v[i]
    finally:
        set_grad(mode)
    t._value = as_leaf(v, leaf_of(t)) if cut.leaf else v
    return t._value


# ---- writing ----------------------------------------------------------------------------------------


def check_writable(t: Tensor) -> None:
    """Raise what PyTorch raises before an in-place write to `t`."""
    cut = t.__dict__.get("_cut")
    if cut is not None:
        for op, _, _, _ in cut.steps:
            if op.name in ("expand", "broadcast_to"):
                raise RuntimeError(
                    "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                    "location. Please clone() the tensor before performing the operation."
                )
    if not local.grad:
        return
    v = value_of(t)
    if v.leaf is not None:
        raise RuntimeError(LEAF_WRITE)
    if cut is not None and cut.custom is not None and v.spec.needs:
        i, name = cut.custom
        raise RuntimeError(f"Output {i} of {name} is a view and is being modified inplace. {CUSTOM}")
    if cut is None or cut.detached:
        return
    root = t._storage.root()
    if root is not None and value_of(root).leaf is not None:
        raise RuntimeError("a view of " + LEAF_WRITE if cut.grad else NO_GRAD_VIEW)
    if not v.spec.needs and not (root is not None and value_of(root).spec.needs):
        return
    if not cut.grad:
        raise RuntimeError(NO_GRAD_VIEW)
    if cut.multi is not None:
        i, _, name = cut.multi.partition(":")
        raise RuntimeError(
            f"Output {i} of {name.removesuffix('Backward0')} is a view and is being modified inplace. This view is the "
            "output of a function that returns multiple views. Such functions do not allow the output views to be "
            "modified inplace. You should replace the inplace operation by an out-of-place one."
        )


def write(t: Tensor, v: Value) -> Tensor:
    """`t` now names `v`, and so does whatever shares its memory. Checks shape and dtype; casts."""
    old = value_of(t)
    s = old.spec
    if v.spec.dtype is not s.dtype:
        if not dtypes.can_cast(v.spec.dtype, s.dtype):
            raise RuntimeError(
                f"result type {v.spec.dtype.legacy} can't be cast to the desired output type {s.dtype.legacy}"
            )
        v = record(REGISTRY["to_dtype"], (v,), {"dtype": s.dtype})
    if v.spec.shape != s.shape:
        raise RuntimeError(
            f"output with shape {list(s.shape)} doesn't match the broadcast shape {list(v.spec.shape)}"
        )
    return put(t, v)


def write_fresh(t: Tensor, v: Value) -> Tensor:
    """`write` of a Value recorded just now that nobody else holds: the path of every optimiser."""
    try:
        old = t._value
    except AttributeError:
        return write(t, v)
    if t._storage is not None or v.spec is not old.spec.plain:
        return write(t, v)
    if old.spec.needs:
        if old.__class__ is not LeafValue or local.grad:
            return write(t, v)
        become_leaf(v, old.owner)
    t._bumps += 1
    _name(t, v)
    return t


def put(t: Tensor, v: Value) -> Tensor:
    """`write` of a Value that already has the right shape and dtype."""
    storage = t._storage
    if storage is None:
        t._bumps += 1
        _name(t, _with_history(t, v))
        return t
    cut = t.__dict__.get("_cut")
    if cut is not None and cut.own_version is not None:
        cut.own_version += 1
    else:
        storage.version += 1
    root = storage.root()
    if cut is None:
        _name(t, _with_history(t, v))
        storage.base = storage.base and value_of(t)
        _stale(storage)
        return t
    base = storage.base_value()
    if base is None:  # nobody else can see this memory
        _name(t, _with_history(t, v))
        return t
    mode = local.grad
    set_grad(mode and not cut.detached)
    try:
        fresh = _through(base, cut.steps, v)
    finally:
        set_grad(mode)
    if root is not None:
        if cut.detached and value_of(root).spec.needs:
            set_grad(False)
            try:
                fresh = _with_history(root, fresh)
            finally:
                set_grad(mode)
        else:
            fresh = _with_history(root, fresh)
        _name(root, fresh)
    storage.base = storage.base and fresh
    _stale(storage)
    return t


def replace_data(t: Tensor, v: Value) -> None:
    """`t.data = other`: new memory under the same leaf; shape and dtype may change."""
    t._storage = None
    t.__dict__.pop("_cut", None)
    old = value_of(t)
    _name(t, as_leaf(v, leaf_of(t)) if old.leaf is not None else v)


def forget_dead(t: Tensor) -> None:
    """A base whose views are all gone shares with nobody."""
    storage = t._storage
    if "_cut" not in t.__dict__ and all(m() is None for m in storage.members):
        t._bumps, t._storage = storage.version, None


def rename(t: Tensor, v: Value) -> Tensor:
    """`t` names `v`, another view of the memory it shares; nobody else sees a change."""
    storage = t._storage
    if storage.root() is t:  # its views are cut from the old shape, so the family goes on without a base
        storage.base, storage.root = value_of(t), weakref.ref(_Gone())
        storage.add(t)
    storage.version += 1
    _name(t, v)
    return t


class _Gone:
    """What a weak reference to nothing once named."""


def _stale(storage: Storage) -> None:
    for ref in storage.members:
        t = ref()
        if t is not None and hasattr(t, "_value"):
            del t._value


def _through(base: Value, steps, v: Value) -> Value:
    """The base with `v` written where the last step looks."""
    inner = [base]
    for op, params, extra, i in steps[:-1]:
        out = record(op, (inner[-1], *extra), params)
        inner.append(out if i is None else out[i])
    for under, (op, params, extra, i) in zip(reversed(inner), reversed(steps), strict=True):
        v = record(write_op(op), (under, v, *extra), params if i is None else {**params, "which": i})
    return v


def _with_history(t: Tensor, v: Value) -> Value:
    """What `t` must name so that its place in the graph stays PyTorch's: a leaf stays a leaf, and a
    write under no_grad keeps the history."""
    old = value_of(t)
    if not old.spec.needs or local.grad:
        return v
    if old.leaf is not None:
        return as_leaf(v, leaf_of(t))
    set_grad(True)
    try:
        return record(REGISTRY["with_data"], (old, v))
    finally:
        set_grad(False)


def _name(t: Tensor, v: Value) -> None:
    """Rebind, and note what to put back should the run fail."""
    journal = local.tape.journal
    noted = journal.get(id(t))
    if noted is None or noted[0]() is not t:
        journal[id(t)] = (weakref.ref(t), "_value", t._value) if hasattr(t, "_value") else (weakref.ref(t), "_value", v)
    t._value = v


_writes: dict[Op, Op] = {}


def write_op(op: Op) -> Op:
    """The operator that writes through a view operator: (base, value) -> base. PyTorch's CopySlices."""
    found = _writes.get(op)
    if found is None:
        if op.name == "detach":
            forward = lambda base, value: value  # noqa: E731
        elif op.write is not None:
            forward = op.write
        else:
            forward = _write_by_transpose(op)
        rule = vjp_of(forward)
        binder = type("bound", (), {"own": False, "bind": staticmethod(lambda _: rule)})
        found = _writes[op] = Op(f"{op.name}_write", forward, binder, "internal", node="CopySlices")
    return found


def _write_by_transpose(op: Op):
    """For one output of a view with several (split, unbind): the transpose of the cut says where it lies."""

    def forward(base, value, *, which, **params):
        import jax
        import jax.numpy as jnp

        def cut(x):
            return op.forward(x, **params)[which]

        zero = jnp.zeros(base.shape, jnp.float32)
        here = jax.linear_transpose(cut, zero)(jnp.ones(value.shape, jnp.float32))[0]
        laid = jax.vjp(lambda x: op.forward(x, **params)[which], jnp.zeros(base.shape, value.dtype))[1](value)[0]
        return jnp.where(here > 0, laid, base)

    return forward

