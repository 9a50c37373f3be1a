"""Calling a row by itself, without tape or Tensor: what the property tests over the registry share.

`cases(name)` evaluates everything that the tests want to know of one row, by each of its samples in
each dtype: outputs, the gradients by its rule and by JAX, and the derivative of the rule. That is one
compiled program a row, kept, because compiling is all that these tests spend their time on.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from funcgrad import dtypes, ops
from funcgrad.interpreter.program import LaidOpen
from funcgrad.op import REGISTRY, Sample, backward_op, draw
from funcgrad.op.derive import vjp_of
from funcgrad.op.family import compute_dtype
from funcgrad.op.tangent import tangent_op
from funcgrad.tape.options import little_effort

ops.load()

DTYPES = ("float64", "float32", "int64", "bool", "complex128")
STEP = 1e-5  # of the finite differences
OWN_VJP = ("index_reduce", "scatter_reduce")  # forwards through which JAX cannot push a tangent


# a fifth of the compile time of XLA's defaults for programs as small as these (measured)
QUICK = little_effort()


def compiled(f, *args):
    return jax.jit(f).trace(*args).lower().compile(compiler_options=QUICK)


# ---- one call of a row -------------------------------------------------------------------------


def promoted(op, arrays):
    """(arrays as JAX arrays, the dtype they promote to or None)."""
    shaped = [(dtypes.from_np(a.dtype), a.ndim) for a in arrays if _is_array(a)]
    scalars = [a for a in arrays if isinstance(a, bool | int | float | complex)]
    dtype = compute_dtype(op.promote, shaped, scalars)

    def made(a):
        if a is None or _is_array(a):
            return a if a is None else jnp.asarray(a)
        return jnp.asarray(a, (dtype or dtypes.scalar_dtype(a)).np)

    return [made(a) for a in arrays], dtype


def _is_array(a) -> bool:
    return isinstance(a, np.ndarray | jax.Array)


def forward(op, arrays, params):
    made, dtype = promoted(op, arrays)
    if dtype is not None:
        made = [None if a is None else a.astype(dtype.np) for a in made]
    return op.forward(*made, **params)


def outputs(y) -> list:
    return list(y) if isinstance(y, tuple | list) else [y]


def inexact(a) -> bool:
    return a is not None and jnp.issubdtype(a.dtype, jnp.inexact)


def pattern(a, seed: int):
    """Numbers between -1 and 1 of the shape and dtype of `a`, none like another; None for integers."""
    if not inexact(a):
        return None
    x = jnp.cos(jnp.arange(a.size, dtype=np.float64).reshape(a.shape) * 1.7 + seed)
    if jnp.issubdtype(a.dtype, jnp.complexfloating):
        return (x + 1j * jnp.sin(3 * x + 1)).astype(a.dtype)
    return x.astype(a.dtype)


def cotangents(y, seed: int = 1):
    return tuple(pattern(a, seed + i) for i, a in enumerate(y)) if isinstance(y, tuple) else pattern(y, seed)


def _static(op, arrays, params, y) -> dict:
    made, dtype = promoted(op, arrays)
    needs = tuple(inexact(a) and _is_array(b) for a, b in zip(made, arrays, strict=True))
    nout = len(y) if isinstance(y, tuple) else None
    return dict(nout=nout, needs=needs, dtype=dtype, params=tuple(params.items()))


def by_rule(op, arrays, params, g=None, rule=None, y=None):
    """(y, g, gradients of the array inputs in PyTorch's convention; None where there is none)."""
    made, _ = promoted(op, arrays)
    y = forward(op, arrays, params) if y is None else y
    g = cotangents(y) if g is None else g
    static = _static(op, arrays, params, y)
    derived = backward_op(op).forward if rule is None else _derived(rule)
    found = iter(derived(*outputs(g), *outputs(y), *made, **static))
    return y, g, [next(found) if n else None for n in static["needs"]]


def _derived(rule):
    from funcgrad.op.derive import _apply_rule

    return lambda *arrays, **static: _apply_rule(rule, *arrays, **static)


def by_jax(op, arrays, params, g=None, y=None):
    return by_rule(op, arrays, params, g, vjp_of(op.forward), y)


def pushed(op, arrays, params, y):
    """The tangents of the floating outputs along a direction of the inputs: by the row's rule, and by `jax.jvp`."""
    made, _ = promoted(op, arrays)
    static = _static(op, arrays, params, y)
    ts = [pattern(a, 60 + i) if need else None for i, (a, need) in enumerate(zip(made, static["needs"], strict=True))]
    mine = tangent_op(op).forward(*ts, *outputs(y), *made, **static)
    where = [i for i, t in enumerate(ts) if t is not None]

    def of_moving(*some):
        full = list(made)
        for i, x in zip(where, some, strict=True):
            full[i] = x
        cast = full if static["dtype"] is None else [None if x is None else x.astype(static["dtype"].np) for x in full]
        return [a for a in outputs(op.forward(*cast, **params)) if inexact(a)]

    return list(mine), jax.jvp(of_moving, [made[i] for i in where], [ts[i] for i in where])[1]


def second_order(op, arrays, params, y, g, dg, dx):
    """(h, dh): a fixed combination of the gradients, and its derivative along (dg, dx) by the rule of
    the row's backward operator; dx is None where an input does not move."""
    made, _ = promoted(op, arrays)
    static = _static(op, arrays, params, y)
    derived = backward_op(op)
    gs, ys = outputs(g), outputs(y)
    n = len(ys)
    read = [*gs, *ys, *made]
    found = derived.forward(*read, **static)
    v = [pattern(c, 7 + i) for i, c in enumerate(found)]
    again = dict(nout=len(found), needs=tuple(map(inexact, read)), dtype=None, params=tuple(static.items()))
    second = iter(backward_op(derived).forward(*v, *found, *read, **again))
    second = [next(second) if inexact(a) else None for a in read]
    through = iter(derived.forward(*second[n : 2 * n], *ys, *made, **static))  # y is of x too
    total = [next(through) if need else None for need in static["needs"]]
    dh = sum(_along(c, d) for c, d in zip(second[:n], outputs(dg), strict=True) if d is not None)
    for parts in zip(total, second[2 * n :], dx, strict=True):
        if parts[0] is not None and parts[2] is not None:
            dh += _along(parts[0] + parts[1], parts[2])
    return sum(map(_along, v, found)), dh


def _along(gradient, direction):
    """The change along `direction`, by a gradient in PyTorch's convention."""
    return jnp.vdot(gradient, direction).real


# ---- everything about one row, in one program --------------------------------------------------


@dataclass
class Case:
    """One sample of a row in one dtype, and what came of it. Arrays are NumPy's."""

    op: object
    sample: Sample
    dtype: str
    arrays: list
    bare: bool = True  # whether the forward returns one array, not a tuple
    refused: Exception | None = None  # what the forward raised for this dtype
    y: list | None = None
    g: list | None = None
    by_rule: list | None = None
    by_jax: list | None = None
    no_jax: Exception | None = None  # why JAX cannot differentiate the forward
    pushed: tuple | None = None  # (tangents by the rule, by `jax.jvp`)
    second: tuple | None = None  # (dh by the rule, dh by central differences)
    compiled: list = field(default_factory=list)  # all of these as the program returned them
    by_numpy: list | None = None  # the same by NumPy, where all of it is interpreted

    def __str__(self) -> str:
        drawn = [a.shape if isinstance(a, np.ndarray) else a for a in self.arrays]
        return f"{self.op.name}{drawn} {self.sample.params} {self.dtype}"


def _trace(case: Case, given: list, t) -> dict:
    """What the program computes for one case, with the inputs moved `t` along a direction."""
    op, params = case.op, case.sample.params
    it = iter(given)
    arrays = [next(it) if isinstance(a, np.ndarray) else a for a in case.arrays]
    wanted = op.differentiable and not op.skip and case.dtype in ("float64", "complex128")
    twice = wanted and case.dtype == "float64"
    # arrays given with a sample stand for particular points, such as ties: they do not move
    dx = [
        pattern(a, 20 + i) if isinstance(s, tuple) else None
        for i, (a, s) in enumerate(zip(arrays, case.sample.arrays, strict=True))
    ]
    if twice:
        arrays = [a if d is None else a + t * d for a, d in zip(arrays, dx, strict=True)]
    try:
        y = forward(op, arrays, params)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        case.refused = error.with_traceback(None)  # in whose frames the program would live on
        return {}
    case.bare = not isinstance(y, tuple | list)
    y = y if case.bare else tuple(y)
    out = {"y": outputs(y)}
    if not wanted or not any(inexact(a) for a in outputs(y)) or not any(inexact(a) for a in arrays if _is_array(a)):
        return out
    g = cotangents(y)
    if twice:
        dg = cotangents(y, 40)
        g = jax.tree.map(lambda a, d: a + t * d, g, dg)
    out["g"] = outputs(g)
    out["rule"] = by_rule(op, arrays, params, g, y=y)[2]
    if op.own_rule:
        try:
            out["jax"] = by_jax(op, arrays, params, g, y)[2]
        except (NotImplementedError, TypeError, ValueError) as error:
            case.no_jax = error.with_traceback(None)
    if twice and "jax" in out and op.name not in OWN_VJP:
        out["pushed"] = pushed(op, arrays, params, y)
    if twice:
        out["second"] = second_order(op, arrays, params, y, g, dg, dx)
    return out


NAMES = [name for name, op in REGISTRY.items() if op.samples is not None]
WORKERS = ThreadPoolExecutor(2)


def cases(name: str) -> list[Case]:
    """Every sample of the row in every dtype, evaluated.

    Rows are asked for in the order of the registry, so the next two are begun too: one is traced
    while another compiles.
    """
    at = NAMES.index(name)
    found, *_ = [_begun(n) for n in NAMES[at : at + 3]]
    return found.result()


@cache
def _begun(name: str):
    return WORKERS.submit(_evaluated, name)


def _evaluated(name: str) -> list[Case]:
    op = REGISTRY[name]
    made = [Case(op, s, dt, draw(op, s, np.dtype(dt))) for dt in DTYPES for s in op.samples()]
    given = [[a for a in c.arrays if isinstance(a, np.ndarray)] for c in made]

    def program(given, t):
        return [_trace(c, arrays, t) for c, arrays in zip(made, given, strict=True)]

    with jax.enable_x64(True):
        traced = jax.jit(program).trace(given, np.float64(0))
        call = traced.lower().compile(compiler_options=QUICK)
        by_numpy = LaidOpen(traced.jaxpr)
        here, right, left = (jax.tree.map(np.asarray, call(given, np.float64(t))) for t in (0, STEP, -STEP))
        leaves, at = jax.tree.leaves((given, np.float64(0))), 0
        for c, out in zip(made, here, strict=True):
            c.compiled = jax.tree.leaves(out)
            program = by_numpy.program(slice(at, at + len(c.compiled)))
            c.by_numpy = None if program is None else program(*leaves)
            at += len(c.compiled)
    for c, out, r, le in zip(made, here, right, left, strict=True):
        c.y, c.g, c.by_rule, c.by_jax = (out.get(k) for k in ("y", "g", "rule", "jax"))
        c.pushed = out.get("pushed")
        if "second" in out:
            c.second = (out["second"][1], (r["second"][0] - le["second"][0]) / (2 * STEP))
    return made


def close(a, b, rtol: float = 1e-7, atol: float = 1e-9) -> bool:
    return np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)


# ---- torch's way of calling --------------------------------------------------------------------


def torch_args(op, arrays, params, convert: Callable):
    """Positional and keyword arguments in torch's order, by the row's signature."""
    arrays, args, kwargs = list(arrays), [], {}
    for a in op.sig.args:
        if a.kind == "Ts":
            value = [convert(x) for x in arrays]
        elif a.is_array:
            if not arrays:
                continue
            value = convert(arrays.pop(0))
        elif a.name in params:
            value = convert(params[a.name])
        else:
            continue
        if a.keyword_only or kwargs or len(args) != op.sig.args.index(a):
            kwargs[a.name] = value
        else:
            args.append(value)
    return args, kwargs
