"""`to_jax`: a function of Tensors as a pure function of arrays, for every transform that JAX has.

The function is recorded on a tape of its own whose inputs may be JAX's tracers, and what a run would
compute is handed to JAX instead. Recording it again costs look-ups; JAX sees one operation after the
other, as if they had been written with `jax.numpy`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from .. import dtypes
from ..engine import taking
from ..tape import Failed, base, constant, force, fresh, local, run, values_of
from ..tensor import Tensor
from ..tensor.tensor import value_of, wrap
from .tree import leaves, map_leaves, name_of

ESCAPED = (
    "this Tensor escaped from {name}, which to_jax() was tracing: what it stood for is no number. Return it from the "
    "function, or do not write to what is outside."
)


def to_jax(f: Callable) -> Callable:
    """`f`, a function of pytrees of Tensors, as a pure function of the same pytrees of `jax.Array`s.

    It may be transformed by JAX: `jax.jit`, `jax.grad` and `jax.jvp` (which use the rules of funcgrad's operators),
    `jax.vmap`, `jax.lax.scan`, `jax.checkpoint`, `jax.export`. `backward()`, in-place code and `func.grad` may be used
    inside. Tensors that `f` closes over are constants.

    While JAX has no 64-bit types, its int32 comes in as `long`, and what has 64 bits goes out in 32.

    A Tensor that `f` leaves behind outside raises RuntimeError when it is used; to look at a number inside raises what
    JAX raises for its tracers.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import funcgrad as torch
    >>> from funcgrad.func import to_jax
    >>> f = jax.jit(jax.grad(to_jax(lambda x: torch.relu(x).sum())))
    >>> f(jnp.array([-1.0, 0.0, 2.0]))
    Array([0., 0., 1.], dtype=float32)
    """

    @functools.wraps(f)
    def pure(*args, **kwargs):
        with _Traced(name_of(f)) as traced:
            args, kwargs = jax.tree_util.tree_map(traced.tensor, (args, kwargs))
            out = f(*args, **kwargs)
            return traced.arrays(out)

    return pure


class _Traced:
    """While a function is traced: its tape, and what must not be used after."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self):
        if local.traced is None:
            run()  # what is pending outside has numbers, and they are needed as such
        self.before = local.tape, local.traced
        local.traced = []
        fresh()
        self._taking = taking("to_jax")
        self._taking.__enter__()
        return self

    def tensor(self, x):
        """An array as a Tensor of the traced function; anything else as it is."""
        if not isinstance(x, jax.Array | np.ndarray):
            return x
        if x.dtype == np.int32 and not jax.config.jax_enable_x64:  # JAX's int is a long here
            with dtypes.x64():
                x = jnp.asarray(x).astype(np.int64)
        v = constant(x, dtypes.from_np(x.dtype))
        local.traced.append(v)
        return wrap(v)

    def arrays(self, out):
        """The results, as JAX gets them."""
        values = map_leaves(lambda t: base(value_of(t)) if isinstance(t, Tensor) else t, out)
        tape = local.tape
        pending = {v.slot: v for v in leaves(values) if _is_value(v) and not hasattr(v, "array")}
        found = values_of(tape.trace, tuple(pending), tape.entered, tape.scalars) if pending else []
        for v, array in zip(pending.values(), found, strict=True):
            v.array = array
            local.traced.append(v)
        return jax.tree_util.tree_map(_array, values, is_leaf=_is_value)

    def __exit__(self, *error):
        self._taking.__exit__(*error)
        gone = Failed(None, ESCAPED.format(name=self.name))
        for v in (*local.traced, *local.tape.pending.values()):
            v.tape, v.home, v.graph, v.array = None, None, None, gone
        local.tape, local.traced = self.before


def _is_value(v) -> bool:
    return hasattr(v, "spec")


_NARROW = {"int64": np.int32, "float64": np.float32, "complex128": np.complex64}


def _array(v):
    """The array of a Value, without 64 bits where JAX has none."""
    if not _is_value(v):
        return v
    array, narrow = force(v), _NARROW.get(v.spec.dtype.name.removeprefix("torch."))
    if narrow is None or jax.config.jax_enable_x64:
        return array
    with dtypes.x64():
        return jnp.asarray(array).astype(narrow)
