"""`torch.autograd.functional`: derivatives of functions of Tensors, in the older spelling.

Everything is recorded; nothing is looked at. `funcgrad.func` has the same as transforms that nest.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..engine import enable_grad, is_grad_enabled
from ..op import REGISTRY
from ..tape import record
from ..tensor import Tensor, grad
from ..tensor.tensor import value_of, wrap
from . import forward_ad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
    "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for "
    "example)."
)
NOT_TWICE = (
    "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode when "
    "create_graph=True."
)
INDEPENDENT = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."
NO_GRAPH = (
    "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode."
)


# ---- what goes in and comes out ------------------------------------------------------------------------


def _tuple(given, what: str, name: str) -> tuple[tuple[Tensor, ...], bool]:
    """(the Tensors, whether there was a tuple of them). Raises TypeError for anything else."""
    many = isinstance(given, tuple)
    for i, t in enumerate(given if many else (given,)):
        if not isinstance(t, Tensor):
            if what == "outputs":
                lead = f"The outputs of the user-provided function given to {name}"
                one = "outputs of the user-provided function"
            else:
                lead, one = f"The {what} given to {name}", what
            kind = f"value at index {i} has type {type(t)}" if many else f"given {one} has type {type(t)}"
            raise TypeError(f"{lead} must be either a Tensor or a tuple of Tensors but the {kind}.")
    return (given if many else (given,)), many


def _inputs(inputs, name: str, create: bool):
    """The inputs at places of their own in the graph: with their history if `create`."""
    found, many = _tuple(inputs, "inputs", name)
    with enable_grad():
        if create:
            return tuple(t.view_as(t) if t.requires_grad else t.clone().detach().requires_grad_() for t in found), many
        return tuple(t.detach().requires_grad_(t.dtype.differentiable) for t in found), many


def _outputs(func: Callable, inputs: tuple, name: str, strict: bool):
    out, many = _tuple(func(*inputs), "outputs", name)
    if strict:
        for i, t in enumerate(out):
            if not t.requires_grad:
                raise RuntimeError(NO_GRAPH.format(i))
    return out, many


def _back(tensors, many: bool, create: bool):
    """Results as the user gets them."""
    found = tuple(t if create or not t.requires_grad else t.detach() for t in tensors)
    return found if many else found[0]


def _zeros(t: Tensor) -> Tensor:
    return wrap(record(REGISTRY["blank"], (), {"shape": tuple(t.shape), "dtype": t.dtype}))


def _vector(v, like: tuple, many: bool, name: str) -> tuple[Tensor, ...]:
    """The vector `v`, checked against what it is multiplied with."""
    found, _ = _tuple(v, "v", name)
    if len(found) != len(like):
        if not many:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(found)}.")
    for i, (a, b) in enumerate(zip(found, like, strict=True)):
        if a.shape != b.shape:
            entry = f"Entry {i} in " if many else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {b.shape} but got {a.shape}.")
    return found


def _ones(like: tuple, whose: str) -> tuple[Tensor, ...]:
    """The vector left out, which only something of a single element allows."""
    if len(like) != 1 or like[0].numel() != 1:
        raise RuntimeError(f"The vector v can only be None if {whose} a single Tensor with a single element.")
    return (wrap(record(REGISTRY["unit"], (), {"shape": tuple(like[0].shape), "dtype": like[0].dtype})),)


def _direction(v, inputs: tuple, many: bool, name: str) -> tuple[Tensor, ...]:
    """The vector `v` to go along from the inputs."""
    return _ones(inputs, "the input to the user-provided function is") if v is None else _vector(v, inputs, many, name)


def _grad(outputs, inputs, cotangents, create: bool, batched: bool = False) -> list:
    """The gradients, None where an input plays no part."""
    wanted = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
    inputs_wanted = [t for t in inputs if t.requires_grad]
    if not wanted or not inputs_wanted:
        return [None] * len(inputs)
    found = iter(
        grad(
            [y for y, _ in wanted], inputs_wanted, [c for _, c in wanted], retain_graph=True, create_graph=create,
            allow_unused=True, is_grads_batched=batched,
        )
    )  # fmt: skip
    return [next(found) if t.requires_grad else None for t in inputs]


def _filled(found, inputs, strict: bool, create: bool, words: str, twice: str = NOT_TWICE) -> tuple[Tensor, ...]:
    """Gradients with zeros for those that are missing; with `strict`, RuntimeError instead."""
    out = []
    for i, (g, t) in enumerate(zip(found, inputs, strict=True)):
        if strict and g is None:
            raise RuntimeError(words.format(i))
        if strict and create and not g.requires_grad:
            raise RuntimeError(twice.format(i))
        out.append(_zeros(t) if g is None else g)
    return tuple(out)


# ---- products ------------------------------------------------------------------------------------------


def vjp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(*inputs), vᵀJ): the gradient of the outputs in the direction `v`, which has their shapes.

    inputs        a Tensor or a tuple of them; the result is alike
    v             may be left out for a single output of one element
    create_graph  the results can be differentiated
    strict        an output that does not depend on an input is an error instead of zeros

    >>> import funcgrad as torch
    >>> from funcgrad.autograd.functional import vjp
    >>> vjp(torch.exp, torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    (tensor([1.0000, 2.7183]), tensor([1.0000, 5.4366]))
    """
    with enable_grad():
        inputs, many = _inputs(inputs, "vjp", create_graph)
        outputs, several = _outputs(func, inputs, "vjp", strict)
        if v is None:
            v = _ones(outputs, "the user-provided function returns")
        else:
            v = _vector(v, outputs, several, "vjp")
        found = _filled(_grad(outputs, inputs, v, create_graph), inputs, strict, create_graph, INDEPENDENT)
    return _back(outputs, several, create_graph), _back(found, many, create_graph)


def _push(func, inputs, v, create: bool, strict: bool):
    """(outputs, whether several, J v), by a gradient of a gradient."""
    outputs, several = _outputs(func, inputs, "jvp", strict)
    seeds = tuple(_zeros(t).requires_grad_() if t.dtype.differentiable else _zeros(t) for t in outputs)
    back = _filled(_grad(outputs, inputs, seeds, True), inputs, strict, False, INDEPENDENT)
    found = _grad(back, seeds, v, create)
    return outputs, several, _filled(found, outputs, False, create, INDEPENDENT)


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(*inputs), Jv): the derivative of the outputs in the direction `v`, which has the shapes of the inputs.

    The arguments are as for `vjp`; `v` may be left out for a single input of one element. It is reverse mode twice;
    `func.jvp` is forward mode.
    """
    with enable_grad():
        inputs, many = _inputs(inputs, "jvp", create_graph)
        v = _direction(v, inputs, many, "jvp")
        outputs, several, found = _push(func, inputs, v, create_graph, strict)
        if strict and create_graph:
            for i, t in enumerate(inputs):
                if not any(_reaches(g, t) for g in found):
                    raise RuntimeError(NOT_TWICE.format(i))
    return _back(outputs, several, create_graph), _back(found, several, create_graph)


def _reaches(y: Tensor, x: Tensor) -> bool:
    return y.requires_grad and grad(y.sum(), x, retain_graph=True, create_graph=True, allow_unused=True)[0] is not None


def _value(func, inputs, name: str, strict: bool) -> Tensor:
    """The one element that the function returns."""
    outputs, many = _outputs(func, inputs, name, strict)
    if many and len(outputs) != 1:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs[0].reshape(()) if outputs[0].ndim else outputs[0]


def _slope(value: Tensor, inputs, strict: bool, words: str = INDEPENDENT) -> tuple[Tensor, ...]:
    """The gradient of `value`, to be differentiated again."""
    (one,) = _ones((value,), "")
    found = _filled(_grad((value,), inputs, (one,), True), inputs, strict, False, words)
    if strict:
        for i, g in enumerate(found):
            if not g.requires_grad:
                raise RuntimeError(LINEAR.format(i))
    return found


def vhp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(*inputs), vᵀH) of a function with one element; see `hvp`, whose result it equals."""
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(*inputs), Hv): the product of the Hessian of a function with one element and `v`, which has the shapes of
    the inputs. The arguments are as for `vjp`.

    >>> import funcgrad as torch
    >>> from funcgrad.autograd.functional import hvp
    >>> hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    (tensor(9.), tensor([6., 0.]))
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(name: str, func, inputs, v, create: bool, strict: bool):
    with enable_grad():
        inputs, many = _inputs(inputs, name, create)
        v = _direction(v, inputs, many, name)
        value = _value(func, inputs, name, strict)
        slope = _slope(value, inputs, strict)
        found = _filled(_grad(slope, inputs, v, create), inputs, strict, create, LINEAR, LINEAR)
    return _back((value,), False, create), _back(found, many, create)


# ---- matrices ------------------------------------------------------------------------------------------


def _check_strategy(strategy: str, hint: str = "") -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(f'Expected strategy to be either "forward-mode" or "reverse-mode".{hint}')


def jacobian(
    func: Callable, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
):  # fmt: skip
    """The Jacobian of `func` at `inputs`: for each output and input a Tensor of shape (*output.shape, *input.shape).

    inputs        a Tensor or a tuple of them. A tuple makes the result a tuple over inputs, a tuple of outputs one over
                  outputs (outside)
    create_graph  the result can be differentiated
    strict        an output that does not depend on an input is an error instead of zeros
    vectorize     all rows (or columns) at once
    strategy      "reverse-mode", row by row, or "forward-mode", column by column, which wants `vectorize`

    >>> import funcgrad as torch
    >>> from funcgrad.autograd.functional import jacobian
    >>> jacobian(lambda x: x * x[0], torch.tensor([2.0, 3.0]))
    tensor([[4., 0.],
            [3., 2.]])
    """
    hint = (
        ' Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, '
        'prefer to use "reverse-mode".'
    )
    _check_strategy(strategy, hint)
    if strategy == "forward-mode":
        return _by_columns(func, inputs, create_graph, strict, vectorize)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        inputs, many = _inputs(inputs, "jacobian", create_graph)
        outputs, several = _outputs(func, inputs, "jacobian", strict)
        rows = [_rows(i, y, inputs, create_graph, strict, vectorize) for i, y in enumerate(outputs)]
    found = tuple(_back(row, many, create_graph) for row in rows)
    return found if several else found[0]


def _units(t: Tensor) -> Tensor:
    """Every unit vector of the shape of `t`, along a new first dimension."""
    n = math.prod(t.shape)
    eye = record(REGISTRY["units"], (), {"n": n, "dtype": t.dtype})
    return wrap(record(REGISTRY["view"], (eye,), {"size": (n, *t.shape)}))


def _rows(i: int, y: Tensor, inputs, create: bool, strict: bool, vectorize: bool) -> tuple[Tensor, ...]:
    """The Jacobian of one output with respect to every input."""
    units = _units(y)
    if vectorize:
        found = _grad((y,), inputs, (units,), create, batched=True)
        found = [_no_rows(t, y.numel()) if g is None else g for g, t in zip(found, inputs, strict=True)]
    else:
        words = INDEPENDENT.replace("The output", f"Output {i}")
        each = [
            _filled(_grad((y,), inputs, (unit,), create), inputs, strict, create, words) for unit in units.unbind(0)
        ]
        found = [_stacked(column) for column in zip(*each, strict=True)] or [_no_rows(t) for t in inputs]
    return tuple(g.reshape(*y.shape, *t.shape) for g, t in zip(found, inputs, strict=True))


def _stacked(column, dim: int = 0) -> Tensor:
    return wrap(record(REGISTRY["stack"], [value_of(g) for g in column], {"dim": dim}))


def _no_rows(t: Tensor, n: int = 0) -> Tensor:
    """That many rows of zeros."""
    return wrap(record(REGISTRY["blank"], (), {"shape": (n, *t.shape), "dtype": t.dtype}))


def _by_columns(func, inputs, create: bool, strict: bool, vectorize: bool):
    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported '
            'together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
            "`vectorize=True`."
        )
    if create:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported '
            'together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    return _forward(func, *_tuple(inputs, "inputs", "jacobian"))


def _forward(func, inputs: tuple, many: bool):
    """The Jacobian by one dual for each element of the inputs."""
    columns, several = [], False
    for k, t in enumerate(inputs):
        tangents = []
        for unit in _units(t).unbind(0):
            with forward_ad.dual_level():
                duals = [forward_ad.make_dual(s, unit) if i == k else s for i, s in enumerate(inputs)]
                out, several = _tuple(func(*duals), "outputs", "jacobian")
                unpacked = [forward_ad.unpack_dual(y) for y in out]
            tangents.append([u.tangent if u.tangent is not None else _zeros(u.primal) for u in unpacked])
        columns.append([
            _stacked(of_output, -1).reshape(*of_output[0].shape, *t.shape) for of_output in zip(*tangents, strict=True)
        ])  # fmt: skip
    rows = tuple(_back(row, many, is_grad_enabled()) for row in zip(*columns, strict=True))
    return rows if several else rows[0]


def hessian(
    func: Callable, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):  # fmt: skip
    """The Hessian of a function with one element: the Jacobian of its gradient. A tuple of inputs makes it a tuple of
    tuples. The arguments are as for `jacobian`, which they are handed to.
    """
    _check_strategy(outer_jacobian_strategy)
    found, many = _tuple(inputs, "inputs", "hessian")

    def slope(*some):
        if outer_jacobian_strategy == "forward-mode":  # duals keep their own tangents
            some = tuple(t if t.requires_grad else t.requires_grad_() for t in some)
        value = _value(func, some, "hessian", strict)
        return _slope(value, some, strict, LINEAR)

    if outer_jacobian_strategy == "forward-mode":
        if not vectorize or strict or create_graph:
            return _by_columns(func, inputs, create_graph, strict, vectorize)

        def of_duals(*some):
            with enable_grad():
                return slope(*some)

        rows = _forward(of_duals, tuple(t.detach().requires_grad_() for t in found), True)
        rows = tuple(tuple(h.detach() for h in row) for row in rows)
    else:
        rows = jacobian(slope, found, create_graph, False, vectorize)
    return rows if many else rows[0][0]
