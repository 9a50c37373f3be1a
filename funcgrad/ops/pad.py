"""Rows that pad: with a constant, by reflection, by the edge, around the corner.

Knows `op` and JAX. Must not know Tensors. Widths come as PyTorch's: the last dimension first.
"""

from __future__ import annotations

import jax
import numpy as np
from jax import lax

from ..op import REGISTRY, op, sample
from ..op.checks import check_real
from . import pieces  # noqa: F401  (the rows of the views that are written here)

# ---- padding ---------------------------------------------------------------------------------
# `pad` counts from the last dimension: (left, right, top, bottom, ...); negative sizes crop.


def _pad_pairs(shape, pad):
    """One (low, high) per dimension, in the order of the dimensions."""
    pad = (pad,) if isinstance(pad, int) else pad
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {len(shape)}"
        )
    pairs = [(0, 0)] * (len(shape) - len(pad) // 2)
    return pairs + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]


def _constant_pad(x, *, pad, value=0):
    pairs = _pad_pairs(x.shape, pad)
    if any(n + low + high < 0 for n, (low, high) in zip(x.shape, pairs, strict=True)):
        raise RuntimeError("narrow(): length must be non-negative.")
    value = np.asarray(value)
    check_real(value, x)
    return lax.pad(x, value.astype(x.dtype), [(*pair, 0) for pair in pairs])


def _constant_pad_rule(g, y, x, *, pad, value=0):
    pairs = _pad_pairs(x.shape, pad)
    return lax.pad(g, np.zeros((), g.dtype), [(-low, -high, 0) for low, high in pairs])


def _crop(x, low, high, dim):
    """Without `-low` and `-high` elements at the ends, where those are negative."""
    return lax.slice_in_dim(x, max(-low, 0), x.shape[dim] - max(-high, 0), axis=dim)


def _beside(x, n, dim, mode):
    """What stands before and after `x` when it is continued by n[0] and n[1] elements."""
    size = x.shape[dim]
    if mode == "circular":
        spans = (size - n[0], size), (0, n[1])
    elif mode == "reflect":
        spans = (1, n[0] + 1), (size - 1 - n[1], size - 1)
    else:
        spans = (0, 1), (size - 1, size)
    ends = [lax.slice_in_dim(x, *span, axis=dim) for span in spans]
    if mode == "reflect":
        return [lax.rev(end, (dim,)) for end in ends]
    if mode == "replicate":
        shapes = [(*x.shape[:dim], k, *x.shape[dim + 1 :]) for k in n]
        return [
            lax.broadcast_in_dim(e, s, range(x.ndim)) for e, s in zip(ends, shapes, strict=True)
        ]
    return ends


def _check_circular(shape, pairs):
    for n, (low, high) in zip(shape, pairs, strict=True):
        if n + low + high < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        if max(low, high) > n + min(low, 0) + min(high, 0):
            raise RuntimeError("Padding value causes wrapping around more than once.")


def _check_mirror(mode, shape, pairs, first):
    """`first` is the first padded dimension."""
    padded, names = list(zip(shape, pairs, strict=True))[first:], "DHW"[first - len(shape) :]
    if 0 in shape[first:]:
        k = len(padded) + 1
        raise RuntimeError(
            f"Expected {k}D or {k + 1}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(shape)}"
        )
    for dim, (n, (low, high)) in enumerate(padded, first):
        if mode == "reflect" and max(low, high) >= n:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({low}, {high}) at dimension {dim} of input {list(shape)}"
            )
    out = [n + low + high for n, (low, high) in padded]
    if out and max(out) < 1:
        have = ", ".join(f"{name}: {n}" for name, n in zip(names, shape[first:], strict=True))
        found = " ".join(f"{name}: {n}" for name, n in zip(names, out, strict=True))
        raise RuntimeError(f"input ({have}) is too small. Calculated output {found}")


def _continued(mode):
    """forward and rule of a pad that continues the input itself."""

    def forward(x, *, pad):
        pairs = _pad_pairs(x.shape, pad)
        if mode == "circular":
            _check_circular(x.shape, pairs)
        else:
            _check_mirror(mode, x.shape, pairs, x.ndim - len(pad) // 2)
        for dim, (low, high) in enumerate(pairs):
            if low == high == 0:
                continue
            # a circle closes around what is left; a mirror stands at the end of the whole
            if mode == "circular":
                x = _crop(x, low, high, dim)
            before, after = _beside(x, (max(low, 0), max(high, 0)), dim, mode)
            x = lax.concatenate((before, x, after), dim)
            if mode != "circular":
                x = _crop(x, low, high, dim)
        return x

    def rule(g, y, x, *, pad):
        return jax.linear_transpose(lambda t: forward(t, pad=pad), x)(g)[0]

    return forward, rule


def _pad_node(name):
    return lambda params: f"{name}Pad{len(params['pad']) // 2}DBackward0"


op(
    "constant_pad_nd",
    _constant_pad,
    _constant_pad_rule,
    "shape",
    sig="input: T, pad: ints, value: any = 0",
    variants="f",
    samples=lambda: [
        sample((2, 3), pad=(1, 2)),
        sample((2, 3), pad=(1, -2, 0, 3), value=2.5),
        sample((0, 2), pad=(0, 0, 1, 1), value=-1),
        sample((3,), pad=()),
    ],
)
op(
    "pad_reflect",
    *_continued("reflect"),
    "internal",
    sig="input: T, pad: ints",
    node=_pad_node("Reflection"),
    samples=lambda: [
        sample((2, 4), pad=(1, 2)),
        sample((1, 4, 5), pad=(2, -1, 3, 1)),
        sample((2, 5), pad=(-2, 3)),
        sample((1, 3, 2, 4), pad=(1, 1, 0, 1, 2, 0)),
    ],
)
op(
    "pad_replicate",
    *_continued("replicate"),
    "internal",
    sig="input: T, pad: ints",
    node=_pad_node("Replication"),
    samples=REGISTRY["pad_reflect"].samples,
)
op(
    "pad_circular",
    *_continued("circular"),
    "internal",
    sig="input: T, pad: ints",
    node="torch::autograd::CopySlices",
    samples=REGISTRY["pad_reflect"].samples,
)
