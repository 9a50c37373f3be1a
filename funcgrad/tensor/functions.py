"""Functions and methods over the rows: what PyTorch composes in Python, or spells in several ways."""

from __future__ import annotations

import builtins
from collections import namedtuple

import numpy as np

from .. import dtypes
from ..device import check_device
from ..op import REGISTRY
from ..op.checks import wrap_dim
from ..ops.pieces import section_bounds
from .alias import check_writable, make_view, write
from .call import call, refuse_argument, refuse_together
from .create import tensor
from .data import wanted_dtype
from .tensor import Tensor, c_name, value_of
from .variants import METHODS, NAMES, composite, in_order, into, make, takes_same_out

ROW = REGISTRY


def _is_number(x) -> bool:
    return isinstance(x, bool | int | float | complex)


# ---- arithmetic with alpha, powers ---------------------------------------------------------------------


def _with_alpha(name: str, aliases: tuple[str, ...] = ()):
    """A row's function and in-place method, with PyTorch's `alpha` in front."""
    plain, in_place = NAMES["torch"][name], METHODS[name + "_"]
    scaled, scaled_in_place = (make(ROW[f"{name}_scaled"], form) for form in "fi")

    def function(input, other, *, alpha=1, out=None):
        if alpha.__class__ is int and alpha == 1:
            return plain(input, other) if out is None else plain(input, other, out=out)
        _check_alpha(input, other, alpha)
        if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
            made = plain(input, other * alpha)
        else:
            made = scaled(input, other, alpha)
        return made if out is None else into(out, made, name)

    def method(self, other, *, alpha=1):
        if alpha.__class__ is int and alpha == 1:
            return in_place(self, other)
        _check_alpha(self, other, alpha)
        return scaled_in_place(self, other, alpha) if isinstance(other, Tensor) else in_place(self, other * alpha)

    function.__name__ = function.__qualname__ = name
    method.__name__ = method.__qualname__ = f"{name}_"
    function.__doc__ = f"{name} of `input` and `alpha * other`, with broadcasting and promotion."
    for alias in aliases:
        METHODS[alias + "_"] = method
    METHODS[name + "_"] = method
    return composite("fm", aliases=aliases)(function)


def _check_alpha(input, other, alpha) -> None:
    pair = (input, other)
    integral = not any((isinstance(t, Tensor) and t.dtype.differentiable) or isinstance(t, float) for t in pair)
    if isinstance(alpha, float) and integral:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")


add = _with_alpha("add")
sub = _with_alpha("sub", ("subtract",))


@composite("f")
def rsub(input, other, *, alpha=1):
    if not isinstance(input, Tensor):
        refuse_together("rsub", (input, other), "Tensor input, Tensor or Number other")
    if alpha.__class__ is int and alpha == 1 and not isinstance(other, Tensor):
        return call(ROW["rsub"], (input, other))
    return sub(other, input, alpha=alpha)


def _check_lerp(input, **others) -> None:
    given = (input, *others.values())
    numbers = (Tensor, bool, int, float, complex, np.generic)
    if any(not isinstance(t, Tensor) for t in given[:2]) or not isinstance(given[2], numbers):
        refuse_together("lerp", given, "Tensor input, Tensor end, Tensor or Number weight")
    for name, t in others.items():
        if isinstance(t, Tensor) and t.dtype is not input.dtype:
            raise RuntimeError(f"expected dtype {c_name(input.dtype)} for `{name}` but got dtype {c_name(t.dtype)}")


_lerp, _lerp_in_place = NAMES["torch"]["lerp"], METHODS["lerp_"]


@composite("fm")
def lerp(input, end, weight, *, out=None):
    """`input + weight * (end - input)`; a number for `weight` is nothing that a backward would save."""
    _check_lerp(input, end=end, weight=weight)
    if isinstance(weight, Tensor):
        return _lerp(input, end, weight, out=out)
    made = call(ROW["lerp_number"], (input, end, weight))
    return made if out is None else into(out, made, "lerp")


@composite("m")
def lerp_(self, end, weight):
    """`lerp` in place."""
    check_writable(self, end, weight)
    _check_lerp(self, end=end, weight=weight)
    if isinstance(weight, Tensor):
        return _lerp_in_place(self, end, weight)
    return write(self, value_of(call(ROW["lerp_number"], (self, end, weight))))


@composite("fmi")
def pow(input, exponent, *, out=None):
    """`input ** exponent`. A whole-numbered exponent is part of the program, any other number an operand."""
    if isinstance(exponent, Tensor):
        if isinstance(input, Tensor):
            made = call(ROW["pow"], (input, exponent))
        elif _is_number(input):
            made = call(ROW["rpow"], (exponent, input))
        else:
            refuse_together("pow", (input, exponent), "Tensor or Number input, Tensor or Number exponent")
    elif isinstance(input, Tensor) and isinstance(exponent, bool | int | float | complex | np.generic):
        made = _pow_number(input, exponent)
    else:
        refuse_together("pow", (input, exponent), "Tensor or Number input, Tensor or Number exponent")
    return made if out is None else into(out, made, "pow")


def _pow_number(input, exponent):
    if isinstance(exponent, np.generic):
        exponent = exponent.item()
    if isinstance(exponent, float) and exponent.is_integer():
        if input.dtype.differentiable:
            exponent = int(exponent)
        else:
            input, exponent = input.to(dtypes.get_default_dtype()), int(exponent)
    if isinstance(exponent, int):
        return _pow_int(input, int(exponent))
    return _pow_scalar(input, exponent)


_pow_int, _pow_scalar = (make(ROW[name], "f") for name in ("pow_int", "pow_scalar"))


# ---- overloads of reductions ---------------------------------------------------------------------------

_pairs: dict[str, type] = {}


def pair(name: str, values, indices):
    """PyTorch's named result of an operator that gives values and indices."""
    kind = _pairs.get(name)
    if kind is None:
        kind = _pairs[name] = namedtuple(name, ["values", "indices"])
    return kind(values, indices)


def _overloaded(name: str, elementwise: str | None):
    every, along = ROW[f"{name}_all"], ROW[f"{name}_dim"]

    def function(input, dim=None, keepdim=False, *, other=None, out=None):
        if not isinstance(input, Tensor):
            refuse_argument(name, "input", 1, input)
        if isinstance(dim, Tensor):
            other, dim = dim, None
        if other is not None:
            return NAMES["torch"][elementwise](input, other, out=out)
        if dim is None:
            made = call(every, (input,))
            return made if out is None else into(out, made, name)
        made = pair(name, *call(along, (input,), {"dim": dim, "keepdim": bool(keepdim)}))
        return made if out is None else into(out, made, name, False)

    function.__name__ = function.__qualname__ = name
    return composite("fm")(function)


max, min = _overloaded("max", "maximum"), _overloaded("min", "minimum")
median, nanmedian = _overloaded("median", None), _overloaded("nanmedian", None)


def _named_pair(name: str):
    """Give the rows that return values and indices their named result."""
    plain = NAMES["torch"][name]

    def function(*args, **kwargs):
        return pair(name, *plain(*args, **kwargs))

    function.__name__ = function.__qualname__ = name
    function.__doc__, function.__wrapped__ = plain.__doc__, plain
    return composite("fm")(function)


for _name in ("sort", "topk", "kthvalue", "mode", "cummax", "cummin"):
    _named_pair(_name)


# ---- matrix products -------------------------------------------------------------------------------------


@composite("fm")
def matmul(input, other, *, out=None):
    """The matrix product, by the number of dimensions: dot, mv, mm, bmm or batched."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        bad = other if isinstance(input, Tensor) else input
        raise TypeError(f"matmul(): argument must be Tensor, not {type(bad).__name__}")
    a, b = value_of(input).spec.shape, value_of(other).spec.shape
    kind = {(2, 2): "mm", (1, 1): "dot", (2, 1): "mv", (1, 2): "vm"}.get((len(a), len(b)))
    if kind is None:
        kind = "bmm" if len(a) == len(b) == 3 and a[0] == b[0] else "matmul"
    made = call(ROW[kind], (input, other))
    return made if out is None else into(out, made, "matmul", False)


@composite("f")
def einsum(equation, *operands):
    """Sums of products by subscripts: `einsum("ij,jk->ik", a, b)`."""
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not isinstance(equation, str):
        flat = (equation, *operands)
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

        def text(sub):
            return "".join("..." if s is Ellipsis else letters[s] for s in sub)

        pairs, rest = divmod(len(flat), 2)
        equation = ",".join(text(flat[2 * i + 1]) for i in range(pairs))
        equation += "->" + text(flat[-1]) if rest else ""
        operands = tuple(flat[2 * i] for i in range(pairs))
    return call(ROW["einsum"], operands, {"equation": equation.replace(" ", "")})


# ---- copies, casts, history --------------------------------------------------------------------------------


@composite("m")
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """`to(dtype)`, `to(device)`, `to(device, dtype)` or `to(other)`; the tensor itself if nothing changes."""
    dtype = wanted_dtype(args, dtype, device)
    if dtype is None or dtype is self.dtype:
        return self.clone() if copy else self
    if self.dtype.is_complex and not dtype.is_complex and dtype is not dtypes.bool_:
        import warnings

        warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2)
    return call(ROW["to_dtype"], (self,), {"dtype": dtype})


def _cast(name: str, dtype: dtypes.DType):
    def method(self, memory_format=None):
        return to(self, dtype)

    method.__name__ = name
    composite("m")(method)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    _cast(_name, _dtype)


@composite("m")
def type(self, dtype=None):
    if dtype is None:
        return f"torch.{self.dtype.legacy}Tensor"
    return to(self, dtype)


def _tensor(name: str, other) -> Tensor:
    """`other`, which the method of that name takes: a Tensor."""
    if not isinstance(other, Tensor):
        refuse_argument(name, "other", 1, other)
    return other


@composite("m")
def type_as(self, other):
    return to(self, _tensor("type_as", other).dtype)


_real, _conj = NAMES["torch"]["real"], NAMES["torch"]["conj"]


@composite("f")
def real(input):
    """The real part, sharing memory; a real tensor itself."""
    if not isinstance(input, Tensor):
        refuse_argument("real", "input", 1, input)
    return _real(input) if input.dtype.is_complex else input


@composite("fm")
def conj(input):
    """The conjugate, sharing memory; a real tensor itself."""
    if not isinstance(input, Tensor):
        refuse_argument("conj", "input", 1, input)
    return _conj(input) if input.dtype.is_complex else input


@composite("m")
def cpu(self, memory_format=None):
    return self


@composite("m")
def cuda(self, device=None, non_blocking=False, memory_format=None):
    check_device("cuda" if device is None else device)
    return self


@composite("m")
def contiguous(self, memory_format=None):
    """The tensor itself if its elements lie in order, else a copy."""
    return self if in_order(self) else self.clone()


@composite("m")
def is_contiguous(self, memory_format=None) -> bool:
    return in_order(self)


# ---- shapes that follow another tensor -----------------------------------------------------------------------


@composite("m")
def view_as(self, other):
    return self.view(_tensor("view_as", other).shape)


@composite("m")
def reshape_as(self, other):
    return self.reshape(_tensor("reshape_as", other).shape)


@composite("m")
def expand_as(self, other):
    return self.expand(_tensor("expand_as", other).shape)


_flatten, _narrow = NAMES["torch"]["flatten"], NAMES["torch"]["narrow"]


@composite("fm")
def narrow(input, dim, start, length):
    """`length` elements along `dim`, from `start` on, sharing memory."""
    if isinstance(start, Tensor):
        if start.ndim or start.dtype.category != dtypes.INT:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = int(start)
    return _narrow(input, dim, start, length)


@composite("fm")
def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions `start_dim` to `end_dim` as one; the tensor itself if that is one already."""
    if not isinstance(input, Tensor):
        refuse_argument("flatten", "input", 1, input)
    if input.ndim and wrap_dim(start_dim, input.ndim) == wrap_dim(end_dim, input.ndim):
        return input
    return _flatten(input, start_dim, end_dim)


@composite("fm")
def ravel(input):
    return contiguous(input).view(-1)


def _split_by_slices(name: str, dim: int):
    """PyTorch makes these of slices: each output is a view by itself, which may be written to."""

    def function(input, indices_or_sections, dim=dim):
        if not isinstance(input, Tensor) or isinstance(indices_or_sections, str):
            refuse_together(name, (input, indices_or_sections), "Tensor input, int or tuple of ints")
        if isinstance(indices_or_sections, Tensor) and indices_or_sections.ndim == 0:
            indices_or_sections = int(indices_or_sections)
        if not isinstance(indices_or_sections, int):
            indices_or_sections = tuple(int(i) for i in indices_or_sections)
        if name != "tensor_split":
            call(ROW[name], (input,), {"indices_or_sections": indices_or_sections})  # what it refuses
            dim = 0 if input.ndim == 1 else dim
        dim, bounds = section_bounds(tuple(input.shape), indices_or_sections, dim)
        params = [{"dim": dim, "start": a, "end": b, "step": 1} for a, b in bounds]
        return tuple(make_view(input, ROW["slice"], p, call(ROW["slice"], (input,), p)) for p in params)

    def of_dim(input, indices_or_sections):
        return function(input, indices_or_sections)

    made = function if name == "tensor_split" else of_dim
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"{name}: `input` in sections, sharing its memory."
    return composite("fm")(made)


for _name, _dim in (("tensor_split", 0), ("hsplit", 1), ("vsplit", 0), ("dsplit", 2)):
    _split_by_slices(_name, _dim)


@composite("f")
def broadcast_tensors(*tensors):
    from ..op.checks import broadcast

    shape = broadcast([t.shape for t in tensors])
    return tuple(t.expand(shape) for t in tensors)


@composite("f")
def broadcast_shapes(*shapes):
    from ..op.checks import broadcast
    from .tensor import Size

    return Size(broadcast([(s,) if isinstance(s, int) else tuple(s) for s in shapes]))


@composite("f")
def meshgrid(*tensors, indexing="ij"):
    tensors = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    if indexing == "xy" and len(tensors) > 1:
        made = list(meshgrid(tensors[1], tensors[0], *tensors[2:], indexing="ij"))
        return made[1], made[0], *made[2:]
    shape = [t.numel() for t in tensors]
    return tuple(
        t.reshape([-1 if i == j else 1 for j in range(len(tensors))]).expand(shape) for i, t in enumerate(tensors)
    )


# ---- what looks at numbers -----------------------------------------------------------------------------------


@composite("fm")
@takes_same_out
def nonzero(input, *, out=None, as_tuple=False):
    """Indices of the elements that are not zero. Makes a run: its shape depends on the numbers."""
    from .interop import host

    found = np.nonzero(np.atleast_1d(host(input.detach())))
    if as_tuple:
        return tuple(tensor(x.astype(np.int64)) for x in found)
    rows = np.stack(found, 1) if input.ndim else np.zeros((len(found[0]), 0))
    return tensor(rows.astype(np.int64))


@composite("fm")
@takes_same_out
def masked_select(input, mask, *, out=None):
    """The elements of `input` where `mask` holds, in a row. Makes a run."""
    a, m = broadcast_tensors(input, mask)
    return a.reshape(-1)[m.reshape(-1)]


@composite("fm")
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements, sorted. Makes a run."""
    from .interop import host

    found = np.unique(
        host(input.detach()), return_inverse=return_inverse, return_counts=return_counts, axis=dim
    )
    if not (return_inverse or return_counts):
        return tensor(found)
    parts = [tensor(found[0])]
    if return_inverse:
        inverse = found[1].astype(np.int64)
        parts.append(tensor(inverse.reshape(input.shape if dim is None else -1)))
    if return_counts:
        parts.append(tensor(found[-1].astype(np.int64)))
    return tuple(parts)


@composite("fm")
def bincount(input, weights=None, minlength=0):
    """How often each number occurs. Makes a run, to know the largest."""
    n = minlength
    if input.numel():
        low, high = input.min(), input.max()  # known by one run
        if low.item() < 0:
            raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
        n = builtins.max(int(high.item()) + 1, n)
    return call(ROW["bincount"], (input, weights), {"minlength": n})


@composite("fm")
def equal(input, other) -> bool:
    """Whether both have the same shape and the same numbers. Makes a run."""
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all().item())


@composite("fm")
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    return bool(NAMES["torch"]["isclose"](input, other, rtol, atol, equal_nan).all().item())


@composite("fm")
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    if isinstance(repeats, int):
        return call(ROW["repeat_interleave_int"], (input,), {"repeats": repeats, "dim": dim})
    if repeats is None:
        return repeat_interleave(NAMES["torch"]["arange"](input.numel()), input)
    from .interop import host

    counts = host(repeats.detach())
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    index = np.repeat(np.arange(len(repeats)), counts)
    return NAMES["torch"]["index_select"](input.reshape(-1) if dim is None else input, dim or 0, tensor(index))


# ---- questions -----------------------------------------------------------------------------------------------


@composite("f")
def is_tensor(obj) -> bool:
    return isinstance(obj, Tensor)


@composite("fm")
def is_floating_point(input) -> bool:
    return input.dtype.is_floating_point


@composite("fm")
def is_complex(input) -> bool:
    return input.dtype.is_complex


@composite("f")
def numel(input) -> int:
    return input.numel()


@composite("m")
def nelement(self) -> int:
    return self.numel()


@composite("m")
def ndimension(self) -> int:
    return self.ndim


@composite("m")
def element_size(self) -> int:
    return self.dtype.itemsize


@composite("m")
def is_inference(self) -> bool:
    return False


@composite("f")
def result_type(tensor1, tensor2):
    shaped = [(t.dtype, t.ndim) for t in (tensor1, tensor2) if isinstance(t, Tensor)]
    return dtypes.result_dtype(shaped, [t for t in (tensor1, tensor2) if not isinstance(t, Tensor)])


@composite("m")
def stride(self, dim=None):
    """Strides of elements in order (Values have no others)."""
    strides, n = [], 1
    for d in reversed(self.shape):
        strides.append(n)
        n *= builtins.max(d, 1)
    strides.reverse()
    return tuple(strides) if dim is None else strides[dim]


def attach() -> None:
    """Properties, and everything that registered as a method."""
    for name, f in METHODS.items():
        setattr(Tensor, name, f)
    Tensor.T = property(lambda self: self.permute(*range(self.ndim - 1, -1, -1)))
    Tensor.mT = property(lambda self: self.transpose(-2, -1))
    Tensor.H = property(lambda self: self.transpose(0, 1).conj() if self.ndim else self)
    Tensor.mH = property(lambda self: self.transpose(-2, -1).conj())
    Tensor.real, Tensor.imag = property(real), property(NAMES["torch"]["imag"])
    Tensor.is_cuda = property(lambda self: self.device.type == "cuda")
    Tensor.is_sparse = Tensor.is_quantized = Tensor.is_meta = property(lambda self: False)
    Tensor.layout = property(lambda self: "torch.strided")
    Tensor.itemsize = property(lambda self: self.dtype.itemsize)
    Tensor.nbytes = property(lambda self: self.dtype.itemsize * self.numel())
