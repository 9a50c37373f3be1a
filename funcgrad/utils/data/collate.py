"""Samples made one batch: by stacking on the host what is there, so that a batch is one array that enters the tape.

Knows the Tensor. Must not know datasets or workers.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from ...tape import constant
from ...tensor import NAMES, Tensor
from ...tensor.create import as_tensor, tensor
from ...tensor.tensor import value_of, wrap

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_TEXT = re.compile(r"[SaUO]")  # dtypes of arrays that become no tensor
_WRONG = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _stacked(batch, *, collate_fn_map=None) -> Tensor:
    """Tensors along a new first dimension. Those that are computed are stacked on the host: no operation is
    recorded."""
    values = [value_of(t) for t in batch]
    if not any(v.spec.needs or getattr(v, "array", None) is None for v in values):
        if len({(v.spec.shape, v.spec.dtype) for v in values}) == 1:
            return wrap(constant(np.stack([np.asarray(v.array) for v in values]), values[0].spec.dtype))
    return NAMES["torch"]["stack"](list(batch), 0)


def _arrays(batch, *, collate_fn_map=None):
    first = batch[0]
    if _TEXT.search(first.dtype.str) is not None:
        raise TypeError(_WRONG.format(first.dtype))
    if all(a.shape == first.shape and a.dtype == first.dtype for a in batch):
        return as_tensor(np.stack(batch))
    return collate([as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


def _floats(batch, *, collate_fn_map=None) -> Tensor:
    from ... import dtypes

    return tensor(list(batch), dtype=dtypes.float64)


def _ints(batch, *, collate_fn_map=None) -> Tensor:
    return tensor(list(batch))


def _texts(batch, *, collate_fn_map=None):
    return batch


default_collate_fn_map: dict = {
    Tensor: _stacked, np.ndarray: _arrays, (np.bool_, np.number, np.object_): lambda b, **_: as_tensor(np.asarray(b)),
    float: _floats, int: _ints, str: _texts, bytes: _texts,
}  # fmt: skip


def collate(batch: list, *, collate_fn_map: dict | None = None):
    """A batch of samples: mappings and sequences by their parts, everything else by the function for its type."""
    first = batch[0]
    kind = type(first)
    table = collate_fn_map or {}
    if kind in table:
        return table[kind](batch, collate_fn_map=collate_fn_map)
    for known, f in table.items():
        if isinstance(first, known):
            return f(batch, collate_fn_map=collate_fn_map)

    def down(parts):
        return collate(parts, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _like_mapping(first, {key: down([sample[key] for sample in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(down(parts) for parts in zip(*batch, strict=False)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [down(list(p) if not isinstance(p[0], str | bytes) else p) for p in zip(*batch, strict=True)]
        return parts if isinstance(first, tuple) else _like_sequence(first, parts)
    raise TypeError(_WRONG.format(kind))


def _like_mapping(first, made: dict):
    try:
        if isinstance(first, MutableMapping):
            found = copy.copy(first)
            found.update(made)
            return found
        return type(first)(made)
    except TypeError:
        return made


def _like_sequence(first, parts: list):
    try:
        if isinstance(first, MutableSequence):
            found = copy.copy(first)
            for i, part in enumerate(parts):
                found[i] = part
            return found
        return type(first)(parts)
    except TypeError:
        return parts


def default_collate(batch: list):
    """A batch of samples, each part stacked along a new first dimension.

    >>> import funcgrad as torch
    >>> torch.utils.data.default_collate([(1, {"a": 0.5}), (2, {"a": 1.5})])
    [tensor([1, 2]), {'a': tensor([0.5000, 1.5000], dtype=torch.float64)}]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data):
    """NumPy arrays in `data` as Tensors, wherever they stand; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if _TEXT.search(data.dtype.str) is not None else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(x) for x in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(x) for x in data])
    return data
