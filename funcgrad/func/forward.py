"""Forward mode as a function of a function: `jvp` and `linearize`."""

from __future__ import annotations

from collections.abc import Callable

from ..engine import Dual, dual, enter_level, exit_level, taking
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from .tree import flatten, map_leaves, tensors


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False):
    """(func(*primals), the tangent of that in the direction `tangents`); also (output, tangent, aux).

    primals, tangents  tuples of the same pytrees of Tensors
    strict             an output that does not depend on the primals is an error instead of a tangent of zeros

    >>> import funcgrad as torch
    >>> from funcgrad.func import jvp
    >>> jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    _check(primals, tangents)
    with taking("jvp"):
        level = enter_level()
        try:
            out, aux = _pushed(func, primals, tangents, level, has_aux)
            ys = map_leaves(lambda t: _primal(t, level), out)
            ts = map_leaves(lambda t: _tangent(t, level, strict), out)
            aux = map_leaves(lambda t: _primal(t, level), aux)
        finally:
            exit_level(level)
    return (ys, ts, aux) if has_aux else (ys, ts)


def _check(primals, tangents) -> None:
    for name, tree in (("primals", primals), ("tangents", tangents)):
        if not isinstance(tree, tuple):
            raise RuntimeError(
                f"jvp(f, primals, tangents): Expected {name} to be a tuple. E.g. it should be valid to call "
                "f(*primals)."
            )
    if flatten(primals)[1] != flatten(tangents)[1]:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, "
            "if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{flatten(primals)[1]} and tangents with structure {flatten(tangents)[1]}"
        )
    for p, t in zip(tensors("", primals), tensors("", tangents), strict=True):
        if p.shape != t.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
                f"not supported. Tensor is of size {list(p.shape)} while the given forward gradient is of size "
                f"{list(t.shape)}."
            )


def _pushed(func, primals, tangents, level: int, has_aux: bool):
    duals = map_leaves(lambda p, t: wrap(dual(value_of(p), value_of(t.to(p.dtype)), level)), primals, tangents)
    out = func(*duals)
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError("jvp(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True")
    return out


def _primal(t, level: int):
    v = value_of(t) if isinstance(t, Tensor) else None
    return wrap(v.inner) if v.__class__ is Dual and v.level == level else t


def _tangent(t, level: int, strict: bool):
    if not isinstance(t, Tensor):
        raise RuntimeError(f"jvp(f, primals, tangents): Expected f(*primals) to return only tensors, got {type(t)}")
    v = value_of(t)
    if v.__class__ is Dual and v.level == level:
        return wrap(v.tangent)
    if strict:
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed "
            "with strict=True."
        )
    return t.detach() * 0


def linearize(func: Callable, *primals):
    """(func(*primals), f): `f(*tangents)` is the tangent of the outputs.

    `f` records the derivative at the primals again for each call; XLA's program for it is found again.
    """
    out = func(*primals)

    def push(*tangents):
        return jvp(func, primals, tangents)[1]

    return out, push
