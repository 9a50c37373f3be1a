"""How long the components of a jagged Tensor are, and the way to a padded Tensor and back.

One array holds the components one after the other: their bounds, `offsets`, are numbers of the host as soon as somebody
asks for a component. Knows the functions on Tensors. Must not know NestedTensor.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..tensor import NAMES, Tensor

T = NAMES["torch"]
_numbers = itertools.count(1)


class Ragged:
    """The lengths of the components, which all Tensors made from one another share.

    offsets  B + 1 integers, as a Tensor
    """

    def __init__(self, offsets: Tensor, lengths: tuple[int, ...] | None = None):
        self.offsets, self._lengths, self.number = offsets, lengths, next(_numbers)

    @classmethod
    def of(cls, offsets: Tensor) -> Ragged:
        """That of these offsets: the same one for the same Tensor."""
        if not hasattr(offsets, "_ragged"):
            offsets._ragged = cls(offsets)
        return offsets._ragged

    @classmethod
    def of_lengths(cls, lengths) -> Ragged:
        lengths = tuple(lengths)
        made = cls(T["tensor"](np.cumsum([0, *lengths], dtype=np.int64)), lengths)
        made.offsets._ragged = made
        return made

    @property
    def lengths(self) -> tuple[int, ...]:
        """One number for each component. Looks at the offsets, the first time."""
        if self._lengths is None:
            self._lengths = tuple(np.diff(self.offsets.tolist()).tolist())
        return self._lengths

    @property
    def batch(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def longest(self) -> int:
        return max(self.lengths, default=0)

    def rows(self) -> Tensor:
        """For each place of the values, the component that it belongs to."""
        return T["tensor"](np.repeat(np.arange(self.batch), self.lengths))

    def mask(self) -> Tensor:
        """B x `longest`: where a padded Tensor has numbers of a component."""
        return T["tensor"](self._inside(self.longest))

    def _inside(self, longest: int) -> np.ndarray:
        return np.arange(longest) < np.array(self.lengths)[:, None]

    def padded(self, values: Tensor, axis: int, fill, longest: int | None = None) -> Tensor:
        """A Tensor with the batch first, and `axis` of `values` behind it as long as the longest; `fill` elsewhere."""
        longest = self.longest if longest is None else longest
        starts = np.cumsum([0, *self.lengths])[:-1, None]
        inside = self._inside(longest)
        places = np.where(inside, starts + np.arange(longest), 0)
        rows = values.movedim(axis, 0)
        if rows.shape[0]:
            found = rows.index_select(0, T["tensor"](places.reshape(-1))).reshape(*places.shape, *rows.shape[1:])
            mask = T["tensor"](inside).reshape(*inside.shape, *[1] * (rows.ndim - 1))
            found = found.masked_fill(~mask, fill)
        else:
            found = T["full"]((*places.shape, *rows.shape[1:]), fill, dtype=values.dtype)
        return found.movedim(1, axis + 1)

    def packed(self, padded: Tensor, axis: int) -> Tensor:
        """The other way: the values, with the ragged dimension at `axis`."""
        rows = padded.movedim(axis + 1, 1)
        longest = rows.shape[1]
        places = np.concatenate([b * longest + np.arange(n) for b, n in enumerate(self.lengths)] or [[]])
        return rows.flatten(0, 1).index_select(0, T["tensor"](places.astype(np.int64))).movedim(0, axis)


class NestedInt:
    """The size of a ragged dimension, of which one knows only whether it is the size of another one, too."""

    def __init__(self, ragged: Ragged, times: int = 1):
        self.ragged, self.times = ragged, times

    def __repr__(self) -> str:
        return f"j{self.ragged.number}" if self.times == 1 else f"{self.times}*j{self.ragged.number}"

    def __eq__(self, other) -> bool:
        return isinstance(other, NestedInt) and (self.ragged, self.times) == (other.ragged, other.times)

    def __hash__(self) -> int:
        return hash((id(self.ragged), self.times))

    def __mul__(self, other: int) -> NestedInt:
        return NestedInt(self.ragged, self.times * other)

    __rmul__ = __mul__

    def __ge__(self, other: int) -> bool:
        if isinstance(other, int) and other <= 2:
            return True
        raise ValueError("nested ints denote an indeterminate size: only compare them for equality")

    def __gt__(self, other: int) -> bool:
        return self >= other + 1
