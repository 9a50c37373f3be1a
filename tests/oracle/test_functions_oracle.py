"""Functions of `torch` that are composed of others, against PyTorch's: values, gradients, errors."""

import numpy as np
import pytest
from expressions import agree, same_errors

RNG = np.random.default_rng(0)
ARRAYS = {
    "x": RNG.normal(size=(3, 4)),
    "y": RNG.normal(size=(3, 4)),
    "v": RNG.normal(size=(5,)),
    "far": RNG.normal(size=(6,)) - 2.3,
    "c": RNG.normal(size=(2, 4)) + 1j * RNG.normal(size=(2, 4)),
    "pts": RNG.uniform(-1, 1, (20, 2)),
    "im": RNG.normal(size=(2, 3, 4, 5)),
    "vol": RNG.normal(size=(2, 2, 3, 4, 3)),
    "grid": RNG.uniform(-1.2, 1.2, (2, 3, 2, 2)),
    "grid3": RNG.uniform(-1.2, 1.2, (2, 2, 3, 2, 3)),
    "table": RNG.normal(size=(6, 4)),
    "often": np.array([1, 2, 1, 3]),
    "much": RNG.uniform(0.1, 1, (4,)),
    "n": np.array([3, 3, 1, 1, 1, 2, 3]),
    "nn": np.array([[1, 1], [1, 1], [0, 2]]),
    "mask": np.array([True, False, True]),
    "i": np.array([1, 1]),
    "two": np.array([1.5, -0.5]),
    "places": np.array([0.0, 0.5, 0.7, 1.9]),
    "classes": np.array([1, 0, 5]),
    "many": np.array([[1, 0], [2, 2], [0, 1]]),
    "bias": RNG.normal(size=(6,)),
}

CASES = {
    "statistics": [
        "torch.cov(x)", "torch.cov(x[:1])", "torch.cov(v)", "torch.cov(c)", "torch.cov(x, correction=0)",
        "torch.cov(x, fweights=often)", "torch.cov(x, aweights=much)", "torch.cov(x, fweights=often, aweights=much)",
        "torch.cov(often)", "x.corrcoef()", "torch.corrcoef(v)", "torch.corrcoef(c)",
    ],
    "differences": [
        "x.diff()", "x.diff(n=0, prepend=y)", "x.diff(2, 0)", "torch.gradient(x)", "torch.gradient(x, dim=1)",
        "torch.gradient(v, spacing=0.5, edge_order=2)", "torch.gradient(x, spacing=[0.5, 2.0])",
        "torch.gradient(x, spacing=(places,), dim=1, edge_order=2)", "torch.gradient(x, spacing=(places,), dim=(1,))",
    ],
    "combinations": [
        "torch.combinations(v)", "torch.combinations(v, 3, True)", "torch.combinations(two, 3)",
        "torch.combinations(two, 0)", "torch.meshgrid(v, two, indexing='xy')", "torch.meshgrid(two, v, two, indexing='xy')",
    ],
    "counts": [
        "torch.histogram(pts.detach(), 4)", "torch.histogram(v.detach(), torch.tensor([-2.0, 0.0, 0.1, 3.0], dtype=torch.float64))",
        "torch.histogram(v.detach(), 3, range=(-1.0, 1.0), density=True)",
        "torch.histogram(x.detach(), 3, weight=y.detach(), range=(-1.0, 1.0))", "torch.histogram(torch.ones(3), 2)",
        "torch.histogramdd(pts.detach(), [3, 2])[0]", "torch.histogramdd(pts.detach(), 3, range=[-1.0, 0.5, 0.0, 1.0], density=True)[0]",
        "torch.histogramdd(pts.detach(), 2).bin_edges",
        "torch.unique_consecutive(n)", "torch.unique_consecutive(n, return_inverse=True, return_counts=True)",
        "torch.unique_consecutive(nn, dim=0, return_counts=True)", "torch.nonzero_static(n, size=3)",
        "torch.nonzero_static(nn, size=9, fill_value=7)", "torch.hash_tensor(n.int())", "torch.hash_tensor(nn, 1, keepdim=True)",
    ],
    "indices": [
        "x.index_put((mask, i), two, accumulate=True)", "x.index_put((torch.stack([mask, mask, mask, mask], 1),), torch.tensor(2.0, dtype=torch.float64), accumulate=True)",
        "x.gather(1, torch.empty(0, 4))", "torch.tensor_split(v, torch.tensor(2))", "torch.unsafe_chunk(x, 2)",
        "torch.unsafe_split(x, 2)", "torch.diagflat(v)", "torch.diagflat(x, 1)", "torch.fill(x, 2.0)", "torch.fill(x, v[0])",
        "torch.tensor(1.0).index_reduce(0, torch.tensor([0]), torch.tensor(3.0), 'amax')",
    ],
    "sums": [
        "mask.sum_to_size(())", "mask[0].sum_to_size(())", "torch.digamma(far)", "torch.polygamma(1, far)",
    ],
    "norms of nothing": [
        "torch.linalg.norm(torch.ones(0, 4), float('inf'))", "torch.linalg.matrix_norm(torch.ones(4, 0), 1)",
        "torch.linalg.matrix_norm(torch.ones(2, 4, 0), 2, keepdim=True)", "torch.linalg.norm(torch.ones(0, 0), 'nuc')",
    ],
    "integers": [
        "torch.arange(0.5, 5.2, 1.3, dtype=torch.int64)", "torch.arange(-2.5, 3, dtype=torch.int64)",
        "torch.arange(-2.5, 3, dtype=torch.int32)", "torch.linspace(-5, 9, 4, dtype=torch.int64)",
        "torch.linspace(-1.7, 9.9, 7, dtype=torch.int64)", "torch.linspace(3, -4, 6, dtype=torch.int32)",
        "torch.linspace(2, 5, 1, dtype=torch.int64)", "torch.linspace(2, 5, 0, dtype=torch.int64)",
        "torch.logspace(0, 3, 5, dtype=torch.int64)", "torch.logspace(0, 4, 6, base=2, dtype=torch.int64)",
    ],
    "layers": [
        "F.batch_norm(torch.ones(0), None, None, training=True)", "torch.grid_sampler_2d(im, grid, 0, 0, False)",
        "torch.grid_sampler_2d(im, grid, 1, 1, True)", "torch.grid_sampler(im, grid, 2, 2, False)",
        "torch.grid_sampler_3d(vol, grid3, 0, 1, True)", "F.linear_cross_entropy(x, table, classes)",
        "F.linear_cross_entropy(x, table, classes, linear_bias=bias, reduction='sum', label_smoothing=0.1)",
        "F.linear_cross_entropy(x, table.reshape(3, 2, 4), many)", "F.linear_cross_entropy(x[0], table, classes[0])",
        "F.linear_cross_entropy(x, table, classes, ignore_index=0)",
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", CASES)
def test_values_and_gradients(group):
    agree(CASES[group], ARRAYS)


def test_errors():
    same_errors(
        [
            "torch.cov(im)", "torch.cov(x, fweights=much)", "torch.cov(x, aweights=often)", "torch.cov(x, fweights=often[:3])",
            "torch.gradient(x, edge_order=3)", "torch.linalg.matrix_norm(x, 3)", "torch.histogram(n, 3)",
            "torch.nonzero_static(n, size=-1)", "torch.hash_tensor(torch.ones(0))", "torch.hash_tensor(n, mode=2)",
        ],
        ARRAYS,
    )  # fmt: skip


OUT = [
    "torch.arange(4, out=o)", "torch.linspace(0, 1, 3, out=o)", "torch.logspace(0, 1, 3, out=o)", "torch.eye(2, out=o)",
    "torch.hstack([a, a], out=o)", "torch.vstack([a, a], out=o)", "torch.dstack([a, a], out=o)",
    "torch.column_stack([a, a], out=o)", "torch.inner(a, a, out=o)", "torch.kron(a, a, out=o)", "torch.diff(a, out=o)",
    "torch.msort(a, out=o)", "torch.nanmean(a, out=o)", "torch.linalg.norm(a, out=o)", "torch.linalg.multi_dot([a, a], out=o)",
    "torch.linalg.cross(a, a, out=o)", "torch.linalg.vecdot(a, a, out=o)", "torch.linalg.matrix_power(a, 2, out=o)",
    "torch.float_power(a, 2, out=o.double())", "torch.masked_select(a, a > 0, out=o)",
]  # fmt: skip


@pytest.mark.parametrize("code", OUT)
def test_out_is_written(code):
    import torch

    import funcgrad

    found = []
    for lib in (torch, funcgrad):
        a, o = lib.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [2.0, 2.0, 1.0]]), lib.empty(0)
        made = eval(code, {"torch": lib, "a": a, "o": o})
        found.append((o.tolist(), tuple(o.shape), made.tolist(), "double" in code or made is o))
    assert found[0] == found[1]
