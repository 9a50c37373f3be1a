"""Printing against PyTorch itself, over random arrays of all dtypes, shapes and magnitudes."""

import random

import ml_dtypes
import numpy as np
import pytest

from funcgrad import dtypes
from funcgrad.tensor import printing

torch = pytest.importorskip("torch")

FLOATS = ["float32", "float64", "float16", "bfloat16"]
OTHERS = [
    "complex64",
    "complex128",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]
OPTIONS = [
    {},
    {"sci_mode": True},
    {"sci_mode": False},
    {"precision": 2},
    {"precision": 0},
    {"precision": 8, "linewidth": 120},
    {"linewidth": 20},
    {"linewidth": 1},
    {"threshold": 10, "edgeitems": 1},
    {"threshold": 0, "edgeitems": 2},
    {"threshold": 5, "edgeitems": 0},
    {"threshold": 0, "edgeitems": 0},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "full", "linewidth": 40},
]


@pytest.fixture(autouse=True)
def restore():
    yield
    torch.set_printoptions(profile="default")
    torch.set_default_dtype(torch.float32)
    printing.set_printoptions(profile="default")


def numbers(rng, kind, shape):
    """Float64 values of one kind of magnitude."""
    normal = rng.standard_normal(shape)
    values = {
        "normal": normal,
        "whole": np.round(normal * 10),
        "large whole": np.round(normal * 1e6),
        "spread": normal * 10.0 ** rng.integers(-6, 7, shape),
        "huge": normal * 1e12,
        "tiny": normal * 1e-6,
        "hundreds": normal * 300,
        "ones": np.ones(shape),
        "zeros": np.zeros(shape) * np.sign(normal),
    }[kind]
    return np.where(rng.random(shape) < 0.05, 0.0, values)


KINDS = ["normal", "whole", "large whole", "spread", "huge", "tiny", "hundreds", "ones", "zeros"]


def sample(rng, name, shape):
    np_dtype = getattr(dtypes, "bool_" if name == "bool" else name).np
    values = numbers(rng, rng.choice(KINDS), shape)
    if rng.random() < 0.3:
        values = np.where(rng.random(shape) < 0.2, rng.choice([np.nan, np.inf, -np.inf]), values)
    with np.errstate(all="ignore"):
        if np_dtype.kind == "c":
            values = values + 1j * numbers(rng, rng.choice(KINDS), shape)
        if np_dtype.kind in "iu":
            info = np.iinfo(np_dtype)
            values = np.nan_to_num(values, posinf=0, neginf=0) * rng.choice([1, 1e5])
            values = np.clip(values, max(info.min, -(2**62)), min(info.max, 2**62))
        return np.asarray(values).astype(np_dtype)


def tensor(array):
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(array)


def shape(rng):
    kind = rng.integers(8)
    if kind == 0:
        return ()
    if kind == 1:
        return (int(rng.integers(1, 3000)),)
    if kind == 2:
        return tuple(rng.integers(0, 3, rng.integers(1, 4)).tolist())
    if kind == 3:
        return tuple(rng.integers(5, 12, 3).tolist())
    if kind == 4:
        return (int(rng.integers(1, 300)), int(rng.integers(1, 300)))
    if kind == 5:
        return tuple(rng.integers(1, 4, 5).tolist())
    return tuple(rng.integers(1, 9, rng.integers(1, 3)).tolist())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_random_arrays(options):
    rng = np.random.default_rng(OPTIONS.index(options))
    torch.set_printoptions(**options)
    printing.set_printoptions(**options)
    for i in range(160):
        array = sample(rng, (FLOATS + OTHERS)[i % (len(FLOATS) + len(OTHERS))], shape(rng))
        assert printing.array_repr(array) == repr(tensor(array)), (array.dtype, array.shape)


def test_suffixes_wrap():
    rng = np.random.default_rng(0)
    for i in range(150):
        array = sample(rng, FLOATS[i % 4], shape(rng))
        t = tensor(array).requires_grad_()
        assert printing.array_repr(array, suffixes=["requires_grad=True"]) == repr(t)
        y = t.clone() if i % 2 else torch.nn.functional.softplus(t)
        values = sample(rng, FLOATS[i % 4], y.shape)
        y.data.copy_(tensor(values))
        suffix = f"grad_fn=<{type(y.grad_fn).__name__}>"
        assert printing.array_repr(values, suffixes=[suffix]) == repr(y)


@pytest.mark.parametrize("length", range(1, 12))
def test_where_lines_break(length):
    """One line of every length near the limit, with a short and a long suffix."""
    for width in range(1, 25):
        array = np.full((length,), 10 ** (width - 1) if width < 19 else 10**17, np.int64)
        assert printing.array_repr(array) == repr(tensor(array))
        if width < 9:
            t = tensor(array.astype(np.float32)).requires_grad_()
            assert printing.array_repr(
                array.astype(np.float32), suffixes=["requires_grad=True"]
            ) == repr(t)
        assert printing.array_repr(array.astype(np.int32)) == repr(tensor(array.astype(np.int32)))


@pytest.mark.parametrize("default", ["float64", "float16", "bfloat16"])
def test_other_default_dtypes(default):
    torch.set_default_dtype(getattr(torch, default))
    rng = np.random.default_rng(1)
    for name in FLOATS + OTHERS:
        for size in [(), (3,), (0,), (0, 2)]:
            array = sample(rng, name, size)
            assert printing.array_repr(array, default=getattr(dtypes, default)) == repr(
                tensor(array)
            )


def test_options_are_set_alike():
    rng = random.Random(0)
    for _ in range(100):
        options = {
            name: rng.choice(values)
            for name, values in {
                "precision": [1, 3, None],
                "threshold": [5, 2000, None],
                "edgeitems": [1, 5, None],
                "linewidth": [30, 100, None],
                "profile": ["default", "short", "full", None],
                "sci_mode": [True, False, None],
            }.items()
            if rng.random() < 0.5
        }
        torch.set_printoptions(**options)
        printing.set_printoptions(**options)
        assert printing.get_printoptions() == torch._tensor_str.get_printoptions()


def test_tangent_and_meta():
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(torch.ones(2, 3), torch.arange(6.0).view(2, 3))
        want = repr(dual)
    tangent = printing.array_repr(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert printing.array_repr(np.ones((2, 3), np.float32), suffixes=[f"tangent={tangent}"]) == want
    meta = printing.close("tensor(", "...", ["device='meta'", "size=(3,)"])
    assert meta == repr(torch.empty(3, device="meta"))
