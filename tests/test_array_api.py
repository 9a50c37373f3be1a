"""The array API standard, held against NumPy, whose own namespace follows it."""

import inspect

import numpy as np
import pytest

import funcgrad as torch
from funcgrad.tape import stats

xp = torch.array_api

NAMES = """
__array_api_version__ __array_namespace_info__ abs acos acosh add all any arange argmax argmin argsort asarray asin asinh
astype atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bool
broadcast_arrays broadcast_to can_cast ceil clip complex128 complex64 concat conj copysign cos cosh count_nonzero
cumulative_prod cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1 eye fft finfo flip float32
float64 floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo imag inf int16 int32 int64 int8
isdtype isfinite isinf isnan less less_equal linalg linspace log log10 log1p log2 logaddexp logical_and logical_not
logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply nan negative newaxis
nextafter nonzero not_equal ones ones_like permute_dims pi positive pow prod real reciprocal remainder repeat reshape
result_type roll round searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take
take_along_axis tan tanh tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unique_all unique_counts unique_inverse
unique_values unstack var vecdot where zeros zeros_like
""".split()
LINALG = """
cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer pinv qr
slogdet solve svd svdvals tensordot trace vecdot vector_norm
""".split()
FFT = "fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn".split()

F = np.array([[0.5, -1.25, 3.0], [2.5, 0.25, -0.75]])
I = np.array([[5, -3, 0], [2, 7, -3]])  # noqa: E741
B = np.array([[True, False, True], [False, False, True]])
C = np.array([1 + 2j, -0.5j, 3.0])
S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
U = np.array([3, 200, 7], np.uint8)

CALLS = """
xp.abs(F) | xp.abs(I) | xp.abs(C) | xp.acos(F / 4) | xp.acosh(xp.abs(F) + 1) | xp.asin(F / 4) | xp.asinh(F) | xp.atan(F)
xp.atanh(F / 4) | xp.ceil(F) | xp.ceil(I) | xp.cos(F) | xp.cosh(F) | xp.exp(F) | xp.expm1(F) | xp.floor(F) | xp.floor(I)
xp.isfinite(F / 0) | xp.isinf(F / 0) | xp.isnan(F * 0 / 0) | xp.log(xp.abs(F)) | xp.log1p(xp.abs(F)) | xp.log2(xp.abs(F))
xp.log10(xp.abs(F)) | xp.logical_not(B) | xp.negative(I) | xp.positive(F) | xp.reciprocal(F) | xp.round(F) | xp.round(I)
xp.signbit(F) | xp.sin(F) | xp.sinh(F) | xp.sqrt(xp.abs(F)) | xp.square(I) | xp.tan(F) | xp.tanh(F) | xp.trunc(F)
xp.bitwise_invert(I) | xp.bitwise_invert(B) | xp.conj(C) | xp.conj(F) | xp.sign(F) | xp.sign(I) | xp.sign(C)
xp.real(C) | xp.real(F) | xp.imag(C) | xp.imag(F)
xp.add(F, F) | xp.add(F, 2) | xp.add(2, F) | xp.add(I, 1.5) | xp.add(1, I) | xp.atan2(F, F + 1) | xp.bitwise_and(I, 6)
xp.bitwise_left_shift(I, 2) | xp.bitwise_or(I, 6) | xp.bitwise_right_shift(I, 1) | xp.bitwise_xor(I, 6) | xp.bitwise_and(B, B)
xp.copysign(F, -F) | xp.divide(F, 2) | xp.divide(2, F) | xp.floor_divide(I, 2) | xp.floor_divide(F, 0.75) | xp.greater(F, 0)
xp.greater_equal(F, 0.5) | xp.hypot(F, F + 1) | xp.less(0, F) | xp.less_equal(F, F) | xp.logaddexp(F, F + 1)
xp.logical_and(B, ~B) | xp.logical_or(B, ~B) | xp.logical_xor(B, ~B) | xp.maximum(F, 0.25) | xp.minimum(F, 0.25)
xp.multiply(F, I) | xp.nextafter(F, F + 1) | xp.not_equal(I, -3) | xp.equal(I, -3) | xp.pow(F, 2) | xp.pow(2.0, F)
xp.remainder(F, 0.75) | xp.remainder(I, 4) | xp.subtract(1, F) | xp.add(U, xp.asarray(300, dtype=xp.int64))
xp.clip(F, -0.5, 1.0) | xp.clip(F, None, 1.0) | xp.clip(I, 0, None) | xp.clip(F)
xp.arange(5) | xp.arange(2, 9, 3) | xp.arange(5, 2) | xp.arange(5, 2, -1) | xp.arange(0, 1, 0.25)
xp.asarray([1.0, 2.0], dtype=xp.float64) | xp.asarray(F, dtype=xp.float32) | xp.asarray(F, copy=True) | xp.from_dlpack(F)
xp.eye(3) | xp.eye(2, 4, k=1) | xp.eye(3, 2, k=-1, dtype=xp.int64) | xp.full((2, 2), 7) | xp.full(3, 1.5) | xp.full_like(I, 3)
xp.linspace(0, 1, 5) | xp.linspace(0, 1, 5, endpoint=False) | xp.meshgrid(F[0], I[1]) | xp.meshgrid(F[0], I[1], indexing='ij')
xp.ones((2, 3)) | xp.ones(2, dtype=xp.int32) | xp.ones_like(I) | xp.zeros(3) | xp.zeros_like(F) | xp.tril(F) | xp.tril(F, k=1)
xp.triu(F) | xp.triu(F, k=-1) | xp.empty((2, 0)) | xp.empty_like(F[:0])
xp.astype(F, xp.int64) | xp.astype(I, xp.float32) | xp.astype(B, xp.int8)
xp.all(B) | xp.all(B, axis=1) | xp.all(F, axis=(0, 1), keepdims=True) | xp.any(B, axis=0) | xp.any(xp.asarray(False))
xp.count_nonzero(I) | xp.count_nonzero(I, axis=0) | xp.count_nonzero(I, axis=1, keepdims=True) | xp.max(F) | xp.max(I, axis=0)
xp.max(F, axis=(0, 1), keepdims=True) | xp.min(F, axis=-1) | xp.mean(F) | xp.mean(F, axis=(0, 1)) | xp.mean(F, axis=0, keepdims=True)
xp.sum(F) | xp.sum(I, axis=1) | xp.sum(B) | xp.sum(U) | xp.sum(F, axis=(0, 1), keepdims=True) | xp.sum(F, dtype=xp.float32)
xp.sum(F[0, 0]) | xp.sum(F, axis=()) | xp.prod(F) | xp.prod(I, axis=(0, 1)) | xp.prod(F, axis=0, keepdims=True) | xp.prod(U)
xp.std(F) | xp.std(F, axis=1, correction=1.0) | xp.var(F, axis=(0, 1), keepdims=True) | xp.var(F, correction=1)
xp.cumulative_sum(F[0]) | xp.cumulative_sum(I, axis=1) | xp.cumulative_sum(F, axis=0, include_initial=True)
xp.cumulative_prod(F[0], include_initial=True) | xp.cumulative_prod(I, axis=-1) | xp.diff(F) | xp.diff(F, axis=0) | xp.diff(I, n=2)
xp.diff(F, axis=1, prepend=F[:, :1], append=F)
xp.broadcast_arrays(F, I[0], I[:, :1]) | xp.broadcast_to(F[0], (4, 3)) | xp.concat([F, F]) | xp.concat((F, I), axis=1)
xp.concat([F, I], axis=None) | xp.expand_dims(F, axis=1) | xp.expand_dims(F, axis=-1) | xp.expand_dims(F, axis=(0, 2)) | xp.flip(F)
xp.flip(F, axis=1) | xp.moveaxis(S[None], 0, 2) | xp.permute_dims(S[None], (2, 0, 1)) | xp.repeat(F, 2) | xp.repeat(F, 2, axis=1)
xp.repeat(F, xp.asarray([1, 3]), axis=0) | xp.reshape(F, (3, -1)) | xp.reshape(F, (6,), copy=True) | xp.roll(F, 1)
xp.roll(F, (1, 2), axis=(0, 1)) | xp.squeeze(F[None], axis=0) | xp.squeeze(F[None, :, None], axis=(0, 2)) | xp.stack([F, I])
xp.stack((F, I), axis=-1) | xp.tile(F, (2, 1)) | xp.tile(F, (2,)) | xp.unstack(F) | xp.unstack(F, axis=1)
xp.argmax(F) | xp.argmax(F, axis=1) | xp.argmax(F, axis=0, keepdims=True) | xp.argmin(I) | xp.argmin(F, axis=-1)
xp.argsort(F) | xp.argsort(I, axis=0) | xp.sort(F) | xp.sort(I, axis=0)
xp.nonzero(I) | xp.searchsorted(F[0, 1:], F[1]) | xp.searchsorted(I[1, :2], I, side='right')
xp.where(B, F, I) | xp.where(B, F, 0) | xp.where(B, 1, I) | xp.take(F, xp.asarray([2, 0]), axis=1) | xp.take(F[0], xp.asarray([-1, 1]))
xp.take_along_axis(F, xp.argsort(F)) | xp.take_along_axis(F, xp.asarray([[0], [-1]]), axis=1)
xp.unique_all(I) | xp.unique_counts(I) | xp.unique_inverse(I) | xp.sort(xp.unique_values(I))
xp.matmul(F, S) | xp.matmul(I, I.T) | xp.matrix_transpose(F) | xp.tensordot(F, S, axes=1) | xp.tensordot(F, F, axes=([0, 1], [0, 1]))
xp.vecdot(F, I) | xp.vecdot(C, C * 1j) | xp.vecdot(F, F, axis=0)
xp.linalg.cholesky(S) | xp.linalg.cross(S[0], S[1]) | xp.linalg.det(S) | xp.linalg.diagonal(S, offset=1) | xp.linalg.eigvalsh(S)
xp.linalg.eigh(S)[0] | xp.linalg.inv(S) | xp.linalg.matmul(S, S) | xp.linalg.matrix_norm(S) | xp.linalg.matrix_norm(S, ord=1, keepdims=True)
xp.linalg.matrix_power(S, 3) | xp.linalg.matrix_power(S, -1) | xp.linalg.matrix_rank(S) | xp.linalg.matrix_transpose(S)
xp.linalg.outer(S[0], S[1]) | xp.linalg.pinv(F) | xp.abs(xp.linalg.qr(S).R) | xp.linalg.slogdet(S) | xp.linalg.solve(S, S[0])
xp.linalg.solve(S, S[:, :2]) | xp.linalg.svd(S)[1] | xp.abs(xp.linalg.svd(F, full_matrices=False)[2]) | xp.linalg.svdvals(F)
xp.linalg.tensordot(S, S) | xp.linalg.trace(S) | xp.linalg.trace(S, offset=-1) | xp.linalg.vecdot(S, S)
xp.linalg.vector_norm(F) | xp.linalg.vector_norm(F, axis=1, ord=1) | xp.linalg.vector_norm(F, keepdims=True)
xp.linalg.vector_norm(S[None], axis=(0, 1), ord=float('inf'))
xp.fft.fft(C) | xp.fft.ifft(C, n=5, norm='ortho') | xp.fft.fftn(F) | xp.fft.ifftn(F, axes=(0,)) | xp.fft.rfft(F)
xp.fft.irfft(C, n=4) | xp.fft.rfftn(F, s=(2, 2), axes=(0, 1)) | xp.fft.irfftn(C) | xp.fft.hfft(C) | xp.fft.ihfft(F[0])
xp.fft.fftfreq(5, d=0.5) | xp.fft.rfftfreq(6) | xp.fft.fftshift(F) | xp.fft.ifftshift(F, axes=(1,))
"""
CALLS = [call.strip() for line in CALLS.strip().splitlines() for call in line.split("|")]
INPUTS = {"F": F, "I": I, "B": B, "C": C, "S": S, "U": U}


def flat(x):
    return list(x) if isinstance(x, tuple | list) else [x]


def test_every_name_is_there():
    assert sorted(NAMES) == sorted(set(xp.__all__)) and all(hasattr(xp, n) for n in NAMES)
    assert sorted(LINALG) == sorted(xp.linalg.__all__) and all(hasattr(xp.linalg, n) for n in LINALG)
    assert sorted(FFT) == sorted(xp.fft.__all__) and all(hasattr(xp.fft, n) for n in FFT)
    functions = [f for f in vars(xp).values() if inspect.isfunction(f) and f.__name__ in NAMES]
    assert len(functions) > 120 and all(f.__doc__ for f in functions)


def test_every_function_is_called():
    text = " ".join(CALLS)
    inside = {n for n in NAMES if inspect.isfunction(getattr(xp, n))} - {"can_cast", "finfo", "iinfo", "isdtype", "result_type"}
    assert not {n for n in inside if f"xp.{n}(" not in text}
    assert not {n for n in LINALG if f"xp.linalg.{n}(" not in text} | {n for n in FFT if f"xp.fft.{n}(" not in text}


@pytest.mark.parametrize("call", CALLS)
def test_as_in_numpy(call):
    with np.errstate(all="ignore"):
        expected = flat(eval(call, {"xp": np, **INPUTS}))
    tensors = {k: torch.tensor(v) for k, v in INPUTS.items()}
    found = flat(eval(call, {"xp": xp, **tensors}))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        assert tuple(ours.shape) == theirs.shape
        if theirs.dtype.kind in "biu" or theirs.dtype == np.float32:
            assert ours.numpy().dtype == theirs.dtype
        assert ours.dtype.is_complex == (theirs.dtype.kind == "c")
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-7)


def test_descending():
    x = torch.tensor(I)
    assert xp.sort(x, descending=True).tolist() == [[5, 0, -3], [7, 2, -3]]
    assert xp.argsort(torch.tensor([1, 3, 1, 3]), descending=True).tolist() == [1, 3, 0, 2]  # equals stay in order


def test_dtypes():
    x = torch.tensor(I)
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.int16, xp.int8) and xp.can_cast(x, xp.int64)
    assert xp.isdtype(xp.int8, "integral") and xp.isdtype(xp.float32, ("bool", "real floating"))
    assert xp.isdtype(xp.uint8, "unsigned integer") and not xp.isdtype(xp.bool, "numeric") and xp.isdtype(xp.bool, xp.bool)
    assert xp.result_type(xp.int8, xp.int16, 1) is xp.int16 and xp.result_type(xp.int8, 1.0) is xp.float32
    assert xp.finfo(xp.float64).eps == np.finfo(np.float64).eps and xp.iinfo(xp.int8).max == 127
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["indexing"] is xp.int64 and "uint16" in info.dtypes(kind="integral")
    assert info.devices() == [info.default_device()] and info.capabilities()["boolean indexing"]


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda x: xp.add(1, 2), TypeError),
        (lambda x: xp.squeeze(x, axis=0), ValueError),
        (lambda x: xp.cumulative_sum(x), ValueError),
        (lambda x: xp.take(x, torch.tensor([0])), ValueError),
        (lambda x: xp.nonzero(x[0, 0]), ValueError),
        (lambda x: xp.matrix_transpose(x[0]), ValueError),
        (lambda x: xp.astype(x * 1j, xp.float64), TypeError),
        (lambda x: xp.isdtype(xp.int8, "whole"), ValueError),
        (lambda x: xp.result_type(1, 2.0), ValueError),
        (lambda x: xp.zeros(2, device="cuda:7"), (RuntimeError, AssertionError)),
        (lambda x: x.__array_namespace__(api_version="2099.12"), ValueError),
    ],
)
def test_misused(wrong, error):
    with pytest.raises(error):
        wrong(torch.tensor(F))


def test_lazy_and_differentiable():
    x = torch.tensor(F, requires_grad=True)
    runs = stats.runs
    ns = x.__array_namespace__(api_version="2022.12")
    y = ns.sum(ns.where(ns.greater(x, 0), ns.pow(x, 3), 0)) + ns.mean(ns.take_along_axis(x, ns.argsort(x)))
    y = y + ns.vecdot(x, ns.flip(x, axis=0))[0] + ns.linalg.vector_norm(ns.concat([x, x], axis=None))
    y.backward()
    assert ns is xp and stats.runs == runs
    expected = 3 * F**2 * (F > 0) + 1 / 6 + F[::-1] + F * 2 / np.sqrt(2 * (F**2).sum())
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


def test_to_device():
    x = torch.tensor(F)
    assert x.to_device(x.device).tolist() == F.tolist()
