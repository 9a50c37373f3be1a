"""A chain of view steps as one operator, there and back: what PyTorch's graph calls AsStrided and CopySlices.

A step is (row, its parameters, the numbers it takes, which of several outputs or None). Knows rows and Values. Must
not know Tensors or who shares memory.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..op import Op
from ..op.derive import vjp_of
from ..tape import Value, record

# views that PyTorch takes again instead of striding over the memory, because the dtype changes
_REPLAYED = frozenset({"view_as_real", "view_as_complex", "conj"})
_OTHER_NUMBERS = _REPLAYED | {"real", "imag"}


def cut(base: Value, steps: tuple) -> Value:
    """What `steps` show of `base`, in one step of the tape."""
    if not steps:
        return base
    hashable, numbers = _split(steps)
    return record(AS_STRIDED, (base, *numbers), {"steps": hashable})


def named_view(v: Value, steps: tuple) -> Value:
    """`v` itself, under the name that PyTorch's history of a view cut by `steps` has."""
    if not v.spec.needs:
        return v
    op, params, _, _ = steps[-1]
    return record(AS_STRIDED, (v,), {"steps": (), "like": op.node_name(params) if op.name in _REPLAYED else None})


def write_through(base: Value, steps: tuple, value: Value) -> Value:
    """`base` with `value` written where `steps` look."""
    if not steps:
        return value
    hashable, numbers = _split(steps)
    return record(COPY_SLICES, (base, value, *numbers), {"steps": hashable})


def _split(steps: tuple) -> tuple[tuple, list]:
    hashable = tuple([(op, tuple(params.items()), len(extra), i) for op, params, extra, i in steps])
    return hashable, [x for _, _, extra, _ in steps for x in extra]


def _forward(x, *numbers, steps, like=None):
    for op, params, count, i in steps:
        x = _step(op, params, i, x, numbers[:count])
        numbers = numbers[count:]
    return x


def _step(op: Op, params, i, x, numbers):
    out = op.forward(x, *numbers, **dict(params))
    return out if i is None else out[i]


def _write(base, value, *numbers, steps):
    if any(op.write is None for op, _, _, _ in steps) and not any(op.name in _OTHER_NUMBERS for op, _, _, _ in steps):
        places = _forward(jnp.arange(base.size, dtype=np.int64).reshape(base.shape), *numbers, steps=steps)
        flat = base.reshape(-1)
        if any(op.name in ("expand", "broadcast_to") for op, _, _, _ in steps):  # of several at a place, that written
            places = jnp.where(value != flat[places], places, base.size)
        return flat.at[places].set(value, mode="drop").reshape(base.shape)
    under = []
    for op, params, count, i in steps:
        here, numbers = numbers[:count], numbers[count:]
        under.append((base, op, params, here, i))
        base = _step(op, params, i, base, here)
    for x, op, params, here, i in reversed(under):
        if op.write is not None:
            value = op.write(x, value, *here, **dict(params))
        else:
            value = _write(x, value, *here, steps=((op, params, len(here), i),))
    return value


def _node(params: dict) -> str:
    if params["steps"]:
        op, items, _, _ = params["steps"][-1]
        if op.name in _REPLAYED:
            return op.node_name(dict(items))
    return params.get("like") or "AsStridedBackward0"


def _operator(name: str, forward, node) -> Op:
    rule = vjp_of(forward)
    bound = type("bound", (), {"own": False, "bind": staticmethod(lambda _: rule)})
    return Op(name, forward, bound, "internal", node=node)


AS_STRIDED = _operator("cut", _forward, _node)
COPY_SLICES = _operator("copy_slices", _write, "CopySlices")
