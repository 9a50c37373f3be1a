"""Rows that look at the same elements in another shape, each with the way back.

Most views are one of three kinds, and a kind knows its forward, its rule and its write once:
reshaped (same order), permuted (same sizes), sliced (a window with steps). All three are
`lax.reshape`, `lax.transpose`, `lax.slice` and, for the way back, `lax.pad`: no gather, no scatter.
Knows `op` and JAX. Must not know Tensors, strides or who shares memory with whom.
"""

from __future__ import annotations

import math

import numpy as np
from jax import lax

from .. import dtypes
from ..op import op, sample
from ..op.checks import wrap_dim, wrap_dims


def list_of(shape) -> str:
    """Sizes as PyTorch's messages print them."""
    return str(list(shape))


# ---- kinds of view ---------------------------------------------------------------------------


def _reshaped(name, target, sig, **over):
    """A view of the same elements in the same order; `target(shape, **params)` is its shape."""

    def forward(x, **params):
        return lax.reshape(x, target(x.shape, **params))

    def rule(g, y, x, **_):
        return lax.reshape(g, x.shape)

    def write(base, value, **_):
        return lax.reshape(value, base.shape)

    return op(name, forward, rule, "view", sig=sig, write=write, **over)


def _permuted(name, order, sig, **over):
    """A view with its dimensions in another order; `order(ndim, **params)` is that order."""

    def forward(x, **params):
        return lax.transpose(x, order(x.ndim, **params))

    def back(value, ndim, params):
        return lax.transpose(value, np.argsort(order(ndim, **params), kind="stable"))

    def rule(g, y, x, **params):
        return back(g, x.ndim, params)

    def write(base, value, **params):
        return back(value, base.ndim, params)

    return op(name, forward, rule, "view", sig=sig, write=write, **over)


def _sliced(name, window, sig, **over):
    """A view of some elements; `window(shape, **params)` is (starts, limits, steps, shape)."""

    def forward(x, **params):
        starts, limits, steps, shape = window(x.shape, **params)
        return lax.reshape(lax.slice(x, starts, limits, steps), shape)

    def rule(g, y, x, **params):
        starts, limits, steps, _ = window(x.shape, **params)
        return spread(lax.reshape(g, _lengths(starts, limits, steps)), x.shape, starts, steps)

    def write(base, value, **params):
        starts, limits, steps, _ = window(base.shape, **params)
        value = lax.reshape(value, _lengths(starts, limits, steps))
        if all(s == 1 for s in steps):
            return lax.dynamic_update_slice(base, value, starts)
        seen = spread(lax.full_like(value, True, bool), base.shape, starts, steps)
        return lax.select(seen, spread(value, base.shape, starts, steps), base)

    return op(name, forward, rule, "view", sig=sig, write=write, **over)


def _lengths(starts, limits, steps):
    return tuple(max(0, -((a - b) // s)) for a, b, s in zip(starts, limits, steps, strict=True))


def spread(value, shape, starts, steps):
    """`value` at starts, starts + steps, ... in zeros of `shape`: the transpose of `lax.slice`."""
    config = []
    for n, have, start, step in zip(shape, value.shape, starts, steps, strict=True):
        covered = (have - 1) * step + 1 if have else 0
        config.append((start, n - start - covered, step - 1))
    return lax.pad(value, np.zeros((), value.dtype), config)


# ---- the same elements in the same order -----------------------------------------------------


def infer_size(size, numel: int) -> tuple[int, ...]:
    """`size` with its -1 filled in."""
    known, unknown = 1, None
    for i, n in enumerate(size):
        if n == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list_of(size)}")
        else:
            known *= n
    if unknown is None:
        fits = known == numel
    elif known == 0 == numel:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list_of(size)} because the "
            "unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    else:
        fits = known > 0 and numel % known == 0
    if not fits:
        raise RuntimeError(f"shape '{list_of(size)}' is invalid for input of size {numel}")
    return tuple(numel // known if i == unknown else n for i, n in enumerate(size))


def _flat_shape(shape, *, start_dim=0, end_dim=-1):
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def _unflat_shape(shape, *, dim, sizes):
    dim = wrap_dim(dim, len(shape))
    sizes = (sizes,) if isinstance(sizes, int) else sizes
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = math.prod(n for n in sizes if n != -1)
    if not (known and shape[dim] % known == 0 if -1 in sizes else known == shape[dim]):
        raise RuntimeError(
            f"unflatten: Provided sizes {list_of(sizes)} don't multiply up to the size of "
            f"dim {dim} "
            f"({shape[dim]}) in the input tensor"
        )
    return (*shape[:dim], *infer_size(sizes, shape[dim]), *shape[dim + 1 :])


def _squeezed_shape(shape, *, dim=None):
    drop = range(len(shape)) if dim is None else wrap_dims(dim, len(shape)) if dim != () else ()
    return tuple(n for i, n in enumerate(shape) if i not in drop or n != 1)


def _squeeze_node(params):
    dim = params.get("dim")
    return f"SqueezeBackward{0 if dim is None else 1 if isinstance(dim, int) else 2}"


def _unsqueezed_shape(shape, *, dim):
    dim = wrap_dim(dim, len(shape) + 1)
    return (*shape[:dim], 1, *shape[dim:])


_reshaped(
    "view",
    lambda shape, *, size: infer_size(size, math.prod(shape)),
    "input: T, size: shape",
    variants="m",
    samples=lambda: [
        sample((2, 6), size=(3, 4)),
        sample((2, 6), size=(-1,)),
        sample((2, 6), size=(3, -1, 2)),
        sample((), size=(1, 1)),
        sample((0, 3), size=(3, 0)),
    ],
)
# `reshape` of what does not lie in order but needs no copy
_reshaped(
    "reshape_alias",
    lambda shape, *, size: infer_size(size, math.prod(shape)),
    "input: T, size: shape",
    where=None,
    samples=lambda: [sample((2, 6), size=(3, 4))],
)
# the reshaped copy of what does not lie in order; shares with nobody
_reshaped(
    "unsafe_view",
    lambda shape, *, size: infer_size(size, math.prod(shape)),
    "input: T, size: shape",
    where=None,
    samples=lambda: [sample((2, 6), size=(3, 4))],
)
_reshaped(
    "reshape",
    lambda old, *, shape: infer_size(shape, math.prod(old)),
    "input: T, shape: shape",
    node="ViewBackward0",
    samples=lambda: [
        sample((2, 6), shape=(3, 4)),
        sample((2, 6), shape=(-1,)),
        sample((1,), shape=()),
        sample((0, 3), shape=(-1, 3)),
    ],
)
_reshaped(
    "flatten",
    _flat_shape,
    "input: T, start_dim: int = 0, end_dim: int = -1",
    node="ViewBackward0",
    samples=lambda: [
        sample((2, 3, 4)),
        sample((2, 3, 4), start_dim=1),
        sample((2, 3, 4), start_dim=-3, end_dim=1),
        sample(()),
        sample((0, 2)),
    ],
)
_reshaped(
    "unflatten",
    _unflat_shape,
    "input: T, dim: int, sizes: ints",
    node="ViewBackward0",
    samples=lambda: [sample((2, 6), dim=1, sizes=(2, 3)), sample((6, 2), dim=-2, sizes=(-1, 2))],
)
_reshaped(
    "squeeze",
    _squeezed_shape,
    "input: T, dim: ints = None",
    variants="fmi",
    node=_squeeze_node,
    samples=lambda: [
        sample((1, 3, 1)),
        sample((1, 3, 1), dim=-1),
        sample((1, 3, 1), dim=1),
        sample((1, 3, 1), dim=(0, 1)),
        sample((), dim=0),
        sample(()),
    ],
)
_reshaped(
    "unsqueeze",
    _unsqueezed_shape,
    "input: T, dim: int",
    variants="fmi",
    samples=lambda: [
        sample((2, 3), dim=1),
        sample((2, 3), dim=-1),
        sample((), dim=0),
        sample((0,), dim=-2),
    ],
)
op(
    "alias",
    lambda x: x,
    lambda g, y, x: g,
    "view",
    sig="input: T",
    where=None,
    write=lambda base, value: value,
    samples=lambda: [sample((2, 3)), sample(())],
)

# ---- dimensions in another order -------------------------------------------------------------


def _permute_order(ndim, *, dims):
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not "
            "match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to "
            f"len(dims) = {len(dims)}"
        )
    dims = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(dims)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return dims


def _swap_order(ndim, *, dim0, dim1):
    a, b = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    return tuple(b if d == a else a if d == b else d for d in range(ndim))


def _t_order(ndim):
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return tuple(reversed(range(ndim)))


def _move_order(ndim, *, source, destination):
    source, destination = ((d,) if isinstance(d, int) else d for d in (source, destination))
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list_of(source)} "
            "dims) should contain the same "
            f"number of dims as destination ({list_of(destination)} dims)"
        )
    sources, places = (tuple(wrap_dim(d, ndim) for d in dims) for dims in (source, destination))
    for what, dims in (("source", sources), ("destination", places)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list_of(dims)})")
    to = dict(zip(places, sources, strict=True))
    rest = iter(d for d in range(ndim) if d not in to.values())
    return tuple(to[d] if d in to else next(rest) for d in range(ndim))


_permuted(
    "permute",
    _permute_order,
    "input: T, dims: shape",
    samples=lambda: [
        sample((2, 3, 4), dims=(2, 0, 1)),
        sample((2, 3), dims=(-1, 0)),
        sample((), dims=()),
        sample((0, 3), dims=(1, 0)),
    ],
)
_permuted(
    "transpose",
    _swap_order,
    "input: T, dim0: int, dim1: int",
    variants="fmi",
    aliases=("swapaxes", "swapdims"),
    samples=lambda: [
        sample((2, 3, 4), dim0=0, dim1=-1),
        sample((3,), dim0=0, dim1=0),
        sample((), dim0=0, dim1=-1),
    ],
)
_permuted(
    "t",
    _t_order,
    "input: T",
    variants="fmi",
    samples=lambda: [sample((2, 3)), sample((3,)), sample(())],
)
_permuted(
    "movedim",
    _move_order,
    "input: T, source: ints, destination: ints",
    aliases=("moveaxis",),
    node="PermuteBackward0",
    samples=lambda: [
        sample((2, 3, 4), source=0, destination=-1),
        sample((2, 3, 4), source=(0, 1), destination=(2, 0)),
        sample((), source=0, destination=0),
    ],
)

# ---- windows ---------------------------------------------------------------------------------


def one_dim(shape, dim, start, stop, step=1, drop=False):
    """The window that takes start:stop:step of one dimension."""
    starts = tuple(start if i == dim else 0 for i in range(len(shape)))
    limits = tuple(stop if i == dim else n for i, n in enumerate(shape))
    steps = tuple(step if i == dim else 1 for i in range(len(shape)))
    lengths = _lengths(starts, limits, steps)
    return starts, limits, steps, lengths[:dim] + lengths[dim + 1 :] if drop else lengths


def clamp(start, stop, n):
    """start and stop of a slice of n elements, as Python counts them for a positive step."""
    start = 0 if start is None else max(start + n, 0) if start < 0 else min(start, n)
    stop = n if stop is None else max(stop + n, 0) if stop < 0 else min(stop, n)
    return start, max(start, stop)


def _narrow_window(shape, *, dim, start, length):
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = wrap_dim(dim, len(shape))
    n = shape[dim]
    if not -n <= start <= n:
        raise IndexError(
            f"start out of range (expected to be in range of [{-n}, {n}], but got {start})"
        )
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return one_dim(shape, dim, start, start + length)


def _select_window(shape, *, dim, index):
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    n = shape[dim]
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list_of(shape)} at "
            f"dimension {dim}"
        )
    index = index + n if index < 0 else index
    return one_dim(shape, dim, index, index + 1, drop=True)


def _slice_window(shape, *, dim=0, start=None, end=None, step=1):
    if not shape:
        raise RuntimeError("slice() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(shape))
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return one_dim(shape, dim, *clamp(start, end, shape[dim]), step)


_sliced(
    "narrow",
    _narrow_window,
    "input: T, dim: int, start: int, length: int",
    node="SliceBackward0",
    samples=lambda: [
        sample((3, 4), dim=1, start=1, length=2),
        sample((3, 4), dim=-2, start=-2, length=2),
        sample((3,), dim=0, start=3, length=0),
    ],
)
_sliced(
    "select",
    _select_window,
    "input: T, dim: int, index: int",
    samples=lambda: [
        sample((3, 4), dim=1, index=2),
        sample((3, 4), dim=-2, index=-1),
        sample((3,), dim=0, index=0),
    ],
)
_sliced(
    "slice",
    _slice_window,
    "input: T, dim: int = 0, start: int = None, end: int = None, step: int = 1",
    where=None,
    samples=lambda: [
        sample((5, 4), dim=0, start=1, end=4),
        sample((5, 4), dim=-1, start=-3, end=100, step=2),
        sample((7,), start=1, step=3),
        sample((5,), start=4, end=2),
    ],
)
# ---- views that repeat -----------------------------------------------------------------------


def _expand(x, *, size):
    lead = len(size) - x.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{dtypes.from_np(x.dtype).legacy}Tensor{{{list_of(x.shape)}}}, "
            f"size={list_of(size)}): the "
            f"number of sizes provided ({len(size)}) must be greater or equal to the "
            "number of dimensions in the "
            f"tensor ({x.ndim})"
        )
    target = list(size)
    for i in reversed(range(len(size))):
        if i < lead:
            if size[i] < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({size[i]}) isn't allowed in a "
                    "leading, non-existing "
                    f"dimension {i}"
                )
        elif size[i] == -1:
            target[i] = x.shape[i - lead]
        elif x.shape[i - lead] not in (1, size[i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({size[i]}) must match the existing "
                f"size ({x.shape[i - lead]}) at "
                f"non-singleton dimension {i}.  Target sizes: {list_of(size)}.  Tensor "
                f"sizes: {list_of(x.shape)}"
            )
    return lax.broadcast_in_dim(x, target, tuple(range(lead, len(size))))


def _expand_samples():
    return [
        sample((3, 1), size=(2, 3, 4)),
        sample((3, 1), size=(-1, 4)),
        sample((), size=(2,)),
        sample((1, 2), size=(0, 2)),
    ]


op(
    "expand",
    _expand,
    lambda g, y, x, **_: g,
    "view",
    sig="input: T, size: shape",
    variants="m",
    samples=_expand_samples,
)
op(
    "broadcast_to",
    _expand,
    lambda g, y, x, **_: g,
    "view",
    sig="input: T, size: shape",
    node="ExpandBackward0",
    samples=_expand_samples,
)
