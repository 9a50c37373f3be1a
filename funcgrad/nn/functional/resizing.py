"""Padding and resampling: pad, interpolate and its older names, and sampling at a grid.

Knows the rows. Must not know modules.
"""

from __future__ import annotations

import warnings

from ...tensor import NAMES, composite
from ...tensor.call import refuse_argument
from ...tensor.variants import _ints
from .shared import row

T, F = NAMES["torch"], dict(NAMES["F"])  # the rows, before the functions below take their names

# ---- padding ------------------------------------------------------------------------------------------------


@composite(where="F")
def pad(input, pad, mode="constant", value=None):
    """`input` with `pad` more elements: (before, after) of the last dimension, then of the one before it, ...

    mode  constant (filled with `value`, 0 by default), reflect, replicate or circular; a negative
          number cuts
    """
    pad = _ints(pad)
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        if isinstance(value, complex):
            refuse_argument("pad", "value", 4, value, "float")
        return row("constant_pad_nd", input, pad=pad, value=0.0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if input.ndim - len(pad) // 2 not in (1, 2) or len(pad) > 6:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    return row(f"pad_{mode}", input, pad=pad)


# ---- interpolation --------------------------------------------------------------------------------------------

_DIMS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


@composite(where="F")
def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
                antialias=False):  # fmt: skip
    """`input` (N x C x ...) resampled to `size`, or to `scale_factor` times its size."""
    plain = mode in ("nearest", "area", "nearest-exact")
    if plain and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    space = input.shape[2:]
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    size, scales = _sizes(space, size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if antialias:
        if mode not in ("bilinear", "bicubic", "lanczos") or input.ndim != 4:
            raise ValueError(
                "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as "
                "input"
            )
        raise NotImplementedError("interpolate(antialias=True) is not written yet")
    if not 3 <= input.ndim <= 5 or not (plain or mode in _DIMS):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: {_MODES} "
            f"(got {mode})"
        )
    if mode == "area":
        return F[f"adaptive_avg_pool{len(space)}d"](input, size)
    if plain:
        return row("upsample_nearest", input, size=size, scales=scales, exact=mode == "nearest-exact")
    if _DIMS[mode] != input.ndim:
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {_DIMS[mode]}D input")
    kind = "upsample_bicubic" if mode == "bicubic" else "upsample_linear"
    return row(kind, input, size=size, align_corners=bool(align_corners), scales=scales)


def _sizes(space, size, scale_factor, recompute: bool):
    """(the size of the result, the scales to sample at or None for those of the sizes)."""
    n = len(space)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    form = "Please provide input tensor in (N, C, d1, d2, ...,dK) format and"
    if size is not None:
        if isinstance(size, list | tuple) and len(size) != n:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(space)} and output size of {size}. {form} output size in (o1, o2, ...,oK) format."
            )
        return _ints(size) if isinstance(size, list | tuple) else (int(size),) * n, None
    if isinstance(scale_factor, list | tuple):
        if len(scale_factor) != n:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(space)} and scale_factor of shape {scale_factor}. {form} scale_factor in "
                "(s1, s2, ...,sK) format."
            )
        scales = tuple(float(s) for s in scale_factor)
    else:
        scales = (float(scale_factor),) * n
    size = tuple(int(d * s) for d, s in zip(space, scales, strict=True))
    return size, None if recompute else scales


@composite(where="F")
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The old name of `interpolate`."""
    _deprecated("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite(where="F")
def upsample_nearest(input, size=None, scale_factor=None):
    _deprecated("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


@composite(where="F")
def upsample_bilinear(input, size=None, scale_factor=None):
    _deprecated("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"`nn.functional.{old}` is deprecated. Use `nn.functional.{new}` instead.", UserWarning, stacklevel=3
    )


# ---- sampling at a grid ---------------------------------------------------------------------------------------


def _corners(align_corners) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            UserWarning,
            stacklevel=3,
        )
    return bool(align_corners)


@composite(where="F")
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """`input` (N x C x H x W) looked up at the places of `grid` (N x H' x W' x 2, from -1 to 1)."""
    return F["grid_sample"](input, grid, mode, padding_mode, _corners(align_corners))


@composite(aliases=("grid_sampler_2d", "grid_sampler_3d"))
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`grid_sample` with its modes as numbers: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection."""
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    return F["grid_sample"](input, grid, mode, ("zeros", "border", "reflection")[padding_mode], align_corners)


@composite(where="F")
def affine_grid(theta, size, align_corners=None):
    """The grid of an affine map for `grid_sample`, one map (2 x 3 or 3 x 4) a sample."""
    return F["affine_grid"](theta, _ints(size), _corners(align_corners))


for _name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"):
    T[_name] = F[_name]
