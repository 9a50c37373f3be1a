"""`gradcheck` and `gradgradcheck`: derivatives against differences.

All perturbed evaluations are the same path on the tape, so they are one program run many times; and what is read
together is recorded together, for all inputs and outputs before the first is looked at, so that it is one, too. Complex
numbers are pairs of real ones throughout: a Jacobian here is real, with a row for each real number of
an input and a column for each of an output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from ..engine import enable_grad
from ..op import REGISTRY
from ..tape import constant, record
from ..tensor import Tensor, grad
from ..tensor.interop import host
from ..tensor.tensor import set_requires_grad, value_of, wrap
from . import forward_ad

__all__ = ["GradcheckError", "get_analytical_jacobian", "get_numerical_jacobian", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is wrong, or its backward misbehaves."""


NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
    "values, although analytical gradient matches numerical gradient.The tolerance for nondeterminism was {}."
)
FAST = (
    "\nThe above quantities relating the numerical and analytical jacobians are computed in fast mode, along one "
    "random direction of the input and of the output. In slow mode:\n\nNumerical:\n {}\nAnalytical:\n{}\n\nThe max "
    "per-element difference (slow mode) is: {}.\n"
)


# ---- tensors as real vectors ---------------------------------------------------------------------------


def _reals(t: Tensor) -> np.ndarray:
    """The real numbers of `t`, one after the other; a complex one is two."""
    array = np.ascontiguousarray(host(t)).reshape(-1)
    return array.view(array.real.dtype) if np.iscomplexobj(array) else array


def _count(t: Tensor) -> int:
    """How many those are."""
    return t.numel() * (2 if t.dtype.is_complex else 1)


def _tensor(reals: np.ndarray, like: Tensor, needs: bool) -> Tensor:
    """The inverse of `_reals`, as a leaf."""
    dtype = like.dtype
    array = np.ascontiguousarray(reals)
    array = array.view(dtype.np) if dtype.is_complex else array.astype(dtype.np)
    t = wrap(constant(array.reshape(like.shape), dtype))
    if needs:
        set_requires_grad(t, True)
    return t


def _differentiable(inputs) -> list[int]:
    return [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]


def _outputs(func, inputs) -> list[Tensor]:
    """The outputs that can be differentiated at all."""
    out = func(*inputs)
    out = out if isinstance(out, tuple | list) else (out,)
    return [t for t in out if isinstance(t, Tensor) and t.dtype.differentiable]


class _Function:
    """The function under test, as one of the real numbers of its differentiable inputs."""

    def __init__(self, func: Callable, inputs: Sequence):
        self.func, self.inputs, self.which = func, tuple(inputs), _differentiable(inputs)
        self.points = [_reals(inputs[i]).astype(np.float64) for i in self.which]

    def fresh(self, k: int | None = None, point: np.ndarray | None = None) -> tuple:
        """The inputs, as leaves of their own; the `k`-th differentiable one at `point`."""
        made = list(self.inputs)
        for j, i in enumerate(self.which):
            made[i] = _tensor(point if j == k else self.points[j], self.inputs[i], True)
        return tuple(made)

    def at(self, k: int, point: np.ndarray) -> list[np.ndarray]:
        """The real numbers of each output, with the `k`-th differentiable input at `point`."""
        outs = _outputs(self.func, self.fresh(k, point))
        return [_reals(t).astype(np.float64) for t in outs]

    def difference(self, k: int, direction: np.ndarray, eps: float) -> list[np.ndarray]:
        """The derivative of each output along `direction` of an input, by a central difference."""
        up, down = (self.at(k, self.points[k] + s * eps * direction) for s in (1, -1))
        return [(a - b) / (2 * eps) for a, b in zip(up, down, strict=True)]

    def numerical(self, k: int, eps: float) -> list[np.ndarray]:
        """For each output, the Jacobian with respect to the `k`-th differentiable input."""
        n = len(self.points[k])
        if not n:
            return [np.zeros((0, len(y))) for y in self.at(k, self.points[k])]
        rows = [self.difference(k, e, eps) for e in np.eye(n)]
        return [np.stack(some) for some in zip(*rows, strict=True)]


def _cotangent(y: Tensor, reals: np.ndarray) -> Tensor:
    return _tensor(reals, y, False)


def _gradients(y: Tensor, inputs: list[Tensor], reals: np.ndarray) -> tuple[Tensor | None, ...]:
    """The gradients for the cotangent `reals` of `y`, recorded."""
    return grad(y, inputs, _cotangent(y, reals), retain_graph=True, allow_unused=True)


def _read(found, counts: list[int]) -> list[np.ndarray]:
    """Gradients, or tangents, as so many real numbers each; zeros where nothing depends on an input."""
    return [np.zeros(n) if g is None else _reals(g).astype(np.float64) for g, n in zip(found, counts, strict=True)]


def _analytical(y: Tensor, inputs: list[Tensor]) -> list[np.ndarray]:
    """For each input, the Jacobian of `y` with respect to it, by one backward for each real number of `y`."""
    counts = [_count(t) for t in inputs]
    columns = [_read(_gradients(y, inputs, e), counts) for e in np.eye(_count(y))]
    if not columns:
        return [np.zeros((n, 0)) for n in counts]
    return [np.stack(some, axis=1) for some in zip(*columns, strict=True)]


# ---- the checks ------------------------------------------------------------------------------------------


def gradcheck(
    func: Callable, inputs, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False, check_forward_ad: bool = False,
    check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the derivatives of `func` at `inputs` agree with central differences.

    func                        of Tensors (and anything else), returning a Tensor or a tuple; looked at as a function
                                of those inputs that want a gradient, which should be float64 or complex128
    eps, atol, rtol             the step, and how near the two must be: |n - a| <= atol + rtol |a|
    nondet_tol                  how much a second backward may differ from the first
    check_undefined_grad        a backward must do with some gradients missing
    check_grad_dtypes           gradients must have the dtype of their inputs
    check_batched_grad          `is_grads_batched` must agree with one backward after the other
    check_forward_ad            forward mode must agree too
    check_batched_forward_grad  and under `vmap`
    check_backward_ad           reverse mode must agree
    fast_mode                   along one random direction only
    masked                      accepted for PyTorch's sake; there are no masked layouts

    Raises GradcheckError for what disagrees (or returns False without `raise_exception`), ValueError if no input wants
    a gradient.

    >>> import funcgrad as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x.exp() * x, x)
    True
    """
    assert check_forward_ad or check_backward_ad, (
        "Expected at least one of check_forward_ad or check_backward_ad to be True"
    )
    assert not (check_batched_grad and not check_backward_ad), (
        "Setting check_batched_grad=True requires check_backward_ad to be True"
    )
    assert not (check_batched_forward_grad and not check_forward_ad), (
        "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
    )
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    try:
        with enable_grad():
            _check_inputs(inputs)
            check = _Check(func, inputs, eps, atol, rtol, fast_mode)
            if check_forward_ad:
                check.forward(check_batched_forward_grad)
            if check_backward_ad:
                check.backward(nondet_tol, check_grad_dtypes)
                if check_undefined_grad:
                    check.undefined()
                if check_batched_grad:
                    check.batched()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_inputs(inputs) -> None:
    which = _differentiable(inputs)
    if not which:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in which:
        if inputs[i].dtype.name.removeprefix("torch.") not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                UserWarning,
                stacklevel=4,
            )


class _Check:
    """One call of `gradcheck`: what is compared, and how nearly it must agree."""

    def __init__(self, func, inputs, eps, atol, rtol, fast: bool):
        self.f, self.eps, self.atol, self.rtol, self.fast = _Function(func, inputs), eps, atol, rtol, fast
        self.rng = np.random.default_rng(0)
        self._numerical: dict[int, list[np.ndarray]] = {}

    def recorded(self):
        """(the outputs, the differentiable inputs) of one evaluation that keeps its graph."""
        inputs = self.f.fresh()
        return _outputs(self.f.func, inputs), [inputs[i] for i in self.f.which]

    def numerical(self, k: int) -> list[np.ndarray]:
        if k not in self._numerical:
            self._numerical[k] = self.f.numerical(k, self.eps)
        return self._numerical[k]

    def direction(self, n: int) -> np.ndarray:
        u = self.rng.uniform(0.1, 1.0, n)
        return u / np.linalg.norm(u) if n else u

    def near(self, numerical, analytical, atol=None) -> bool:
        bound = (self.atol if atol is None else atol) + self.rtol * np.abs(analytical)
        return bool(np.all(np.abs(numerical - analytical) <= bound))

    def compare(self, o: int, k: int, numerical, analytical, mode: str = "") -> None:
        if not self.near(numerical, analytical):
            raise GradcheckError(_mismatch(o, k, numerical, analytical, mode))

    def compare_along(self, o: int, k: int, u, v, numerical, analytical, slow, mode: str = "") -> None:
        """In fast mode: two numbers, whose tolerance is that of a whole Jacobian along these directions."""
        if not self.near(numerical, analytical, self.atol * u.sum() * v.sum()):
            n, a = self.numerical(k)[o], slow()
            words = FAST.format(_shown(n), _shown(a), np.abs(n - a).max(initial=0.0))
            raise GradcheckError(_mismatch(o, k, numerical, analytical, mode) + words)

    # ---- reverse mode ----

    def backward(self, nondet_tol: float, check_dtypes: bool) -> None:
        outs, inputs = self.recorded()
        vs = [self.direction(len(_reals(y))) for y in outs]  # looked at, so that all backwards below begin at one place
        first = self.pulled(outs, inputs, vs, check_dtypes)
        if self.fast:
            us = [self.direction(len(p)) for p in self.f.points]
            along = [self.f.difference(k, u, self.eps) for k, u in enumerate(us)]
        for o, y in enumerate(outs):
            if not y.requires_grad:
                self.constant(o)
            elif self.fast:
                for k, g in enumerate(first[o]):
                    slow = lambda k=k, y=y: _analytical(y, inputs)[k]  # noqa: E731
                    numerical, found = float(along[k][o] @ vs[o]), float(g @ us[k])
                    self.compare_along(o, k, us[k], vs[o], numerical, found, slow)
            else:
                for k, a in enumerate(_analytical(y, inputs)):
                    self.compare(o, k, self.numerical(k)[o], a)
        self.manners(first, self.pulled(outs, inputs, vs), nondet_tol)
        nothing = self.pulled(outs, inputs, [np.zeros_like(v) for v in vs])
        if any(np.abs(g).max(initial=0.0) > 0 for of in nothing for g in of):
            raise GradcheckError("backward not multiplied by grad_output")

    def pulled(self, outs, inputs, cotangents, check_dtypes: bool = False) -> list[list[np.ndarray]]:
        """For each output, the gradients for its cotangent; none for one without a graph."""
        found = [_gradients(y, inputs, v) if y.requires_grad else () for y, v in zip(outs, cotangents, strict=True)]
        for g, t in ((g, t) for of in found for g, t in zip(of, inputs, strict=False)):
            if check_dtypes and g is not None and g.dtype is not t.dtype:
                raise GradcheckError(f"grad is incorrect dtype: expected {t.dtype} but got {g.dtype}")
        return [_read(of, [_count(t) for t in inputs]) if of else [] for of in found]

    def constant(self, o: int) -> None:
        """An output without a graph must not depend on any input."""
        for k in range(len(self.f.which)):
            if np.abs(self.numerical(k)[o]).max(initial=0.0) > self.atol:
                raise GradcheckError("Numerical gradient for function expected to be zero")

    def manners(self, first, second, nondet_tol: float) -> None:
        """A backward gives the same twice."""
        for a, b in ((a, b) for some in zip(first, second, strict=True) for a, b in zip(*some, strict=True)):
            if np.abs(a - b).max(initial=0.0) > nondet_tol:
                raise GradcheckError(NOT_REENTRANT.format(nondet_tol))

    def undefined(self) -> None:
        """A backward must do without the gradients of some of the outputs."""
        outs, inputs = self.recorded()
        outs = [y for y in outs if y.requires_grad]
        for y in outs if len(outs) > 1 else ():
            try:
                _gradients(y, inputs, np.zeros(_count(y)))
            except RuntimeError as error:
                raise GradcheckError(f"Expected backward function to handle undefined output grads: {error}") from error

    def batched(self) -> None:
        outs, inputs = self.recorded()
        for o, y in enumerate(y for y in outs if y.requires_grad):
            some = [self.direction(_count(y)) for _ in range(2)]
            stacked = wrap(record(REGISTRY["stack"], [value_of(_cotangent(y, v)) for v in some], {"dim": 0}))
            found = grad(y, inputs, stacked, retain_graph=True, allow_unused=True, is_grads_batched=True)
            each = [_read(_gradients(y, inputs, v), [_count(t) for t in inputs]) for v in some]
            for k, g in enumerate(found):
                want = np.stack([e[k] for e in each])
                got = np.zeros_like(want) if g is None else np.stack([_reals(row) for row in g.unbind(0)])
                if not self.near(got, want):
                    raise GradcheckError(
                        f"For output {o} and input {k}:\ngradcheck or gradgradcheck failed while testing batched "
                        f"gradient computation. Got:\n{got}\nExpected:\n{want}"
                    )

    # ---- forward mode ----

    def forward(self, check_batched: bool) -> None:
        if self.fast:
            self.forward_along()
            return
        for k, point in enumerate(self.f.points):
            rows = [self.pushed(k, e) for e in np.eye(len(point))]
            for o, some in enumerate(zip(*rows, strict=True)):
                self.compare(o, k, self.numerical(k)[o], np.stack(some), FORWARD)
            if check_batched:
                self.batched_forward(k, rows)

    def forward_along(self) -> None:
        us = [self.direction(len(p)) for p in self.f.points]
        recorded = [self.tangents(k, u) for k, u in enumerate(us)]
        tangents = [_read(*r) for r in recorded]
        for k, u in enumerate(us):
            difference = self.f.difference(k, u, self.eps)
            for o, t in enumerate(tangents[k]):
                v = self.direction(len(t))
                slow = lambda k=k, o=o: np.stack([self.pushed(k, e)[o] for e in np.eye(len(self.f.points[k]))])  # noqa: E731
                self.compare_along(o, k, u, v, float(difference[o] @ v), float(t @ v), slow, FORWARD)

    def pushed(self, k: int, direction: np.ndarray) -> list[np.ndarray]:
        """The tangent of each output, as real numbers."""
        return _read(*self.tangents(k, direction))

    def tangents(self, k: int, direction: np.ndarray) -> tuple[list[Tensor | None], list[int]]:
        """(the tangents of the outputs, recorded; how many real numbers each output is)."""
        inputs = list(self.f.fresh())
        i = self.f.which[k]
        with forward_ad.dual_level():
            inputs[i] = forward_ad.make_dual(inputs[i], _tensor(direction, inputs[i], False))
            found = [forward_ad.unpack_dual(y) for y in _outputs(self.f.func, inputs)]
        return [t for _, t in found], [_count(p) for p, _ in found]

    def batched_forward(self, k: int, rows) -> None:
        from ..engine import Batched, batch, unbatched

        inputs = list(self.f.fresh())
        i, n = self.f.which[k], len(self.f.points[k])
        units = [value_of(_tensor(e, inputs[i], False)) for e in np.eye(n)]
        with batch(n, "same") as here, forward_ad.dual_level():
            tangent = wrap(Batched(record(REGISTRY["stack"], units, {"dim": 0}), here.level))
            inputs[i] = forward_ad.make_dual(inputs[i], tangent)
            found = [forward_ad.unpack_dual(y).tangent for y in _outputs(self.f.func, inputs)]
            found = [t if t is None else wrap(unbatched(value_of(t), here.level, n)) for t in found]
        for o, t in enumerate(found):
            want = np.stack([row[o] for row in rows])
            if t is not None and not self.near(np.stack([_reals(r) for r in t.unbind(0)]), want):
                raise GradcheckError(
                    f"For output {o} and input {k}:\ngradcheck failed while testing batched forward gradient "
                    "computation."
                )


FORWARD = "computed with forward mode "


def _mismatch(o: int, k: int, numerical, analytical, mode: str) -> str:
    return (
        f"Jacobian {mode}mismatch for output {o} with respect to input {k},\nnumerical:{_shown(numerical)}\n"
        f"analytical:{_shown(analytical)}\n"
    )


def _shown(x):
    return x if isinstance(x, float) else wrap(constant(np.asarray(x, np.float64)))


def gradgradcheck(
    func: Callable, inputs, grad_outputs=None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient of `func`, as a function of its inputs and of the gradients of its outputs.

    grad_outputs                 those gradients; random ones if None
    gen_non_contig_grad_outputs  accepted for PyTorch's sake: arrays have no strides here
    check_fwd_over_rev           forward mode over the gradient
    check_rev_over_rev           reverse mode over the gradient

    The others are as for `gradcheck`.
    """
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    _check_inputs(inputs)
    outs = [y for y in _outputs(func, inputs) if y.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(1)
        given = [_tensor(rng.normal(size=_count(y)), y, True) for y in outs]
    else:
        given = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]
    n, which = len(given), _differentiable(inputs)

    def slopes(*args):
        args, cotangents = args[: len(args) - n], args[len(args) - n :]
        args = tuple(t.requires_grad_() if i in which and not t.requires_grad else t for i, t in enumerate(args))
        ys = [y for y in _outputs(func, args) if y.requires_grad]
        found = grad(ys, [args[i] for i in which], cotangents, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        slopes, (*inputs, *given), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, fast_mode=fast_mode, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, masked=masked,
    )  # fmt: skip


def get_numerical_jacobian(fn: Callable, inputs, target=None, eps: float = 1e-3, grad_out: float = 1.0):
    """For each differentiable input the Jacobian of the first output of `fn` by central differences, a Tensor of shape
    (real numbers of the input, real numbers of the output). PyTorch keeps it for older programs."""
    f = _Function(lambda *args: fn(args), inputs if isinstance(inputs, tuple | list) else (inputs,))
    return [wrap(constant(f.numerical(k, eps)[0])) for k in range(len(f.which))]


def get_analytical_jacobian(inputs, output: Tensor, nondet_tol: float = 0.0, grad_out: float = 1.0):
    """(Jacobians of `output` with respect to each differentiable input, whether a second backward gave the same,
    whether sizes fit, whether dtypes fit)."""
    inputs = inputs if isinstance(inputs, tuple | list) else (inputs,)
    inputs = [inputs[i] for i in _differentiable(inputs)]
    first, second = _analytical(output, inputs), _analytical(output, inputs)
    same = all(np.abs(a - b).max(initial=0.0) <= nondet_tol for a, b in zip(first, second, strict=True))
    return [wrap(constant(a)) for a in first], same, True, True
