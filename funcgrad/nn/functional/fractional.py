"""Max pooling over windows at random distances, after Graham (2014).

Knows the rows and random. Must not know modules.
"""

from __future__ import annotations

from ...random import rand
from ...tensor import NAMES, Tensor, composite
from .shared import ntuple

T = NAMES["torch"]


def _starts(sample: Tensor, length: int, out: int, kernel: int) -> Tensor:
    """(N, C, out): where the windows of one dimension begin; `sample` (N, C) lies between 0 and 1."""
    last = length - kernel
    if out == 1:
        return T["full"]((*sample.shape, 1), last, dtype=T["arange"](1).dtype)
    alpha = last / (out - 1)
    at = T["arange"](out, dtype=sample.dtype)
    found = ((at + sample.unsqueeze(-1)) * alpha).to(T["arange"](1).dtype)
    found = found - (sample.unsqueeze(-1) * alpha).to(found.dtype)
    return T["where"](at == out - 1, last, found)


def _pool(n: int):
    def with_indices(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        """(the largest element of each window, its index among all of its channel)."""
        if output_size is None and output_ratio is None:
            raise ValueError(f"fractional_max_pool{n}d requires specifying either an output_size or an output_ratio")
        alone = input.ndim == n + 1
        x = input.unsqueeze(0) if alone else input
        space, kernel = x.shape[2:], ntuple(kernel_size, n)
        size = ntuple(output_size, n) if output_size is not None else tuple(
            int(s * r) for s, r in zip(space, ntuple(output_ratio, n), strict=True)
        )
        for s, k, o in zip(space, kernel, size, strict=True):
            if o + k - 1 > s:
                raise RuntimeError(
                    f"fractional_max_pool{n}d(): pool {'height' if s is space[-2] else 'width'} {k} too large relative to "
                    f"input {s}"
                )
        samples = rand(x.shape[0], x.shape[1], n, dtype=x.dtype) if _random_samples is None else _random_samples
        flat = None
        for d in range(n):
            # in two dimensions PyTorch's samples are for the last one first
            starts = _starts(samples[..., 1 - d if n == 2 else d], space[d], size[d], kernel[d])
            at = starts.unsqueeze(-1) + T["arange"](kernel[d])
            at = at.reshape(*at.shape[:2], *(1,) * d, size[d], *(1,) * (n - 1 - d), *(1,) * d, kernel[d], *(1,) * (n - 1 - d))
            flat = at if flat is None else flat * space[d] + at
        flat = flat.flatten(-n)
        windows = x.flatten(2).gather(2, flat.flatten(2)).reshape(*flat.shape)
        found, where = windows.max(-1)
        index = flat.gather(-1, where.unsqueeze(-1)).squeeze(-1)
        return (found.squeeze(0), index.squeeze(0)) if alone else (found, index)

    def pool(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        made = with_indices(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
        return made if return_indices else made[0]

    pool.__doc__ = f"The largest element of windows at random distances, in {n} dimensions of space."
    pool.__name__ = f"fractional_max_pool{n}d"
    with_indices.__name__ = f"fractional_max_pool{n}d_with_indices"
    composite(where="F")(pool)
    composite(where="F")(with_indices)


_pool(2)
_pool(3)
