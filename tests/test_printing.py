"""Tensors print as PyTorch 2.13 prints them: texts read off PyTorch."""

import ml_dtypes
import numpy as np
import pytest

from funcgrad import dtypes
from funcgrad.tensor.printing import (
    array_repr,
    close,
    get_printoptions,
    printoptions,
    set_printoptions,
)

nan, inf = np.nan, np.inf
f32, i64 = np.float32, np.int64


@pytest.fixture(autouse=True)
def default_options():
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


LINES = [
    # notation and width
    (f32([1, 2]), "tensor([1., 2.])"),
    (f32([-1, 2]), "tensor([-1.,  2.])"),
    (f32([0, 0]), "tensor([0., 0.])"),
    (f32([nan, inf, 0]), "tensor([nan, inf, 0.])"),
    (f32([1, nan, -inf]), "tensor([1., nan, -inf])"),
    (f32([1.5, nan]), "tensor([1.5000,    nan])"),
    (f32([1e-5]), "tensor([1.0000e-05])"),
    (f32([1, 1e9]), "tensor([1.0000e+00, 1.0000e+09])"),
    (f32([0.5, 1e4]), "tensor([5.0000e-01, 1.0000e+04])"),
    (f32([1e10, nan]), "tensor([1.0000e+10,        nan])"),
    (f32([123456.789]), "tensor([123456.7891])"),
    (f32([1.23456e8, 1]), "tensor([1.2346e+08, 1.0000e+00])"),
    # no dimension
    (f32(0), "tensor(0.)"),
    (f32(nan), "tensor(nan)"),
    (np.complex64(1 + 2j), "tensor(1.+2.j)"),
    (np.bool_(True), "tensor(True)"),
    (np.int8(3), "tensor(3, dtype=torch.int8)"),
    # other dtypes
    (np.array([True, False]), "tensor([ True, False])"),
    (i64([1, 2**60]), "tensor([                  1, 1152921504606846976])"),
    (i64([-1, 20, 2**40]), "tensor([           -1,            20, 1099511627776])"),
    (np.float64([1.5]), "tensor([1.5000], dtype=torch.float64)"),
    (np.array(0, ml_dtypes.bfloat16), "tensor(0., dtype=torch.bfloat16)"),
    (np.array([1e38], ml_dtypes.bfloat16), "tensor([9.9692e+37], dtype=torch.bfloat16)"),
    (np.complex64([1j, nan]), "tensor([0.+1.j, nan+0.j])"),
    (np.complex64([complex(1, -0.0)]), "tensor([1.-0.j])"),
    (np.complex64([1 + 2j, -1.5 - 3e9j]), "tensor([ 1.0000+2.0000e+00j, -1.5000-3.0000e+09j])"),
    # empty
    (f32([]), "tensor([])"),
    (i64([]), "tensor([], dtype=torch.int64)"),
    (np.zeros((0, 3), f32), "tensor([], size=(0, 3))"),
    (np.zeros((2, 0), bool), "tensor([], size=(2, 0), dtype=torch.bool)"),
]


@pytest.mark.parametrize(("array", "text"), LINES, ids=[text for _, text in LINES])
def test_one_line(array, text):
    assert array_repr(array) == text


def lines(text):
    """The text without its first newline and without the test's indentation of four."""
    return text.removeprefix("\n").replace("\n    ", "\n").removeprefix("    ").rstrip(" \n")


def test_dimensions_are_set_apart():
    assert array_repr(np.arange(24, dtype=f32).reshape(2, 3, 4) / 3) == lines("""
    tensor([[[0.0000, 0.3333, 0.6667, 1.0000],
             [1.3333, 1.6667, 2.0000, 2.3333],
             [2.6667, 3.0000, 3.3333, 3.6667]],

            [[4.0000, 4.3333, 4.6667, 5.0000],
             [5.3333, 5.6667, 6.0000, 6.3333],
             [6.6667, 7.0000, 7.3333, 7.6667]]])
    """)


def test_more_than_a_thousand_are_cut():
    assert array_repr(np.arange(2000).reshape(2, 1000)) == lines("""
    tensor([[   0,    1,    2,  ...,  997,  998,  999],
            [1000, 1001, 1002,  ..., 1997, 1998, 1999]])
    """)
    assert array_repr(np.arange(2000, dtype=f32).reshape(40, 50)) == lines("""
    tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 4.7000e+01, 4.8000e+01,
             4.9000e+01],
            [5.0000e+01, 5.1000e+01, 5.2000e+01,  ..., 9.7000e+01, 9.8000e+01,
             9.9000e+01],
            [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.4700e+02, 1.4800e+02,
             1.4900e+02],
            ...,
            [1.8500e+03, 1.8510e+03, 1.8520e+03,  ..., 1.8970e+03, 1.8980e+03,
             1.8990e+03],
            [1.9000e+03, 1.9010e+03, 1.9020e+03,  ..., 1.9470e+03, 1.9480e+03,
             1.9490e+03],
            [1.9500e+03, 1.9510e+03, 1.9520e+03,  ..., 1.9970e+03, 1.9980e+03,
             1.9990e+03]])
    """)


def test_the_numbers_left_out_have_no_say():
    array = np.ones(2000, f32)
    array[1000] = 1e9
    assert array_repr(array) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_cut_in_three_dimensions():
    with printoptions(threshold=0, edgeitems=1):
        assert array_repr(np.zeros((3, 3, 3), f32) + np.arange(3, dtype=f32)) == lines(
            """
        tensor([[[0.,  ..., 2.],
                 ...,
                 [0.,  ..., 2.]],

                ...,

                [[0.,  ..., 2.],
                 ...,
                 [0.,  ..., 2.]]])
        """.replace("\n    ", "\n")
        )


def test_suffixes():
    leaf = ["requires_grad=True"]
    assert array_repr(f32([]), suffixes=leaf) == "tensor([], requires_grad=True)"
    assert (
        array_repr(np.float64([1.5]), suffixes=leaf)
        == "tensor([1.5000], dtype=torch.float64, requires_grad=True)"
    )
    assert array_repr(np.full(30, 0.1, f32), suffixes=leaf) == lines("""
    tensor([0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000,
            0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000,
            0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000,
            0.1000, 0.1000, 0.1000], requires_grad=True)
    """)


def test_a_suffix_that_does_not_fit_starts_a_line():
    tangent = "tangent=" + array_repr(np.full((2, 3), 2, f32), suffixes=["grad_fn=<AddBackward0>"])
    text = array_repr(np.full((2, 3), 2, f32), suffixes=["grad_fn=<MulBackward0>", tangent])
    assert text == lines("""
    tensor([[2., 2., 2.],
            [2., 2., 2.]], grad_fn=<MulBackward0>,
           tangent=tensor([[2., 2., 2.],
            [2., 2., 2.]], grad_fn=<AddBackward0>))
    """)


def test_what_is_not_in_an_array():
    assert array_repr(f32([1]), device="cuda:0") == "tensor([1.], device='cuda:0')"
    assert (
        close("tensor(", "...", ["device='meta'", "size=(3,)"])
        == "tensor(..., device='meta', size=(3,))"
    )
    # values may be held in another dtype than the tensor's
    assert array_repr(f32([1]), dtypes.float16) == "tensor([1.], dtype=torch.float16)"


def test_another_default_dtype():
    assert array_repr(np.float64([1]), default=dtypes.float64) == "tensor([1.])"
    assert array_repr(f32([1]), default=dtypes.float64) == "tensor([1.], dtype=torch.float32)"
    assert array_repr(np.complex128([1]), default=dtypes.float64) == "tensor([1.+0.j])"
    assert (
        array_repr(np.complex64([1]), default=dtypes.float64)
        == "tensor([1.+0.j], dtype=torch.complex64)"
    )


@pytest.mark.parametrize(
    ("options", "array", "text"),
    [
        (
            {"sci_mode": True},
            f32([1, 2, 3, nan]),
            "tensor([1.0000e+00, 2.0000e+00, 3.0000e+00,        nan])",
        ),
        ({"sci_mode": True}, f32([nan, 0]), "tensor([nan, 0.])"),
        ({"sci_mode": False}, f32([1e10, 1.5]), "tensor([10000000000.0000,           1.5000])"),
        ({"precision": 2}, f32([1e10, 1.5]), "tensor([1.00e+10, 1.50e+00])"),
        ({"profile": "short"}, f32([0.123]), "tensor([0.12])"),
        ({"edgeitems": 0, "threshold": 3}, np.zeros((2, 2), f32), "tensor([...], size=(2, 2))"),
        ({"edgeitems": 0, "threshold": 3}, f32(1), "tensor(1., size=())"),
        ({"linewidth": 20}, f32([1e10, 1.5]), "tensor([1.0000e+10,\n        1.5000e+00])"),
    ],
)
def test_options(options, array, text):
    with printoptions(**options):
        assert array_repr(array) == text


def test_options_are_kept_and_put_back():
    standard = {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    assert get_printoptions() == standard
    with printoptions(profile="full", precision=2, sci_mode=True):
        assert get_printoptions() == {
            **standard,
            "precision": 2,
            "threshold": inf,
            "sci_mode": True,
        }
        set_printoptions(linewidth=100)  # sci_mode does not stay
        assert get_printoptions() == {
            **standard,
            "precision": 2,
            "threshold": inf,
            "linewidth": 100,
        }
    assert get_printoptions() == standard
