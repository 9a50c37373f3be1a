"""An index out of range, whose numbers are there, is refused as in PyTorch; one still to be computed is not looked at."""

import pytest
import torch as real

import funcgrad

CALLS = """
torch.gather(x, 1, i([[0, 4]]))
torch.gather(x, 1, i([[0, -1]]))
torch.gather(i(1.0), 0, i(1))
x.scatter(1, i([[0, 4]]), 5.0)
x.scatter(1, i([[0, -1]]), 5.0)
x.scatter(-1, i([[0, 4]]), x)
x.scatter_(1, i([[0, 4]]), 5.0)
x.scatter_add(1, i([[0, 4]]), x)
x.scatter_reduce(1, i([[0, 4]]), x, "sum")
x.index_select(0, i([0, -1]))
x.index_select(0, i([0, 3]))
x.index_add(0, i([0, 3]), x[:2])
x.index_add(0, i([0, -1]), x[:2])
x.index_add_(0, i([0, 3]), x[:2] * 1)
x.index_copy(0, i([0, 3]), x[:2])
x.index_copy(0, i([0, -1]), x[:2])
x.index_fill(0, i([0, 3]), 1.0)
x.index_fill(0, i([0, -4]), 1.0)
x.index_fill(0, i([0, -1]), 1.0)
x.index_reduce(0, i([0, 3]), x[:2], "prod")
x.index_put((i([0, -4]),), i(1.0))
torch.take(x, i([0, 12]))
torch.take(x, i([0, -13]))
torch.take(x, i([0, -1]))
torch.put(x, i([0, 12]), i([1.0, 2.0]))
torch.put(x, i([0, -13]), i([1.0, 2.0]))
torch.take_along_dim(x, i([[0, 4]]), 1)
torch.take_along_dim(x, i([[0, -5]]), 1)
torch.take_along_dim(x, i([12]))
torch.take_along_dim(x, i([-1]))
torch.bincount(i([0, -3]))
torch.repeat_interleave(x, i([1, -1, 2]), 0)
torch.nn.functional.one_hot(i([0, 3]), 3)
torch.nn.functional.embedding(i([0, 3]), x)
torch.nn.functional.nll_loss(x, i([0, 1, 4]))
x.scatter(1, i([[0, 3]]), x, reduce="multiply")
x.scatter(1, i([[0, 3]]), 2.0, reduce="multiply")
x.scatter_(1, i([[1, 1]]), 2.0, reduce="add")
x.scatter(1, i([[0, 3]]), x, reduce="mean")
""".strip().splitlines()


def came(torch, call: str):
    try:
        got = eval(call, {"torch": torch, "i": torch.tensor, "x": torch.arange(12.0).reshape(3, 4)})
        return got.tolist()
    except Exception as error:
        return type(error), str(error).split(" (Triggered")[0]


@pytest.mark.parametrize("call", CALLS)
def test_out_of_range(call):
    assert came(funcgrad, call) == came(real, call)


def test_an_index_still_to_be_computed_makes_no_run():
    x, i = funcgrad.arange(12.0).reshape(3, 4), funcgrad.tensor([[0, 5]]) * 1
    funcgrad.sync()
    far = i - 1
    before = funcgrad.tape.stats.runs
    out = x.gather(1, far)
    assert funcgrad.tape.stats.runs == before
    assert out.shape == (1, 2)
