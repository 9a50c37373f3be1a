"""Operators as JAX sees them: traced once for the shapes of results, for what is read, and for NumPy."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import jax

from .. import dtypes
from ..op import Op

KEPT = 512
_kept: OrderedDict[tuple, Traced] = OrderedDict()


class Traced(NamedTuple):
    """A closed jaxpr, whose arguments are the arrays that there are; shapes and dtypes of what it makes, as it does."""

    jaxpr: object
    out: object


def traced(op: Op, structs, params: dict) -> Traced:
    """The forward of `op`, of arrays of these shapes and dtypes (None: there is none). Raises what it raises."""
    shapes = tuple([None if s is None else (s.shape, s.dtype) for s in structs])
    key = (op, shapes, tuple(params.items()), dtypes.get_default_dtype())
    found = _kept.get(key)
    if found is None:
        with dtypes.x64():
            made = jax.make_jaxpr(partial(op.forward, **params), return_shape=True)
            found = _kept[key] = Traced(*made(*structs))
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found
