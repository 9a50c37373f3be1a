"""DataLoader: batches of a dataset, in an order, made here or by workers.

Knows datasets, samplers, collating and the crew of workers.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import warnings
import weakref

from ...tape import settle
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetch import fetcher
from .processes import Crew
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .worker import ENDED, FAILED

__all__ = ["DataLoader"]


class _Endless(Sampler):
    """For an iterable dataset: it knows itself what comes next."""

    def __iter__(self):
        while True:
            yield None


class DataLoader:
    """Batches of a dataset.

    batch_size          samples a batch; None: samples as they are, only converted
    shuffle             random order, anew in each epoch
    sampler             the order of indices; `batch_sampler` gives lists of them
    num_workers         processes that make batches; 0: this one does
    collate_fn          makes a batch of a list of samples
    drop_last           leave out a smaller last batch
    timeout             seconds to wait for a worker's batch, 0 for ever
    prefetch_factor     batches that each worker makes ahead, 2 by default
    persistent_workers  keep the workers' copies of the dataset from epoch to epoch
    in_order            batches as the sampler has them; False: as they are done

    A batch enters the tape as an array that is there: nothing is recorded for it, and what was recorded before an epoch
    runs when it begins, so that its first step is like every other. Workers are processes of their own,
    never forks of this one, whatever `multiprocessing_context` says; pinned memory has no meaning for XLA's buffers.
    """

    _initialized = False
    _iterator = None

    def __class_getitem__(cls, item):
        return cls

    def __init__(self, dataset, batch_size: int | None = 1, shuffle: bool | None = None, sampler=None,
                 batch_sampler=None, num_workers: int = 0, collate_fn=None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0, worker_init_fn=None, multiprocessing_context=None,
                 generator=None, *, prefetch_factor: int | None = None, persistent_workers: bool = False,
                 pin_memory_device: str = "", in_order: bool = True):  # fmt: skip
        _check(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout, self.in_order = dataset, num_workers, timeout, in_order
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.multiprocessing_context = worker_init_fn, multiprocessing_context
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            for name, given in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if given is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={given}"
                    )
        shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            random = RandomSampler(dataset, generator=generator) if shuffle and not iterable else None
            sampler = _Endless() if iterable else random or SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self.persistent_workers = persistent_workers
        self._initialized = True
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self):
        """Checked and kept; workers are always started fresh."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context) -> None:
        if context is not None:
            if self.num_workers <= 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                    f"num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                valid = multiprocessing.get_all_start_methods()
                if context not in valid:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {valid!r}, but got "
                        f"multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying the start "
                    f"method, but got multiprocessing_context={context}"
                )
        self._context = context

    def __setattr__(self, name: str, value) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self._initialized and name in fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        object.__setattr__(self, name, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self):
        if self.num_workers == 0:
            return _Here(self)
        if not self.persistent_workers:
            return _ByWorkers(self)
        if self._iterator is None:
            self._iterator = _ByWorkers(self)
        else:
            self._iterator.again()
        return self._iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than cores."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if self.num_workers and (cores is None or self.num_workers > cores):
            unsure = "" if hasattr(os, "sched_getaffinity") else " (`cpuset` is not taken into account)"
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {cores}{unsure}, which is smaller than what this DataLoader is "
                "going to create. Please be aware that excessive worker creation might get DataLoader running slow "
                "or even freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


def _check(num_workers, timeout, prefetch_factor, persistent_workers) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable "
            "multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


class _Iterator:
    def __init__(self, loader: DataLoader):
        settle()  # the first batch's step is to be recorded like every other
        self._loader = loader
        self._indices = iter(loader._index_sampler)
        # drawn before the sampler draws, and also where there are no workers: PyTorch's random stream goes on from it
        self._base_seed = draw_seed(loader.generator)

    def __iter__(self):
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)


class _Here(_Iterator):
    """Batches made in this process."""

    def __init__(self, loader: DataLoader):
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("Expected timeout to be 0 for single-process data loading")
        self._fetch = fetcher(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def __next__(self):
        return self._fetch(next(self._indices))


class _ByWorkers(_Iterator):
    """Batches made by workers, each kept a few ahead."""

    def __init__(self, loader: DataLoader):
        super().__init__(loader)
        job = {
            "dataset": loader.dataset, "batched": loader._auto_collation, "collate": loader.collate_fn,
            "drop_last": loader.drop_last, "init": loader.worker_init_fn,
        }  # fmt: skip
        self._crew = Crew(job, loader.num_workers, self._base_seed)
        self._close = weakref.finalize(self, Crew.close, self._crew)
        self._begin()

    def again(self) -> None:
        """Another epoch of persistent workers."""
        while self._asked.keys() - self._arrived.keys() - self._skipped:
            self._take()
        self._indices = iter(self._loader._index_sampler)
        self._crew.again()
        self._begin()

    def _begin(self) -> None:
        """_asked: number of a batch -> its worker; _arrived: number -> what came; _next: the number to give next."""
        self._asked, self._arrived, self._skipped = {}, {}, set()
        self._next = self._number = self._turn = 0
        self._working = [True] * self._loader.num_workers
        for _ in range(self._loader.prefetch_factor * self._loader.num_workers):
            self._ask()

    def _ask(self) -> None:
        """Ask the next worker that has something left for the next batch."""
        workers = self._loader.num_workers
        for _ in range(workers):
            worker, self._turn = self._turn, (self._turn + 1) % workers
            if self._working[worker]:
                break
        else:
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        self._asked[self._number] = worker
        self._crew.give(worker, self._number, indices)
        self._number += 1

    def _take(self) -> None:
        kind, number, what = self._crew.answer(self._loader.timeout)
        if kind == ENDED:
            worker = self._asked[number]
            self._skipped.add(number)
            if self._working[worker]:
                self._working[worker] = False
                self._ask()
        else:
            self._arrived[number] = (kind, what)

    def __next__(self):
        while True:
            while self._next in self._skipped:
                self._forget(self._next)
                self._next += 1
            ready = self._next if self._next in self._arrived else None
            if ready is None and not self._loader.in_order and self._arrived:
                ready = next(iter(self._arrived))
            if ready is not None:
                kind, what = self._arrived.pop(ready)
                self._forget(ready)
                if ready == self._next:
                    self._next += 1
                else:
                    self._skipped.add(ready)
                self._ask()
                if kind == FAILED:
                    what.throw()
                return what
            if not self._asked.keys() - self._skipped:
                if not self._loader.persistent_workers:
                    self._close()
                raise StopIteration
            self._take()

    def _forget(self, number: int) -> None:
        self._asked.pop(number, None)
        self._skipped.discard(number)
