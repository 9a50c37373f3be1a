"""Pooling: max pools with and without their indices, power-average pools, and windows as columns.

Knows the rows. Must not know modules.
"""

from __future__ import annotations

from ...op import REGISTRY
from ...tensor import NAMES, composite
from ...tensor.call import call
from ...tensor.variants import _ints
from .shared import ntuple, row

T, F = NAMES["torch"], NAMES["F"]


def _max_pool(n: int):
    op = REGISTRY[f"max_pool{n}d_with_indices"]

    def function(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        params = {"kernel_size": _ints(kernel_size), "stride": _stride(stride), "padding": _ints(padding),
                  "dilation": _ints(dilation), "ceil_mode": bool(ceil_mode)}  # fmt: skip
        out = call(op, (input,), params)
        return out if return_indices else out[0]

    function.__name__ = function.__qualname__ = f"max_pool{n}d"
    function.__doc__ = f"The largest element of each window of {n} dimensions, and on request its index."
    composite(where="F")(function)
    T[function.__name__] = function


def _stride(stride):
    """None or () mean the kernel's size."""
    return None if stride is None or stride == () or stride == [] else _ints(stride)


def _adaptive_max_pool(n: int):
    op = REGISTRY[f"adaptive_max_pool{n}d_with_indices"]

    def function(input, output_size, return_indices=False):
        size = tuple(output_size) if isinstance(output_size, list) else output_size
        out = call(op, (input,), {"output_size": size})
        return out if return_indices else out[0]

    function.__name__ = function.__qualname__ = f"adaptive_max_pool{n}d"
    function.__doc__ = f"The largest elements of as many windows as `output_size` says, in {n} dimensions."
    composite(where="F")(function)


def _lp_pool(n: int):
    def function(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        if norm_type in (float("inf"), -float("inf")):
            sign = 1 if norm_type > 0 else -1
            return sign * F[f"max_pool{n}d"](sign * input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        kernel = ntuple(kernel_size, n)
        mean = F[f"avg_pool{n}d"](input.pow(norm_type), kernel, _stride(stride), 0, ceil_mode)
        count = 1
        for k in kernel:
            count *= k
        return (mean.sign() * mean.abs().relu()).mul(count).pow(1.0 / norm_type)

    function.__name__ = function.__qualname__ = f"lp_pool{n}d"
    function.__doc__ = f"The p-norm of each window of {n} dimensions."
    composite(where="F")(function)


for _n in (1, 2, 3):
    _max_pool(_n)
    _adaptive_max_pool(_n)
    _lp_pool(_n)
for _name in ("avg_pool1d", "adaptive_avg_pool1d", "adaptive_max_pool1d", "conv1d", "conv2d", "conv3d",
              "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "bilinear"):  # fmt: skip
    T[_name] = F[_name]


@composite(where="F")
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of N x C x H x W as columns: N x (C * window) x count."""
    sizes = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return row("im2col", input, **{k: _ints(v) for k, v in sizes.items()})


@composite(where="F")
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of columns laid back where `unfold` took them."""
    sizes = {"output_size": output_size, "kernel_size": kernel_size, "dilation": dilation, "padding": padding,
             "stride": stride}  # fmt: skip
    return row("col2im", input, **{k: _ints(v) for k, v in sizes.items()})
