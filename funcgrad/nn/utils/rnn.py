"""Sequences of different lengths: packed without padding, padded, and as lists.

Lengths are looked at, since shapes depend on them. Knows the Tensor. Must not know any layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ...tape import constant
from ...tensor import NAMES, Tensor
from ...tensor.interop import host
from ...tensor.tensor import wrap
from ..functional.recurrent import packed_index

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip

T = NAMES["torch"]


def _known(array, dtype=np.int64) -> Tensor:
    return wrap(constant(np.asarray(array, dtype)))


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Several sequences as one: first all their first steps, then all their second ones.

    data            (sum of lengths, *)
    batch_sizes     how many sequences have a t-th step, an int64 tensor
    sorted_indices  the order of the sequences, longest first; None if they came so
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not (isinstance(data, list | tuple) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs) -> PackedSequence:
        """The data in another dtype."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def _cast(self, name: str) -> PackedSequence:
        return type(self)(getattr(self.data, name)(), *self[1:])

    def double(self):
        return self._cast("double")

    def float(self):
        return self._cast("float")

    def half(self):
        return self._cast("half")

    def long(self):
        return self._cast("long")

    def int(self):
        return self._cast("int")

    def cpu(self, *args, **kwargs) -> PackedSequence:
        return self

    def cuda(self, *args, **kwargs) -> PackedSequence:
        return self.to("cuda")

    def pin_memory(self) -> PackedSequence:
        return self

    def is_pinned(self) -> bool:
        return False

    @property
    def is_cuda(self) -> bool:
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Where each index stands in a permutation."""
    return None if permutation is None else _known(np.argsort(host(permutation), kind="stable"))


def pack_padded_sequence(input: Tensor, lengths, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack (L, N, *), or (N, L, *) with `batch_first`, whose n-th sequence has `lengths[n]` steps.

    Raises RuntimeError for lengths that are not sorted, longest first, unless `enforce_sorted` is False, and for lengths
    that are not above 0.
    """
    lengths = np.asarray(host(lengths) if isinstance(lengths, Tensor) else lengths, np.int64)
    dim = 0 if batch_first else 1
    if len(lengths) != input.shape[dim]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.shape[dim]})"
        )
    order = None
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths, input = lengths[order], input.index_select(dim, _known(order))
    if len(lengths) and lengths.min() <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if np.any(lengths[1:] > lengths[:-1]):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do "
            "not need ONNX exportability."
        )
    sizes = (lengths[None] > np.arange(lengths[0])[:, None]).sum(1)
    _, rows, _ = packed_index([int(n) for n in sizes])
    padded = input.transpose(0, 1) if batch_first else input
    flat = padded[: int(lengths[0])].reshape(-1, *padded.shape[2:])
    return PackedSequence(flat.index_select(0, _known(rows)), _known(sizes), None if order is None else _known(order))


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(the padded sequences, their lengths): the inverse of `pack_padded_sequence`."""
    sizes = host(sequence.batch_sizes)
    steps = len(sizes)
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {steps}"
        )
    into, _, mask = packed_index([int(n) for n in sizes])
    data = sequence.data
    padded = data[_known(into)]
    here = _known(mask.reshape(*mask.shape[:2], *(1,) * (data.ndim - 1)), np.bool_)
    padded = padded.masked_fill(here.logical_not(), padding_value)
    if total_length is not None and total_length > steps:
        more = data.new_full((total_length - steps, *padded.shape[1:]), padding_value)
        padded = T["cat"]([padded, more])
    lengths = mask[..., 0].sum(0)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[host(sequence.unsorted_indices)]
    return padded.transpose(0, 1) if batch_first else padded, _known(lengths)


def pad_sequence(sequences, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """Sequences (L_n, *) as one tensor (max L, N, *), or (N, max L, *) with `batch_first`."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences)
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(s.shape[0] for s in sequences)
    rows = []
    for s in sequences:
        missing = longest - s.shape[0]
        if missing:
            more = s.new_full((missing, *s.shape[1:]), padding_value)
            s = T["cat"]([s, more] if padding_side == "right" else [more, s])
        rows.append(s)
    return T["stack"](rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor: the inverse of `pad_sequence`."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows.unbind(0), host(lengths), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_n, *)."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a PackedSequence."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
