"""Distribution: shapes, validation, and what follows from a density.

Validation looks at numbers, which makes a run of the tape: all checks of one construction, or of one value, are one
look. `validate_args=False`, or `Distribution.set_default_validate_args(False)`, leaves it out.
"""

from __future__ import annotations

import warnings

from ..engine import enable_grad, no_grad
from ..tensor import NAMES, Size, Tensor, grad
from ..tensor.create import as_tensor
from . import constraints

__all__ = ["AroundLoc", "Distribution", "ExponentialFamily", "all_tensors", "sum_rightmost"]

T = NAMES["torch"]


def all_tensors(*values) -> tuple[Tensor, ...]:
    """Numbers and Tensors, broadcast together, as Tensors of one dtype."""
    if not all(isinstance(v, Tensor | int | float) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    how = {} if first is None else {"dtype": first.dtype}
    made = [v if isinstance(v, Tensor) else as_tensor(float(v), **how) for v in values]
    return T["broadcast_tensors"](*made)


def sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    return value if dim == 0 else value.reshape(*value.shape[:-dim], -1).sum(-1)


class Distribution:
    """The base class: independent draws of shape `batch_shape`, each of shape `event_shape`."""

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    arg_constraints: dict = {}  # noqa: RUF012  replaced by each subclass, never changed

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their parameters and values from now on."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        checks = []
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint) or name not in self.__dict__:
                continue
            value = getattr(self, name)
            with no_grad():
                checks.append((name, constraint, value, constraint.check(value.detach()).all()))
        if not checks or T["stack"]([ok for *_, ok in checks]).all().item():
            return
        for name, constraint, value, ok in checks:
            if not ok.item():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _validate_sample(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        first = value.ndim - len(self._event_shape)
        if value.shape[first:] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.shape} vs {self._event_shape}."
            )
        expected = self._batch_shape + self._event_shape
        for i, j in zip(reversed(tuple(value.shape)), reversed(tuple(expected)), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{value.shape} vs {Size(expected)}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        with no_grad():
            ok = support.check(value.detach()).all()
        if not ok.item():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _validated(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return value

    # ---- shapes ----

    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    def _extended_shape(self, sample_shape=()) -> Size:
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def expand(self, batch_shape, _instance=None) -> Distribution:
        """The same distribution, its parameters expanded to `batch_shape`."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        batch_shape, before = Size(batch_shape), len(self._batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor) and value.ndim >= before:
                made.__dict__[name] = value.expand(batch_shape + value.shape[before:])
            elif isinstance(value, Distribution):
                made.__dict__[name] = value.expand(batch_shape + value.batch_shape[before:])
        made._batch_shape = batch_shape
        return made

    # ---- what a distribution gives ----

    @property
    def support(self):
        """The constraint that its values keep."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    @no_grad()
    def sample(self, sample_shape=()) -> Tensor:
        """Draws of shape sample_shape + batch_shape + event_shape, without gradients."""
        return self.rsample(sample_shape)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draws through which gradients go to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`."""
        warnings.warn("sample_n(n) will be deprecated. Use .sample((n,)) instead", UserWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most `value`."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a new first dimension."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def __repr__(self) -> str:
        names = [k for k in self.arg_constraints if k in self.__dict__]
        shown = (
            f"{p}: {getattr(self, p) if getattr(self, p).numel() == 1 else getattr(self, p).size()}" for p in names
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class AroundLoc:
    """Before `Distribution` among the bases of one whose mean and mode are its `loc`."""

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return self.loc


class ExponentialFamily(Distribution):
    """Densities exp(t(x) . natural - F(natural)) times a carrier: a subclass says what the natural parameters are
    (`_natural_params`, a tuple), F (`_log_normalizer`, a function of them) and the mean of the logarithm of the carrier
    (`_mean_carrier_measure`). Entropy and divergences follow, by gradients of F."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError

    def _moments(self) -> tuple[list[Tensor], Tensor, tuple[Tensor, ...]]:
        """The natural parameters, F of them, and the gradients of F, which are the means of t(x)."""
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        with enable_grad():
            f = self._log_normalizer(*natural)
            return natural, f, grad(f.sum(), natural, create_graph=True)

    def entropy(self) -> Tensor:
        natural, f, means = self._moments()
        apart = sum(sum_rightmost(n * m, n.ndim - len(self._batch_shape)) for n, m in zip(natural, means, strict=True))
        return f - apart - self._mean_carrier_measure
