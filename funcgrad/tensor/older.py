"""Names that older programs use: typed constructors, and methods that say what is always so here.

Knows the functions of the other files.
"""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np

from .. import dtypes
from ..tape import constant, force, set_default_dtype
from .create import as_tensor
from .interop import host
from .slices import cut
from .storage import family_of, plainly, view_cut
from .tensor import Tensor, c_name
from .variants import NAMES, composite

T = NAMES["torch"]

# ---- FloatTensor and its like ----------------------------------------------------------------------------------


class _Typed(type):
    """The class of FloatTensor, LongTensor, ...: `isinstance` asks for the dtype, a call makes a plain Tensor."""

    dtype: dtypes.DType

    def __instancecheck__(cls, x) -> bool:
        return type.__instancecheck__(Tensor, x) and x.dtype is cls.dtype

    def __call__(cls, *args):
        """Of numbers in a sequence, of another Tensor of that dtype, or zeros of that many rows, columns, ..."""
        if len(args) == 1 and isinstance(args[0], Tensor):
            if args[0].dtype is not cls.dtype:
                raise TypeError(f"expected {cls.__name__} (got {args[0].type()})")
            return args[0].view_as(args[0])
        if len(args) == 1 and isinstance(args[0], list | tuple | np.ndarray):
            return as_tensor(args[0], dtype=cls.dtype).clone()
        return T["empty"](args or (0,), dtype=cls.dtype)


_NAMES = {
    "Bool": dtypes.bool_, "Byte": dtypes.uint8, "Char": dtypes.int8, "Short": dtypes.int16, "Int": dtypes.int32,
    "Long": dtypes.int64, "Half": dtypes.float16, "BFloat16": dtypes.bfloat16, "Float": dtypes.float32,
    "Double": dtypes.float64,
}  # fmt: skip
TYPED = {f"{n}Tensor": _Typed(f"{n}Tensor", (), {"dtype": d, "__doc__": f"Tensors of {d}."}) for n, d in _NAMES.items()}


@composite()
def set_default_tensor_type(t):
    """The dtype of new floating Tensors, by a class such as `torch.FloatTensor`, or its name.

    Raises TypeError for what is no such class, or not one of floating point.
    """
    found = TYPED.get(t.rpartition(".")[2]) if isinstance(t, str) else t
    if not isinstance(found, _Typed):
        raise TypeError(f"invalid type object: {t!r}")
    if not found.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    set_default_dtype(found.dtype)


# ---- methods -----------------------------------------------------------------------------------------------------


@composite("fm")
def adjoint(input):
    """The last two dimensions exchanged, and conjugate."""
    return input.transpose(-2, -1).conj()


@composite("m")
def is_nonzero(self) -> bool:
    """Whether the one element is not zero. Looks at it."""
    return bool(self)


@composite("fm")
def narrow_copy(input, dim, start, length):
    """`narrow`, in memory of its own."""
    return input.narrow(dim, start, length).clone()


@composite("m")
def float_power_(self, exponent):
    """`float_power` in place: of float64 and complex128 alone. Raises RuntimeError for others."""
    made = T["float_power"](self, exponent)
    if made.dtype is not self.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {_called(self.dtype)} but the operation's result requires dtype "
            f"{_called(made.dtype)}"
        )
    return self.copy_(made)


def _called(d) -> str:
    return "".join(part.capitalize() for part in c_name(d).split())


@composite("m")
def resize_as_(self, other, *, memory_format=None):
    """`resize_` to the shape of `other`."""
    return self.resize_(*other.shape)


@composite("fm")
def as_strided_scatter(input, src, size, stride, storage_offset=0):
    """A copy of `input` with `src` where `as_strided` would look."""
    made = input.clone()
    made.as_strided(size, stride, storage_offset).copy_(src)
    return made


@composite("m")
def apply_(self, callable):
    """Put `callable(number)` in the place of each. Looks at the numbers, and is as slow as a loop of Python."""
    return self.copy_(_mapped(self, callable))


@composite("m")
def map_(self, tensor, callable):
    """Put `callable(number, number of tensor)` in the place of each."""
    return self.copy_(_mapped(self, callable, tensor.expand(self.shape)))


def _mapped(t: Tensor, callable, *others) -> Tensor:
    if t.requires_grad or any(o.requires_grad for o in others):
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    lists = [host(x).ravel().tolist() for x in (t, *others)]
    return as_tensor([callable(*numbers) for numbers in zip(*lists, strict=True)], dtype=t.dtype).reshape(t.shape)


@composite()
def unravel_index(indices, shape):
    """The coordinates, one Tensor a dimension, of indices into the flattened shape.

    Raises TypeError for indices that are no integers, ValueError for a shape with negative sizes.
    """
    if indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype is dtypes.bool_:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    found, left = [], indices
    for n in reversed(shape):
        found.append(left % n)
        left = left // n
    return tuple(reversed(found))


@composite("m")
def data_ptr(self) -> int:
    """A number that says which memory this is and where in it, as an address does; nothing lies there."""
    if not self.numel():
        return 0
    storage = self._storage
    root = self if storage is None else storage.main.root()
    number = self._number if storage is None else storage.number
    if number is None:
        number = next(_numbers)
        if storage is not None:
            storage.number = number
    if root is not None:
        root._number = number
    return (number << 40) + _first(self) * self.itemsize


_numbers = itertools.count(1)  # of memories that somebody asked for


def _first(t: Tensor) -> int:
    """The element of its memory at which `t` begins. Makes a run where it is a view."""
    family, found = family_of(t), view_cut(t)
    steps = () if family is None else (*family.steps, *(found.steps if found is not None else ()))
    if not steps:
        return 0
    shape = family.storage.main.layout()[0].shape
    places = constant(np.arange(math.prod(shape)).reshape(shape))
    return int(np.ravel(force(plainly(cut, places, steps)))[0])


@composite("m")
def resize(self, *sizes):
    """`reshape`, which PyTorch keeps for older programs. Raises RuntimeError for another number of elements."""
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=2)
    sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if math.prod(sizes) != self.numel():
        asked, have = ("x".join(map(str, s)) for s in (sizes, self.shape))
        raise RuntimeError(
            f"requested resize to {asked} ({math.prod(sizes)} elements in total), but the given tensor has a size of "
            f"{have} ({self.numel()} elements). autograd's resize can only change the shape of a given tensor, while "
            "preserving the number of elements. "
        )
    return self.reshape(sizes)


def attach() -> None:
    """Put on Tensor what is an attribute."""
    Tensor.name = property(lambda self: None)
    Tensor.is_cpu = property(lambda self: self.device.type == "cpu")
    for name in ("ipu", "maia", "mkldnn", "mps", "mtia", "nested", "sparse_csr", "vulkan", "xla", "xpu"):
        setattr(Tensor, f"is_{name}", property(lambda self: False))
    for name in ("conj", "neg", "pinned", "shared"):
        setattr(Tensor, f"is_{name}", lambda self, *args: False)


T.update(TYPED)
NAMES["special"].update(gammainc=T["igamma"], gammaincc=T["igammac"], multigammaln=T["mvlgamma"])
NAMES["linalg"]["matmul"] = T["matmul"]
