"""Floor 6. `torch.testing.assert_close`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import dtypes
from .tensor import Tensor
from .tensor.create import as_tensor
from .tensor.interop import host

__all__ = ["assert_allclose", "assert_close"]

# relative and absolute, by dtype; everything else is compared exactly
NEAR = {
    dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5), dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7), dtypes.complex64: (1.3e-6, 1e-5), dtypes.complex128: (1e-7, 1e-7),
}  # fmt: skip


def assert_close(actual, expected, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False, msg=None) -> None:
    """Raise AssertionError where two tensors, or tensors in lists and dicts, differ by more than atol +
    rtol·|expected|, which without them are as fits the dtype."""
    if (rtol is None) != (atol is None):
        raise ValueError("Both rtol and atol must be either specified or unspecified")
    options = (rtol, atol, equal_nan, check_dtype, msg)
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            raise AssertionError(f"The keys of the mappings do not match: {list(actual)} and {list(expected)}")
        for key in actual:
            _compare(actual[key], expected[key], f"[{key!r}]", *options)
    elif isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, str):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, b, f"[{i}]", *options)
    else:
        _compare(actual, expected, "", *options)


assert_allclose = assert_close


def _compare(a, b, where, rtol, atol, equal_nan, check_dtype, msg) -> None:
    a, b = (x if isinstance(x, Tensor) else as_tensor(x) for x in (a, b))

    def fail(words: str):
        at = f" at {where}" if where else ""
        raise AssertionError(msg(words + at) if callable(msg) else msg or words + at)

    if a.shape != b.shape:
        fail(f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.")
    if check_dtype and a.dtype is not b.dtype:
        fail(f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}.")
    nears = [NEAR.get(d, (0.0, 0.0)) for d in (a.dtype, b.dtype)]
    rtol = max(n[0] for n in nears) if rtol is None else rtol
    atol = max(n[1] for n in nears) if atol is None else atol
    dtype = dtypes.promote_types(a.dtype, b.dtype)
    x, y = (host(t.detach()).astype(np.float64 if dtype is dtypes.bfloat16 else dtype.np) for t in (a, b))
    if dtype is dtypes.bool_:
        x, y = x.astype(np.int64), y.astype(np.int64)
    wrong = ~np.isclose(x, y, rtol, atol, equal_nan)
    if not wrong.any():
        return
    with np.errstate(all="ignore"):
        off = np.where(wrong, np.abs(x - y), 0)
        kind = "close" if rtol or atol else "equal"
        largest = np.unravel_index(np.nanargmax(off), off.shape)
        fail(
            f"Tensor-likes are not {kind}!\n\nMismatched elements: {wrong.sum()} / {wrong.size} "
            f"({100 * wrong.mean():.1f}%)\nGreatest absolute difference: {off[largest]} at index "
            f"{tuple(map(int, largest))} (up to {atol} allowed)\nGreatest relative difference: "
            f"{np.nanmax(off / np.abs(y))} (up to {rtol} allowed)"
        )
