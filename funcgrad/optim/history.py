"""What L-BFGS remembers: the last changes of the gradient and of the parameters, and the direction that they give.

They are rows of two matrices, written one after the other and then over the oldest, so that the program that reads them
is the same however many there are.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..op import Op
from ..tape import constant, record
from ..tensor import NAMES, Tensor
from ..tensor.tensor import value_of, wrap

AT_ONCE = 2**22  # elements of a matrix that is made with all its rows; one of longer rows grows by doubling

cat = NAMES["torch"]["cat"]


class History:
    """Up to `limit` pairs (y, s) of changes of the gradient and of the parameters, each with 1 / (y · s), on flat
    vectors as `like`."""

    def __init__(self, like: Tensor, limit: int):
        self.limit, self.first, self.count = limit, 0, 0
        rows = limit if limit * like.numel() <= AT_ONCE else min(limit, 16)
        self.ys, self.ss = (like.new_zeros(rows, like.numel()) for _ in range(2))
        self.ro = like.new_zeros(rows)

    def add(self, y: Tensor, s: Tensor, product: Tensor) -> None:
        """Remember a pair, whose y · s is `product`, instead of the oldest where there are `limit`."""
        if self.count == len(self.ro) < self.limit:
            more = min(self.count, self.limit - self.count)
            self.ys, self.ss = (cat([m, m.new_zeros(more, m.shape[1])]) for m in (self.ys, self.ss))
            self.ro = cat([self.ro, self.ro.new_zeros(more)])
        row = wrap(constant(np.array([(self.first + self.count) % len(self.ro)])))
        for m, new in ((self.ys, y), (self.ss, s), (self.ro, 1.0 / product)):
            m.index_copy_(0, row, new.unsqueeze(0))
        if self.count == self.limit:
            self.first = (self.first + 1) % self.limit
        else:
            self.count += 1

    def direction(self, g: Tensor, scale) -> Tensor:
        """Minus the inverse Hessian times `g`; `scale`, a Tensor, times the unit matrix is what it is without pairs."""
        at = constant(np.array([self.first, self.count]))
        return wrap(record(_DIRECTION, [*map(value_of, (g, self.ys, self.ss, self.ro, scale)), at]))

    def lists(self) -> dict[str, list[Tensor]]:
        """The pairs as PyTorch keeps them, the oldest first."""
        rows = [(self.first + i) % len(self.ro) for i in range(self.count)]
        return {
            "old_dirs": [self.ys[r].clone() for r in rows],
            "old_stps": [self.ss[r].clone() for r in rows],
            "ro": [self.ro[r].clone() for r in rows],
        }

    @classmethod
    def of_lists(cls, like: Tensor, limit: int, ys: list, ss: list, ro: list) -> History:
        """The last `limit` of pairs as `lists` gives them."""
        made = cls(like, limit)
        for y, s, r in [*zip(ys, ss, ro, strict=True)][-limit:]:
            made.add(y, s, 1.0 / r)
        return made


def _direction(g, ys, ss, ro, scale, at):
    """The two loops over the pairs, from the last to the first and back."""
    first, count = at[0], at[1]
    row = lambda i: (first + i) % len(ro)  # noqa: E731

    def back(k, so_far):
        q, weights = so_far
        r = row(count - 1 - k)
        a = jnp.vdot(ss[r], q) * ro[r]
        return q - ys[r] * a, weights.at[r].set(a)

    q, weights = lax.fori_loop(0, count, back, (-g, jnp.zeros_like(ro)))

    def forth(i, d):
        r = row(i)
        return d + ss[r] * (weights[r] - jnp.vdot(ys[r], d) * ro[r])

    return lax.fori_loop(0, count, forth, q * scale)


_DIRECTION = Op("lbfgs_direction", _direction, None, "internal")
