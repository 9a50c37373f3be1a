"""How a view lies over its memory: the strides PyTorch's would have, computed from the steps that cut it.

Every Value lies in order; a view of one is a window on it that may skip, repeat or turn. Whether `reshape` copies and
`view` refuses, and whether elements share a place, follows from that. Knows rows by name; must not know the tape's
steps or gradients.
"""

from __future__ import annotations

from ..op import Op
from ..op.checks import wrap_dim
from ..tape.trace import infer
from ..tape.value import Spec, spec

# rows that show the same elements in the same order, in another shape
_RESHAPES = frozenset("view reshape flatten unflatten squeeze unsqueeze alias conj reshape_alias".split())


def in_order(shape) -> tuple[int, ...]:
    """Strides of elements one after the other."""
    strides, n = [], 1
    for d in reversed(shape):
        strides.append(n)
        n *= max(d, 1)
    return tuple(reversed(strides))


def is_in_order(shape, strides) -> bool:
    expected = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1 and s != expected:
            return 0 in shape
        expected *= n
    return True


def repeats(shape, strides) -> bool:
    """Whether several elements lie at one place."""
    return 0 not in shape and any(s == 0 and n > 1 for n, s in zip(shape, strides, strict=True))


def reshaped(old, strides, new) -> tuple[int, ...] | None:
    """The strides of the same elements in the shape `new`, or None if they have none."""
    if 0 in old:
        return tuple(strides) if tuple(old) == tuple(new) else in_order(new)
    if not old:
        return (1,) * len(new)
    made, at = [0] * len(new), len(new) - 1
    step, run, seen = strides[-1], 1, 1  # of the stretch of old dimensions that lie after one another
    for d in reversed(range(len(old))):
        run *= old[d]
        if d == 0 or (old[d - 1] != 1 and strides[d - 1] != run * step):
            while at >= 0 and (seen < run or new[at] == 1):
                made[at] = seen * step
                seen *= new[at]
                at -= 1
            if seen != run:
                return None
            if d > 0:
                step, run, seen = strides[d - 1], 1, 1
    return tuple(made) if at == -1 else None


def through(s: Spec, strides: tuple, steps) -> tuple[Spec, tuple]:
    """(shape and dtype, strides) of what `steps` show of something with these."""
    for op, params, extra, i in steps:
        _, results, _ = infer(op, (s, *(None for _ in extra)), [0, *(int for _ in extra)], [0] * len(extra), params)
        shape, dtype = results[i or 0]
        strides = _after(op, params, i, s.shape, strides, shape)
        s = spec(shape, dtype)
    return s, strides


def _after(op: Op, params: dict, i, old, strides, new) -> tuple:
    name, ndim = op.name, len(old)
    if name in _RESHAPES:
        return reshaped(old, strides, new) or in_order(new)
    if name == "getitem":
        steps, extents = params["steps"], params["extents"]
        lengths = [-(-e // s) for e, s in zip(extents, steps, strict=True)]
        return reshaped(lengths, [a * b for a, b in zip(strides, steps, strict=True)], new) or in_order(new)
    if name in ("permute", "transpose", "t", "movedim"):
        return tuple(strides[d] for d in _order(name, params, ndim))
    if name in ("expand", "broadcast_to"):
        lead = len(new) - ndim
        kept = zip(old, strides, new[lead:], strict=True)
        return (0,) * lead + tuple(0 if n != m else s for n, s, m in kept)
    if name in ("select", "unbind"):
        dim = wrap_dim(params.get("dim", 0), ndim)
        return strides[:dim] + strides[dim + 1 :]
    if name == "slice":
        dim = wrap_dim(params.get("dim", 0), ndim)
        return tuple(s * params.get("step", 1) if d == dim else s for d, s in enumerate(strides))
    if name == "diagonal":
        a, b = (wrap_dim(params.get(k, v), ndim) for k, v in (("dim1", 0), ("dim2", 1)))
        return (*(s for d, s in enumerate(strides) if d not in (a, b)), strides[a] + strides[b])
    if name == "unfold":
        dim = wrap_dim(params["dimension"], ndim) if ndim else 0
        stepped = [s * params["step"] if d == dim else s for d, s in enumerate(strides)]
        return (*stepped, strides[dim] if ndim else 1)
    if name == "as_strided":
        stride = params["stride"]
        return (stride,) if isinstance(stride, int) else tuple(stride)
    if name in ("real", "imag"):
        return tuple(2 * s for s in strides)
    if name == "view_as_real":
        return (*(2 * s for s in strides), 1)
    if name == "view_as_complex":
        return tuple(s // 2 for s in strides[:-1])
    return strides if len(new) == ndim else in_order(new)  # narrow, and what splits


def _order(name: str, params: dict, ndim: int) -> list[int]:
    if name == "permute":
        return [wrap_dim(d, ndim) for d in params["dims"]]
    order = list(range(ndim))
    if name == "t":
        return order[::-1]
    if name == "transpose":
        a, b = (wrap_dim(params[k], ndim) for k in ("dim0", "dim1"))
        if ndim:
            order[a], order[b] = order[b], order[a]
        return order
    source, to = ((d,) if isinstance(d, int) else d for d in (params["source"], params["destination"]))
    source, to = ([wrap_dim(d, ndim) for d in dims] for dims in (source, to))
    rest = iter(d for d in order if d not in source)
    placed = dict(zip(to, source, strict=True))
    return [placed[d] if d in placed else next(rest) for d in order]
