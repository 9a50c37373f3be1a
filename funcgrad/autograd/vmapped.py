"""A custom Function under `vmap`: by its own `vmap`, or one made of its methods (`generate_vmap_rule`).

The made one is a Function of the whole batch, whose methods call those of the user with each Tensor seen as one
example: its forward within the `vmap` that is going on, its backward and jvp, which may come later, within one of their
own.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..engine import Batched, batch
from ..engine.batch import Batch, batches, unbatched
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from .function import Function

NOTES = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a `vmap` staticmethod is told of the transform."""

    batch_size: int
    randomness: str


def apply(cls, args: tuple, level: int):
    """`cls.apply(*args)`, where the innermost transform of the Tensors is the `vmap` at `level`."""
    name, own = cls.__name__, cls.vmap is not Function.vmap
    if not cls._separate:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must "
            f"override the setup_context staticmethod. {NOTES}"
        )
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid "
            f"ambiguity. {NOTES}"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it does not have vmap support. Please override and implement the vmap "
            f"staticmethod or set generate_vmap_rule=True. {NOTES}"
        )
    (here,) = (b for b in batches() if b.level == level)
    in_dims = tuple(0 if _is_batched(a, level) else None for a in args)
    whole = [a if d is None else wrap(value_of(a).inner) for a, d in zip(args, in_dims, strict=True)]
    if own:
        outputs, out_dims = cls.vmap(VmapInfo(here.size, here.randomness), in_dims, *whole)
        return _each(lambda t, d: _example(t, d, level), outputs, out_dims)
    call = _Call(here, in_dims)
    made = _of_batch(cls).apply(call, *whole)
    return _each(lambda t, d: _example(t, d, level), made, call.out_dims)


def _is_batched(a, level: int) -> bool:
    return isinstance(a, Tensor) and value_of(a).__class__ is Batched and value_of(a).level == level


def _each(f, outputs, dims):
    """`f(output, its dimension)` of one output, or of a tuple with a tuple of dimensions or one for all."""
    if not isinstance(outputs, tuple):
        return f(outputs, dims)
    dims = dims if isinstance(dims, tuple) else (dims,) * len(outputs)
    if len(dims) != len(outputs):
        raise ValueError(f"vmap: out_dims has {len(dims)} entries for {len(outputs)} outputs")
    return tuple(f(t, d) for t, d in zip(outputs, dims, strict=True))


def _example(t, dim: int | None, level: int):
    """The whole batch `t` as one example, which `dim` goes over."""
    if dim is None or not isinstance(t, Tensor):
        return t
    return wrap(Batched(value_of(t if dim == 0 else t.movedim(dim, 0)), level))


def _whole(t, level: int):
    """(the whole batch of an example, 0), or (`t`, None) for what all examples share."""
    return (wrap(value_of(t).inner), 0) if _is_batched(t, level) else (t, None)


# ---- the Function of the batch ---------------------------------------------------------------------------


class _Call:
    """One call: which arguments, outputs and saved Tensors are batched, and the context that the user's methods see."""

    def __init__(self, here: Batch, in_dims: tuple):
        self.here, self.in_dims = here, in_dims
        self.out_dims = self.context = None
        self.saved_dims: tuple = ()
        self.forward_dims: tuple = ()


class _Saved:
    """Stands in the user's context for what was saved, as examples."""

    def __init__(self, tensors: tuple):
        self.saved = lambda: tensors


def _of_batch(cls) -> type:
    found = cls.__dict__.get("_vmapped")
    if found is None:
        space = {"cls": cls, "forward": staticmethod(partial(_forward, cls)), "__module__": cls.__module__}
        space["__qualname__"] = f"Vmapped{cls.__qualname__}"
        found = cls._vmapped = type(f"Vmapped{cls.__name__}", (_OfBatch,), space)
    return found


def _forward(cls, call: _Call, *args):
    level = call.here.level
    out = cls.forward(*(_example(a, d, level) for a, d in zip(args, call.in_dims, strict=True)))
    pairs = [_whole(t, level) for t in (out if isinstance(out, tuple) else (out,))]
    whole, dims = tuple(t for t, _ in pairs), tuple(d for _, d in pairs)
    call.out_dims = dims if isinstance(out, tuple) else dims[0]
    return whole if isinstance(out, tuple) else whole[0]


class _OfBatch(Function):
    cls: type
    generate_vmap_rule = True  # within another vmap

    @staticmethod
    def setup_context(ctx, inputs, output):
        call, *args = inputs
        cls, here = ctx._forward_cls.cls, call.here
        ctx.call = call
        inner = call.context = cls._backward_cls()
        inner.needs_input_grad = ctx.needs_input_grad[1:]
        origin: dict[int, Tensor] = {}

        def example(t, d):
            made = _example(t, d, here.level)
            origin[id(made)] = t
            return made

        seen = tuple(example(a, d) for a, d in zip(args, call.in_dims, strict=True))
        made = _each(example, output, call.out_dims)
        cls.setup_context(inner, seen, made)

        def kept(tensors):
            pairs = [(origin[id(t)], _whole(t, here.level)[1]) if id(t) in origin else _whole(t, here.level)
                     for t in tensors or ()]  # fmt: skip
            return [t for t, _ in pairs], tuple(d for _, d in pairs)

        saved, call.saved_dims = kept(inner._to_save)
        forward, call.forward_dims = kept(inner._for_forward)
        inner._to_save = inner._for_forward = None
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*forward)
        ctx.mark_non_differentiable(*kept(inner._constant)[0])
        ctx.mark_dirty(*kept(inner._dirty)[0])
        ctx.set_materialize_grads(inner.materialize_grads)

    @staticmethod
    def backward(ctx, *grads):
        call, inner = ctx.call, ctx.call.context
        cls, saved = ctx._forward_cls.cls, ctx.saved_tensors
        inner.needs_input_grad = ctx.needs_input_grad[1:]
        out_dims = call.out_dims if isinstance(call.out_dims, tuple) else (call.out_dims,) * len(grads)
        with batch(call.here.size, call.here.randomness) as here:
            inner._call = _Saved(tuple(_example(t, d, here.level) for t, d in zip(saved, call.saved_dims, strict=True)))
            found = cls._pull(inner, *(_example(g, d, here.level) for g, d in zip(grads, out_dims, strict=True)))
            found = found if isinstance(found, tuple) else (found,)
            return (None, *(_gradient(g, d, here) for g, d in zip(found, call.in_dims, strict=True)))

    @staticmethod
    def jvp(ctx, _, *tangents):
        call, inner = ctx.call, ctx.call.context
        with batch(call.here.size, call.here.randomness) as here:
            kept = zip(ctx.saved_tensors, call.forward_dims, strict=True)
            inner._call = _Saved(tuple(_example(t, d, here.level) for t, d in kept))
            given = zip(tangents, call.in_dims, strict=True)
            found = ctx._forward_cls.cls.jvp(inner, *(_example(t, d, here.level) for t, d in given))
            return _each(partial(_tangent, here), found, call.out_dims)


def _tangent(here: Batch, t, dim: int | None):
    return t if t is None or dim is None else wrap(unbatched(value_of(t), here.level, here.size))


def _gradient(g, dim: int | None, here: Batch):
    """The gradient of a whole argument: of one that all examples share, the sum over them."""
    if g is None:
        return None
    if dim is not None:
        return wrap(unbatched(value_of(g), here.level, here.size))
    return wrap(value_of(g).inner).sum(0) if _is_batched(g, here.level) else g
