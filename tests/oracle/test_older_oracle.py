"""Names that older programs use, the same calls on PyTorch and here."""

import numpy as np
import pytest
import torch

import funcgrad

CALLS = """
t.FloatTensor([1, 2]) | t.LongTensor([[1], [2]]) | t.DoubleTensor(2, 3).shape | t.ByteTensor().shape
t.FloatTensor(t.ones(2)) | t.FloatTensor(t.ones(2, dtype=t.float64)) | t.BoolTensor([True, False]) | t.HalfTensor([0.5])
isinstance(t.ones(2), t.FloatTensor) | isinstance(t.ones(2), t.LongTensor) | isinstance(t.arange(2), t.LongTensor)
t.unravel_index(t.tensor([[5, 7], [0, 11]]), (3, 4)) | t.unravel_index(t.tensor(5), 9) | t.unravel_index(t.tensor([1.0]), (2,))
t.unravel_index(t.tensor([1]), (-2,)) | X.adjoint() | t.adjoint(X * 1j) | X.narrow_copy(1, 0, 2) | t.narrow_copy(X, 0, 1, 1)
X.double().float_power_(2) | X.clone().float_power_(2) | t.ones(6).resize_as_(X).shape | X[0, 0].is_nonzero() | X.is_nonzero()
t.as_strided_scatter(t.zeros(3, 3), t.ones(2, 2), (2, 2), (1, 2)) | t.as_strided_scatter(t.zeros(3, 3), t.ones(2), (2,), (3,), 1)
X.clone().apply_(lambda v: v + 3) | X.clone().map_(t.tensor([2.0, 3.0, 4.0]), lambda a, b: a * b) | X.requires_grad_().apply_(abs)
X.is_cpu | X.is_conj() | X.is_neg() | X.is_shared() | X.is_pinned() | X.is_xla | X.is_mkldnn | X.is_nested
t.special.gammainc(t.tensor(2.0), t.tensor(1.0)) | t.special.gammaincc(t.tensor(2.0), t.tensor(1.0))
t.special.multigammaln(t.tensor(3.0), 2) | t.linalg.matmul(X, X.T) | t.typename(X) | t.typename(3)
t.are_deterministic_algorithms_enabled() | t.get_deterministic_debug_mode() | t.set_deterministic_debug_mode("loud")
t.set_default_tensor_type(t.LongTensor) | t.nn.utils.skip_init(t.nn.Linear, 2, 3).weight.shape | t.nn.utils.skip_init(int)
t.compiler.is_dynamo_compiling() | t.compiler.allow_in_graph(lambda x: 1)([1]) | t.nn.DataParallel(t.nn.Flatten())(X).shape
"""
CALLS = [call.strip() for line in CALLS.strip().splitlines() for call in line.split(" | ")]


def shown(x):
    if isinstance(x, tuple | list):
        return [shown(part) for part in x]
    if isinstance(x, torch.Tensor | funcgrad.Tensor):
        return str(x.dtype), np.round(x.detach().resolve_conj().numpy().astype(np.complex128), 3).tolist()
    return x


def said(call, lib):
    x = lib.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, 4.0]])
    try:
        return shown(eval(call, {"t": lib, "X": x}))
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("call", CALLS)
def test_same(call):
    assert said(call, funcgrad) == said(call, torch)


def test_the_default_by_an_older_name():
    for lib in (funcgrad, torch):
        try:
            lib.set_default_tensor_type("torch.DoubleTensor")
            assert lib.ones(1).dtype is lib.float64
        finally:
            lib.set_default_tensor_type(lib.FloatTensor)
        assert lib.ones(1).dtype is lib.float32


def test_switches_for_determinism():
    for lib in (funcgrad, torch):
        try:
            lib.use_deterministic_algorithms(True, warn_only=True)
            assert lib.are_deterministic_algorithms_enabled() and lib.get_deterministic_debug_mode() == 1
            assert lib.is_deterministic_algorithms_warn_only_enabled()
            lib.set_deterministic_debug_mode("error")
            assert lib.get_deterministic_debug_mode() == 2
        finally:
            lib.use_deterministic_algorithms(False)


@pytest.mark.parametrize("transpose", [False, True])
def test_batch_normalisation_folded_into_a_convolution(transpose):
    found = []
    for lib in (funcgrad, torch):
        lib.manual_seed(0)
        conv = (lib.nn.ConvTranspose2d if transpose else lib.nn.Conv2d)(2, 3, 3)
        bn, x = lib.nn.BatchNorm2d(3), lib.randn(2, 2, 6, 6)
        bn(conv(x))
        conv.eval(), bn.eval()
        made = lib.nn.utils.fuse_conv_bn_eval(conv, bn, transpose)
        found.append([t.detach().numpy() for t in (made.weight, made.bias, made(x), bn(conv(x)))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0][2], found[0][3], rtol=1e-4, atol=1e-5)


def test_batch_normalisation_folded_into_a_linear_layer():
    found = []
    for lib in (funcgrad, torch):
        lib.manual_seed(0)
        linear, bn, x = lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3), lib.randn(4, 2)
        bn(linear(x))
        with pytest.raises(AssertionError, match="Fusion only for eval"):
            lib.nn.utils.fuse_linear_bn_eval(linear, bn)
        made = lib.nn.utils.fuse_linear_bn_eval(linear.eval(), bn.eval())
        found.append([t.detach().numpy() for t in (made.weight, made.bias, made(x))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batch_statistics_alone():
    for lib in (funcgrad, torch):
        net = lib.nn.Sequential(lib.nn.BatchNorm1d(2), lib.nn.Linear(2, 2))
        assert lib.func.replace_all_batch_norm_modules_(net) is net
        assert net[0].running_mean is None and not net[0].track_running_stats
        x = lib.tensor([[1.0, 2.0], [3.0, 5.0]])
        assert lib.func.vmap(net, randomness="error")(x[None]).shape == (1, 2, 2)


def test_a_replica_of_one():
    for lib in (funcgrad, torch):
        net = lib.nn.DataParallel(lib.nn.Linear(2, 2))
        assert list(net.state_dict()) == ["module.weight", "module.bias"]
        with pytest.warns(FutureWarning, match="functional_call` is deprecated as of PyTorch 2.0"):
            y = lib.nn.utils.stateless.functional_call(net.module, dict(net.module.named_parameters()), lib.ones(1, 2))
        assert y.shape == (1, 2)


def test_programs_forgotten():
    x = funcgrad.ones(3)
    for _ in range(2):
        assert (x * 3.5).sum().item() == 10.5
    before = funcgrad.tape.stats.compiles
    funcgrad.compiler.reset()
    assert (x * 3.5).sum().item() == 10.5 and funcgrad.tape.stats.compiles == before + 1


FUNCTIONS = [
    "T.add(x, 1)", "T.sin(x)", "T.nn.functional.gelu(x)", "T.nn.functional.softmax(x, -1)", "T.linalg.norm(x)", "T.fft.fft(x)",
    "T.special.erf(x)", "T.nn.PairwiseDistance()(x, 2 * x)", "T.split(x, 1)[1]", "T.einsum('ij,jk', x, x)", "T.cat([x, x])",
    "T.nn.functional.linear(x, x)", "T.nn.functional.triplet_margin_with_distance_loss(x, x + 1, x - 2)",
]  # fmt: skip


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions_of_pytorch_take_our_tensors(text):
    """What a library does that has imported PyTorch itself: its functions find ours of the same name."""
    numbers = [[1.0, 2.0], [3.0, 5.0]]
    ours, theirs = (m.tensor(numbers, requires_grad=True) for m in (funcgrad, torch))
    a, b = (eval(text, {"T": torch, "x": x}) for x in (ours, theirs))
    assert type(a) is funcgrad.Tensor
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5)
    for made in (a, b):
        made.abs().sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_what_cannot_take_our_tensors_says_so():
    x = funcgrad.ones(2, 2)
    with pytest.raises(TypeError, match="all __torch_function__ handlers returned NotImplemented"):
        torch.hspmm(x, x)
    with pytest.raises(TypeError, match="unsupported operand type"):
        torch.ones(2, 2) + x
