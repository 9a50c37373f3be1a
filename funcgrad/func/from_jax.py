"""`from_jax`: any function of arrays as one operator on Tensors."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from .. import dtypes
from ..op import Op, backward_op, jax_rule
from ..tape import constant, record
from ..tensor import Tensor
from ..tensor.call import operand
from ..tensor.tensor import wrap
from .tree import flatten, name_of, unflatten


class _Key:
    """Stands for a JAX random key among the arguments; its words travel as an array."""

    def __init__(self, impl: str):
        self.impl = impl

    def __eq__(self, other) -> bool:
        return isinstance(other, _Key) and self.impl == other.impl

    def __hash__(self) -> int:
        return hash(self.impl)


_ARRAY = object()  # stands for an array among the arguments
_known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def from_jax(g: Callable, *, vjp: Callable | None = None) -> Callable:
    """`g`, a function of pytrees of `jax.Array`s, as a function of the same pytrees of Tensors.

    vjp  the derivative, if it is not to be JAX's: `(cotangents, outputs, *args) -> a cotangent for each argument`, on
         arrays; outputs and cotangents as `g` returns them

    Everything in the arguments that is no Tensor and no array is a parameter of the operator and must be hashable. It
    records as one operation, whose grad_fn is named after `g`. JAX's 64-bit setting holds inside `g`: without it, a
    `long` comes in as int32.

    >>> import jax.numpy as jnp
    >>> import funcgrad as torch
    >>> from funcgrad.func import from_jax
    >>> softcap = from_jax(lambda x, cap: cap * jnp.tanh(x / cap))
    >>> x = torch.tensor([1.0, 100.0], requires_grad=True)
    >>> y = softcap(x, 10.0)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([ 0.9967, 10.0000]), tensor([0.9901, 0.0000]))
    """
    ops = _ops_of(g, vjp)

    @functools.wraps(g)
    def wrapper(*args, **kwargs):
        flat, structure = flatten((args, kwargs))
        arrays, static = [], []
        for x in flat:
            value, stands = _argument(x)
            static.append(stands)
            arrays += [value] if value is not None else []
        key = (structure, tuple(static), jax.config.jax_enable_x64)
        found = ops.get(key)
        if found is None:
            found = ops[key] = _Recorded(g, vjp, structure, tuple(static), jax.config.jax_enable_x64)
        return found(arrays)

    return wrapper


def _ops_of(g, vjp) -> dict:
    """The operators made of `g` so far, so that wrapping it again records the same ones."""
    try:
        return _known.setdefault(g, {}).setdefault(vjp, {})
    except TypeError:  # it takes no weak references
        return {}


def _argument(x):
    """(its Value, what stands for it), or (None, itself) for a parameter."""
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return constant(jax.random.key_data(x), dtypes.uint32), _Key(str(jax.random.key_impl(x)))
    if isinstance(x, Tensor | jax.Array | np.ndarray):
        return operand(x), _ARRAY
    return None, x


class _Recorded:
    """`g` for one structure of arguments: the operator, and the structure of its results."""

    def __init__(self, g, vjp, structure, static: tuple, x64: bool):
        self.g, self.vjp, self.structure, self.static, self.x64 = g, vjp, structure, static, x64
        self.results: dict[tuple, object] = {}
        rule = jax_rule if vjp is None else lambda g, y, *arrays: self._rule(g, y, *arrays)
        name = name_of(g)
        self.op = Op(name if name.isidentifier() else "from_jax", self._forward, rule, "internal")
        backward_op(self.op).results = None  # by tracing: what has no derivative says so where a backward comes to it

    def __call__(self, arrays: list):
        specs = tuple((v.spec.shape, v.spec.dtype) for v in arrays)
        if specs not in self.results:
            with dtypes.x64():
                structs = [jax.ShapeDtypeStruct(shape, dtype.np) for shape, dtype in specs]
                self.results[specs] = jax.tree_util.tree_structure(jax.eval_shape(self._call, *structs))
        out = record(self.op, arrays)
        return unflatten(self.results[specs], [wrap(v) for v in out])

    def _arguments(self, arrays):
        rest = iter(arrays)
        flat = []
        for s in self.static:
            if s is _ARRAY:
                flat.append(next(rest))
            elif isinstance(s, _Key):
                flat.append(jax.random.wrap_key_data(next(rest), impl=s.impl))
            else:
                flat.append(s)
        return jax.tree_util.tree_unflatten(self.structure, flat)

    def _call(self, *arrays):
        if self.x64:
            args, kwargs = self._arguments(arrays)
            return self.g(*args, **kwargs)
        arrays = [x.astype(_NARROW.get(x.dtype.name, x.dtype)) for x in arrays]
        with jax.enable_x64(False):
            args, kwargs = self._arguments(arrays)
            return self.g(*args, **kwargs)

    def _forward(self, *arrays):
        return tuple(jnp.asarray(x) for x in jax.tree_util.tree_leaves(self._call(*arrays)))

    def _rule(self, g, y, *arrays):
        tree = jax.tree_util.tree_structure(jax.eval_shape(self._call, *arrays))
        zeros = [jnp.zeros(a.shape, a.dtype) if b is None else b for a, b in zip(y, g, strict=True)]
        args, kwargs = self._arguments(arrays)
        found = self.vjp(tree.unflatten(zeros), tree.unflatten(y), *args, **kwargs)
        found = found if isinstance(found, tuple) else (found,)
        leaves = [jax.tree_util.tree_leaves(c, is_leaf=lambda x: x is None) for c in found]
        return tuple(c for some in leaves for c in some)


_NARROW = {"int64": np.int32, "float64": np.float32, "complex128": np.complex64, "uint64": np.uint32}
