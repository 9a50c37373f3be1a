"""Resizing images and rearranging channels. Knows how PyTorch places the samples of a resized grid.

Linear and cubic resizing is one sparse matrix a dimension, gathered tap by tap; nearest is one gather a
dimension. Scales of None follow from the sizes, as PyTorch's do. Must not know tapes or Tensors.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import jax_rule, op, sample
from .linalg import multilinear
from .pointwise import in_float32

# --- where the samples lie ----------------------------------------------------------------------------


def _real(x):
    """The precision PyTorch places samples in: that of the input, at least float32."""
    return np.float64 if x.dtype == jnp.float64 else np.float32


def _nearest_index(size, out, scale, exact):
    # float32 throughout, like PyTorch: at integer boundaries double rounds the other way
    step = (
        np.float32(1 / scale)
        if scale is not None and scale > 0
        else np.float32(size) / np.float32(out)
    )
    at = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)) * step
    return np.minimum(np.floor(at).astype(np.int64), size - 1)


def _source(size, out, scale, align_corners, real):
    """Input coordinate of every output position along one dimension."""
    at = np.arange(out, dtype=real)
    if align_corners:
        return at * (real(size - 1) / real(out - 1) if out > 1 else real(0))
    step = real(1 / scale) if scale is not None and scale > 0 else real(size) / real(out)
    return (at + real(0.5)) * step - real(0.5)


def _linear_taps(size, out, scale, align_corners, real):
    """[(index, weight)] of the two neighbours."""
    at = np.maximum(_source(size, out, scale, align_corners, real), 0)
    low = np.minimum(np.floor(at).astype(np.int64), size - 1)
    part = np.clip(at - low, 0, 1).astype(real)
    return [(low, 1 - part), (np.minimum(low + 1, size - 1), part)]


def _cubic_taps(size, out, scale, align_corners, real):
    """[(index, weight)] of the four neighbours, Keys' kernel with a = -0.75; edges repeat."""
    at, a = _source(size, out, scale, align_corners, real), real(-0.75)
    low = np.floor(at)
    t = at - low

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    weights = (far(t + 1), near(t), near(1 - t), far(2 - t))
    return [
        (np.clip(low + i, 0, size - 1).astype(np.int64), w)
        for i, w in zip((-1, 0, 1, 2), weights, strict=True)
    ]


# --- resizing -----------------------------------------------------------------------------------------


def _sizes(x, size):
    given, out = x.shape[2:], tuple(size)
    if len(out) != len(given):
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(given)} and output size of {out}. Please provide input tensor in "
            "(N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
        )
    if min(*given, *out) <= 0:
        names = ("D", "H", "W")[3 - len(out) :]
        a, b = (", ".join(f"{n}: {v}" for n, v in zip(names, s, strict=True)) for s in (given, out))
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({a}) output ({b})"
        )
    return given, out


def _scales(scales, n):
    return (None,) * n if scales is None else tuple(scales)


def _nearest(x, *, size, scales=None, exact=False):
    given, out = _sizes(x, size)
    for d, (m, o, s) in enumerate(zip(given, out, _scales(scales, len(out)), strict=True), 2):
        index = _nearest_index(m, o, s, exact)
        times = o // m
        if times * m == o and (index == np.arange(o) // times).all():
            # a whole factor: repeat, whose transpose is a sum and no scatter
            x = jnp.repeat(x, times, d) if times != 1 else x
        else:
            x = jnp.take(x, index, d, mode="clip")
    return x


def _by_taps(taps):
    """Resizing by weighted neighbours, a dimension at a time."""

    def forward(x, *, size, align_corners=False, scales=None):
        given, out = _sizes(x, size)
        for d, (m, o, s) in enumerate(zip(given, out, _scales(scales, len(out)), strict=True), 2):
            if m == o and (align_corners or s is None):
                continue
            total = None
            for index, weight in taps(m, o, s, align_corners, _real(x)):
                w = jnp.asarray(weight, x.dtype).reshape((1,) * d + (-1,) + (1,) * (x.ndim - d - 1))
                part = jnp.take(x, index, d, mode="clip") * w
                total = part if total is None else total + part
            x = total
        return x

    return forward


_linear, _cubic = in_float32(_by_taps(_linear_taps)), in_float32(_by_taps(_cubic_taps))
_words = {1: "Linear", 2: "Bilinear", 3: "Trilinear"}
_linear_samples = [
    sample((2, 3, 5), size=(8,)),
    sample((2, 3, 5, 4), size=(3, 7)),
    sample((1, 2, 3, 4, 5), size=(6, 2, 5)),
    sample((2, 3, 5, 4), size=(3, 7), align_corners=True),
    sample((2, 3, 4, 4), size=(8, 8)),
]

# fmt: off
op("upsample_nearest", _nearest, multilinear(_nearest), "internal",
   node=lambda p: f"UpsampleNearest{'Exact' * p.get('exact', False)}{len(p['size'])}DBackward0",
   sig="input: T, size: ints, scales: any = None, exact: bool = False",
   samples=lambda: [sample((2, 3, 5), size=(8,)), sample((2, 3, 5, 4), size=(10, 3)),
                    sample((1, 2, 3, 4, 5), size=(6, 2, 5), exact=True),
                    sample((2, 3, 5, 4), size=(7, 5), scales=(1.5, 1.4))])
op("upsample_linear", _linear, multilinear(_linear), "internal",
   node=lambda p: f"Upsample{_words[len(p['size'])]}{len(p['size'])}DBackward0",
   sig="input: T, size: ints, align_corners: bool = False, scales: any = None",
   samples=lambda: [sample(np.linspace(-1, 1, int(np.prod(s.arrays[0]))).reshape(s.arrays[0]) ** 3, **s.params)
                    for s in _linear_samples])
op("upsample_bicubic", _cubic, multilinear(_cubic), "internal", node="UpsampleBicubic2DBackward0",
   sig="input: T, size: ints, align_corners: bool = False, scales: any = None",
   samples=lambda: [sample(np.linspace(-1, 1, 120).reshape(2, 3, 5, 4) ** 3, size=(3, 7)),
                    sample(np.linspace(-1, 1, 120).reshape(2, 3, 5, 4) ** 3, size=(9, 4), align_corners=True)])
# fmt: on

# --- rearranging channels -----------------------------------------------------------------------------


def _pixel_shuffle(x, *, upscale_factor):
    r = upscale_factor
    if x.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = x.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    x = jnp.moveaxis(x.reshape(*lead, c // (r * r), r, r, h, w), (-4, -3), (-3, -1))
    return x.reshape(*lead, c // (r * r), h * r, w * r)


def _pixel_unshuffle(x, *, downscale_factor):
    r = downscale_factor
    if x.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = x.shape
    for name, d, m in (("height", -2, h), ("width", -1, w)):
        if m % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({d})={m} is not divisible by {r}"
            )
    x = jnp.moveaxis(x.reshape(*lead, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
    return x.reshape(*lead, c * r * r, h // r, w // r)


def _channel_shuffle(x, *, groups):
    if x.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(x.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    c = x.shape[1]
    if c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    return jnp.swapaxes(x.reshape(x.shape[0], groups, c // groups, *x.shape[2:]), 1, 2).reshape(
        x.shape
    )


# fmt: off
op("pixel_shuffle", _pixel_shuffle,
   lambda g, y, x, *, upscale_factor: _pixel_unshuffle(g, downscale_factor=upscale_factor),
   "nn", promote=None, sig="input: T, upscale_factor: int",
   samples=lambda: [sample((2, 8, 3, 2), upscale_factor=2), sample((9, 2, 2), upscale_factor=3)])
op("pixel_unshuffle", _pixel_unshuffle,
   lambda g, y, x, *, downscale_factor: _pixel_shuffle(g, upscale_factor=downscale_factor),
   "nn", promote=None, sig="input: T, downscale_factor: int",
   samples=lambda: [sample((2, 2, 6, 4), downscale_factor=2), sample((1, 3, 6), downscale_factor=3)])
op("channel_shuffle", _channel_shuffle,
   lambda g, y, x, *, groups: _channel_shuffle(g, groups=x.shape[1] // groups),
   "nn", promote=None, sig="input: T, groups: int",
   samples=lambda: [sample((2, 6, 3, 2), groups=2), sample((2, 6, 3), groups=3)])
# fmt: on

# --- sampling at a grid -------------------------------------------------------------------------------


def _unnormalise(v, size, align_corners):
    return (v + 1) * (size - 1) / 2 if align_corners else ((v + 1) * size - 1) / 2


def _reflect(v, low, high):
    """`v` reflected at low and high (both twice, to stay integral) as often as needed."""
    if low == high:
        return jnp.zeros_like(v)
    low, span = low / 2, (high - low) / 2
    away = jnp.abs(v - low)
    extra, flips = jnp.fmod(away, span), jnp.floor(away / span)
    return jnp.where(flips % 2 == 0, extra + low, span - extra + low)


def _grid_sample(x, grid, *, mode="bilinear", padding_mode="zeros", align_corners=None):
    n = x.ndim - 2
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, "
            f"but got grid with sizes {list(grid.shape)}"
        )
    if x.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(x.shape)} and grid with sizes {list(grid.shape)}"
        )
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and n != 2):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    size, corners = x.shape[2:], bool(align_corners)

    def inside(v, m):
        """The coordinate the padding mode makes of v."""
        if padding_mode == "reflection":
            v = _reflect(v, 0, 2 * (m - 1)) if corners else _reflect(v, -1, 2 * m - 1)
        if padding_mode == "zeros":
            return v
        # the derivative is 0 at the border itself, where a grid with align_corners has its outermost points
        return jnp.where((v > 0) & (v < m - 1), v, lax.stop_gradient(jnp.clip(v, 0, m - 1)))

    # grid's last dimension counts from the last spatial dimension
    at = [_unnormalise(grid[..., n - 1 - d], m, corners) for d, m in enumerate(size)]
    if mode != "bicubic":
        at = [inside(v, m) for v, m in zip(at, size, strict=True)]
    if mode == "nearest":
        taps = [[(jnp.round(v), None)] for v in at]
    elif mode == "bilinear":
        taps = [
            [(jnp.floor(v), 1 - (v - jnp.floor(v))), (jnp.floor(v) + 1, v - jnp.floor(v))]
            for v in at
        ]
    else:
        taps = [_cubic_at(v) for v in at]

    def value(positions):
        ok, index = True, []
        for p, m in zip(positions, size, strict=True):
            p = inside(p, m) if mode == "bicubic" else p
            ok = ok & (p >= 0) & (p <= m - 1)
            index.append(jnp.clip(p, 0, m - 1).astype(jnp.int64))
        seen = jax.vmap(lambda image, *at: image[(slice(None), *at)])(x, *index)  # N, C, *grid
        return jnp.where(ok[:, None], seen, 0)

    total = 0
    for chosen in _every(taps):
        weight = 1
        for _, w in chosen:
            weight = weight if w is None else weight * w
        term = value([p for p, _ in chosen])
        total = total + (term if mode == "nearest" else term * weight[:, None])
    return total


def _every(taps):
    """All combinations of one tap a dimension."""
    if not taps:
        yield ()
        return
    for first in taps[0]:
        for rest in _every(taps[1:]):
            yield (first, *rest)


def _cubic_at(v):
    low, a = jnp.floor(v), -0.75
    t = v - low
    near = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1  # noqa: E731
    far = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a  # noqa: E731
    return [(low - 1, far(t + 1)), (low, near(t)), (low + 1, near(1 - t)), (low + 2, far(2 - t))]


def _affine_grid(theta, *, size, align_corners=None):
    n = len(size) - 2
    if theta.shape[1:] != (n, n + 1):
        raise RuntimeError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {list(size)}. "
            f"Got {list(theta.shape)}."
        )
    axes = []
    for m in size[2:]:
        v = np.linspace(-1, 1, m) if m > 1 else np.zeros(m)
        axes.append(v if align_corners or m < 2 else v * (m - 1) / m)
    base = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(size[2:])], -1)
    return jnp.einsum("...k,njk->n...j", jnp.asarray(base, theta.dtype), theta)


def _grid_samples():
    x, grid = (
        np.random.default_rng(0).uniform(-1, 1, (2, 3, 5, 4)),
        np.random.default_rng(1).uniform(-1.6, 1.6, (2, 4, 3, 2)),
    )
    cases = [
        ("bilinear", "zeros", True),
        ("bilinear", "border", False),
        ("bilinear", "reflection", True),
        ("nearest", "zeros", False),
        ("bicubic", "reflection", False),
    ]
    flat = [sample(x, grid, mode=m, padding_mode=p, align_corners=a) for m, p, a in cases]
    deep = np.random.default_rng(2).uniform(-1.6, 1.6, (2, 4, 3, 2, 3))
    return [
        *flat,
        sample(np.random.default_rng(3).uniform(-1, 1, (2, 3, 5, 4, 3)), deep, align_corners=False),
    ]


# fmt: off
# jax_rule: three modes by three paddings of piecewise polynomials of the grid; the kinks are set in the forward
op("grid_sample", in_float32(_grid_sample), jax_rule, "nn", promote=None,
   node="GridSampler2DBackward0",
   sig="input: T, grid: T, mode: str = 'bilinear', padding_mode: str = 'zeros', align_corners: bool = None",
   samples=_grid_samples)
op("affine_grid", _affine_grid, multilinear(_affine_grid), "nn", promote=None, node="AffineGridGeneratorBackward0",
   sig="theta: T, size: ints, align_corners: bool = None",
   samples=lambda: [sample((2, 2, 3), size=(2, 3, 5, 4), align_corners=False),
                    sample((2, 2, 3), size=(2, 3, 5, 1), align_corners=True),
                    sample((2, 3, 4), size=(2, 1, 3, 5, 4), align_corners=False)])
# fmt: on
