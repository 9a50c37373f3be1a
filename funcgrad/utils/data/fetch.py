"""From indices to a batch: what a loader does in its own process, and a worker in its.

Knows datasets and collating. Must not know processes.
"""

from __future__ import annotations

import jax
import numpy as np

from ...tape import constant
from ...tensor.tensor import value_of, wrap
from .collate import default_collate
from .dataset import IterableDataset, Subset, TensorDataset, samples

__all__ = ["fetcher"]


def fetcher(dataset, batched: bool, collate_fn, drop_last: bool):
    """A function from what a sampler gives to a batch. Raises StopIteration at the end of an iterable dataset."""
    if isinstance(dataset, IterableDataset):
        return _Iterable(dataset, batched, collate_fn, drop_last)
    if batched and collate_fn is default_collate and jax.default_backend() == "cpu":
        rows = _rows(dataset)
        if rows is not None:
            return rows
    if batched:
        return lambda indices: collate_fn(samples(dataset, indices))
    return lambda index: collate_fn(dataset[index])


def _rows(dataset):
    """A batch of a TensorDataset, or of a part of one, is one look-up a tensor, on the host."""
    chosen = None
    while type(dataset) is Subset:
        own = np.asarray(dataset.indices)
        chosen = own if chosen is None else own[chosen]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(value_of(t).spec.needs for t in dataset.tensors):
        return None

    def rows(indices: list) -> list:
        where = np.asarray(indices)
        where = where if chosen is None else chosen[where]
        return [_taken(t, where) for t in dataset.tensors]

    return rows


def _taken(t, where: np.ndarray):
    v = value_of(t)
    if not hasattr(v, "array"):
        return t[wrap(constant(where))]
    return wrap(constant(np.asarray(v.array)[where], v.spec.dtype))


class _Iterable:
    def __init__(self, dataset, batched: bool, collate_fn, drop_last: bool):
        self.batched, self.collate_fn, self.drop_last = batched, collate_fn, drop_last
        self.left, self.ended = iter(dataset), False

    def __call__(self, indices):
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.left))
        found = []
        for _ in indices:
            try:
                found.append(next(self.left))
            except StopIteration:
                self.ended = True
                break
        if not found or (self.drop_last and len(found) < len(indices)):
            raise StopIteration
        return self.collate_fn(found)
