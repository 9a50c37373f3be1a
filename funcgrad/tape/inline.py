"""A path as a pure JAX function, for whoever traces it: `jit`, `grad`, `vmap`, `scan` of JAX itself.

It is differentiated by the rows' own rules, in both modes: one `jax.custom_jvp` around the whole path,
which pushes tangents from step to step by the tangent operators and is built only if JAX asks for it.
"""

from __future__ import annotations

from functools import cached_property

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from .. import dtypes
from ..op import tangent_op
from .program import evaluate
from .residuals import backward_params
from .trace import INPUT, LEAF, Trace, specs_of
from .uses import arguments_read


class Path:
    """What a path computes at `outputs`: a function of the arrays at `inputs` and of the `scalars` it met.

    inputs   slots
    scalars  [(slot, DType)], which come as arrays of their own, after the inputs
    """

    def __init__(self, trace: Trace, outputs: tuple[int, ...]):
        self.trace, self.outputs = trace, outputs
        steps = trace.steps()
        self.specs = specs_of(steps)
        wanted = set(outputs)
        self.steps = []
        for t in reversed(steps):
            if t.specs and not wanted.isdisjoint(t.outs):
                self.steps.append(t)
                wanted.update(t.args[i] for i in arguments_read(t, self.specs))
        self.steps.reverse()
        self.inputs = tuple(t.first for t in self.steps if t.kind is INPUT)
        self.scalars = [(slot, self.specs[slot].dtype) for t in steps for slot in t.scalar_slots if slot in wanted]

    def __eq__(self, other) -> bool:
        return isinstance(other, Path) and self.trace is other.trace and self.outputs == other.outputs

    def __hash__(self) -> int:
        return hash((id(self.trace), self.outputs))

    @cached_property
    def call(self):
        """The function, under `dtypes.x64`; a list of arrays."""
        f = jax.custom_jvp(self._values)
        f.defjvp(self._tangents, symbolic_zeros=True)
        return f

    def _env(self, arrays) -> dict:
        n = len(self.inputs)
        env = dict(zip(self.inputs, arrays[:n], strict=True))
        env.update((slot, jnp.asarray(x, dtype.np)) for (slot, dtype), x in zip(self.scalars, arrays[n:], strict=True))
        return env

    def _evaluate(self, t: Trace, env: dict) -> None:
        for a in t.args:
            if a is not None and a not in env:
                s = self.specs[a]
                env[a] = jnp.zeros(s.shape, s.dtype.np)
        evaluate(t, env)

    def _values(self, *arrays) -> list:
        with dtypes.x64():
            env = self._env(arrays)
            for t in self.steps:
                self._evaluate(t, env)
            return [env[s] for s in self.outputs]

    def _tangents(self, arrays, tangents):
        with dtypes.x64():
            return self._with_tangents(arrays, tangents)

    def _with_tangents(self, arrays, tangents):
        env, tenv = self._env(arrays), {}
        for slot, t in zip(self.inputs, tangents, strict=False):
            if not isinstance(t, SymbolicZero) and jnp.issubdtype(t.dtype, jnp.inexact):
                tenv[slot] = t
        for t in self.steps:
            self._evaluate(t, env)
            if t.kind is LEAF and t.args[0] in tenv:
                tenv[t.first] = tenv[t.args[0]]
            elif t.op is not None and not tenv.keys().isdisjoint(a for a in t.args if a is not None):
                tenv.update(_push(t, env, tenv))
        return [env[s] for s in self.outputs], [_tangent(env[s], tenv.get(s)) for s in self.outputs]


def _push(t: Trace, env: dict, tenv: dict) -> dict:
    """The tangents of the outputs of a step."""
    if t.op.edges is not None:
        raise NotImplementedError(
            f"{t.op.name}, called at {t.line}: JAX cannot differentiate through a custom autograd.Function, whose "
            "backward is Python over Tensors. Differentiate inside, with func.grad or backward(), and leave the rest "
            "to JAX."
        )
    outs = [slot for slot, s in zip(t.outs, t.specs, strict=True) if s.dtype.differentiable]
    needs = tuple(a in tenv for a in t.args)
    if t.op.rule is None or not outs or not any(needs):
        return {}
    t.op.check_derivable(needs)
    pushed = tangent_op(t.op).forward(
        *(tenv.get(a) for a in t.args),
        *(env[s] for s in t.outs),
        *(None if a is None else env[a] for a in t.args),
        **{**backward_params(t), "needs": needs},
    )
    return dict(zip(outs, pushed, strict=True))


def _tangent(y, t):
    if t is not None:
        return t.astype(y.dtype)
    return jnp.zeros(y.shape, y.dtype if jnp.issubdtype(y.dtype, jnp.inexact) else jax.dtypes.float0)


def values_of(trace: Trace, outputs: tuple[int, ...], entered: dict, scalars: dict) -> list:
    """The path's outputs for the arrays that entered, which JAX may be tracing."""
    path = trace.facts.get(("path", outputs))
    if path is None:
        path = trace.facts["path", outputs] = Path(trace, outputs)
    arrays = [entered[s].array for s in path.inputs] + [scalars[slot] for slot, _ in path.scalars]
    with dtypes.x64():
        return path.call(*arrays)
