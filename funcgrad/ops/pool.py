"""Pooling and sliding windows in one, two and three dimensions. Knows windows, bins and where maxima lie.

Sums over windows are taken one dimension at a time, maxima carry their index. Must not know Tensors.
"""

from itertools import product as cartesian
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from .linalg import multilinear

# --- geometry and checks, in PyTorch's words ----------------------------------------------------------


def _each(name, value, n, what="kernel_size"):
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) not in (1, n):
        words = {1: "one int", 2: "two ints", 3: "three ints"}[n]
        raise RuntimeError(f"{name}: {what} must either be a single int, or a tuple of {words}")
    return values * n if len(values) == 1 else values


def _out_size(size, k, s, p, d, ceil_mode):
    """Number of windows along one dimension; a window may not start in the padding at the high end."""
    out = (size + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    return out - 1 if ceil_mode and (out - 1) * s >= size + p else out


class _Windows:
    """kernel, stride, padding and dilation of n dimensions, and how many windows there are."""

    def __init__(self, name, x, n, kernel, stride, padding, dilation=1, ceil_mode=False):
        self.n, self.size = n, x.shape[x.ndim - n :] if x.ndim > n else x.shape
        self.kernel = _each(name, kernel, n)
        self.stride = (
            self.kernel if stride is None or stride == () else _each(name, stride, n, "stride")
        )
        self.padding = _each(name, padding, n, "padding")
        self.dilation = _each(name, dilation, n, "dilation")
        if name == "max_pool1d":
            _check_1d(self, x)
        else:
            self._check(x)
        self.out = [
            _out_size(*sizes, ceil_mode)
            for sizes in zip(
                self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        ]
        if min(self.out) < 1:
            if name == "max_pool1d":
                raise RuntimeError(f"max_pool1d() Invalid computed output size: {self.out[0]}")
            one = (1,) * (n == 1)
            given, got = (
                "x".join(map(str, (x.shape[x.ndim - n - 1], *one, *s)))
                for s in (self.size, self.out)
            )
            raise RuntimeError(
                f"Given input size: ({given}). Calculated output size: ({got}). Output size is too small"
            )

    def _check(self, x):
        n = self.n
        if x.ndim not in (n + 1, n + 2):
            if n == 1:
                raise RuntimeError(
                    f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' "
                    "(while checking arguments for avg_pool1d)"
                )
            raise RuntimeError(
                f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input"
            )
        if min(self.stride) == 0:
            raise RuntimeError("stride should not be zero")
        if min(self.kernel) <= 0 or min(self.stride) < 0:
            raise RuntimeError("kernel size should be greater than zero, and stride too")
        if min(self.dilation) <= 0:
            sides = ("T", "H", "W")[3 - n :]
            got = " ".join(f"dilation{s}: {d}" for s, d in zip(sides, self.dilation, strict=True))
            raise RuntimeError(f"dilation should be greater than zero, but got {got}")
        for k, p, d in zip(self.kernel, self.padding, self.dilation, strict=True):
            if p < 0:
                raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
            if p > ((k - 1) * d + 1) // 2:
                raise RuntimeError(
                    "pad should be at most half of effective kernel size, but got "
                    f"pad={p}, kernel_size={k} and dilation={d}"
                )
        if 0 in x.shape[-n - 1 :]:
            raise RuntimeError(
                f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
                f"but got:{list(x.shape)}"
            )

    def pads(self, d):
        """(low, high) so that every window along spatial dimension `d` lies inside; high may crop."""
        reach = (self.out[d] - 1) * self.stride[d] + self.dilation[d] * (self.kernel[d] - 1) + 1
        return self.padding[d], reach - self.size[d] - self.padding[d]

    def padded(self, x, value):
        lead = [(0, 0, 0)] * (x.ndim - self.n)
        pads = [(*self.pads(d), 0) for d in range(self.n)]
        return lax.pad(x, jnp.asarray(value, x.dtype), lead + pads)

    def at(self, x, tap):
        """What kernel position `tap` sees of the padded `x`, in every window."""
        start = [t * d for t, d in zip(tap, self.dilation, strict=True)]
        stop = [b + (m - 1) * s + 1 for b, m, s in zip(start, self.out, self.stride, strict=True)]
        lead = x.ndim - self.n
        return lax.slice(
            x, (*[0] * lead, *start), (*x.shape[:lead], *stop), (*[1] * lead, *self.stride)
        )

    def taps(self):
        return cartesian(*map(range, self.kernel))


def _check_1d(w, x):
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(x.shape)}"
        )
    (k,), (s,), (p,), (d,) = w.kernel, w.stride, w.padding, w.dilation
    for name, value in (("kernel_size", k), ("stride", s), ("dilation", d)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if p < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, "
            f"but got padding={p} and kernel_size={k}"
        )


# --- maxima -------------------------------------------------------------------------------------------


def _lowest(dtype):
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min


def _flat(starts, size):
    """Index in the flattened spatial dimensions of the position `starts[d]` along each dimension."""
    n = len(size)
    index = jnp.zeros((1,) * n, jnp.int64)
    for d, start in enumerate(starts):
        stride = prod(size[d + 1 :])
        index = index + jnp.asarray(start * stride, jnp.int64).reshape(
            (1,) * d + (-1,) + (1,) * (n - d - 1)
        )
    return index


def _max_pool(name, n):
    def forward(x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        w = _Windows(name, x, n, kernel_size, stride, padding, dilation, ceil_mode)
        if x.dtype == bool or jnp.issubdtype(x.dtype, jnp.complexfloating):
            kernel = "max_pool3d" if n == 3 else "max_pool2d"
            raise NotImplementedError(
                f"\"{kernel}\" not implemented for '{from_np(x.dtype).legacy}'"
            )
        low = _lowest(x.dtype)
        if prod(w.kernel) > 64:
            return _by_reduce_window(x, w, low)
        starts = [np.arange(m) * s - p for m, s, p in zip(w.out, w.stride, w.padding, strict=True)]
        # where nothing exceeds the lowest value, the index is that of the first position inside
        first = [
            np.where(a < 0, a + -(a // d) * d, a) for a, d in zip(starts, w.dilation, strict=True)
        ]
        shape = (*x.shape[: x.ndim - n], *w.out)
        best = jnp.full(shape, low, x.dtype)
        index = jnp.broadcast_to(_flat(first, w.size), shape)
        x = w.padded(x, low)
        for tap in w.taps():
            v = w.at(x, tap)
            # the first of equals wins, and the last NaN
            take = (v > best) | (v != v)
            here = _flat(
                [a + t * d for a, t, d in zip(starts, tap, w.dilation, strict=True)], w.size
            )
            best, index = jnp.where(take, v, best), jnp.where(take, here, index)
        return best, index

    def rule(g, y, input, **params):
        return _spread(g[0], y[1], input.shape, n)

    return forward, rule


def _by_reduce_window(x, w, low):
    """For large kernels, whose program of one comparison a position would be long."""
    lead = x.ndim - w.n
    index = jnp.broadcast_to(_flat([np.arange(m) for m in w.size], w.size), x.shape)
    last = np.iinfo(np.int64).max

    def larger(a, b):
        take = (b[0] > a[0]) | (b[0] != b[0]) | ((b[0] == a[0]) & (b[1] < a[1]))
        return jnp.where(take, b[0], a[0]), jnp.where(take, b[1], a[1])

    return lax.reduce_window(
        (w.padded(x, low), w.padded(index, last)),
        (jnp.asarray(low, x.dtype), jnp.asarray(last, jnp.int64)),
        larger,
        (*[1] * lead, *w.kernel),
        (*[1] * lead, *w.stride),
        "valid",
        window_dilation=(*[1] * lead, *w.dilation),
    )


def _planes(x, n):
    """Leading dimensions flattened, spatial ones flattened."""
    return x.reshape(prod(x.shape[: x.ndim - n]), prod(x.shape[x.ndim - n :]))


def _rows(index):
    return lax.broadcasted_iota(index.dtype, index.shape, 0)


def _spread(g, index, shape, n):
    """Each of `g` added where its index says. A scatter: 1 to 3 ms on CPU for 32x64x28x28, where the
    derivative of XLA's reduce_window takes 66 to 108 ms."""
    i = _planes(index, n)
    zeros = jnp.zeros((prod(shape[: len(shape) - n]), prod(shape[len(shape) - n :])), g.dtype)
    return zeros.at[_rows(i), i].add(_planes(g, n)).reshape(shape)


def _pick(x, index, n):
    return jnp.take_along_axis(_planes(x, n), _planes(index, n), 1).reshape(index.shape)


def _bins(size, out):
    """(start, stop) of the adaptive bins along one dimension; they cover it and may overlap."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _adaptive_sizes(name, x, output_size, n, maximum):
    several = n > 1 and isinstance(output_size, list | tuple)
    if several and x.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    if x.ndim not in (n + 1, n + 2):
        if n == 1:
            raise RuntimeError(f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 "
                               f"'self' (while checking arguments for {name})")  # fmt: skip
        colon = ":" if maximum else ""
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got{colon} {list(x.shape)}")
    for d, m in enumerate(x.shape[-n - 1 :] if maximum else x.shape[-n:], x.ndim - n - maximum):
        if m == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has "
                f"sizes {list(x.shape)} with dimension {d} being empty"
            )
    size = x.shape[-n:]
    given = (output_size,) if n == 1 and isinstance(output_size, int) else output_size
    given = (given,) * n if isinstance(given, int) or given is None else tuple(given)
    if len(given) != n:
        if n == 1:
            raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(given)})")
        words = "(): internal error: output_size.size() must be" if maximum else ": output_size must be"
        raise RuntimeError(f"{name}{words} {n}")
    out = tuple(m if o is None else o for o, m in zip(given, size, strict=True))
    if min(out) < 0:
        got = ", ".join(map(str, out))
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {{{got}}}"
        )
    return out


def _adaptive_max_pool(n):
    name = f"adaptive_max_pool{n}d"

    def forward(x, *, output_size):
        out = _adaptive_sizes(name, x, output_size, n, True)
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{from_np(x.dtype).legacy}'")
        size = x.shape[-n:]
        if prod(out) and all(m % o == 0 for m, o in zip(size, out, strict=True)):
            kernel = tuple(m // o for m, o in zip(size, out, strict=True))
            return _max_pool("max_pool2d", n)[0](x, kernel_size=kernel)
        # a table of positions: a row a bin, short bins repeating their last position
        where = jnp.zeros((*(1,) * n, *(1,) * n), jnp.int64)
        for d, (m, o) in enumerate(zip(size, out, strict=True)):
            bins = _bins(m, o)
            widest = max((b - a for a, b in bins), default=1)
            table = np.array(
                [[min(a + j, b - 1) for j in range(widest)] for a, b in bins], np.int64
            )
            shape = [1] * (2 * n)
            shape[d], shape[n + d] = o, widest
            where = where + jnp.asarray(table.reshape(shape) * prod(size[d + 1 :]))
        where = where.reshape(prod(out), -1)
        planes = _planes(x, n)
        seen = planes[:, where]
        first = jnp.argmax(seen, -1)
        index = jnp.take_along_axis(jnp.broadcast_to(where, seen.shape), first[..., None], -1)[
            ..., 0
        ]
        shape = (*x.shape[:-n], *out)
        return jnp.take_along_axis(planes, index, 1).reshape(shape), index.reshape(shape)

    return forward, lambda g, y, input, **params: _spread(g[0], y[1], input.shape, n)


def _max_unpool(n):
    def forward(x, indices, *, kernel_size, stride=None, padding=0, output_size=None):
        name = f"max_unpool{n}d"
        kernel = _each(name, kernel_size, n)
        stride = kernel if stride is None else _each(name, stride, n, "stride")
        pads = _each(name, padding, n, "padding")
        if indices.dtype != jnp.int64:
            raise RuntimeError("elements in indices should be type int64")
        if x.shape != indices.shape:
            raise RuntimeError(
                f"Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) "
                f"but got indices tensor with shape: {list(indices.shape)}"
            )
        size = x.shape[-n:]
        size = [
            (m - 1) * s + k - 2 * p for m, s, k, p in zip(size, stride, kernel, pads, strict=True)
        ]
        size = tuple(output_size)[-n:] if output_size is not None else size
        i = _planes(indices, n)
        lead = x.shape[:-n]
        return (
            jnp.zeros((prod(lead), prod(size)), x.dtype)
            .at[_rows(i), i]
            .set(_planes(x, n))
            .reshape(*lead, *size)
        )

    return forward, lambda g, y, input, indices, **params: (_pick(g, indices, n), None)


# --- means --------------------------------------------------------------------------------------------


def _sum_windows(x, axis, k, s, out, pads):
    """Sums over the windows along one axis."""
    size = x.shape[axis]
    if k == s and pads == (0, 0) and out * k == size:
        return jnp.sum(
            x.reshape(*x.shape[:axis], out, k, *x.shape[axis + 1 :]), axis + 1, dtype=x.dtype
        )
    x = lax.pad(
        x, jnp.zeros((), x.dtype), [(*pads, 0) if d == axis else (0, 0, 0) for d in range(x.ndim)]
    )
    if k > 32:
        window, step = ([v if d == axis else 1 for d in range(x.ndim)] for v in (k, s))
        return lax.reduce_window(x, jnp.zeros((), x.dtype), lax.add, window, step, "valid")
    total = lax.slice_in_dim(x, 0, (out - 1) * s + 1, s, axis)
    for i in range(1, k):
        total = total + lax.slice_in_dim(x, i, i + (out - 1) * s + 1, s, axis)
    return total


def _covered(size, k, s, p, out, count_include_pad):
    """How many positions each window along one dimension averages over."""
    start = np.arange(out) * s - p
    stop = np.minimum(start + k, size + p)
    return stop - start if count_include_pad else np.minimum(stop, size) - np.maximum(start, 0)


def _avg_pool(n):
    name = f"avg_pool{n}d"

    def forward(
        x,
        *,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        if x.ndim < n + 1 and n == 2:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-x.ndim}, {x.ndim - 1}], but got -3)"
            )
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        w = _Windows(name, x, n, kernel_size, stride, padding, 1, ceil_mode)
        if x.dtype == bool or jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise NotImplementedError(
                f"\"avg_pool{max(n, 2)}d\" not implemented for '{from_np(x.dtype).legacy}'"
            )
        count = np.ones((), np.int64)
        for d in range(n):
            x = _sum_windows(x, x.ndim - n + d, w.kernel[d], w.stride[d], w.out[d], w.pads(d))
            covered = _covered(
                w.size[d], w.kernel[d], w.stride[d], w.padding[d], w.out[d], count_include_pad
            )
            count = np.multiply.outer(count, covered)
        if divisor_override is not None or (count == count.flat[0]).all():
            count = np.asarray(count.flat[0] if divisor_override is None else divisor_override)
        count = jnp.asarray(count, x.dtype)
        return lax.div(x, jnp.broadcast_to(count, x.shape))

    return forward


def _adaptive_avg_pool(n):
    name = f"adaptive_avg_pool{n}d"

    def forward(x, *, output_size):
        out = _adaptive_sizes(name, x, output_size, n, False)
        if not jnp.issubdtype(x.dtype, jnp.floating) and set(out) != {
            1
        }:  # 1 is PyTorch's mean, of any inexact
            raise NotImplementedError(
                f"\"adaptive_avg_pool{max(n, 2)}d\" not implemented for '{from_np(x.dtype).legacy}'"
            )
        for d, o in enumerate(out, x.ndim - n):
            size = x.shape[d]
            if o and size % o == 0:
                x = jnp.mean(x.reshape(*x.shape[:d], o, size // o, *x.shape[d + 1 :]), d + 1)
            else:
                means = [
                    jnp.mean(lax.slice_in_dim(x, a, b, axis=d), d, keepdims=True)
                    for a, b in _bins(size, o)
                ]
                x = lax.concatenate(means, d) if means else lax.slice_in_dim(x, 0, 0, axis=d)
        return x

    return forward


# --- columns of windows (torch.nn.functional.unfold and fold) -----------------------------------------


def _pairs(**given):
    values = {k: (v, v) if isinstance(v, int) else tuple(v) for k, v in given.items()}
    for name, v in values.items():
        zero = name == "padding"
        if min(v) < 0 or (min(v) == 0 and not zero):
            word = {"kernel_size": "kernel size", "padding": "padding"}.get(name, name)
            short = name.split("_")[0]
            raise RuntimeError(
                f"{word} should be {'non-negative' if zero else 'greater than zero'}, but got "
                f"{short}_height: {v[0]} {short}_width: {v[1]}"
            )
    return values.values()


def _blocks(x, kernel, dilation, padding, stride):
    """The windows of a (..., H, W) array, unchecked."""
    w = _Windows.__new__(_Windows)
    w.n, w.size, w.kernel, w.dilation, w.padding, w.stride = (
        2,
        x.shape[-2:],
        kernel,
        dilation,
        padding,
        stride,
    )
    w.out = [
        _out_size(*s, False) for s in zip(w.size, kernel, stride, padding, dilation, strict=True)
    ]
    return w


def _columns(x, w):
    x = w.padded(x, 0)
    lead = x.shape[:-2]
    seen = jnp.stack([w.at(x, tap) for tap in w.taps()], -3)
    return seen.reshape(*lead[:-1], lead[-1] * prod(w.kernel), prod(w.out))


def _im2col(x, *, kernel_size, dilation=1, padding=0, stride=1):
    kernel, dilation, padding, stride = _pairs(
        kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
    )
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(x.shape)}"
        )
    w = _blocks(x, kernel, dilation, padding, stride)
    if min(w.out) < 1:
        raise RuntimeError(
            f"Given input with spatial size {w.size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {tuple(w.out)}, "
            "but its components must be at least one."
        )
    return _columns(x, w)


def _col2im(x, *, output_size, kernel_size, dilation=1, padding=0, stride=1):
    size, kernel, dilation, padding, stride = _pairs(
        output_size=output_size,
        kernel_size=kernel_size,
        dilation=dilation,
        padding=padding,
        stride=stride,
    )
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(x.shape)}"
        )
    channels, blocks = x.shape[-2:]
    if channels % prod(kernel):
        raise RuntimeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={channels} and kernel_size={kernel}."
        )
    like = jax.ShapeDtypeStruct((*x.shape[:-2], channels // prod(kernel), *size), x.dtype)
    w = _blocks(like, kernel, dilation, padding, stride)
    if prod(w.out) != blocks or min(w.out) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected size of input's dimension 2 to match the calculated number of sliding "
            f"blocks {w.out[0]} * {w.out[1]} = {prod(w.out)}, but got input.size(2)={blocks}."
        )
    return jax.linear_transpose(lambda image: _columns(image, w), like)(x)[0]


# --- the rows -----------------------------------------------------------------------------------------


# fmt: off
def _pool_samples(n, **more):
    a, b = (7, 6, 5)[:n], (2, 3, 2)[:n]
    return [
        sample((2, 3, *a), kernel_size=b, **more),
        sample((3, *a), kernel_size=3, stride=2, padding=1, **more),
        sample((2, 3, *a), kernel_size=2, stride=(3, 2, 2)[:n], padding=1, ceil_mode=True, **more),
        sample((2, 3, *(6, 4, 8)[:n]), kernel_size=2, **more),
    ]


def _avg_samples(n):
    return [
        *_pool_samples(n),
        sample((2, 3, *(7, 6, 5)[:n]), kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        *([sample((2, 3, *(7, 6, 5)[:n]), kernel_size=2, divisor_override=3)] if n > 1 else []),
    ]


def _max_samples(n):
    large = [sample((2, 2, 20, 18), kernel_size=9, stride=4, padding=3)] if n == 2 else []
    spread = sample((2, 3, *(7, 6, 5)[:n]), kernel_size=2, dilation=2, padding=1, stride=1)
    return [*_pool_samples(n), spread, *large]


def _adaptive_samples(n):
    a = (7, 6, 5)[:n]
    sizes = (3, (7, 4, 2)[:n], 1) if n > 1 else (3, 7, 1)
    return [*(sample((2, 3, *a), output_size=s) for s in sizes), sample((3, *(8, 6, 4)[:n]), output_size=2)]


def _unpool_samples(n):
    index = np.stack([np.random.default_rng(0).permutation(4**n)[: 2**n] for _ in range(6)])
    return [sample((2, 3, *(2,) * n), index.reshape(2, 3, *(2,) * n), kernel_size=2)]


_kernel = "input: T, kernel_size: ints, stride: ints = None, padding: ints = 0, "
for _n in (1, 2, 3):
    # F.max_pool2d and torch.max_pool1d are the first output of these; unused indices cost nothing
    op(f"max_pool{_n}d_with_indices", *_max_pool(f"max_pool{_n}d", _n), "nn", promote=None,
       node=f"MaxPool{_n}DWithIndicesBackward0" if _n > 1 else "SqueezeBackward1",
       sig=_kernel + "dilation: ints = 1, ceil_mode: bool = False", samples=lambda n=_n: _max_samples(n))
    op(f"adaptive_max_pool{_n}d_with_indices", *_adaptive_max_pool(_n), "nn", promote=None,
       node=f"AdaptiveMaxPool{_n}DBackward0" if _n > 1 else "SqueezeBackward1",
       sig="input: T, output_size: any", samples=lambda n=_n: _adaptive_samples(n))
    op(f"max_unpool{_n}d", *_max_unpool(_n), "nn", promote=None, node=f"MaxUnpool{max(_n, 2)}DBackward0",
       sig="input: T, indices: T, kernel_size: ints, stride: ints = None, padding: ints = 0, output_size: ints = None",
       samples=lambda n=_n: _unpool_samples(n))
    op(f"avg_pool{_n}d", _avg_pool(_n), multilinear(_avg_pool(_n)), "nn", promote=None,
       node=f"AvgPool{_n}DBackward0" if _n > 1 else "SqueezeBackward1",
       sig=_kernel + "ceil_mode: bool = False, count_include_pad: bool = True"
       + (", divisor_override: int = None" if _n > 1 else ""), samples=lambda n=_n: _avg_samples(n))
    op(f"adaptive_avg_pool{_n}d", _adaptive_avg_pool(_n), multilinear(_adaptive_avg_pool(_n)), "nn", promote=None,
       node=f"AdaptiveAvgPool{_n}DBackward0" if _n > 1 else "SqueezeBackward1",
       sig="input: T, output_size: any", samples=lambda n=_n: _adaptive_samples(n))

# torch.nn.functional.unfold and fold; Tensor.unfold is another operator, hence PyTorch's inner names
op("im2col", _im2col, multilinear(_im2col), "nn", promote=None, where=None, node="Im2ColBackward0",
   sig="input: T, kernel_size: ints, dilation: ints = 1, padding: ints = 0, stride: ints = 1",
   samples=lambda: [sample((2, 3, 5, 6), kernel_size=(2, 3)),
                    sample((3, 5, 6), kernel_size=2, dilation=2, padding=1, stride=2)])
op("col2im", _col2im, lambda g, y, input, *, output_size, **params: _im2col(g, **params), "nn", promote=None,
   where=None, node="Col2ImBackward0",
   sig="input: T, output_size: ints, kernel_size: ints, dilation: ints = 1, padding: ints = 0, stride: ints = 1",
   samples=lambda: [sample(np.linspace(0, 1, 216).reshape(2, 12, 9), output_size=(4, 4), kernel_size=2),
                    sample(np.linspace(0, 1, 48).reshape(4, 12), output_size=(5, 7), kernel_size=2,
                           dilation=2, padding=1, stride=2)])
# fmt: on
