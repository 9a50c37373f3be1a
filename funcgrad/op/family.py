"""What rows share: torch's signature, promotion, which variants exist, sample inputs, quick shape inference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import dtypes
from . import checks
from .sample import sample


@dataclass(frozen=True)
class Family:
    """Every field is a default that a row may override by keyword.

    sig       torch's signature (see `signature`)
    promote   how array inputs are cast before `forward`: None (as they come), "numeric" (to PyTorch's
              result type), "float" (the same, and integers to the default dtype)
    variants  which forms exist: "f" function, "m" Tensor method, "i" in-place method
    where     the namespace of the function: "torch", "F" (nn.functional), "linalg", "special", "fft", ...;
              None for a row that only other code records
    out       dtype of the result for quick inference: "compute" (that of the promoted inputs) or "bool"
    casts     whether `out=` may have another dtype, one that the result can be cast to
    infer     quick shape inference, (shapes) -> shape; None leaves it to `jax.eval_shape`
    samples   () -> list of Sample
    domain    (low, high) of the values drawn for samples
    """

    name: str
    sig: str | None = None
    promote: str | None = None
    variants: str = "f"
    where: str | None = "torch"
    out: str = "compute"
    casts: bool = False
    infer: Callable | None = None
    samples: Callable | None = None
    domain: tuple[float, float] = (-2.0, 2.0)


def _unary_samples():
    return [sample((3, 4)), sample(()), sample((0, 2))]


def _binary_samples():
    return [sample((3, 4), (3, 4)), sample((3, 1), (4,)), sample((2, 3), ()), sample((0,), (1,))]


def _reduce_samples():
    return [
        sample((3, 4)),
        sample((3, 4), dim=1),
        sample((2, 3, 4), dim=(0, -1)),
        sample((2, 3), dim=0, keepdim=True),
        sample(()),
    ]


def _same(shapes):
    return shapes[0]


_TWO = "input: TS, other: TS"
FAMILIES = {
    f.name: f
    for f in (
        Family("unary", "input: T", "numeric", "fmi", infer=_same, samples=_unary_samples),
        Family("unary_float", "input: T", "float", "fmi", casts=True, infer=_same, samples=_unary_samples),
        Family("unary_bool", "input: T", None, "fm", out="bool", infer=_same, samples=_unary_samples),
        Family(
            "binary", _TWO, "numeric", "fmi", casts=True, infer=checks.broadcast, samples=_binary_samples
        ),
        Family(
            "binary_float", _TWO, "float", "fmi", casts=True, infer=checks.broadcast, samples=_binary_samples
        ),
        Family(
            "compare",
            "input: T, other: TS",
            "numeric",
            "fmi",
            out="bool",
            casts=True,
            infer=checks.broadcast,
            samples=_binary_samples,
        ),
        Family("ternary", None, "numeric", "fm", casts=True, infer=checks.broadcast),
        Family("activation", "input: T", "numeric", "f", where="F", infer=_same, samples=_unary_samples),
        Family(
            "reduce",
            "input: T, dim: ints = None, keepdim: bool = False",
            None,
            "fm",
            samples=_reduce_samples,
        ),
        Family("view", None, None, "fm"),
        Family("index", None, None, "fm"),
        Family("shape", None, None, "fm"),
        Family("linalg", None, "numeric", "fm"),
        Family("nn", None, "numeric", "f", where="F"),
        Family("loss", None, "numeric", "f", where="F"),
        Family("random", None, None, "f", where=None),
        Family("internal", None, None, "", where=None),
    )
}


def compute_dtype(promote: str | None, shaped, scalars) -> dtypes.DType | None:
    """The dtype the inputs of a row are cast to; `shaped` are (dtype, ndim) pairs of its array inputs."""
    if promote is None:
        return None
    dtype = dtypes.result_dtype(shaped, scalars)
    if promote == "float" and not dtype.differentiable:
        return dtypes.get_default_dtype()
    return dtype
