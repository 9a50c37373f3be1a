"""Reverse mode as a function of a function: `grad`, `value_and_grad`, `vjp`.

A transform records on the same tape as everything else. Its arguments get places of their own in the
graph, above whatever history they have, so transforms nest, mix with `backward` outside, and leave
closures over Tensors that want gradients differentiable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import attrgetter

from ..engine import enable_grad, fresh_values, taking
from ..tensor import Tensor
from ..tensor import grad as gradients
from ..tensor.create import zeros_like
from ..tensor.storage import detached
from ..tensor.tensor import value_of, wrap, wrap_all
from .outside import depends_outside, found_again
from .tree import flatten, map_leaves, unflatten


def value_and_grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """`func` and its gradient at once: a function that returns (value, gradient), JAX's order.

    argnums  which arguments to differentiate with respect to, an int or a tuple; each is any pytree of Tensors, or a
             Module, whose gradient is a Module: zeros for buffers and for parameters that want none
    has_aux  `func` returns (value, aux), and then ((value, aux), gradient) is returned

    The gradient is a tree like the argument (a tuple of them for a tuple). Raises RuntimeError if the value is not a
    scalar Tensor.

    >>> import funcgrad as torch
    >>> from funcgrad.func import value_and_grad
    >>> value_and_grad(lambda p, x: (p["w"] * x).sum())({"w": torch.tensor([2.0, 3.0])}, torch.tensor([1.0, 10.0]))
    (tensor(32.), {'w': tensor([ 1., 10.])})
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return _value_and_grad("value_and_grad", func, argnums, has_aux, args, kwargs)

    return wrapper


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """As `value_and_grad`, in `torch.func`'s order: (gradient, value), or (gradient, (value, aux))."""

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        value, g = _value_and_grad("grad_and_value", func, argnums, has_aux, args, kwargs)
        return g, value

    return wrapper


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The gradient of `func`: a function that returns it, or (gradient, aux). See `value_and_grad`.

    >>> import funcgrad as torch
    >>> from funcgrad.func import grad
    >>> grad(grad(torch.sin))(torch.tensor(0.5))
    tensor(-0.4794)
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        value, g = _value_and_grad("grad_and_value", func, argnums, has_aux, args, kwargs)
        return (g, value[1]) if has_aux else g

    return wrapper


def _value_and_grad(name: str, func, argnums, has_aux: bool, args: tuple, kwargs: dict):
    numbers = _numbers(argnums, len(args))
    with taking(name):
        new, inputs, outer, trees = _fresh_args(args, numbers)
        with enable_grad():
            out = func(*new, **kwargs)
            value, aux = _split(name, out, has_aux)
            _check_scalar(name, value)
            found, create = None if outer else found_again(value, inputs), False
            if found is None:
                create = outer or depends_outside(value, inputs)
                found = _gradients([value], inputs, None, create)
    trees = _like(trees, found)
    g = trees if isinstance(argnums, tuple) else trees[0]
    value = _done(value, create)
    if has_aux:
        return (value, map_leaves(lambda t: _done(t, create), aux)), g
    return value, g


def _numbers(argnums, count: int) -> tuple[int, ...]:
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    for n in numbers:
        if not isinstance(n, int):
            raise RuntimeError(f"argnum must be int, got {type(n)}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    return tuple(n % count for n in numbers)


def _fresh_args(args: tuple, numbers: tuple):
    """The arguments with new places in the graph for those at `numbers`: (arguments, those Tensors, whether any had a
    history already, what makes trees of the gradients).

    Of a Module, those are the parameters that want gradients, without the history that they have outside.
    """
    new, inputs, trees, outer = list(args), [], [], False
    for n in numbers:
        tree = Tree(args[n])
        for kind in set(map(type, tree.chosen)):
            if not issubclass(kind, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {kind}")
        values = list(map(value_of, tree.chosen))
        if tree.others is not None:
            values = list(map(detached, values))
        specs = set(map(attrgetter("spec"), values))
        if not all([s.dtype.differentiable for s in specs]):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        outer = outer or any([s.needs for s in specs])
        made = wrap_all(fresh_values(values))
        inputs += made
        trees.append(tree)
        new[n] = tree.of(made, lambda t: t)
    return tuple(new), inputs, outer, trees


class Tree:
    """An argument: the Tensors to differentiate by, and how to put others in their places.

    others  of a Module, what stays (None for a parameter); None for any other tree
    """

    def __init__(self, argument):
        self.others = None
        if isinstance(argument, Tensor):
            self.chosen, self.structure = (argument,), None
            return
        self.chosen, self.structure = flatten(argument)
        if hasattr(argument, "named_parameters"):
            self.others = [None if t.requires_grad else t for t in self.chosen]
            self.chosen = [t for t in self.chosen if t.requires_grad]

    def of(self, some: list, rest: Callable):
        """A tree like the argument, of `some`; with `rest` of what is no parameter of a Module."""
        if self.structure is None:
            return some[0]
        if self.others is not None:
            each = iter(some)
            some = [next(each) if t is None else rest(t) for t in self.others]
        return unflatten(self.structure, some)


def _split(name: str, out, has_aux: bool):
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(
            f"{name}(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return out


def _check_scalar(name: str, value) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(f"{name}(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}")
    if value.ndim:
        raise RuntimeError(
            f"{name}(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {value.ndim} dims. Maybe "
            "you wanted to use the vjp or jacrev APIs instead?"
        )


def _gradients(outputs: list, inputs: list, cotangents, create: bool, batched: bool = False) -> list:
    """The gradients of `outputs`; zeros where nothing depends on an input."""
    wanted = [(y, c) for y, c in zip(outputs, cotangents or [None] * len(outputs), strict=True) if y.requires_grad]
    if not wanted:
        return [t.detach() * 0 for t in inputs]
    found = gradients(
        [y for y, _ in wanted],
        inputs,
        None if cotangents is None else [c for _, c in wanted],
        retain_graph=True,
        create_graph=create,
        allow_unused=True,
        is_grads_batched=batched,
    )
    return [g if g is not None else t.detach() * 0 for g, t in zip(found, inputs, strict=True)]


def _like(trees: list[Tree], found: list) -> tuple:
    """The gradients, as trees like the arguments they belong to; zeros for what is no parameter."""
    made, start = [], 0
    for tree in trees:
        n = len(tree.chosen)
        made.append(tree.of(found[start : start + n], zeros_like))
        start += n
    return tuple(made)


def _done(t, create: bool):
    """A result as it leaves the transform: without the history that only the transform had."""
    return t if create or not isinstance(t, Tensor) or not t.requires_grad else wrap(detached(value_of(t)))


def vjp(func: Callable, *primals, has_aux: bool = False):
    """(func(*primals), f): `f(cotangents)` are the gradients with respect to the primals, for a cotangent of each
    output; also (outputs, f, aux).

    `f` takes what `func` returns and gives a tuple like `primals` (a single one for a single primal). It may be called
    many times.

    >>> import funcgrad as torch
    >>> from funcgrad.func import vjp
    >>> y, pull = vjp(torch.sin, torch.tensor([0.0, 1.0]))
    >>> pull(torch.tensor([1.0, 1.0]))
    (tensor([1.0000, 0.5403]),)
    """
    with taking("vjp"):
        new, inputs, outer, structures = _fresh_args(primals, tuple(range(len(primals))))
        with enable_grad():
            out, aux = _split("vjp", func(*new), has_aux)
    outs, structure = flatten(out)
    for t in outs:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type {type(t)}"
            )
    create = outer or any(depends_outside(t, inputs) for t in outs)

    def pull(cotangents, retain_graph: bool = True, create_graph: bool | None = None):
        given, wanted = flatten(cotangents)
        if wanted != structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {wanted}, primal output: {structure}"
            )
        keep = create or any(isinstance(c, Tensor) and c.requires_grad for c in given)
        with enable_grad():
            found = _gradients(outs, inputs, given, keep)
        return _like(structures, [_done(g, keep) for g in found])

    result = map_leaves(lambda t: _done(t, create), out)
    return (result, pull, map_leaves(lambda t: _done(t, create), aux)) if has_aux else (result, pull)
