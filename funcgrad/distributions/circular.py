"""Distributions of an angle."""

from __future__ import annotations

import math

from .. import dtypes
from ..engine import no_grad
from ..random import rand
from ..tensor import NAMES
from . import constraints
from .distribution import AroundLoc, Distribution, all_tensors

__all__ = ["VonMises"]

T, S = NAMES["torch"], NAMES["special"]


class VonMises(AroundLoc, Distribution):
    """exp(concentration·cos(x - loc)) / (2π·I0(concentration)), an angle from -π to π in radians."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}  # noqa: RUF012
    support = constraints.real
    has_rsample = False

    def __init__(self, loc, concentration, validate_args: bool | None = None):
        self.loc, self.concentration = all_tensors(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def variance(self):
        """The circular variance, 1 - I1 / I0."""
        return 1 - S["i1e"](self.concentration) / S["i0e"](self.concentration)

    def log_prob(self, value):
        self._validated(value)
        k = self.concentration
        return k * (value - self.loc).cos() - math.log(2 * math.pi) - (S["i0e"](k).log() + k)

    @no_grad()
    def sample(self, sample_shape=()):
        """By rejection (Best and Fisher, 1979), in float64; looks each round whether all are accepted."""
        k, loc = (t.detach().to(dtypes.float64) for t in (self.concentration, self.loc))
        shape = self._extended_shape(sample_shape)
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        r = T["where"](k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))
        x, done = T["empty"](shape, dtype=dtypes.float64), T["zeros"](shape, dtype=dtypes.bool_)
        while not bool(done.all()):
            u1, u2, u3 = rand((3, *shape), dtype=dtypes.float64).unbind()
            z = (math.pi * u1).cos()
            f = (1 + r * z) / (r + z)
            c = k * (r - f)
            accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
            x = T["where"](accept, (u3 - 0.5).sign() * f.acos(), x)
            done = done | accept
        return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
