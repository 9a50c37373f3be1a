"""The Tensor: a mutable name for a Value. State, autograd and the doors to its number.

Operators come from the rows (see `variants`), in-place and aliasing from `alias`.
"""

from __future__ import annotations

import time
import warnings
import weakref
from itertools import repeat

import numpy as np
from jax.core import Tracer

from .. import dtypes
from ..device import default_device
from ..engine.face import Face
from ..engine.leaf import Leaf
from ..engine.node import edge_of_value, node_of
from ..op import REGISTRY
from ..tape import LeafValue, Spec, Value, become_leaf, computed, force, leaf_value, record, stats

new = object.__new__


class Size(tuple):
    """A shape that prints as PyTorch's."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def numel(self) -> int:
        n = 1
        for d in self:
            n *= d
        return n

    def __getitem__(self, i):
        found = tuple.__getitem__(self, i)
        return Size(found) if isinstance(i, slice) else found

    def __add__(self, other):
        return Size(tuple(self) + tuple(other))


class Named:
    """The one hot attribute, in a slot of its own: unset while a view is stale."""

    __slots__ = ("__weakref__", "_value")


SLOT = Named._value  # the slot itself, whatever a class makes of the name


class Tensor(Named):
    """A multi-dimensional array of one dtype that remembers how it was computed.

    Make one with `tensor`, a factory such as `zeros`, or an operator. `Tensor(2, 3)` and
    `Tensor([1, 2])` are PyTorch's old constructors for the default dtype.
    """

    _leaf: Leaf | None = None  # where its gradient goes; made when first needed
    _storage = None  # the memory it shares, and how it was cut from it (see `storage`)
    _cut = None
    _bumps = 0  # in-place writes, while it shares with nobody
    _number = None  # of its memory, once somebody has asked (see `older`)
    _grad_keeper = None  # the hook that retains its gradient

    def __new__(cls, *args, **kwargs):
        from .create import legacy

        return legacy(cls, *args, **kwargs)

    # ---- state ----

    @property
    def shape(self) -> Size:
        return Size(spec_of(self).shape)

    @property
    def dtype(self) -> dtypes.DType:
        return spec_of(self).dtype

    @property
    def ndim(self) -> int:
        return len(spec_of(self).shape)

    @property
    def device(self):
        return default_device()

    @property
    def requires_grad(self) -> bool:
        return spec_of(self).needs

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and not self.dtype.differentiable:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        if wanted and not self.is_leaf:
            raise RuntimeError("you can only change requires_grad flags of leaf variables.")
        set_requires_grad(self, wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Change whether gradients are wanted, for a leaf; returns the Tensor."""
        if requires_grad and not self.dtype.differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        set_requires_grad(self, requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        try:
            v = self._value
        except AttributeError:
            v = value_of(self)
        return v.__class__ is LeafValue or not v.spec.needs

    @property
    def grad_fn(self):
        """The node that made it, or None for a leaf; the same object each time."""
        return node_of(value_of(self))

    @property
    def output_nr(self) -> int:
        return edge_of_value(value_of(self))[1]

    @property
    def retains_grad(self) -> bool:
        return self._grad_keeper is not None

    @property
    def grad(self) -> Tensor | None:
        leaf = self._leaf
        if leaf is not None and held(self).__class__ is LeafValue:
            return leaf.grad
        if self.is_leaf:
            return None if leaf is None else leaf.grad
        if not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated "
                "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor "
                "by mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 "
                "for more information.",
                UserWarning,
                stacklevel=2,
            )
        return None if self._leaf is None else self._leaf.grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is None:
            if self._leaf is not None:
                self._leaf.grad = None
            return
        if not isinstance(g, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
        if g is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if g.dtype is not self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{c_name(g.dtype)}' to a tensor with grad_dtype "
                f"'{self.dtype.legacy}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
                "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any "
                "dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break "
                "downstream systems that assume they match."
            )
        if g.shape != self.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(g.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        leaf_of(self).grad = g

    @grad.deleter
    def grad(self) -> None:
        if self._leaf is not None:
            self._leaf.grad = None

    # ---- autograd ----

    def backward(self, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
        """Gradients of this tensor with respect to the leaves of its graph, accumulated into their `.grad`.

        gradient      the cotangent, of this tensor's shape; may be left out for a scalar
        retain_graph  keep the graph for another backward (default: `create_graph`)
        inputs        only accumulate into these
        """
        from .backward import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Keep `.grad` for a tensor that is not a leaf."""
        from .hooks import retain_grad

        retain_grad(self)

    def register_hook(self, hook):
        """Call `hook(grad)` when the gradient is known; what it returns replaces it. Returns a handle."""
        from .hooks import register_hook

        return register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` once `.grad` of this leaf has been accumulated. Returns a handle."""
        from .hooks import register_post_accumulate_grad_hook

        return register_post_accumulate_grad_hook(self, hook)

    # ---- the number behind the name ----

    def item(self):
        """The Python number of a tensor with one element."""
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return waited(force(seen(self))).item()

    def numel(self) -> int:
        return Size(spec_of(self).shape).numel()

    def size(self, dim: int | None = None):
        from ..op.checks import wrap_dim

        shape = Size(spec_of(self).shape)
        return shape if dim is None else shape[wrap_dim(dim, len(shape))]

    def dim(self) -> int:
        return len(spec_of(self).shape)

    def __hash__(self) -> int:
        return id(self)


def c_name(d: dtypes.DType) -> str:
    """The name that PyTorch's messages from C++ give a dtype."""
    names = {"Float": "float", "Double": "double", "Half": "c10::Half", "BFloat16": "c10::BFloat16"}
    complexes = {"ComplexFloat": "c10::complex<float>", "ComplexDouble": "c10::complex<double>"}
    return {**names, **complexes}.get(d.legacy, d.name)


def typename(x) -> str:
    """The name of the class of `x`, or of the class or function `x` itself, as PyTorch's messages have it."""
    if type(x) is Tensor:
        return x.type()
    named = x if hasattr(x, "__qualname__") else type(x)
    where = getattr(named, "__module__", None) or ""
    if where.startswith("funcgrad"):
        where = where.replace("funcgrad", "torch", 1)
    return named.__qualname__ if where in ("", "builtins") else f"{where}.{named.__qualname__}"


def waited(array):
    """`array`, once it is there; the wait is counted."""
    if array.__class__ is not np.ndarray and not isinstance(array, Tracer):
        start = time.perf_counter()
        array.block_until_ready()
        stats.waiting += time.perf_counter() - start
    return array


def wrap(v: Value) -> Tensor:
    """A plain Tensor naming `v`."""
    t = new(Tensor)
    t._value = v
    return t


def wrap_all(values) -> list[Tensor]:
    """A plain Tensor naming each, in one loop."""
    found = list(map(new, repeat(Tensor, len(values))))
    for t, v in zip(found, values, strict=True):
        t._value = v
    return found


def value_of(t: Tensor) -> Value:
    """The Value a Tensor names now."""
    try:
        return t._value
    except AttributeError:
        from .storage import refresh

        return refresh(t)


def held(t: Tensor) -> Value | None:
    """The Value in the slot; None while a view is stale."""
    try:
        return SLOT.__get__(t)
    except AttributeError:
        return None


def seen(t: Tensor) -> Value:
    """The Value of a Tensor whose numbers are read, not its history."""
    try:
        return t._value
    except AttributeError:
        from .storage import refresh

        return refresh(t, True)


def spec_of(t: Tensor) -> Spec:
    """Shape, dtype and whether a gradient is wanted."""
    try:
        return t._value.spec
    except AttributeError:
        return seen(t).spec


def leaf_of(t: Tensor) -> Leaf:
    """The Leaf of a Tensor, made when first asked for."""
    leaf = t._leaf
    if leaf is None:
        leaf = t._leaf = Leaf(weakref.ref(t))
    return leaf


def zero_grad(t: Tensor, set_to_none: bool) -> None:
    """Forget the gradient of a parameter, or make it zeros without a history."""
    leaf = t._leaf
    if leaf is None or leaf.grad is None:
        return
    if set_to_none:
        leaf.grad = None
    elif leaf.grad.grad_fn is not None:
        leaf.grad = leaf.grad.detach().zero_()
    else:
        leaf.grad.requires_grad_(False)
        leaf.grad.zero_()


def set_requires_grad(t: Tensor, wanted: bool) -> None:
    v = value_of(t)
    if not t.is_leaf:
        if not wanted:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        return
    if wanted == v.spec.needs:
        return
    if t._cut is not None and not wanted and t._cut.follows():
        return
    if not wanted:
        leaf_of(t).attached()  # graphs that have read it ask from now on whether it still wants a gradient
    t._value = as_leaf(v, leaf_of(t)) if wanted else without_leaf(v)
    if t._storage is not None:
        from .alias import wants_changed

        wants_changed(t, wanted)


def as_leaf(v: Value, leaf: Leaf) -> LeafValue:
    """What `v` holds, as a leaf of the graph."""
    if hasattr(v, "array"):
        return leaf_value(v, leaf)
    return become_leaf(record(REGISTRY["detach"], (v,)), leaf)


def without_leaf(v: Value) -> Value:
    """What a leaf's Value is besides being a leaf."""
    if v.__class__ is not LeafValue:
        return v
    if v.home is None:
        return computed(v.array, v.spec.plain)
    return record(REGISTRY["detach"], (v,))


Face.wrap, Face.value, Face.kind = staticmethod(wrap), staticmethod(value_of), Tensor
