"""Batches and workers: what comes, in which order, and what is said when a worker fails. Workers are real processes, kept
from test to test."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.tape import stats
from funcgrad.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)


class Squares(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, i):
        return np.float32(i) ** 2, i


class Worker(Squares):
    """Which worker made a sample, and its seed."""

    def __getitem__(self, i):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed - info.id, float(torch.rand(())), os.getpid()


class Counting(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(first, 11, step))


class Failing(Squares):
    def __init__(self, how):
        self.how = how

    def __getitem__(self, i):
        if i == 5:
            self.how()
        return i


def listed(batches):
    return [[x.tolist() for x in b] if isinstance(b, list) else b.tolist() for b in batches]


def test_workers_give_what_one_process_gives():
    torch.manual_seed(1)
    alone = listed(DataLoader(Squares(), 3, shuffle=True))
    torch.manual_seed(1)
    assert listed(DataLoader(Squares(), 3, shuffle=True, num_workers=2)) == alone


def test_persistent_workers_go_on():
    loader = DataLoader(Worker(), 2, num_workers=2, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert {p for b in first for p in b[4].tolist()} == {p for b in second for p in b[4].tolist()}
    assert [b[0].tolist() for b in first] == [[0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]
    assert first[0][3].tolist() != second[0][3].tolist(), "random numbers go on in a worker"


def test_a_worker_knows_which_it_is_and_has_a_seed_of_its_own():
    batches = list(DataLoader(Worker(), 5, num_workers=2))
    assert [b[1].tolist() for b in batches] == [[2] * 5] * 2
    assert batches[0][2].tolist() == batches[1][2].tolist(), "one base seed"
    assert batches[0][3].tolist() != batches[1][3].tolist(), "and other numbers"


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_an_iterable_dataset_ends(workers):
    with pytest.warns(UserWarning, match="worker processes") if workers > 2 else _quiet():
        loader = DataLoader(Counting(), 2, num_workers=workers)
        found = [x for b in loader for x in b.tolist()]
    assert sorted(found) == list(range(11))


class _quiet:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_a_worker_that_raises_gives_its_traceback():
    def five():
        raise ValueError("five")

    loader = DataLoader(Failing(five), 2, num_workers=2)
    with pytest.raises(ValueError, match=r"(?s)Caught ValueError in DataLoader worker process 0.\nOriginal Traceback.*in five.*five"):
        list(loader)
    assert len(list(DataLoader(Squares(), 5, num_workers=2))) == 2, "and the next loader works"


def test_a_worker_that_dies_is_noticed():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(DataLoader(Failing(lambda: os._exit(3)), 2, num_workers=1))


def test_a_worker_that_hangs_times_out():
    import time

    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.3 seconds"):
        list(DataLoader(Failing(lambda: time.sleep(60)), 2, num_workers=1, timeout=0.3))


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent("""
        from funcgrad.utils.data import DataLoader, Dataset
        print("once")
        class Mine(Dataset):
            def __len__(self): return 4
            def __getitem__(self, i): return i
        print([b.tolist() for b in DataLoader(Mine(), 2, num_workers=1, collate_fn=lambda b: __import__("funcgrad").tensor(b) * 10)])
    """))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.stdout == "once\n[[0, 10], [20, 30]]\n", done.stderr


def test_batches_of_tensors_are_no_operations():
    """A batch of a TensorDataset, or of a part of one, enters as an array; a loop compiles nothing after its third step."""
    x, y = torch.arange(40.0).reshape(20, 2), torch.arange(20)
    w = torch.zeros(2, requires_grad=True)
    torch.sync()
    part = Subset(TensorDataset(x, y), list(range(19, -1, -1)))
    opt, seen = torch.optim.SGD([w], lr=1e-4), []

    def step(a, b):
        seen.append(b.tolist())
        opt.zero_grad()
        loss = ((a @ w - b) ** 2).mean()
        loss.backward()
        opt.step()
        return loss.item()

    batches = iter(DataLoader(part, 2))
    for _ in range(3):
        step(*next(batches))
    with torch.assert_no_recompile():
        for a, b in batches:
            step(a, b)
    assert seen == [[19 - i, 18 - i] for i in range(0, 20, 2)]


def test_collating():
    made = default_collate([{"a": np.ones(2), "b": ("x", 1)}, {"a": np.zeros(2), "b": ("y", 2)}])
    assert made["a"].tolist() == [[1, 1], [0, 0]] and made["a"].dtype is torch.float64
    assert made["b"][0] == ("x", "y") and made["b"][1].tolist() == [1, 2]
    with pytest.raises(TypeError, match="batch must contain tensors"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [1]])


def test_shares_of_several_processes():
    data = list(range(7))
    shares = [list(DistributedSampler(data, 3, r, shuffle=False)) for r in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 0], [2, 5, 1]]
    assert len(BatchSampler(range(7), 3, True)) == 2


def test_epochs_under_a_schedule_compile_one_program_for_each_shape():
    """Data still to be computed, shuffled, a smaller last batch, a rate that changes, a loss looked at now and then."""
    torch.manual_seed(0)
    x = torch.randn(10, 3) + torch.randn(10, 1)
    loader = DataLoader(TensorDataset(x, x.sum(1)), batch_size=4, shuffle=True)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(4):
        for k, (a, b) in enumerate(loader):
            optimizer.zero_grad()
            loss = (net(a).squeeze(1) - b).square().mean()
            loss.backward()
            optimizer.step()
            if k % 2 == 0:
                loss.item()
        schedule.step()
    torch.sync()
    assert stats.compiles == 3, torch.explain()  # the data, a step of four, a step of two
    assert stats.runs == 1 + 4 * 3
