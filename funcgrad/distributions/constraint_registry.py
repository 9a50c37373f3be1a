"""From a constraint to a map that keeps it: `biject_to` one to one, `transform_to` perhaps not."""

from __future__ import annotations

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Constraint -> Transform from all numbers to what keeps it."""

    def __init__(self):
        self._factories: dict = {}

    def register(self, constraint, factory=None):
        """Have `factory(constraint)` make the map for a constraint or a class of them; without it, a decorator.

        Raises TypeError for what is no constraint.
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        known = isinstance(constraint, constraints.Constraint) or (
            isinstance(constraint, type) and issubclass(constraint, constraints.Constraint)
        )
        if not known:
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._factories[constraint] = factory
        return factory

    def __call__(self, constraint):
        """Raises NotImplementedError for a constraint that has no map."""
        for key in (constraint, *type(constraint).__mro__):
            if key in self._factories:
                return self._factories[key](constraint)
        raise NotImplementedError(f"Cannot transform _{repr(constraint).partition('(')[0]} constraints")


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _both(constraint):
    def register(factory):
        biject_to.register(constraint, factory)
        return transform_to.register(constraint, factory)

    return register


_both(constraints.real)(lambda c: transforms.identity_transform)
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda c: transforms.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: transforms.PositiveDefiniteTransform())
_both(constraints.corr_cholesky)(lambda c: transforms.CorrCholeskyTransform())
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())


@biject_to.register(constraints.independent)
def _(c):
    return transforms.IndependentTransform(biject_to(c.base_constraint), c.reinterpreted_batch_ndims)


@transform_to.register(constraints.independent)
def _(c):
    return transforms.IndependentTransform(transform_to(c.base_constraint), c.reinterpreted_batch_ndims)


@_both(constraints.bounded)
def _(c):
    low, high = c.lower_bound, c.upper_bound
    if c.is_discrete:
        raise NotImplementedError(f"Cannot transform _{repr(c).partition('(')[0]} constraints")
    if high is None:
        exp = transforms.ExpTransform()
        at_zero = isinstance(low, int | float) and low == 0
        return exp if at_zero else transforms.ComposeTransform([exp, transforms.AffineTransform(low, 1)])
    if low is None:
        return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(high, -1)])
    sigmoid = transforms.SigmoidTransform()
    if all(isinstance(b, int | float) for b in (low, high)) and (low, high) == (0, 1):
        return sigmoid
    return transforms.ComposeTransform([sigmoid, transforms.AffineTransform(low, high - low)])


@biject_to.register(constraints.cat)
def _(c):
    return transforms.CatTransform([biject_to(part) for part in c.cseq], c.dim, c.lengths)


@transform_to.register(constraints.cat)
def _(c):
    return transforms.CatTransform([transform_to(part) for part in c.cseq], c.dim, c.lengths)


@biject_to.register(constraints.stack)
def _(c):
    return transforms.StackTransform([biject_to(part) for part in c.cseq], c.dim)


@transform_to.register(constraints.stack)
def _(c):
    return transforms.StackTransform([transform_to(part) for part in c.cseq], c.dim)
