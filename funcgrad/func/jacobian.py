"""Jacobians and Hessians: all rows or all columns at once, by a batch of unit cotangents or tangents."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from ..engine import enable_grad, taking
from ..op import REGISTRY
from ..tape import record
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from .forward import jvp
from .grad import Tree, _done, _fresh_args, _gradients, _like, _numbers, _split
from .outside import depends_outside
from .tree import flatten, leaves, map_leaves, tensors, unflatten
from .vmap import over_directions


def jacrev(
    func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:  # fmt: skip
    """The Jacobian of `func` by reverse mode, row by row: for each output a tree like the argument, of shape
    (*output.shape, *input.shape).

    argnums     as in `grad`
    chunk_size  how many rows at a time; all if None

    >>> import funcgrad as torch
    >>> from funcgrad.func import jacrev
    >>> jacrev(lambda x: torch.stack([x[0] * x[1], x[0]]))(torch.tensor([2.0, 3.0]))
    tensor([[3., 2.],
            [1., 0.]])
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        numbers = _numbers(argnums, len(args))
        with taking("jacrev"):
            new, inputs, outer, trees = _fresh_args(args, numbers)
            with enable_grad():
                out, aux = _split("jacrev", func(*new, **kwargs), has_aux)
                outs, structure = flatten(out)
                tensors("", out)
                create = outer or any(depends_outside(y, inputs) for y in outs)
                rows = [_rows(y, inputs, create, chunk_size) for y in outs]
        found = [_arranged(trees, argnums, [_done(g, create) for g in some]) for some in rows]
        jacobian = unflatten(structure, found)
        return (jacobian, map_leaves(lambda t: _done(t, create), aux)) if has_aux else jacobian

    return wrapper


def _arranged(trees, argnums, found: list):
    trees = _like(trees, found)
    return trees if isinstance(argnums, tuple) else trees[0]


def _units(shape, dtype) -> Tensor:
    """Every unit vector of that shape, along a new first dimension."""
    n = math.prod(shape)
    eye = record(REGISTRY["units"], (), {"n": n, "dtype": dtype})
    return wrap(record(REGISTRY["view"], (eye,), {"size": (n, *shape)}))


def _rows(y: Tensor, inputs: list, create: bool, chunk_size: int | None) -> list:
    n = y.numel()
    if n == 1:
        one = wrap(record(REGISTRY["unit"], (), {"shape": tuple(y.shape), "dtype": y.dtype}))
        found = _gradients([y], inputs, [one], create)
        return [g.reshape(*y.shape, *t.shape) for g, t in zip(found, inputs, strict=True)]
    units = _units(y.shape, y.dtype)
    step = min(chunk_size or n, n) or 1
    pieces = [
        _gradients([y], inputs, [units.narrow(0, i, min(step, n - i)) if step < n else units], create, batched=True)
        for i in range(0, n, step)
    ]
    if not y.requires_grad:
        pieces = [[t.detach().expand(n, *t.shape) * 0 for t in inputs]]
    joined = pieces[0] if len(pieces) == 1 else [_cat(parts) for parts in zip(*pieces, strict=True)]
    return [g.reshape(*y.shape, *t.shape) for g, t in zip(joined, inputs, strict=True)]


def _cat(parts) -> Tensor:
    return wrap(record(REGISTRY["cat"], tuple(value_of(t) for t in parts), {"dim": 0}))


def jacfwd(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:  # fmt: skip
    """The Jacobian of `func` by forward mode, column by column; the result is as `jacrev`'s."""

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        numbers = _numbers(argnums, len(args))
        inputs = [t for n in numbers for t in tensors("", args[n])]
        trees = [Tree(args[n]) for n in numbers]
        columns, outer, aux = [], None, None
        for k, t in enumerate(inputs):

            def push(unit, k=k):
                tangents = [unit if i == k else wrap(_zeros(other)) for i, other in enumerate(inputs)]
                return _along(func, args, numbers, tangents, has_aux, kwargs)

            found = over_directions(push, (-1, None) if has_aux else -1, randomness, chunk_size)(
                _units(t.shape, t.dtype)
            )
            found, aux = found if has_aux else (found, None)
            ys, outer = flatten(found)
            columns.append([y.reshape(*y.shape[:-1], *t.shape) for y in ys])
        rows = list(zip(*columns, strict=True))
        jacobian = unflatten(outer, [_arranged(trees, argnums, list(some)) for some in rows])
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def _zeros(t: Tensor):
    return record(REGISTRY["blank"], (), {"shape": tuple(t.shape), "dtype": t.dtype})


def _along(func, args, numbers, tangents: list, has_aux: bool, kwargs):
    """The tangent of `func(*args)` in that direction of the arguments at `numbers`."""
    rest = iter(tangents)
    chosen = tuple(args[n] for n in numbers)
    directions = tuple(unflatten(flatten(a)[1], [next(rest) for _ in leaves(a)]) for a in chosen)

    def of_chosen(*some):
        full = list(args)
        for n, a in zip(numbers, some, strict=True):
            full[n] = a
        return func(*full, **kwargs)

    found = jvp(of_chosen, chosen, directions, has_aux=has_aux)
    return found[1:] if has_aux else found[1]


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The Hessian of `func`, forward over reverse: as `jacfwd(jacrev(func))`.

    >>> import funcgrad as torch
    >>> from funcgrad.func import hessian
    >>> hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
