"""Writing in place what is no row by itself, and what can be asked of a tensor's memory.

Knows the functions of `alias`. Must not know the tape.
"""

from __future__ import annotations

import warnings

from ..op import REGISTRY as ROW
from ..op import Op
from ..tape import local, record
from .alias import base_of, check_writable, leave, put, replace_data, share_data
from .call import call, check_indices, operand, refuse_together
from .storage import Version, detached, family_of, name, view_cut
from .tensor import Size, Tensor, c_name, seen, set_requires_grad, value_of, wrap
from .variants import METHODS, NAMES, _sizes, composite, takes_same_out

# ---- history ---------------------------------------------------------------------------------------------


@composite("fm")
def detach(self):
    """The same memory without the history."""
    return share_data(wrap(detached(seen(self))), self)


@composite("m")
def detach_(self):
    """Take this tensor out of the graph. Raises RuntimeError for a view."""
    if _is_view(self):
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
            "detach_() cannot be called on these gradients. To fix this error, please refer to the "
            "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
        )
    if self.is_leaf:
        set_requires_grad(self, False)
    else:
        self._value = detached(value_of(self))
        if self._storage is not None:
            family_of(self).set(value_of(self))
    return self


# ---- numbers -----------------------------------------------------------------------------------------------


@composite("m")
def copy_(self, src, non_blocking=False):
    """Write `src`, broadcast and cast, into this tensor."""
    check_writable(self, src)
    if isinstance(src, Tensor) and src.ndim > self.ndim:
        raise RuntimeError(
            f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(src.shape)}"
        )
    return put(self, record(ROW["fill_to"], (value_of(self), operand(src))))


@composite("m")
def fill_(self, value):
    """Write one number everywhere."""
    check_writable(self, value, overlap=isinstance(value, Tensor))
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
        )
    row = ROW["fill_tensor" if isinstance(value, Tensor) else "fill_number"]
    return put(self, record(row, (value_of(self), operand(value))))


@composite("m")
def zero_(self):
    """Write zeros everywhere."""
    check_writable(self, overlap=False)
    s = value_of(self).spec
    if s.needs and local.grad:
        return put(self, record(ROW["zero"], (value_of(self),)))
    return put(self, record(ROW["blank"], (), {"shape": s.shape, "dtype": s.dtype}))


_scatter, _scatter_in_place = NAMES["torch"]["scatter"], METHODS["scatter_"]


@composite("fm")
@takes_same_out
def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """`input` with `src`, or one number, at the places along `dim` that `index` names; added or multiplied to what is
    there with `reduce="add"` or `"multiply"`."""
    src = value if src is None else src
    if src is None or isinstance(src, str | list | tuple | dict):
        refuse_together("scatter", (input, dim, index, src), "Tensor input, int dim, Tensor index, Tensor src")
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        if isinstance(src, Tensor):
            warnings.warn(
                "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
                "PyTorch release. Use torch.scatter_reduce instead for more reduction options.",
                UserWarning,
                stacklevel=2,
            )
        else:
            src = input.new_full(index.shape, src)
        name, how = ("scatter_add", {}) if reduce == "add" else ("scatter_reduce", {"reduce": "prod"})
        return NAMES["torch"][name](input, dim, index, src, **how)
    if isinstance(src, Tensor):
        return _scatter(input, dim, index, src)
    check_indices(ROW["scatter_value"], input, index, dim)
    return call(ROW["scatter_value"], (input, index, src), {"dim": dim})


@composite("m")
def scatter_(self, dim, index, src=None, *, value=None, reduce=None):
    """Write `src`, or one number, to the places along `dim` that `index` names."""
    src = value if src is None else src
    if isinstance(src, Tensor) and reduce is None:
        return _scatter_in_place(self, dim, index, src)
    check_writable(self, src)
    return put(self, value_of(scatter(self, dim, index, src, reduce=reduce)))


# ---- memory ------------------------------------------------------------------------------------------------


@composite("m")
def set_(self, source):
    """Name the memory of `source` from now on; it counts as a write."""
    check_writable(self, overlap=False)
    if source.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {c_name(source.dtype)} to a tensor of type {c_name(self.dtype)}"
        )
    wanting, old = local.grad and (self.requires_grad or source.requires_grad), value_of(self)
    replace_data(self, source)
    if wanting:
        name(self, record(_SET, (value_of(source), old)))
    family_of(self).version.n += 1
    return self


_SET = Op(
    "set_", lambda source, old: source, lambda g, y, source, old: (g, None), "internal",
    underivable=dict.fromkeys((0, 1), RuntimeError("derivative for set_ is not implemented")),
    node="torch::autograd::NotImplemented",
)  # fmt: skip


@composite("m")
def resize_(self, *sizes, memory_format=None):
    """Another shape for as many of the elements as it has places for; new places hold zeros."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = _sizes(sizes)
    if shape == tuple(self.shape):
        return self
    flat, missing = self.reshape(-1), Size(shape).numel() - self.numel()
    if missing > 0:
        flat = NAMES["torch"]["cat"]([flat, flat.new_zeros(missing)])
    v = value_of(flat[: Size(shape).numel()].clone().reshape(shape))
    leave(self)
    return put(self, v)


def _data(self):
    """The memory without history and with a version of its own."""
    return share_data(wrap(detached(seen(self))), self, Version())


def _set_data(self, new_data) -> None:
    if not isinstance(new_data, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {new_data.__class__.__name__}")
    if self.requires_grad and not new_data.dtype.differentiable:
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    replace_data(self, new_data)


def _version(self) -> int:
    """How often the memory was written to in place, counted with its views and `detach()`es."""
    family = family_of(self)
    return self._bumps if family is None else family.version.n


def _base(self):
    """The tensor that this is a view of; None if it is none. One that nobody names any more is given a new name, as
    long as its memory is still there: None if all that is left is a part of it."""
    return base_of(self) if _is_view(self) else None


def _is_view(self) -> bool:
    """Whether gradients of it go to a base whose memory it shares."""
    found = view_cut(self)
    return found is not None and not found.renamed


def attach() -> None:
    """Give Tensor its properties."""
    Tensor.data = property(_data, _set_data)
    Tensor._version, Tensor._base, Tensor._is_view = property(_version), property(_base), _is_view
