"""Matrix products and convolutions: each by one call of NumPy's matrix product."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .shapes import SHAPES, Aval


def _dot(params, ins, outs):
    (left, right), (left_batch, right_batch) = params["dimension_numbers"]
    x, y, out = ins[0].shape, ins[1].shape, outs[0]
    rows = [d for d in range(len(x)) if d not in left and d not in left_batch]
    columns = [d for d in range(len(y)) if d not in right and d not in right_batch]
    first, second = (*left_batch, *rows, *left), (*right_batch, *right, *columns)
    batch, inner = [x[d] for d in left_batch], math.prod(x[d] for d in left)
    a = (*batch, math.prod(x[d] for d in rows), inner)
    b = (*batch, inner, math.prod(y[d] for d in columns))
    shape, dtype = out.shape, out.dtype
    if ins[0].dtype != dtype or ins[1].dtype != dtype:
        return None

    def dot(x, y):
        return np.matmul(x.transpose(first).reshape(a), y.transpose(second).reshape(b)).reshape(shape)

    return dot


def _convolution(params, ins, outs):
    """Windows of the padded array, as rows of a matrix; groups as a batch of matrices."""
    spec, groups, parts = params["dimension_numbers"], params["feature_group_count"], params["batch_group_count"]
    nd, dtype = len(params["window_strides"]), outs[0].dtype
    if ins[0].dtype != dtype or ins[1].dtype != dtype:
        return None
    kernel = [ins[1].shape[d] for d in spec.rhs_spec[2:]]
    apart = params["rhs_dilation"]
    reach = [(k - 1) * step + 1 if k else 0 for k, step in zip(kernel, apart, strict=True)]
    n, c, *space = [ins[0].shape[d] for d in spec.lhs_spec]
    o, i = (ins[1].shape[d] for d in spec.rhs_spec[:2])
    out = [outs[0].shape[d] for d in spec.out_spec[2:]]
    between = zip(params["padding"], params["lhs_dilation"], strict=True)
    config = [(0, 0, 0), (0, 0, 0), *((low, high, step - 1) for (low, high), step in between)]
    padded = [_padded(m, *c) for m, c in zip(space, config[2:], strict=True)]
    if 0 in (*kernel, *outs[0].shape, c, i):
        return lambda x, w: np.zeros(outs[0].shape, dtype)
    make_pad, _ = SHAPES["pad"]
    pad = make_pad({"padding_config": config}, [Aval((n, c, *space), dtype)], [Aval((n, c, *padded), dtype)])
    every = tuple(slice(None, None, s) for s in params["window_strides"])
    taps = tuple(slice(None, None, s) for s in apart)
    back = np.argsort(spec.out_spec)
    rows, axes = n // parts, tuple(range(2, 2 + nd))
    split = max(groups, parts)  # at most one of them is not 1

    def convolution(x, w):
        x = pad(np.transpose(x, spec.lhs_spec), dtype.type(0))
        w = np.transpose(w, spec.rhs_spec).reshape(split, o // split, -1)
        windows = sliding_window_view(x, reach, axes)[(slice(None), slice(None), *every, *taps)]
        # (parts, rows, groups, channels, *out, *kernel) -> (split, rows, *out, channels, *kernel)
        windows = windows.reshape(parts, rows, groups, c // groups, *out, *kernel)
        places, ends = tuple(range(4, 4 + nd)), tuple(range(4 + nd, 4 + 2 * nd))
        matrix = windows.transpose(0, 2, 1, *places, 3, *ends).reshape(split, rows * math.prod(out), -1)
        y = np.matmul(matrix, w.transpose(0, 2, 1)).reshape(split, rows, *out, o // split)
        y = np.moveaxis(np.moveaxis(y, -1, 1), 2, 0).reshape(rows, o, *out)
        return y.transpose(back)

    return convolution


def _padded(n: int, low: int, high: int, apart: int) -> int:
    return max(0, low + high + n + max(0, n - 1) * apart)


def work(name: str, params, ins, outs) -> float:
    """Multiplications of a product, in nanoseconds of a core."""
    if name == "dot_general":
        inner = math.prod(ins[0].shape[d] for d in params["dimension_numbers"][0][0])
        return 0.1 * math.prod(outs[0].shape) * inner
    o = ins[1].shape[params["dimension_numbers"].rhs_spec[0]]
    return math.prod(outs[0].shape) * math.prod(ins[1].shape) / max(1, o) * (0.1 + 3 / max(1, o))


PRODUCTS = {"dot_general": (_dot, 1.0), "conv_general_dilated": (_convolution, 1.0)}
