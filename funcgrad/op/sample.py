"""Sample inputs as data beside the operator; values are drawn from them for any dtype."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One call: `arrays` are shapes (drawn at random), NumPy arrays, Python scalars or None."""

    arrays: tuple
    params: dict = field(default_factory=dict)


def sample(*arrays, **params) -> Sample:
    """`sample((3, 4), np.array([0, 2]), dim=1)`: a random 3x4 array, a given index, a parameter."""
    return Sample(arrays, params)


def draw(op, s: Sample, np_dtype=np.float64, seed: int = 0) -> list:
    """The arrays of `s` in `np_dtype`, inside the row's domain; given arrays stay as they are,
    except that given floats take the dtype."""
    rng = np.random.default_rng(seed)
    low, high = op.domain
    low, high = max(low, -2.0 if high == float("inf") else low), min(high, max(low, 0) + 2.5)
    dtype = np.dtype(np_dtype)
    out = []
    for a in s.arrays:
        if isinstance(a, tuple):
            x = rng.uniform(low, high, a)
            if dtype.kind == "c":
                x = x + 1j * rng.uniform(low, high, a)
            elif dtype.kind in "iu":
                x = rng.integers(max(0, int(low)) if dtype.kind == "u" else int(low), max(int(high), 1) + 2, a)
            elif dtype.kind == "b":
                x = rng.random(a) > 0.5
            out.append(np.asarray(x).astype(dtype))
        elif isinstance(a, np.ndarray) and a.dtype.kind == "f" and dtype.kind in "fcV":
            out.append(a.astype(dtype))
        else:
            out.append(a)
    return out
