"""`vmap`: a function of one example made into one of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax

from ..engine import Batched, batch, taking
from ..engine.batch import unbatched
from ..op import REGISTRY
from ..tape import record
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from .tree import flatten, leaves, name_of, unflatten

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable, in_dims=0, out_dims=0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """`func` over a dimension of its arguments, vectorised: every operation is done for the whole batch at once.

    in_dims     the dimension of each argument to go over, None for one that all examples share; a tree like the
                arguments, or one int for all
    out_dims    where the results have theirs, likewise
    randomness  what random draws inside do: "error", "different" or "same" for every example
    chunk_size  how many examples at a time; all if None

    Raises ValueError for dimensions that are not there or of different sizes.

    >>> import funcgrad as torch
    >>> from funcgrad.func import grad, vmap
    >>> vmap(grad(lambda x: (x**2).sum()))(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[2., 4.],
            [6., 8.]])
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    return _over(func, in_dims, out_dims, randomness, chunk_size, False)


def over_directions(func: Callable, out_dims, randomness: str, chunk_size: int | None) -> Callable:
    """`vmap` of a function that uses its argument as a tangent only: what has no tangent is computed once."""
    return _over(func, 0, out_dims, randomness, chunk_size, randomness != "different")


def _over(func, in_dims, out_dims, randomness, chunk_size, alike: bool) -> Callable:
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        flat, structure = flatten(args)
        dims = _dims(func, in_dims, args, flat, structure)
        size = _size(flat, dims)

        def mapped(some: list, n: int):
            return _mapped(func, some, structure, dims, batch(n, randomness, alike), out_dims, kwargs)

        if chunk_size is None or chunk_size >= size:
            return mapped(flat, size)
        return _in_chunks(mapped, flat, dims, size, out_dims, chunk_size)

    return wrapper


def _dims(func, in_dims, args, flat: list, structure) -> list:
    """The dimension of each leaf. Raises ValueError, in PyTorch's words, for what does not fit."""
    shown = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, int | tuple | list | dict):
        raise ValueError(
            f"{shown}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not flat:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
            "vmap over a function with no inputs. The latter is unsupported."
        )
    dims = _broadcast(in_dims, args)
    if dims is None:
        raise ValueError(
            f"{shown}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{jax.tree_util.tree_structure(in_dims)} but inputs has structure {structure}."
        )
    out = []
    for t, d in zip(flat, dims, strict=True):
        if d is not None and not isinstance(d, int):
            raise ValueError(
                f"{shown}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if d is not None and not isinstance(t, Tensor):
            raise ValueError(
                f"{shown}: Got in_dim={d} for an input but the input is of type {type(t)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if d is not None and not -t.ndim <= d < t.ndim:
            raise ValueError(
                f"{shown}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {t.ndim} so "
                f"expected in_dim to satisfy -{t.ndim} <= in_dim < {t.ndim}."
            )
        out.append(d if d is None else d % t.ndim)
    return out


def _broadcast(dims, tree) -> list | None:
    """`dims`, a prefix of `tree`, for each of its leaves; None if it is none."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves(tree))
    if isinstance(dims, tuple | list) and isinstance(tree, tuple | list) and len(dims) == len(tree):
        parts = [_broadcast(d, t) for d, t in zip(dims, tree, strict=True)]
    elif isinstance(dims, dict) and isinstance(tree, dict) and dims.keys() == tree.keys():
        parts = [_broadcast(dims[k], tree[k]) for k in sorted(tree)]
    else:
        return None
    return None if any(p is None for p in parts) else [d for p in parts for d in p]


def _size(flat: list, dims: list) -> int:
    sizes = [t.shape[d] for t, d in zip(flat, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError(
            "vmap: at least one argument must have a dimension to go over: every in_dim is None"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return sizes[0]


def _moved(v, source: int, to: int):
    if source == to:
        return v
    return record(REGISTRY["movedim"], (v,), {"source": source, "destination": to})


def _mapped(func, flat, structure, dims, entered, out_dims, kwargs):
    with taking("vmap"), entered as here:
        made = [
            t if d is None else wrap(Batched(_moved(value_of(t), d, 0), here.level))
            for t, d in zip(flat, dims, strict=True)
        ]
        out = func(*unflatten(structure, made), **kwargs)
    found, result = flatten(out)
    where = _broadcast(out_dims, out)
    if where is None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims}): out_dims is not compatible with the structure of "
            f"`outputs`. out_dims has structure {jax.tree_util.tree_structure(out_dims)} but outputs has structure "
            f"{result}."
        )
    return unflatten(result, [_out(func, t, d, here) for t, d in zip(found, where, strict=True)])


def _out(func, t, dim: int | None, here):
    name = name_of(func)
    if not isinstance(t, Tensor):
        if dim is None:
            return t
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(t)}. Did you mean to set out_dims= "
            "to None for output?"
        )
    v = value_of(t)
    mine = v.__class__ is Batched and v.level == here.level
    if dim is None:
        if mine:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return t
    n = v.spec.shape
    if not -len(n) - 1 <= dim <= len(n):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(n) - 1}, {len(n)}], but got {dim})"
        )
    return wrap(_moved(unbatched(v, here.level, here.size), 0, dim % (len(n) + 1)))


def _in_chunks(mapped, flat, dims, size, out_dims, chunk: int):
    pieces = []
    for start in range(0, size, chunk):
        n = min(chunk, size - start)
        pieces.append(mapped([t if d is None else t.narrow(d, start, n) for t, d in zip(flat, dims, strict=True)], n))
    results = [flatten(p) for p in pieces]
    where = _broadcast(out_dims, pieces[0])
    joined = [
        parts[0] if d is None else _joined(parts, d)
        for parts, d in zip(zip(*(leaves for leaves, _ in results), strict=True), where, strict=True)
    ]
    return unflatten(results[0][1], joined)


def _joined(parts, dim: int) -> Tensor:
    return wrap(record(REGISTRY["cat"], tuple(value_of(t) for t in parts), {"dim": dim}))
