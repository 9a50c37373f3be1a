"""The Tensor as a value: making, reading, printing, promoting, copying, handing to other libraries."""

import copy
import pickle
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcgrad as torch

F = torch.nn.functional


def test_dtypes_of_data():
    assert torch.tensor(1.0).dtype is torch.float32
    assert torch.tensor(1).dtype is torch.int64
    assert torch.tensor(True).dtype is torch.bool
    assert torch.tensor(1j).dtype is torch.complex64
    assert torch.tensor([1, 2.5]).dtype is torch.float32
    assert torch.tensor([True, 2]).dtype is torch.int64
    assert torch.tensor([]).shape == (0,)
    assert torch.tensor(np.float64(2)).dtype is torch.float64
    assert torch.tensor(np.zeros((2, 3), np.int8)).dtype is torch.int8
    torch.set_default_dtype(torch.float64)
    assert torch.tensor(1.0).dtype is torch.float64
    assert (torch.tensor([1]) / 2).dtype is torch.float64
    assert torch.zeros(2).dtype is torch.float64


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: torch.tensor([[1, 2], [3]]), ValueError, "expected sequence of length 2 at dim 1"),
        (lambda: torch.tensor(["a"]), ValueError, "too many dimensions 'str'"),
        (lambda: torch.tensor([1], requires_grad=True), RuntimeError, "Only Tensors of floating point"),
        (lambda: torch.tensor([1.0, 2.0]).item(), RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"),
        (lambda: bool(torch.tensor([1, 2])), RuntimeError, "Boolean value of Tensor with more than one value"),
        (lambda: float(torch.ones(2)), ValueError, "only one element tensors can be converted"),
        (lambda: [1, 2][torch.tensor(1.0)], TypeError, "only integer tensors of a single element"),
        (lambda: len(torch.tensor(1)), TypeError, "len() of a 0-d tensor"),
        (lambda: list(torch.tensor(1)), TypeError, "iteration over a 0-d tensor"),
        (lambda: torch.ones(2, requires_grad=True).numpy(), RuntimeError, "Can't call numpy() on Tensor that requires"),
        (lambda: np.asarray(torch.ones(2, requires_grad=True)), RuntimeError, "Can't call numpy()"),
        (lambda: torch.tensor([1]).add_(1.5), RuntimeError, "result type Float can't be cast to the desired output type"),
        (lambda: torch.ones(2).add_(torch.ones(3, 2)), RuntimeError, "output with shape [2] doesn't match the broadcast"),
        (lambda: torch.ones(2).foo, AttributeError, "'Tensor' object has no attribute 'foo'"),
        (lambda: torch.ones(2).cuda(), AssertionError, "Torch not compiled with CUDA enabled"),
        (lambda: torch.device("foo"), RuntimeError, "Expected one of cpu, cuda"),
        (lambda: torch.full((-1,), 0.0), RuntimeError, "negative dimension"),
    ],
)
def test_bad_input(wrong, error, words):
    with pytest.raises(error) as caught:
        wrong()
    assert words in str(caught.value)


def test_promotion():
    kinds = {
        "bool": torch.bool, "uint8": torch.uint8, "int8": torch.int8, "int64": torch.int64,
        "float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64,
        "complex64": torch.complex64,
    }  # fmt: skip
    wanted = {
        ("bool", "uint8"): "uint8", ("uint8", "int8"): "int16", ("int64", "float16"): "float16",
        ("float16", "bfloat16"): "float32", ("float32", "float64"): "float64", ("float64", "complex64"): "complex128",
        ("int8", "bool"): "int8", ("int64", "int8"): "int64",
    }  # fmt: skip
    for (a, b), c in wanted.items():
        for x, y in ((a, b), (b, a)):
            made = torch.ones(2, dtype=kinds[x]) + torch.ones(2, dtype=kinds[y])
            assert made.dtype.name == c, (x, y)
    # a 0-d tensor and a number weigh less than a dimension
    assert (torch.ones(2) + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.int8) + 300).dtype is torch.int8
    assert (torch.ones(2, dtype=torch.int32) + 1.5).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.float16) * 2.5).dtype is torch.float16
    assert (torch.ones(2) * 2j).dtype is torch.complex64
    assert (torch.ones(2, dtype=torch.int32) / 2).dtype is torch.float32
    assert (torch.ones(2, dtype=torch.bool) + True).dtype is torch.bool


def test_operators_with_numbers_and_arrays():
    x = torch.tensor([1.0, 2.0, 4.0])
    found = [
        3 - x, 3 / x, 2**x, x**2, x**0.5, x // 2, 7 % x, x % 3, -x, +x, abs(-x), x > 2, 2 >= x, x == 2, x != 2,
        x + np.array([1.0, 1.0, 1.0], np.float32), x * jnp.ones(3), x @ x, x + True,
    ]  # fmt: skip
    a = np.array([1.0, 2.0, 4.0])
    wanted = [
        3 - a, 3 / a, 2**a, a**2, a**0.5, a // 2, 7 % a, a % 3, -a, a, a, a > 2, a <= 2, a == 2, a != 2,
        a + 1, a, a @ a, a + 1,
    ]  # fmt: skip
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(f.numpy(), w, rtol=1e-6)
    with pytest.raises(TypeError):
        x + "a"


def test_numbers_behind_the_name():
    assert torch.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert int(torch.tensor(3.7)) == 3 and float(torch.tensor(2)) == 2.0 and complex(torch.tensor(1j)) == 1j
    assert [10, 20, 30][torch.tensor(1)] == 20
    assert 2 in torch.tensor([1, 2]) and 5 not in torch.tensor([1, 2])
    assert [t.item() for t in torch.tensor([1, 2])] == [1, 2]
    assert f"{torch.tensor(3.14159):.2f}" == "3.14"
    assert isinstance(torch.ones(2).shape, torch.Size) and repr(torch.ones(2).shape) == "torch.Size([2])"
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        assert float(torch.tensor(2.0, requires_grad=True)) == 2.0


def test_printing():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    assert repr(w) == "tensor([1., 2.], requires_grad=True)"
    assert repr((w * 3).sum()) == "tensor(9., grad_fn=<SumBackward0>)"
    assert repr(torch.tensor([1, 2], dtype=torch.int32)) == "tensor([1, 2], dtype=torch.int32)"
    assert repr(torch.tensor([float("nan"), 1e10])) == "tensor([       nan, 1.0000e+10])"
    assert repr(torch.zeros(0, 3)) == "tensor([], size=(0, 3))"


def test_pickle_and_copies():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(w, protocol))
        assert back.tolist() == [1.0, 2.0] and back.requires_grad and back.is_leaf
    twin = copy.deepcopy({"a": w, "b": w})
    assert twin["a"] is twin["b"] and twin["a"] is not w
    assert twin["a"].grad.tolist() == [2.0, 4.0] and twin["a"].grad is not w.grad
    with torch.no_grad():
        twin["a"].zero_()
    assert w.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(w * 2)


def test_other_libraries():
    x = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_allclose(jnp.sin(x), np.sin([[0, 1], [2, 3]]), rtol=1e-6)
    assert np.asarray(x).dtype == np.float32
    assert np.from_dlpack(x).tolist() == x.tolist()
    assert jax.dlpack.from_dlpack(x).tolist() == x.tolist()
    assert torch.from_dlpack(np.arange(3.0)).tolist() == [0.0, 1.0, 2.0]
    assert torch.from_dlpack(jnp.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises((RuntimeError, TypeError), match="requires grad"):
        jnp.sin(torch.ones(2, requires_grad=True))
    tree = jax.tree.map(lambda a: a * 2, {"a": x, "b": [x, torch.ones(1, requires_grad=True)]})
    assert isinstance(tree["a"], torch.Tensor) and tree["a"].tolist() == (x * 2).tolist()
    assert tree["b"][1].requires_grad
    copied = x.numpy()
    copied[0, 0] = 100.0
    assert x[0, 0].item() == 0.0


def test_names_attributes_and_subclasses():
    import weakref

    class Mine(torch.Tensor):
        pass

    m = Mine([1.0, 2.0])
    m.note = "hello"
    assert isinstance(m, torch.Tensor) and m.note == "hello" and (m + 1).tolist() == [2.0, 3.0]
    assert weakref.ref(m)() is m
    assert {m: 1}[m] == 1
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([1, 2]).dtype is torch.float32


def test_out_and_writes():
    out = torch.zeros(3)
    assert torch.add(torch.ones(3), 2.0, out=out) is out and out.tolist() == [3.0] * 3
    with pytest.raises(RuntimeError, match="functions with out=... arguments don't support automatic"):
        torch.add(torch.ones(3, requires_grad=True), 1.0, out=out)
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(torch.ones(2), 1.0, out=out)
    assert out.tolist() == [2.0, 2.0]
    x = torch.zeros(2, dtype=torch.int64)
    assert x.copy_(torch.tensor([1.9, 2.1])).tolist() == [1, 2]
    assert x.fill_(7).tolist() == [7, 7] and x.zero_().tolist() == [0, 0]
    y = torch.full((3,), 1.0, dtype=torch.float64).masked_fill(torch.tensor([True, False, True]), 0.1)
    assert y.tolist() == [0.1, 1.0, 0.1]


def test_shape_changing_in_place():
    a = torch.arange(6.0).reshape(1, 2, 3)
    assert a.squeeze_() is a and a.shape == (2, 3)
    assert a.t_().shape == (3, 2) and a.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    w = torch.ones(2, requires_grad=True)
    y = w * 2
    y.unsqueeze_(0)
    (y * y).sum().backward()
    assert w.grad.tolist() == [8.0, 8.0]


def test_views_of_another_dtype_are_casts():
    x = torch.tensor([1.5, 2.5])
    assert x.to(torch.int64).tolist() == [1, 2] and x.long().dtype is torch.int64
    assert x.double().dtype is torch.float64 and x.to("cpu") is x and x.float() is x
    assert x.type() == "torch.FloatTensor"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.tensor([1 + 2j]).to(torch.float32).tolist() == [1.0]


def test_low_precision_and_complex_arithmetic():
    b = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
    assert (b * 3).dtype is torch.bfloat16 and (b * 3).float().tolist() == [3.0, 6.0]
    h = torch.tensor([1.0, 2.0], dtype=torch.float16, requires_grad=True)
    (h * h).sum().backward()
    assert h.grad.dtype is torch.float16 and h.grad.tolist() == [2.0, 4.0]
    c = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (c * c.conj()).real.sum().backward()
    assert c.grad.tolist() == [2 + 4j, 6 - 2j]


INDICES = [
    "0", "-1", "1:3", "::2", "..., 0", "None", "1, 2", "1:, None, ..., 1", "[0, 2]", "[[0, 1], [1, 2]]",
    "np.array([True, False, True])", "np.arange(24).reshape(3, 4, 2) > 10", "[0, 1], [1, 2]", ":, [0, 2], 1",
    "[2, 0], :, [1, 0]", "np.array([[0], [2]]), np.array([1, 3])", "..., [1, 0]", ":, np.array([True, False, True, True])",
    "-2:, 1:2", "slice(None), None, 0", "2:1", "[]",
]  # fmt: skip


@pytest.mark.parametrize("text", INDICES)
def test_indexing_is_numpys(text):
    a = np.arange(24.0).reshape(3, 4, 2)
    index = eval(f"np.s_[{text}]")
    if text == "[]":
        index = np.array([], np.int64)

    def mine(i):
        if isinstance(i, tuple):
            return tuple(mine(k) for k in i)
        return torch.tensor(i) if isinstance(i, np.ndarray) else i

    x = torch.tensor(a)
    want = a[index]
    got = x[mine(index)]
    assert got.shape == want.shape
    np.testing.assert_array_equal(got.numpy(), want)
    y, b = torch.tensor(a), a.copy()
    y[mine(index)] = -1.0
    b[index] = -1.0
    np.testing.assert_array_equal(y.numpy(), b)
    z, c = torch.tensor(a), a.copy()
    values = np.arange(want.size, dtype=np.float64).reshape(want.shape)
    z[mine(index)] = torch.tensor(values)
    c[index] = values
    np.testing.assert_array_equal(z.numpy(), c)
    w = torch.tensor(a, requires_grad=True)
    (w[mine(index)] * 2).sum().backward()
    g = np.zeros_like(a)
    np.add.at(g, index, 2.0)
    np.testing.assert_array_equal(w.grad.numpy(), g)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: x[5], "index 5 is out of bounds for dimension 0 with size 3"),
        (lambda x: x[0, 0, 0], "too many indices for tensor of dimension 2"),
        (lambda x: x[torch.tensor([0, 7])], "index 7 is out of bounds for dimension 0 with size 3"),
        (lambda x: x[torch.tensor([True, False])], "The shape of the mask [2] at index 0 does not match"),
        (lambda x: x[torch.tensor(1.5)], "tensors used as indices must be long, int, byte or bool"),
    ],
)
def test_wrong_indices(wrong, words):
    with pytest.raises(IndexError) as caught:
        wrong(torch.zeros(3, 4))
    assert words in str(caught.value)


def test_data_ptr_tells_which_memory_and_where():
    y = torch.zeros(4, 5)
    p, v = y.data_ptr(), y[1:, 2]
    assert v.data_ptr() - p == 28 and v[1:].data_ptr() - p == 48
    y.add_(1)
    assert y.data_ptr() == p == y.t().data_ptr() == y.detach().data_ptr() and y.clone().data_ptr() != p
    del v
    y.add_(1)
    assert y.data_ptr() == p
    row = y[2]
    del y
    assert row.data_ptr() - p == 40 and torch.zeros(0).data_ptr() == 0
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    assert second.weight.data_ptr() == first.weight.data_ptr() != first.bias.data_ptr()


def test_resize_out_of_place():
    with pytest.warns(UserWarning, match="non-inplace resize is deprecated"):
        assert torch.zeros(3, 4).resize(4, 3).shape == (4, 3)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="requested resize to 5 .5 elements in total"):
        torch.zeros(3, 4).resize(5)
