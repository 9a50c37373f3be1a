"""The order in which samples come, what is left of the random stream afterwards, and what is refused, beside PyTorch."""

import numpy as np
import pytest
import torch

import funcgrad

ORDERS = {
    "shuffle": lambda lib, d: lib.utils.data.DataLoader(range(11), 4, shuffle=True),
    "plain": lambda lib, d: lib.utils.data.DataLoader(range(11), 4, drop_last=True),
    "generator": lambda lib, d: d.DataLoader(range(11), 4, shuffle=True, generator=lib.Generator().manual_seed(5)),
    "replacement": lambda lib, d: d.DataLoader(range(40), 7, sampler=d.RandomSampler(range(40), True, 70)),
    "more than there are": lambda lib, d: d.DataLoader(range(5), 4, sampler=d.RandomSampler(range(5), num_samples=13)),
    "subset": lambda lib, d: d.DataLoader(range(20), 3, sampler=d.SubsetRandomSampler([3, 5, 7, 9])),
    "weights": lambda lib, d: d.DataLoader(range(4), 3, sampler=d.WeightedRandomSampler([0.1, 0.2, 0.3, 0.4], 10)),
    "weights, once each": lambda lib, d: d.DataLoader(range(4), 3, sampler=d.WeightedRandomSampler([0.1, 0.2, 0.3, 0.4], 4, False)),
    "batch sampler": lambda lib, d: d.DataLoader(range(9), batch_sampler=d.BatchSampler(d.RandomSampler(range(9)), 2, True)),
    "no batches": lambda lib, d: d.DataLoader(range(4), batch_size=None),
    "split": lambda lib, d: d.DataLoader(d.ConcatDataset(d.random_split(range(10), [0.25, 0.35, 0.4])), 3),
    "distributed": lambda lib, d: d.DataLoader(range(11), 2, sampler=d.distributed.DistributedSampler(range(11), 3, 1, seed=4)),
    "stacked": lambda lib, d: d.DataLoader(d.StackDataset(a=range(5), b=range(5, 10)), 2, shuffle=True),
    "floats": lambda lib, d: d.DataLoader([(0.5, np.float32(1), np.arange(2)), (1.5, np.float32(2), np.arange(2))], 2),
    "rows": lambda lib, d: d.DataLoader(d.TensorDataset(lib.arange(10).reshape(5, 2), lib.arange(5.0)), 2, shuffle=True),
}  # fmt: skip


def told(x):
    if isinstance(x, dict):
        return {k: told(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [told(v) for v in x]
    return (str(x.dtype), x.tolist()) if hasattr(x, "tolist") else x


@pytest.mark.parametrize("name", ORDERS)
def test_order(name):
    found = []
    for lib in (funcgrad, torch):
        lib.manual_seed(7)
        loader = ORDERS[name](lib, lib.utils.data)
        found.append((len(loader), [told(b) for b in loader], [told(b) for b in loader], lib.rand(3).tolist()))
    assert found[0] == found[1]


WRONG = {
    "workers": lambda d: d.DataLoader([1], num_workers=-1),
    "timeout": lambda d: d.DataLoader([1], timeout=-1),
    "prefetch": lambda d: d.DataLoader([1], prefetch_factor=2),
    "persistent": lambda d: d.DataLoader([1], persistent_workers=True),
    "sampler and shuffle": lambda d: d.DataLoader([1], shuffle=True, sampler=[0]),
    "batch sampler": lambda d: d.DataLoader([1], 2, batch_sampler=[[0]]),
    "drop last": lambda d: d.DataLoader([1], None, drop_last=True),
    "context": lambda d: d.DataLoader([1], multiprocessing_context="spawn"),
    "no such context": lambda d: d.DataLoader([1], num_workers=1, multiprocessing_context="forks"),
    "set": lambda d: setattr(d.DataLoader([1]), "batch_size", 3),
    "batch size": lambda d: d.BatchSampler([1], 0, False),
    "samples": lambda d: d.RandomSampler([]),
    "replacement": lambda d: d.RandomSampler([1], replacement=1),
    "weights": lambda d: d.WeightedRandomSampler([[1.0]], 1),
    "sizes": lambda d: d.random_split(range(4), [1, 2]),
    "shares": lambda d: d.random_split(range(4), [1.5, -0.5]),
    "concat": lambda d: d.ConcatDataset([]),
    "stack": lambda d: d.StackDataset([1], [1, 2]),
    "nothing": lambda d: d.StackDataset(),
    "rank": lambda d: d.distributed.DistributedSampler([1], 2, 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    said = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as caught:
            WRONG[name](lib.utils.data)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
