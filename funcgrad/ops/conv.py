"""Convolutions and transposed convolutions in one, two and three dimensions. Knows `conv_general_dilated`.

Three linear maps make all of it: `_conv` (input, weight -> output), `_conv_input` (output, weight ->
input, the forward of a transposed convolution) and `_conv_weight` (input, output -> weight). Each
operator is one of them and its rule the other two. Must not know tapes or Tensors.
"""

from itertools import product as cartesian
from math import prod

import jax
import jax.numpy as jnp
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from ..precision import of_convolutions

# On the CPU XLA gives convolutions in float32 to a library by itself. Its own are 1.7 to 3.6 times as fast from a few
# channels on (32x32x28x28 with 64 kernels of 3x3, 2 cores, JAX 0.10.2: forward 6.5 ms against 17.6, input 8.6 against
# 15.6, weight 11.2 against 32.7), and two of the first layer's three maps are slower (one channel: 3.4 against 0.9 ms).
# Products and sums stay where they are.
OWN_KERNELS = {"cpu": {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}}

# --- the three maps: pad is ((low, high), ...), the other geometry one number a dimension --------------


def _conv(x, w, stride, pad, dilation, groups):
    return lax.conv_general_dilated(
        x, w, stride, pad, rhs_dilation=dilation, feature_group_count=groups, precision=of_convolutions()
    )


def _conv_input(g, w, size, stride, pad, dilation, groups):
    """The transpose of `_conv` in its input, of spatial `size`: a forward convolution of the spread-out
    `g` with the flipped weight. Padding may come out negative, which `lax` reads as cropping."""
    out, per, *kernel = w.shape
    spatial = range(2, w.ndim)
    if groups == 1:
        w = jnp.swapaxes(w, 0, 1)
    else:
        w = jnp.swapaxes(w.reshape(groups, out // groups, per, *kernel), 1, 2)
        w = w.reshape(groups * per, out // groups, *kernel)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    pads = [
        (r - low, n - ((m - 1) * s + 1) + low)
        for r, (low, _), n, m, s in zip(reach, pad, size, g.shape[2:], stride, strict=True)
    ]
    return lax.conv_general_dilated(
        g, lax.rev(w, spatial), (1,) * len(size), pads, stride, dilation, feature_group_count=groups,
        precision=of_convolutions(),
    )


def _conv_weight(x, g, shape, stride, pad, dilation, groups):
    """The transpose of `_conv` in its weight, of the given shape.

    Of a grouped convolution by one batched matrix product a kernel position: XLA's own transpose takes
    300 to 590 ms on CPU for 32x64x14x14 in 4 groups with a 3x3 kernel, this 3 to 10 ms. Without groups
    XLA's is the faster one (32x64x28x28, 3x3, runs interleaved: median 54 ms against 115 ms).
    """
    kernel = shape[2:]
    if (
        groups == 1 or prod(kernel) > 64
    ):  # beyond that the program of one product a position gets long
        like = jax.ShapeDtypeStruct(shape, x.dtype)
        return jax.linear_transpose(lambda w: _conv(x, w, stride, pad, dilation, groups), like)(g)[
            0
        ]
    batch, out, *size = g.shape
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), *((*p, 0) for p in pad)))
    g = g.reshape(batch, groups, out // groups, *size)
    over = (0, *range(3, g.ndim))
    taps = []
    for at in cartesian(*map(range, kernel)):
        start = [k * d for k, d in zip(at, dilation, strict=True)]
        stop = [b + (n - 1) * s + 1 for b, n, s in zip(start, size, stride, strict=True)]
        seen = lax.slice(x, (0, 0, *start), (*x.shape[:2], *stop), (1, 1, *stride))
        seen = seen.reshape(batch, groups, shape[1], *size)
        taps.append(lax.dot_general(g, seen, ((over, over), ((1,), (1,)))))
    return jnp.stack(taps, -1).reshape(shape)


# --- geometry and checks, in PyTorch's words ----------------------------------------------------------


def _each(name, value, n):
    """One number a dimension."""
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) not in (1, n):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values * n if len(values) == 1 else values


def _paddings(padding, kernel, stride, dilation):
    """((low, high), ...) of a number, numbers, 'valid' or 'same' (whose odd one goes to the high end)."""
    n = len(kernel)
    if not isinstance(padding, str):
        pads = _each("padding", padding, n)
        if min(pads) < 0:
            raise RuntimeError("negative padding is not supported")
        return tuple((p, p) for p in pads)
    if padding == "valid":
        return ((0, 0),) * n
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((t // 2, t - t // 2) for t in total)


def _check_input(name, x, w, n, stride):
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, "
            f"but got input of size: {list(x.shape)}"
        )
    if w.ndim != n + 2:
        stride = list(_each("stride", stride, n))
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {w.ndim - 2} values to match the "
            f"convolution dimensions, but got stride={stride}"
        )


def _check(x, w, b, stride, dilation, groups, transposed):
    """Everything but the sizes along the spatial dimensions; `x` is batched."""
    shape = list(w.shape)
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    given = f"Given transposed={int(transposed)}" if transposed else f"Given groups={groups}"
    if w.shape[0] < groups or w.shape[0] % groups:
        needs, size = ("at least", shape) if w.shape[0] < groups else ("divisible by", [shape])
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be {needs} {groups} at dimension 0, "
            f"but got weight of size {size} instead"
        )
    want = w.shape[0] if transposed else w.shape[1] * groups
    if x.shape[1] != want:
        raise RuntimeError(
            f"{given}, weight of size {shape}, expected input{list(x.shape)} to have {want} channels, "
            f"but got {x.shape[1]} channels instead"
        )
    out = w.shape[1] * groups if transposed else w.shape[0]
    if b is not None and b.shape != (out,):
        given = f"{given}, weight" if transposed else "Given weight"
        raise RuntimeError(
            f"{given} of size {shape}, expected bias to be 1-dimensional with {out} elements, "
            f"but got bias of size {list(b.shape)} instead"
        )
    words = [from_np(z.dtype).legacy for z in (x, w)]
    if x.dtype != w.dtype:
        raise RuntimeError(f"expected scalar type {words[0]} but found {words[1]}")
    if b is not None and b.dtype != x.dtype:
        other = from_np(b.dtype).legacy.lower()
        raise RuntimeError(
            f"Input type ({words[0].lower()}) and bias type ({other}) should be the same"
        )


def _x(sizes):
    return f"({' x '.join(map(str, sizes))})"


def _plus(y, b):
    return (
        y if b is None else y + lax.broadcast_in_dim(b, (1, b.shape[0]) + (1,) * (y.ndim - 2), (1,))
    )


def _bias_cotangent(g):
    return jnp.sum(g, (0, *range(2, g.ndim)))


def _batched(n, *arrays):
    """Each array with a batch dimension, and whether the first had one."""
    had = arrays[0].ndim == n + 2
    return *(a if had else a[None] for a in arrays), had


# --- the rows -----------------------------------------------------------------------------------------


def _convolution(n):
    name = f"conv{n}d"

    def geometry(w, stride, padding, dilation):
        stride, dilation = _each("stride", stride, n), _each("dilation", dilation, n)
        return stride, _paddings(padding, w.shape[2:], stride, dilation), dilation

    def forward(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
        _check_input(name, x, w, n, stride)
        x, had = _batched(n, x)
        stride, pad, dilation = geometry(w, stride, padding, dilation)
        _check(x, w, b, stride, dilation, groups, False)
        padded = [m + low + high for m, (low, high) in zip(x.shape[2:], pad, strict=True)]
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
        if any(r > m for r, m in zip(reach, padded, strict=True)):
            raise RuntimeError(
                f"Calculated padded input size per channel: {_x(padded)}. Kernel size: {_x(reach)}. "
                "Kernel size can't be greater than actual input size"
            )
        y = _plus(_conv(x, w, stride, pad, dilation, groups), b)
        return y if had else y[0]

    def rule(g, y, input, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
        x, g, had = _batched(n, input, g)
        stride, pad, dilation = geometry(weight, stride, padding, dilation)
        gx = _conv_input(g, weight, x.shape[2:], stride, pad, dilation, groups)
        gw = _conv_weight(x, g, weight.shape, stride, pad, dilation, groups)
        return gx if had else gx[0], gw, None if bias is None else _bias_cotangent(g)

    return forward, rule


def _transposed(n):
    name = f"conv_transpose{n}d"

    def geometry(w, stride, padding, dilation):
        stride, pads = _each("stride", stride, n), _each("padding", padding, n)
        if min(pads) < 0:
            raise RuntimeError("negative padding is not supported")
        return stride, tuple((p, p) for p in pads), _each("dilation", dilation, n)

    def forward(x, w, b=None, *, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        _check_input(name, x, w, n, stride)
        x, had = _batched(n, x)
        stride, pad, dilation = geometry(w, stride, padding, dilation)
        more = _each("output_padding", output_padding, n)
        _check(x, w, b, stride, dilation, groups, True)
        if any(o >= s and o >= d for o, s, d in zip(more, stride, dilation, strict=True)):
            sides = ("depth", "height", "width")[3 - max(n, 2) :]
            got = (("output_padding", more, 0), ("stride", stride, 1), ("dilation", dilation, 1))
            pairs = (
                f"{what}_{side}: {v}"
                for what, values, one in got
                for side, v in zip(sides, (one,) * (len(sides) - n) + values, strict=True)
            )
            raise RuntimeError(
                f"output padding must be smaller than either stride or dilation, but got {' '.join(pairs)}"
            )
        size = [
            (m - 1) * s - 2 * p + d * (k - 1) + o + 1
            for m, s, (p, _), d, k, o in zip(
                x.shape[2:], stride, pad, dilation, w.shape[2:], more, strict=True
            )
        ]
        if min(size) < 1:
            raise RuntimeError(
                f"Given input size per channel: {_x(x.shape[2:])}. Calculated output size per channel: "
                f"{_x(size)}. Output size is too small"
            )
        y = _plus(_conv_input(x, w, size, stride, pad, dilation, groups), b)
        return y if had else y[0]

    def rule(
        g,
        y,
        input,
        weight,
        bias=None,
        *,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        dilation=1,
    ):
        x, g, had = _batched(n, input, g)
        stride, pad, dilation = geometry(weight, stride, padding, dilation)
        # what output_padding adds lies past the last window, so the high side need not cover it
        high = [
            (m - 1) * s + d * (k - 1) + 1 - p - size
            for m, s, d, k, (p, _), size in zip(
                x.shape[2:], stride, dilation, weight.shape[2:], pad, g.shape[2:], strict=True
            )
        ]
        pad = tuple((p, h) for (p, _), h in zip(pad, high, strict=True))
        gx = _conv(g, weight, stride, pad, dilation, groups)
        gw = _conv_weight(g, x, weight.shape, stride, pad, dilation, groups)
        return gx if had else gx[0], gw, None if bias is None else _bias_cotangent(g)

    return forward, rule


def _conv_samples(n):
    s = (5, 6, 4)[:n]
    k = (3, 2, 1)[:n]
    return [
        sample((2, 4, *s), (6, 4, *k), (6,)),
        sample((2, 4, *s), (6, 2, *k), (6,), stride=2, padding=1, dilation=1, groups=2),
        sample((4, *s), (4, 1, *k), None, padding=(2, 1, 1)[:n], dilation=2, groups=4),
        sample((2, 3, *s), (2, 3, *k), (2,), padding="same"),
        sample((2, 3, *s), (2, 3, *k), None, stride=(3, 2, 2)[:n]),
        sample((0, 3, *s), (2, 3, *k), (2,)),
    ]


def _transposed_samples(n):
    s = (3, 4, 2)[:n]
    k = (3, 2, 1)[:n]
    return [
        sample((2, 4, *s), (4, 3, *k), (3,)),
        sample(
            (2, 4, *s),
            (4, 3, *k),
            (6,),
            stride=2,
            padding=(1, 0, 0)[:n],
            output_padding=1,
            groups=2,
        ),
        sample((4, *s), (4, 1, *k), None, groups=4, dilation=2, padding=(2, 1, 0)[:n]),
        sample((2, 3, *s), (3, 2, *k), None, stride=(3, 2, 2)[:n], padding=(1, 0, 0)[:n]),
    ]


_sig = "input: T, weight: T, bias: OT = None, stride: ints = 1, "
# fmt: off
for _n in (1, 2, 3):
    op(f"conv{_n}d", *_convolution(_n), "nn", promote=None, node="ConvolutionBackward0", options=OWN_KERNELS,
       sig=_sig + "padding: any = 0, dilation: ints = 1, groups: int = 1", samples=lambda n=_n: _conv_samples(n))
    op(f"conv_transpose{_n}d", *_transposed(_n), "nn", promote=None, node="ConvolutionBackward0",
       options=OWN_KERNELS,
       sig=_sig + "padding: ints = 0, output_padding: ints = 0, groups: int = 1, dilation: ints = 1",
       samples=lambda n=_n: _transposed_samples(n))
# fmt: on
