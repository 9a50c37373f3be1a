"""Histograms, and what else counts or lists elements: over the functions of the tables. Must not know the tape.

Bins include their lower edge and not their upper one, but for the last, which includes both.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from .. import dtypes
from .create import tensor
from .functions import nonzero
from .tensor import Tensor
from .variants import NAMES, composite, into

T = NAMES["torch"]

Histogram = namedtuple("histogram", ["hist", "bin_edges"])
HistogramDD = namedtuple("histogramdd", ["hist", "bin_edges"])


def _edges(x: Tensor, bins, limits) -> Tensor:
    """The edges of `bins` of equal width over `limits`, or over what there is in `x`."""
    if isinstance(bins, Tensor):
        return bins
    if bins <= 0:
        raise RuntimeError(f"torch.histogramdd(): bins must be > 0, but got {bins} for dimension 0")
    if limits is None and not x.numel():
        limits = (0.0, 1.0)
    if limits is None:
        low, high = x.amin(), x.amax()
    else:
        low, high = (tensor(float(v), dtype=x.dtype) for v in limits)
        if limits[0] > limits[1]:
            raise RuntimeError("torch.histogramdd: min should not exceed max, but got min "
                               f"{limits[0]:g} max {limits[1]:g} for dimension 0")  # fmt: skip
    wider = T["where"](low == high, 0.5, 0.0)
    low, high = low - wider, high + wider
    places = T["arange"](bins + 1, dtype=x.dtype)
    return T["where"](places == bins, high, low + places * ((high - low) / bins))


def _bin(x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """(the bin of each number, whether it is in one)."""
    n = edges.shape[0] - 1
    found = T["searchsorted"](edges, x, right=True) - 1
    found = T["where"](x == edges[-1], n - 1, found)
    return found.clamp(0, n - 1), (x >= edges[0]) & (x <= edges[-1])


def _counted(columns: list[Tensor], edges: list[Tensor], weight, density: bool) -> Tensor:
    sizes, place, inside = [e.shape[0] - 1 for e in edges], 0, None
    for x, e, n in zip(columns, edges, sizes, strict=True):
        found, within = _bin(x, e)
        place = place * n + found
        inside = within if inside is None else inside & within
    dtype = columns[0].dtype
    weight = T["ones"](columns[0].shape, dtype=dtype) if weight is None else weight.reshape(-1).to(dtype)
    weight = T["where"](inside, weight, 0.0)
    hist = T["zeros"](math.prod(sizes), dtype=dtype).index_add(0, place, weight).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for i, e in enumerate(edges):
            hist = hist / e.diff().reshape([-1 if i == j else 1 for j in range(len(edges))])
    return hist


def _refuse_integers(input: Tensor) -> None:
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{input.dtype.legacy.removesuffix('Tensor')}'")


@composite("fm")
def histogram(input, bins, *, range=None, weight=None, density=False, out=None):
    """(how many numbers, or how much weight, in each bin; the edges). `bins`: how many, or their edges."""
    _refuse_integers(input)
    x = input.reshape(-1)
    edges = _edges(x, bins, range)
    made = Histogram(_counted([x], [edges], weight, density), edges)
    return made if out is None else Histogram(*into(out, tuple(made), "histogram", False))


@composite("fm")
def histogramdd(input, bins, range=None, weight=None, density=False):
    """The same of points, which `input` has in its last dimension: (counts of shape `bins`, edges of each dimension).

    bins   how many in every dimension, in each, or the edges of each; range: (low, high) of each, one after the other
    """
    _refuse_integers(input)
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    n = input.shape[-1]
    columns = list(input.reshape(-1, n).unbind(1))
    bins = [bins] * n if isinstance(bins, int) else list(bins)
    if len(bins) != n:
        raise RuntimeError(f"torch.histogramdd(): size of bins {len(bins)} must equal size of innermost dimension {n}")
    limits = [None] * n if range is None else [range[2 * i : 2 * i + 2] for i, _ in enumerate(bins)]
    edges = [_edges(x, b, r) for x, b, r in zip(columns, bins, limits, strict=True)]
    return HistogramDD(_counted(columns, edges, weight, density), tuple(edges))


@composite("fm")
def nonzero_static(input, *, size, fill_value=-1):
    """The first `size` rows of `nonzero`, filled up with `fill_value`. Makes a run."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input)[:size]
    return T["constant_pad_nd"](found, (0, 0, 0, size - found.shape[0]), fill_value) if found.shape[1] else (
        T["zeros"](size, 0, dtype=dtypes.int64))  # fmt: skip


@composite("fm")
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Each element, or slice along `dim`, that differs from the one before. Makes a run."""
    from .interop import host

    x = host(input.detach())
    x = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    first = np.ones(len(x), bool)
    first[1:] = (x[1:] != x[:-1]).reshape(len(x[1:]), -1).any(1) if len(x) > 1 else True
    at = np.flatnonzero(first)
    found = x[first] if dim is None else np.moveaxis(x[first], 0, dim)
    parts = [tensor(np.ascontiguousarray(found))]
    if return_inverse:
        inverse = (np.cumsum(first) - 1).astype(np.int64)
        parts.append(tensor(inverse.reshape(input.shape if dim is None else -1)))
    if return_counts:
        parts.append(tensor(np.diff(np.append(at, len(x))).astype(np.int64)))
    return parts[0] if len(parts) == 1 else tuple(parts)
