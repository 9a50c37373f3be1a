"""A batch seen as one example: what `vmap` and batched cotangents are made of."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass

from ..op import REGISTRY, batch_op
from ..tape import Lifted, Value, exact, new_level, promoted, record, spec

LOOK = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, "
    "please try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch "
    "internals, please file a bug report."
)

BRANCH = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that "
    "yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)
ESCAPED = (
    "this Tensor escaped from the function that vmap() was given: it is one example of a batch, and means nothing "
    "outside. Return it from the function instead."
)


@dataclass(frozen=True)
class Batch:
    """A `vmap` that is going on: its level, how many examples, and what random draws do in it.

    alike  the examples have the same numbers and differ in their tangents only, so that one gradient does for all
    """

    level: int
    size: int
    randomness: str = "error"
    alike: bool = False


class _Batches(threading.local):
    going_on: tuple[Batch, ...] = ()


_batches = _Batches()


def batches() -> tuple[Batch, ...]:
    """The `vmap`s that this thread is in, the outermost first."""
    return _batches.going_on


@contextmanager
def batch(size: int, randomness: str, alike: bool = False):
    """Within, Values can be batched at a new level."""
    made = Batch(new_level(), size, randomness, alike)
    before, _batches.going_on = _batches.going_on, (*_batches.going_on, made)
    try:
        yield made
    finally:
        _batches.going_on = before


class Batched(Lifted):
    """`inner` has a leading dimension that operations do not see. Its graph is that of `inner`: a backward through
    it walks the batched operators."""

    __slots__ = ()

    def __init__(self, inner, level: int):
        s = inner.spec
        self.inner, self.level = inner, level
        self.spec = spec(s.shape[1:], s.dtype, s.needs)

    @property
    def size(self) -> int:
        return self.inner.spec.shape[0]

    def process(self, op, args, params: dict):
        self._check()
        mine = [a.__class__ is Batched and a.level == self.level for a in args]
        dtype = promoted(op, args, params)
        out = record(
            batch_op(op),
            [a.inner if own else exact(a, dtype) for a, own in zip(args, mine, strict=True)],
            {
                "axes": tuple(0 if own else None for own in mine),
                "size": self.size,
                "dtype": dtype,
                "params": tuple(params.items()),
            },
        )
        return tuple([Batched(v, self.level) for v in out]) if out.__class__ is tuple else Batched(out, self.level)

    def around(self, inner) -> Batched:
        return Batched(inner, self.level)

    def each(self, f) -> Batched:
        return Batched(f(self.inner), self.level)

    def shadow(self):
        return None

    def force(self):
        self._check()
        raise RuntimeError(LOOK)

    def branch(self):
        self._check()
        raise RuntimeError(BRANCH)

    def _check(self) -> None:
        if all(b.level != self.level for b in _batches.going_on):
            raise RuntimeError(ESCAPED)


def unbatched(v, level: int, size: int) -> Value:
    """The whole batch at `level`, which is the innermost; what all examples share is repeated."""
    if v.__class__ is Batched and v.level == level:
        return v.inner
    return record(REGISTRY["expand"], (v,), {"size": (size, *v.spec.shape)})
