"""A NumPy array as PyTorch prints a tensor.

Knows NumPy arrays, DTypes and the print options. Must not know tensors or the tape: whoever prints
one hands over its values and what follows them (`requires_grad=True`, `grad_fn=<MulBackward0>`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from .. import dtypes
from ..dtypes import DType

__all__ = [
    "PrintOptions",
    "array_repr",
    "close",
    "get_printoptions",
    "printoptions",
    "set_printoptions",
]


@dataclass(frozen=True)
class PrintOptions:
    """PyTorch's five print options and their defaults."""

    precision: int = 4  # digits after the point
    threshold: float = 1000  # elements above which only `edgeitems` at each end are shown
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None  # None: where the numbers ask for it


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=float("inf")),
}
_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors print. What is None stays, except `sci_mode`, which is always set.

    `profile` ("default", "short" or "full") comes first, the others change it.
    """
    global _options
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    given = {name: value for name, value in given.items() if value is not None}
    _options = replace(_PROFILES.get(profile, _options), **given, sci_mode=sci_mode)


def get_printoptions() -> dict[str, object]:
    return asdict(_options)


@contextmanager
def printoptions(**options) -> Iterator[None]:
    """`set_printoptions` for the length of a `with`."""
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


def array_repr(
    array: np.ndarray,
    dtype: DType | None = None,
    suffixes: Sequence[str] = (),
    *,
    default: DType | None = None,
    device: str | None = None,
    prefix: str = "tensor(",
) -> str:
    """`array` as PyTorch prints a tensor of these values.

    `dtype` is the array's unless given; it is named unless it goes without saying (bool, int64, the
    default float and its complex). `device` is named if given. `suffixes` follow, on new lines
    where they do not fit.

    >>> print(array_repr(np.float32([[1, 2.5], [-3, 4]]), suffixes=["requires_grad=True"]))
    tensor([[ 1.0000,  2.5000],
            [-3.0000,  4.0000]], requires_grad=True)
    """
    array = np.asarray(array)
    dtype = dtype or dtypes.from_np(array.dtype)
    default = default or dtypes.get_default_dtype()
    facts = [] if device is None else [f"device='{device}'"]
    if (array.size == 0 and array.ndim != 1) or (array.size and not _options.edgeitems):
        facts.append(f"size={array.shape}")
    # an empty tensor shows no number by which to tell
    unsaid = (
        (default, default.to_complex(), dtypes.int64, dtypes.bool_) if array.size else (default,)
    )
    if dtype not in unsaid:
        facts.append(f"dtype={dtype}")
    return close(prefix, _body(array, len(prefix)), [*facts, *suffixes])


def close(prefix: str, body: str, suffixes: Sequence[str]) -> str:
    """The text and its suffixes; a suffix too long for its line starts a new one."""
    # two characters more than are there: PyTorch counts so, and so its lines break
    column = len(body) - body.rfind("\n") + 1
    if "\n" not in body:
        column += len(prefix)
    text = prefix + body
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * len(prefix) + suffix
            column = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _body(array: np.ndarray, indent: int) -> str:
    """The brackets and what is in them, for a text that starts in column `indent`."""
    if array.size == 0:
        return "[]"
    edge = _options.edgeitems
    cut = array.size > _options.threshold and array.ndim > 0
    if cut and not edge:
        return "[...]"
    long = [cut and size > 2 * edge for size in array.shape]
    for axis, is_long in enumerate(long):
        if is_long:
            array = array.take([*range(edge), *range(-edge, 0)], axis)
    texts, width = _texts(array.ravel())
    if array.ndim == 0:
        return texts[0]

    # from the innermost axis outwards, the texts of one axis are joined to those of the next
    per_line = max(1, (_options.linewidth - (indent + array.ndim - 1)) // (width + 2))
    for depth in range(array.ndim - 1, -1, -1):
        innermost = depth == array.ndim - 1
        newline = "\n" * max(1, array.ndim - 1 - depth) + " " * (indent + depth + 1)
        size, joined = array.shape[depth], []
        for start in range(0, len(texts), size):
            items = texts[start : start + size]
            if long[depth]:
                items[edge:edge] = [" ..." if innermost else "..."]
            if innermost:
                items = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
            joined.append("[" + ("," + newline).join(items) + "]")
        texts = joined
    return texts[0]


def _texts(values: np.ndarray) -> tuple[list[str], int]:
    """Every number's text, flush right as far as PyTorch does it, and the width it reckons with."""
    if values.dtype.kind == "c":
        reals, real_width = _texts(values.real)
        imags, imag_width = _texts(values.imag)
        return [
            _complex_text(r, i) for r, i in zip(reals, imags, strict=True)
        ], real_width + imag_width + 1
    if values.dtype.kind in "biu":
        texts = [str(value) for value in values.tolist()]
        width = max(map(len, texts))
    else:
        texts, width = _float_texts(values.astype(np.float64))
    return [text.rjust(width) for text in texts], width


def _complex_text(real: str, imag: str) -> str:
    imag = imag.lstrip()
    return f"{real}{'' if imag[0] in '+-' else '+'}{imag}j"


def _float_texts(values: np.ndarray) -> tuple[list[str], int]:
    finite = np.isfinite(values)
    # zeros, infinities and nans have no say in the notation nor in the width
    telling = values[finite & (values != 0)]
    whole = bool(np.all(telling == np.ceil(telling)))
    if not telling.size:
        scientific = False
    elif _options.sci_mode is not None:
        scientific = _options.sci_mode
    else:
        size = np.abs(telling)
        with np.errstate(over="ignore"):
            spread = size.max() / size.min()
        scientific = spread > 1000 or size.max() > 1e8 or (size.min() < 1e-4 and not whole)
    digits = 0 if whole and not scientific else _options.precision
    spec = f".{digits}{'e' if scientific else 'f'}"
    # a whole number keeps its point, to tell it from an integer
    point = "." if whole and not scientific else ""
    texts = [
        format(x, spec) + (point if ok else "")
        for x, ok in zip(values.tolist(), finite, strict=True)
    ]
    width = max((len(format(x, spec) + point) for x in telling.tolist()), default=1)
    return texts, width
