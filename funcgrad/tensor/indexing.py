"""`x[...]` read and written, with everything Python's brackets take.

Ints, slices, None and `...` are one view (`getitem`); what is left of the index, Tensors and sequences,
is a gather (`index`) or a scatter (`index_put`) on that view. Only a boolean mask that is read makes a run, because its
result's shape depends on its numbers.
"""

from __future__ import annotations

import operator
import warnings

import numpy as np

from .. import dtypes
from ..op import REGISTRY
from ..op.checks import Indices
from ..ops.getitem import getitem_node, getitem_window
from ..tape import force, known_array, record
from .alias import check_writable, make_view, put, write
from .call import call, operand
from .create import tensor
from .overrides import overridable
from .refusals import REPEATED
from .storage import repeats
from .tensor import Tensor, value_of

_FULL = ("slice", None, None, None)


def split(t: Tensor, index, whole: bool = True):
    """(basic part, [(dimension of the basic result, index Tensor)]) of an index.

    An integer Tensor without dimensions is an int if its number is known, else ("at", Tensor).
    whole  a slice that takes all of its dimension is as good as `:`
    """
    items = list(index) if isinstance(index, tuple) else [index]
    basic: list = []
    arrays: list[tuple[int, Tensor]] = []
    rest = t.ndim - sum(_consumes(i) for i in items)
    dim = at = 0  # of the basic view, of `t`
    for item in items:
        if item is None:
            basic.append("newaxis")
            dim += 1
        elif item is Ellipsis:
            basic.append("ellipsis")
            dim, at = dim + max(0, rest), at + max(0, rest)
        elif isinstance(item, slice):
            bounds = ("slice", _at(item.start), _at(item.stop), _at(item.step))
            basic.append(_FULL if whole and at < t.ndim and _takes_all(bounds, t.shape[at]) else bounds)
            dim, at = dim + 1, at + 1
        elif item is True or item is False:
            basic.append("newaxis")
            arrays.append((dim, tensor([0] if item else [], dtype=dtypes.int64)))
            dim += 1
        elif isinstance(item, int) or (isinstance(item, np.generic) and item.dtype.kind in "iu"):
            basic.append(("int", int(item)))
            at += 1
        else:
            a = _index_tensor(item)
            if a.ndim == 0 and a.dtype is not dtypes.bool_:
                if at >= t.ndim:
                    raise IndexError(f"too many indices for tensor of dimension {t.ndim}")
                array = known_array(value_of(a))
                basic.append(("int", int(array)) if isinstance(array, np.ndarray | np.generic) else ("at", a))
                at += 1
                continue
            arrays.append((dim, a))
            if a.ndim == 0:
                basic.append("newaxis")
                dim += 1
                continue
            width = a.ndim if a.dtype is dtypes.bool_ else 1
            basic.extend([_FULL] * width)
            dim, at = dim + width, at + width
    return tuple(basic), arrays


def _takes_all(bounds: tuple, n: int) -> bool:
    _, start, stop, step = bounds
    return step in (None, 1) and (start in (None, 0) or start <= -n) and (stop is None or stop >= n)


def _consumes(item) -> int:
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, Tensor | np.ndarray) and str(item.dtype).endswith("bool"):
        return item.ndim
    if isinstance(item, list) and item and isinstance(np.asarray(item).flat[0], np.bool_):
        return np.ndim(item)
    return 1


def _at(bound):
    if bound is None or bound.__class__ is int:
        return bound
    return operator.index(bound)


def _index_tensor(item) -> Tensor:
    if isinstance(item, Tensor):
        a = item
    elif isinstance(item, range):
        a = tensor(list(item), dtype=dtypes.int64)
    elif isinstance(item, list | tuple | np.ndarray) or hasattr(item, "__array__"):
        a = tensor(item) if not (isinstance(item, list | tuple) and not item) else tensor([], dtype=dtypes.int64)
    else:
        raise TypeError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
            f"(got {type(item).__name__})"
        )
    if a.dtype is dtypes.uint8:
        a = a.to(dtypes.bool_)
    if a.dtype.category > dtypes.INT:
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return a


def masks_to_indices(shape, arrays, dims_offset=0):
    """Boolean masks become one index Tensor a dimension (this looks at their numbers)."""
    out: list[tuple[int, Tensor]] = []
    for k, (dim, a) in enumerate(arrays):
        if a.dtype is not dtypes.bool_:
            _check_bounds(a, dim, shape)
            out.append((dim, a))
            continue
        _check_mask(a, dim, shape, k)
        found = np.nonzero(np.atleast_1d(np.asarray(force(value_of(a)))))
        out.extend((dim + i, tensor(x.astype(np.int64))) for i, x in enumerate(found))
    return out


def _check_mask(a: Tensor, dim: int, shape, k: int) -> None:
    for i, n in enumerate(a.shape):
        if dim + i >= len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        if n != shape[dim + i]:
            raise IndexError(
                f"The shape of the mask {list(a.shape)} at index {i} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {dim + i}"
            )


def _check_bounds(a: Tensor, dim: int, shape) -> None:
    """An index whose numbers are on the host already is checked; one still to be computed is not."""
    if dim >= len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    array = known_array(value_of(a))
    if array.__class__ is np.ndarray and array.size:
        _FROM_EITHER_END.check(array, shape, dim)


_FROM_EITHER_END = Indices(IndexError, negative=True)


def pattern_of(arrays) -> tuple[str, ...]:
    dims = {d for d, _ in arrays}
    return tuple("array" if d in dims else "slice" for d in range(max(dims) + 1))


_windows: dict[tuple, tuple] = {}


def _window(shape: tuple, basic: tuple) -> tuple[tuple, dict]:
    """(where it begins, the parameters of `getitem`) of a basic index into `shape`, memoised."""
    found = _windows.get((shape, basic))
    if found is None:
        if len(_windows) > 10_000:
            _windows.clear()
        starts, limits, steps, result = getitem_window(shape, index=basic)
        counts = [max(0, -((a - b) // s)) for a, b, s in zip(starts, limits, steps, strict=True)]
        extents = tuple((c - 1) * s + 1 if c else 0 for c, s in zip(counts, steps, strict=True))
        dims = tuple(d for d, (n, e) in enumerate(zip(shape, extents, strict=True)) if e != n)
        params = {"dims": dims, "extents": extents, "steps": steps, "shape": result, "node": getitem_node(basic)}
        found = _windows[shape, basic] = tuple(starts[d] for d in dims), params
    return found


def _view(t: Tensor, basic: tuple) -> Tensor:
    op, shape = REGISTRY["getitem"], value_of(t).spec.shape
    unknown = [(k, item[1]) for k, item in enumerate(basic) if item[0] == "at"]
    if unknown:
        basic = tuple(("int", 0) if item[0] == "at" else item for item in basic)
    starts, params = _window(shape, basic)
    if unknown:
        starts = _with_values(shape, basic, starts, params["dims"], unknown)
    return make_view(t, op, params, call(op, (t, *starts), params), starts)


def _with_values(shape: tuple, basic: tuple, starts: tuple, dims: tuple, unknown: list) -> tuple:
    """`starts` with the Values of integers that are not known yet; one out of range reads a neighbour."""
    found = dict(zip(dims, starts, strict=True))
    rest = len(shape) - sum(item not in ("newaxis", "ellipsis") for item in basic)
    for k, a in unknown:
        dim = sum(rest if item == "ellipsis" else item != "newaxis" for item in basic[:k])
        if dim in found:
            found[dim] = record(REGISTRY["remainder"], (value_of(a), shape[dim]))
    return tuple(found.values())


def _basic(t: Tensor, basic: tuple) -> Tensor:
    """The view that the basic part selects; `t` itself if it selects everything."""
    return t if all(b == _FULL or b == "ellipsis" for b in basic) else _view(t, basic)


def __getitem__(t: Tensor, index) -> Tensor:
    if index.__class__ is int:
        return _view(t, (("int", index),))
    basic, arrays = split(t, index, isinstance(index, tuple))
    if not arrays:
        return _view(t, basic)
    view = _basic(t, basic)
    found = masks_to_indices(view.shape, arrays)
    return call(REGISTRY["index"], (view, *(a for _, a in found)), {"pattern": pattern_of(found)})


def __setitem__(t: Tensor, index, value) -> None:
    basic, arrays = split(t, index)
    if not isinstance(value, Tensor | bool | int | float | complex):
        value = tensor(value, dtype=t.dtype)
    view = _basic(t, basic) if basic else t
    if arrays and view._cut is not None and repeats(view):
        warnings.warn(REPEATED.format("index_put_", "tensor[indices] = tensor"), UserWarning, stacklevel=2)
    one = not isinstance(value, Tensor) or value.ndim == 0
    if not arrays:
        made = record(REGISTRY["fill_tensor" if one else "fill_to"], (value_of(view), operand(value)))
        check_writable(view, value)
        write(view, made)
        return
    check_writable(view, value, overlap=False)
    v = operand(value)
    if len(arrays) == 1 and arrays[0][1].dtype is dtypes.bool_ and one:
        dim, mask = arrays[0]
        _check_mask(mask, dim, view.shape, 0)
        shape = (1,) * dim + tuple(mask.shape) + (1,) * (view.ndim - dim - mask.ndim)
        put(view, record(REGISTRY["mask_put"], (value_of(view), value_of(mask.reshape(shape)), v)))
        return
    found = masks_to_indices(view.shape, arrays)
    if not isinstance(value, Tensor):
        value = tensor(value, dtype=view.dtype)
    elif value.dtype is not view.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{view.dtype.legacy} for the destination and {value.dtype.legacy} for the source."
        )
    out = record(
        REGISTRY["index_put"],
        [value_of(view), value_of(value), *(value_of(a) for _, a in found)],
        {"pattern": pattern_of(found), "accumulate": False},
    )
    put(view, out)


def attach() -> None:
    Tensor.__getitem__, Tensor.__setitem__ = overridable(__getitem__), overridable(__setitem__)
