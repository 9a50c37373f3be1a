"""`x[...]` read and written, with everything Python's brackets take.

Ints, slices, None and `...` are one view (`getitem`); what is left of the index, Tensors and sequences,
is a gather (`index`) or a scatter (`index_put`) on that view. Only a boolean mask that is read makes a run, because its
result's shape depends on its numbers.
"""

from __future__ import annotations

import operator

import numpy as np

from .. import dtypes
from ..op import REGISTRY
from ..ops.getitem import getitem_node, getitem_window
from ..tape import force, record
from .alias import check_writable, make_view, put, write
from .call import call, operand
from .create import tensor
from .tensor import Tensor, value_of

_FULL = ("slice", None, None, None)


def split(t: Tensor, index):
    """(basic part, [(dimension of the basic result, index Tensor)]) of an index."""
    items = list(index) if isinstance(index, tuple) else [index]
    basic: list = []
    arrays: list[tuple[int, Tensor]] = []
    consumed = sum(_consumes(i) for i in items)
    dim = 0  # of the basic view
    for item in items:
        if item is None:
            basic.append("newaxis")
            dim += 1
        elif item is Ellipsis:
            basic.append("ellipsis")
            dim += max(0, t.ndim - consumed)
        elif isinstance(item, slice):
            basic.append(("slice", _at(item.start), _at(item.stop), _at(item.step)))
            dim += 1
        elif item is True or item is False:
            basic.append("newaxis")
            arrays.append((dim, tensor([0] if item else [], dtype=dtypes.int64)))
            dim += 1
        elif isinstance(item, int) or (isinstance(item, np.generic) and item.dtype.kind in "iu"):
            basic.append(("int", int(item)))
        else:
            a = _index_tensor(item)
            width = max(a.ndim, 1) if a.dtype is dtypes.bool_ else 1
            if a.dtype is dtypes.bool_:
                if a.ndim == 0:
                    basic.append("newaxis")
                    arrays.append((dim, a))
                    dim += 1
                    continue
                arrays.append((dim, a))
                basic.extend([_FULL] * width)
                dim += width
            else:
                arrays.append((dim, a))
                basic.append(_FULL)
                dim += 1
    return tuple(basic), arrays


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


def _masks_to_indices(shape, arrays, dims_offset=0):
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
    array = getattr(value_of(a), "array", None)
    if array.__class__ is np.ndarray and array.size:
        low, high, n = array.min(), array.max(), shape[dim]
        if high >= n or low < -n:
            wrong = high if high >= n else low
            raise IndexError(f"index {int(wrong)} is out of bounds for dimension {dim} with size {n}")


def _pattern(arrays) -> tuple[str, ...]:
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
    op = REGISTRY["getitem"]
    starts, params = _window(value_of(t).spec.shape, basic)
    return make_view(t, op, params, call(op, (t, *starts), params), starts)


def _basic(t: Tensor, basic: tuple) -> Tensor:
    """The view that the basic part selects; `t` itself if it selects everything."""
    return t if all(b == _FULL or b == "ellipsis" for b in basic) else _view(t, basic)


def getitem(t: Tensor, index) -> Tensor:
    if index.__class__ is int:
        return _view(t, (("int", index),))
    basic, arrays = split(t, index)
    if not arrays:
        return _view(t, basic)
    view = _basic(t, basic)
    found = _masks_to_indices(view.shape, arrays)
    return call(REGISTRY["index"], (view, *(a for _, a in found)), {"pattern": _pattern(found)})


def setitem(t: Tensor, index, value) -> None:
    basic, arrays = split(t, index)
    if not isinstance(value, Tensor | bool | int | float | complex):
        value = tensor(value, dtype=t.dtype)
    if not arrays:
        target = _basic(t, basic) if basic else t
        if target is t:
            check_writable(t)
        else:
            _check_through(t, target)
        write(target, record(REGISTRY["fill_to"], (value_of(target), operand(value)), {}))
        return
    view = _basic(t, basic)
    if view is t:
        check_writable(t)
    else:
        _check_through(t, view)
    v = operand(value)
    if len(arrays) == 1 and arrays[0][1].dtype is dtypes.bool_ and (not isinstance(value, Tensor) or value.ndim == 0):
        dim, mask = arrays[0]
        _check_mask(mask, dim, view.shape, 0)
        shape = (1,) * dim + tuple(mask.shape) + (1,) * (view.ndim - dim - mask.ndim)
        put(view, record(REGISTRY["masked_fill"], (value_of(view), value_of(mask.reshape(shape)), v), {}))
        return
    found = _masks_to_indices(view.shape, arrays)
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
        {"pattern": _pattern(found), "accumulate": False},
    )
    put(view, out)


def _check_through(t: Tensor, view: Tensor) -> None:
    """As `check_writable` of the tensor that was indexed: PyTorch speaks of a view of it."""
    check_writable(view)


def attach() -> None:
    Tensor.__getitem__ = getitem
    Tensor.__setitem__ = setitem


