"""Convolution layers and their transposes."""

from __future__ import annotations

import math
from functools import partial

from .. import functional as F
from .. import init
from ..functional.shared import ntuple
from ..lazy import LazyLayer, lazy_kind
from ..module import Module
from ..parameter import UninitializedParameter
from .make import assign, parameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip

MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolutions and their transposes share. `dims` is the number of dimensions of space."""

    dims = 1
    transposed = False

    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride, padding, dilation, output_padding,
                 groups: int, bias: bool, padding_mode: str, device, dtype):  # fmt: skip
        super().__init__()
        n = self.dims
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        stride = ntuple(stride, n)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in MODES:
            listed = "{" + ", ".join(map(repr, MODES)) + "}"
            raise ValueError(f"padding_mode must be one of {listed}, but got padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = ntuple(kernel_size, n), stride, ntuple(dilation, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.output_padding, self.groups, self.padding_mode = ntuple(output_padding, n), groups, padding_mode
        self._reversed_padding_repeated_twice = self._around()
        self._own_parameters(bias, device, dtype)

    def _around(self) -> list[int]:
        """What to pad with, the last dimension first, where the padding is not zeros."""
        if self.padding == "valid":
            return [0, 0] * self.dims
        if self.padding == "same":
            found = []
            for d, k in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
                total = d * (k - 1)
                found += [total // 2, total - total // 2]
            return found
        return [p for p in reversed(self.padding) for _ in range(2)]

    def _shape(self) -> tuple[int, ...]:
        out, into = self.out_channels, self.in_channels
        channels = (into, out // self.groups) if self.transposed else (out, into // self.groups)
        return (*channels, *self.kernel_size)

    def _own_parameters(self, bias: bool, device, dtype) -> None:
        how = {"device": device, "dtype": dtype}
        self.weight = parameter(*self._shape(), **how)
        assign(self, "bias", parameter(self.out_channels, **how) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniform within ±1/√(channels of a group·∏kernel)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def forward(self, input):
        convolve = getattr(F, f"conv{self.dims}d")
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return convolve(input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return convolve(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        plain = (0,) * self.dims
        if self.padding != plain:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.dims:
            text += f", dilation={self.dilation}"
        if self.output_padding != plain:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Forward(_Conv):
    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, dilation=1, groups: int = 1,
                 bias: bool = True, padding_mode: str = "zeros", device=None, dtype=None):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode, device, dtype
        )


class Conv1d(_Forward):
    """Cross-correlation of (N, C_in, L), or (C_in, L), with a kernel (C_out, C_in / groups, K)."""


class Conv2d(_Forward):
    """Cross-correlation of (N, C_in, H, W), or (C_in, H, W), with a kernel (C_out, C_in / groups, K, K')."""

    dims = 2


class Conv3d(_Forward):
    """Cross-correlation of (N, C_in, D, H, W), or (C_in, D, H, W)."""

    dims = 3


class _Transposed(_Conv):
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, output_padding=0,
                 groups: int = 1, bias: bool = True, dilation=1, padding_mode: str = "zeros", device=None,
                 dtype=None):  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def _output_padding(self, input, output_size) -> tuple[int, ...]:
        """What makes the output as large as asked for."""
        n = self.dims
        if output_size is None:
            return self.output_padding
        extra = input.ndim - n
        output_size = list(output_size)
        if len(output_size) == n + extra:
            output_size = output_size[extra:]
        if len(output_size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or {extra + n} elements (got "
                f"{len(output_size)})"
            )
        least = [
            (input.shape[d + extra] - 1) * self.stride[d] - 2 * self.padding[d]
            + self.dilation[d] * (self.kernel_size[d] - 1) + 1
            for d in range(n)
        ]  # fmt: skip
        most = [x + s - 1 for x, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, output_size, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[2:]})"
            )
        return tuple(size - low for size, low in zip(output_size, least, strict=True))

    def forward(self, input, output_size=None):
        convolve = getattr(F, f"conv_transpose{self.dims}d")
        out = self._output_padding(input, output_size)
        return convolve(input, self.weight, self.bias, self.stride, self.padding, out, self.groups, self.dilation)


class ConvTranspose1d(_Transposed):
    """The transpose of Conv1d: (N, C_in, L) to (N, C_out, (L - 1)·stride - 2·padding + dilation·(K - 1) + output_padding +
    1), with a kernel (C_in, C_out / groups, K)."""


class ConvTranspose2d(_Transposed):
    """The transpose of Conv2d."""

    dims = 2


class ConvTranspose3d(_Transposed):
    """The transpose of Conv3d."""

    dims = 3


class _LazyConv(LazyLayer):
    _learns = "in_channels"

    def __init__(self, out_channels: int, kernel_size, *args, **kwargs):
        super().__init__(0, 0, kernel_size, *args, **kwargs)
        self.out_channels = out_channels

    def _own_parameters(self, bias: bool, device, dtype) -> None:
        how = {"device": device, "dtype": dtype}
        self.weight = UninitializedParameter(**how)
        assign(self, "bias", UninitializedParameter(**how) if bias else None)

    def initialize_parameters(self, input, *args, **kwargs) -> None:
        if not self.has_uninitialized_params():
            return
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise RuntimeError(
                f"Expected {self.dims + 1}D (unbatched) or {self.dims + 2}D (batched) input to {type(self).__name__}, but "
                f"got input of size: {input.shape}"
            )
        self.in_channels = input.shape[-self.dims - 1]
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        self.weight.materialize(self._shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


_lazy = partial(lazy_kind, _LazyConv)
LazyConv1d, LazyConv2d, LazyConv3d = map(_lazy, (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = map(
    _lazy, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
)
