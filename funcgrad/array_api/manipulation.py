"""Other shapes of the same elements."""

from __future__ import annotations

from .base import F

__all__ = [
    "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat",
    "reshape", "roll", "squeeze", "stack", "tile", "unstack",
]  # fmt: skip


def broadcast_arrays(*arrays):
    """All in their common shape, as a list."""
    return list(F.broadcast_tensors(*arrays))


def broadcast_to(x, /, shape):
    """`x` in a shape that it can be repeated to."""
    return F.broadcast_to(x, shape)


def concat(arrays, /, *, axis=0):
    """One after the other along `axis`; flattened first for None."""
    return F.cat([x.reshape(-1) for x in arrays], 0) if axis is None else F.cat(list(arrays), axis)


def expand_dims(x, /, *, axis=0):
    """A new axis of size 1. Raises IndexError for one that would not be there."""
    for a in sorted(a % (x.ndim + len(axis)) for a in axis) if isinstance(axis, tuple) else (axis,):
        x = F.unsqueeze(x, a)
    return x


def flip(x, /, *, axis=None):
    """The other way round along `axis`; along all for None."""
    return F.flip(x, tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,))


def moveaxis(x, source, destination, /):
    """Axes at other places."""
    return F.moveaxis(x, source, destination)


def permute_dims(x, /, axes):
    """Axes in another order."""
    return F.permute(x, axes)


def repeat(x, repeats, /, *, axis=None):
    """Each element `repeats` times, one number or one for each."""
    return F.repeat_interleave(x.reshape(-1) if axis is None else x, repeats, 0 if axis is None else axis)


def reshape(x, /, shape, *, copy=None):
    """Another shape for the same elements."""
    made = F.reshape(x, shape)
    return made.clone() if copy else made


def roll(x, /, shift, *, axis=None):
    """Moved on by `shift`; what leaves at the end comes in at the start."""
    return F.roll(x, shift, axis)


def squeeze(x, /, axis):
    """Without axes of size 1. Raises ValueError for one of another size."""
    each = axis if isinstance(axis, tuple) else (axis,)
    for a in each:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} has size {x.shape[a]}, not 1")
    return F.squeeze(x, each)


def stack(arrays, /, *, axis=0):
    """Along a new axis."""
    return F.stack(list(arrays), axis)


def tile(x, repetitions, /):
    """The whole repeated along each axis."""
    return F.tile(x, repetitions)


def unstack(x, /, *, axis=0):
    """The slices along `axis`, as a tuple."""
    return F.unbind(x, axis)
