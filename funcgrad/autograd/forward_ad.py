"""Forward mode as users write it: dual tensors within a dual level.

A dual Tensor is a Tensor in every way; each operation of it also records its tangent, by the transpose of
its one rule. Nothing is computed until somebody looks.
"""

from __future__ import annotations

import functools
import threading
from typing import NamedTuple

from ..engine import Dual, dual, enter_level, exit_level
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap

MISMATCH = (
    "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
    "supported. Tensor is of size {} while the given forward gradient is of size {}."
)


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent, None where it has none."""

    primal: Tensor
    tangent: Tensor | None


class _Level(threading.local):
    number: int | None = None


_current = _Level()


def enter_dual_level() -> int:
    """Begin a level, in which dual tensors can be made. Returns 0; raises RuntimeError inside another."""
    if _current.number is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _current.number = enter_level()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: no tangent can be had any more."""
    if _current.number is None or level not in (None, 0):
        raise RuntimeError("Dual level must be a positive number.")
    exit_level(_current.number)
    _current.number = None


class dual_level:
    """A level, as a context.

    >>> import funcgrad as torch
    >>> import funcgrad.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     primal, tangent = fwAD.unpack_dual(x**3)
    >>> tangent
    tensor([3., 0.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, kind, error, tb):
        exit_dual_level()

    def __call__(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with dual_level():
                return f(*args, **kwargs)

        return wrapper


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` with `tangent`, of the same shape.

    Raises RuntimeError outside a level, for another shape, and where there is a tangent already; ValueError for dtypes
    that have no derivative.
    """
    if _current.number is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not t.dtype.differentiable:
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    primal = value_of(tensor)
    if primal.__class__ is Dual and primal.level == _current.number:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not "
            "supported."
        )
    if tangent.shape != tensor.shape:
        raise RuntimeError(MISMATCH.format(list(tensor.shape), list(tangent.shape)))
    return wrap(dual(primal, value_of(tangent.to(tensor.dtype)), _current.number))


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a Tensor in this level; the tangent is None where it has none."""
    v = value_of(tensor)
    if _current.number is None or v.__class__ is not Dual or v.level != _current.number:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(wrap(v.inner), wrap(v.tangent))
