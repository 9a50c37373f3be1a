"""One call of a custom Function: its step on the tape, its backward during the walk, its tangents.

What the forward computed comes in as arguments of the step, and so does what it saved; the tape keeps
exactly that for the backward, as it does for any operator, and no context holds an array.
"""

from __future__ import annotations

import functools
import weakref

from ..engine import FREED, Dual, OpNode, arg_specs, attached_to, no_grad, saved_value, step_of
from ..op import REGISTRY, Op
from ..tape import Lifted, Value, local, place, record, remember
from ..tensor import Tensor
from ..tensor.alias import custom_view, make_view, put
from ..tensor.tensor import value_of, wrap


def call(cls, args: tuple):
    """`cls.apply(*args)`."""
    if any(isinstance(a, Tensor) and isinstance(value_of(a), Lifted) for a in args):
        return _apply_lifted(cls, args)
    return _apply(cls, args)[0]


class _Call:
    """One call of a Function that has been recorded: where it is, and how its arguments lie."""

    def __init__(self, tape, step, count: int, where: list, saved: list, outputs: list):
        self.tape, self.step = weakref.ref(tape), step
        self.count = count  # of the arguments of `forward`
        self.where = where  # for each Tensor argument, its position in `forward`
        self.positions = saved  # of what was saved, among arguments and outputs of the step (see `Tape.packed`)
        self.outputs = outputs  # for each output of `forward`: (its Spec, which output of the step or None)

    def saved(self) -> tuple:
        tape = self.tape()
        if tape is None:
            raise RuntimeError(FREED)
        values = [None if p is None else saved_value(tape, self.step, p) for p in self.positions]
        return tuple([None if v is None else wrap(v) for v in values])


class FunctionNode(OpNode):
    """The grad_fn of a call: shows the attributes of its context too."""

    @property
    def _context(self):
        return attached_to(self.tape, self.step.first).custom.args[0]

    def __getattr__(self, name: str):
        try:
            return getattr(self._context, name)
        except AttributeError:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'") from None

    def __dir__(self):
        return [*object.__dir__(self), *self._context.__dict__]


def _apply(cls, args: tuple):
    """(what `apply` returns, the context, what `forward` returned)."""
    ctx = cls._backward_cls()
    where = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    values = [value_of(args[i]) for i in where]
    ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    wanted = local.grad and any(ctx.needs_input_grad)
    with no_grad():
        if cls._separate:
            raw = cls.forward(*args)
            cls.setup_context(ctx, args, raw)
        else:
            raw = cls.forward(ctx, *args)
    bare = not isinstance(raw, tuple)
    outputs = (raw,) if bare else raw
    _check_dirty(ctx, outputs)
    if wanted:
        made = _record(cls, ctx, args, where, values, outputs)
    else:
        made = [_plain(ctx, t, args) for t in outputs]
    return made[0] if bare else tuple(made), ctx, raw


def _among(t, tensors) -> bool:
    return any(t is other for other in tensors)


def _check_dirty(ctx, outputs) -> None:
    for t in ctx._dirty:
        if not _among(t, outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                "are modified inplace must all be outputs of the Function."
            )


def _plain(ctx, t, args):
    """An output of a call that nobody differentiates."""
    if isinstance(t, Tensor) and _among(t, args) and not _among(t, ctx._dirty):
        return make_view(t, REGISTRY["alias"], {}, wrap(record(REGISTRY["alias"], (value_of(t),))))
    return t


def _bare(v: Value) -> Value:
    return record(REGISTRY["detach"], (v,)) if v.spec.needs else v


def _record(cls, ctx, args: tuple, where: list, values: list, outputs: tuple) -> list:
    """The step of a call, and its outputs as the user gets them."""
    for t in ctx._dirty:
        if value_of(t).leaf is not None:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    raws, numbers = [], []  # the Values of the step's outputs; for each output of `forward`, which of them it is
    for t in outputs:
        differentiable = isinstance(t, Tensor) and t.dtype.differentiable and not _among(t, ctx._constant)
        numbers.append(len(raws) if differentiable else None)
        if differentiable:
            raws.append(_bare(value_of(t)))
    if not raws:
        return [_plain(ctx, t, args) for t in outputs]
    arrays = list(values)
    positions = [_position(ctx, t, args, where, arrays, outputs, numbers) for t in ctx._to_save or ()]
    made = record(
        _op_of(cls),
        (*arrays, *raws),
        {
            "inputs": len(values),
            "saved": tuple(sorted({p for p in positions if p is not None})),
            "outputs": len(raws),
        },
    )
    tape, slot = place(made[0])
    step = step_of(tape, slot)
    specs = [value_of(t).spec if isinstance(t, Tensor) else None for t in outputs]
    ctx._call = _Call(tape, step, len(args), where, positions, list(zip(specs, numbers, strict=True)))
    ctx._to_save = None
    attached_to(tape, step.first).custom = functools.partial(_backward, ctx)
    return [
        _output(ctx, t, None if k is None else made[k], i, args)
        for i, (t, k) in enumerate(zip(outputs, numbers, strict=True))
    ]


def _position(ctx, t, args, where, arrays: list, outputs, numbers) -> int | None:
    """Where the saved Tensor `t` lies in the step: an output (-1, -2, ...), an argument, or one added to `arrays`."""
    if t is None:
        return None
    for other, k in zip(outputs, numbers, strict=True):
        if other is t and k is not None and (not _among(t, args) or _among(t, ctx._dirty)):
            return -1 - k
    for n, i in enumerate(where):
        if args[i] is t and value_of(t) is arrays[n]:
            return n
    arrays.append(value_of(t))
    return len(arrays) - 1


def _output(ctx, t, v, i: int, args):
    """The `i`-th output of `apply`: what `forward` returned as `t` and the step made as `v`."""
    if v is None:
        return _plain(ctx, t, args) if not isinstance(t, Tensor) or not t.requires_grad else t.detach()
    if _among(t, ctx._dirty):
        return put(t, v)
    made = wrap(v)
    if any(isinstance(a, Tensor) and (a is t or (a._storage is not None and a._storage is t._storage)) for a in args):
        custom_view(made, t, i, ctx._forward_cls.__name__)
    return made


_ops: dict[tuple[str, str], Op] = {}


def _op_of(cls) -> Op:
    """The operator of a Function: its outputs are its last arguments. One for all classes of that name, so that a
    class made anew each step makes no new program."""
    key = (cls.__module__, cls.__qualname__)
    found = _ops.get(key)
    if found is None:
        found = _ops[key] = Op(
            cls.__name__,
            lambda *arrays, inputs, saved, outputs: arrays[len(arrays) - outputs :],
            _no_rule,
            "internal",
            node=cls._backward_cls.__name__,
            node_class=FunctionNode,
            reads=lambda params: (
                tuple(-1 - p for p in params["saved"] if p < 0),
                tuple(p for p in params["saved"] if p >= 0),
            ),
            edges=lambda params: params["inputs"],
        )
    return found


def _no_rule(g, y, *arrays, **params):
    raise AssertionError("a custom Function is differentiated by its own backward")


# ---- backward ---------------------------------------------------------------------------------------


def _backward(ctx, gs, wants) -> tuple:
    """The cotangents of the arguments of the step, from the user's backward."""
    cls, call = ctx._forward_cls, ctx._call
    by_argument = dict(zip(call.where, wants, strict=False))
    ctx.needs_input_grad = tuple(bool(by_argument.get(i, False)) for i in range(call.count))
    grads = [_incoming(ctx, s, None if k is None else gs[k]) for s, k in call.outputs]
    found = cls._pull(ctx, *grads)
    found = found if isinstance(found, tuple) else (found,)
    return _checked(ctx, found, len(wants))


def _incoming(ctx, s, g):
    """The gradient of one output as `backward` gets it."""
    if g is not None:
        return wrap(g)
    if s is None or not ctx.materialize_grads:
        return None
    return wrap(record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype}))


def _checked(ctx, found: tuple, n: int) -> tuple:
    """What the user's backward returned, as Values for the arguments of the step. Raises as PyTorch does."""
    call, name = ctx._call, type(ctx).__name__
    if len(found) != call.count and not (
        len(found) > call.count and all(g is None for g in found[call.count :])
    ):
        raise RuntimeError(
            f"function {name} returned an incorrect number of gradients (expected {call.count}, got {len(found)})"
        )
    specs = arg_specs(call.tape(), call.step)
    out: list = [None] * n
    places = {i: k for k, i in enumerate(call.where)}
    for i, g in enumerate(found[: call.count]):
        if g is None:
            continue
        if i not in places:
            raise RuntimeError(
                f"function {name} returned a gradient different than None at position {i + 1}, but the corresponding "
                "forward input was not a Variable"
            )
        if not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        out[places[i]] = _fitting(name, i, g, specs[places[i]])
    return tuple(out)


def _fitting(name: str, i: int, g: Tensor, s) -> Value:
    """A gradient in the shape and dtype of its input: summed over dimensions it was broadcast over."""
    if g.shape != s.shape:
        if not _expandable(s.shape, g.shape):
            raise RuntimeError(
                f"Function {name} returned an invalid gradient at index {i} - got {list(g.shape)} but expected shape "
                f"compatible with {list(s.shape)}"
            )
        g = g.sum_to_size(s.shape)
    if g.dtype is not s.dtype:
        if g.dtype.is_complex and not s.dtype.is_complex:
            g = g.real
        g = g.to(s.dtype)
    return value_of(g)


def _expandable(shape, wider) -> bool:
    return len(shape) <= len(wider) and all(
        a in (b, 1) for a, b in zip(reversed(shape), reversed(wider), strict=False)
    )


# ---- forward mode -----------------------------------------------------------------------------------


def _apply_lifted(cls, args: tuple):
    """A call with dual arguments: `jvp` gives the tangents of the outputs."""
    level = max(v.level for v in map(value_of, filter(_is_tensor, args)) if isinstance(v, Lifted))
    duals = {i: value_of(a) for i, a in enumerate(args) if _is_tensor(a) and getattr(value_of(a), "level", 0) == level}
    if any(v.__class__ is not Dual for v in duals.values()):
        from .vmapped import apply

        return apply(cls, args, level)
    primals = tuple(wrap(duals[i].inner) if i in duals else a for i, a in enumerate(args))
    out, ctx, _ = _apply(cls, primals)
    ctx._to_save, call = ctx._for_forward, ctx.__dict__.pop("_call", None)
    pushed = [wrap(duals[i].tangent) if i in duals else _no_tangent(ctx, a) for i, a in enumerate(args)]
    tangents = cls.jvp(ctx, *pushed)
    if call is not None:
        ctx._call = call
    outs, bare = (out, False) if isinstance(out, tuple) else ((out,), True)
    tangents = tangents if isinstance(tangents, tuple) else (tangents,)
    if len(tangents) != len(outs):
        raise RuntimeError(
            f"Number of outputs for {cls.__name__}.jvp is {len(tangents)} but the number of outputs of forward is "
            f"{len(outs)}"
        )
    made = tuple(_dual(y, t, level) for y, t in zip(outs, tangents, strict=True))
    return made[0] if bare else made


def _is_tensor(a) -> bool:
    return isinstance(a, Tensor)


def _no_tangent(ctx, a):
    if not _is_tensor(a) or not ctx.materialize_grads or not a.dtype.differentiable:
        return None
    return wrap(record(REGISTRY["blank"], (), {"shape": a.shape, "dtype": a.dtype}))


def _dual(y, t, level: int):
    if t is None or not _is_tensor(y):
        return y
    if t.shape != y.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(y.shape)} while the given forward gradient is of size {list(t.shape)}."
        )
    made = Dual(value_of(y), value_of(t), level)
    if made.spec.needs:
        remember(made)
    return wrap(made)
