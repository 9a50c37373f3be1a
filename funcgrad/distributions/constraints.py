"""Where a parameter or a value may lie: each constraint checks a Tensor, element by element."""

from __future__ import annotations

from ..tensor import NAMES, Tensor

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval",
    "is_dependent", "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative",
    "nonnegative_integer", "one_hot", "positive", "positive_definite", "positive_integer", "positive_semidefinite",
    "real", "real_vector", "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip

T = NAMES["torch"]


class Constraint:
    """A set of values. `check` says for each whether it lies in it."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Tensor:
        """Whether each value lies in the set: a bool Tensor without the last `event_dim` dimensions."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__[1:] + "()"


class _Dependent(Constraint):
    """A set that depends on the other parameters."""

    def __init__(self, *, is_discrete: bool = False, event_dim: int = 0):
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, *, is_discrete: bool = False, event_dim: int = 0):
        return _Dependent(is_discrete=is_discrete, event_dim=event_dim)

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint")


def is_dependent(constraint) -> bool:
    """Whether a constraint depends on the other parameters."""
    return isinstance(constraint, _Dependent)


class dependent_property(property, _Dependent):
    """A property of a distribution that is a constraint which depends on its parameters."""

    def __init__(self, fn=None, *, is_discrete: bool = False, event_dim: int = 0):
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn):
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


class _Where(Constraint):
    """Where a function of the value is true."""

    def __init__(self, name: str, check, is_discrete: bool = False, event_dim: int = 0):
        self._name, self._check, self.is_discrete, self.event_dim = name, check, is_discrete, event_dim

    def check(self, value: Tensor) -> Tensor:
        return self._check(value)

    def __repr__(self) -> str:
        return self._name


class bounded(Constraint):
    """Between two numbers or Tensors, either end in the set or not."""

    def __init__(self, lower_bound=None, upper_bound=None, name: str = "Interval", open_low=False, open_high=False,
                 integer=False):  # fmt: skip
        self.lower_bound, self.upper_bound, self._name = lower_bound, upper_bound, name
        self._open, self.is_discrete = (open_low, open_high), integer

    def check(self, value: Tensor) -> Tensor:
        tests = []
        if self.lower_bound is not None:
            tests.append(value > self.lower_bound if self._open[0] else value >= self.lower_bound)
        if self.upper_bound is not None:
            tests.append(value < self.upper_bound if self._open[1] else value <= self.upper_bound)
        if self.is_discrete:
            tests.append(value % 1 == 0)
        ok = tests[0]
        for more in tests[1:]:
            ok = ok & more
        return ok

    def __repr__(self) -> str:
        bounds = [("lower_bound", self.lower_bound), ("upper_bound", self.upper_bound)]
        return f"{self._name}({', '.join(f'{k}={v}' for k, v in bounds if v is not None)})"


def interval(lower_bound, upper_bound):
    """From one bound to the other, both in the set."""
    return bounded(lower_bound, upper_bound)


def half_open_interval(lower_bound, upper_bound):
    """From one bound to below the other."""
    return bounded(lower_bound, upper_bound, "HalfOpenInterval", open_high=True)


def integer_interval(lower_bound, upper_bound):
    """Whole numbers from one bound to the other."""
    return bounded(lower_bound, upper_bound, "IntegerInterval", integer=True)


def greater_than(lower_bound):
    """Above a bound."""
    return bounded(lower_bound, None, "GreaterThan", open_low=True)


def greater_than_eq(lower_bound):
    """From a bound on."""
    return bounded(lower_bound, None, "GreaterThanEq")


def less_than(upper_bound):
    """Below a bound."""
    return bounded(None, upper_bound, "LessThan", open_high=True)


class independent(Constraint):
    """A constraint of elements, which a whole event has to keep."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        ok = self.base_constraint.check(value)
        n = self.reinterpreted_batch_ndims
        if ok.ndim < n:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        return ok.reshape(*ok.shape[: ok.ndim - n], -1).all(-1) if n else ok

    def __repr__(self) -> str:
        return f"Independent({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """What the components of a mixture keep, all of them."""

    def __init__(self, base_constraint: Constraint):
        self.base_constraint = base_constraint
        self.is_discrete, self.event_dim = base_constraint.is_discrete, base_constraint.event_dim

    def check(self, value: Tensor) -> Tensor:
        if value.ndim < self.event_dim:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        ok = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return ok.reshape(*value.shape[: value.ndim - self.event_dim], -1).all(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class cat(Constraint):
    """Several constraints, each of a part of one dimension."""

    def __init__(self, cseq, dim: int = 0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = list(lengths) if lengths is not None else [1] * len(self.cseq)
        self.is_discrete = any(c.is_discrete for c in self.cseq)
        self.event_dim = max(c.event_dim for c in self.cseq)

    def check(self, value: Tensor) -> Tensor:
        parts = value.split(self.lengths, self.dim)
        return T["cat"]([c.check(v) for c, v in zip(self.cseq, parts, strict=True)], self.dim)


class stack(Constraint):
    """Several constraints, one for each slice along a dimension."""

    def __init__(self, cseq, dim: int = 0):
        self.cseq, self.dim = list(cseq), dim
        self.is_discrete = any(c.is_discrete for c in self.cseq)
        dim = max(c.event_dim for c in self.cseq)
        self.event_dim = dim + 1 if self.dim + dim < 0 else dim

    def check(self, value: Tensor) -> Tensor:
        parts = value.unbind(self.dim)
        return T["stack"]([c.check(v) for c, v in zip(self.cseq, parts, strict=True)], self.dim)


def _one_hot(v):
    whole = ((v == 0) | (v == 1)).all(-1)
    return whole & (v.sum(-1) == 1)


def _square(v):
    return T["full"](v.shape[:-2], v.shape[-2] == v.shape[-1], dtype=(v == v).dtype)


def _symmetric(v):
    return square.check(v) & T["isclose"](v, v.mT, atol=1e-6).all(-2).all(-1)


def _definite(v):
    # positive pivots of the elimination, which is what a Cholesky factor without nan says
    factor = NAMES["linalg"]["cholesky"](v)
    return _symmetric(v) & factor.diagonal(dim1=-2, dim2=-1).isfinite().all(-1)


def _semidefinite(v):
    return _symmetric(v) & (NAMES["linalg"]["eigvalsh"](v) >= 0).all(-1)


def _lower(v):
    return (v.tril() == v).reshape(*v.shape[:-2], -1).all(-1)


dependent = _Dependent()
real = _Where("Real()", lambda v: v == v)
boolean = _Where("Boolean()", lambda v: (v == 0) | (v == 1), True)
positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer = bounded(0, None, "IntegerGreaterThan", integer=True)
positive_integer = bounded(1, None, "IntegerGreaterThan", integer=True)
one_hot = _Where("OneHot()", _one_hot, True, 1)
simplex = _Where("Simplex()", lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < 1e-6), False, 1)
real_vector = independent(real, 1)
square = _Where("Square()", _square, False, 2)
symmetric = _Where("Symmetric()", _symmetric, False, 2)
positive_definite = _Where("PositiveDefinite()", _definite, False, 2)
positive_semidefinite = _Where("PositiveSemidefinite()", _semidefinite, False, 2)
lower_triangular = _Where("LowerTriangular()", _lower, False, 2)
lower_cholesky = _Where("LowerCholesky()", lambda v: _lower(v) & (v.diagonal(dim1=-2, dim2=-1) > 0).all(-1), False, 2)
corr_cholesky = _Where(
    "CorrCholesky()", lambda v: lower_cholesky.check(v) & (((v * v).sum(-1) - 1).abs() < 1e-4).all(-1), False, 2
)


class multinomial(Constraint):
    """Counts that are no more than a number in all."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)
