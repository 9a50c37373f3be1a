"""Making Tensors: from data, and the factories. Data is copied once and never written to again."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np

from .. import dtypes
from ..device import check_device
from ..op import REGISTRY
from ..tape import Value, constant, record
from .call import number, operand
from .data import array_of, as_dtype
from .tensor import Size, Tensor, new, set_requires_grad, value_of, wrap
from .variants import _sizes, composite, takes_out


def finish(v: Value, requires_grad: bool = False) -> Tensor:
    t = wrap(v)
    if requires_grad:
        if not v.spec.dtype.differentiable:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        set_requires_grad(t, True)
    return t


@composite()
def tensor(data, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A leaf Tensor holding a copy of `data`.

    >>> import funcgrad as torch
    >>> torch.tensor([1.0, 2.0])
    tensor([1., 2.])
    >>> torch.tensor([1, 2]).dtype
    torch.int64
    """
    check_device(device)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        v = value_of(data.detach() if dtype is None else data.detach().to(dtype))
        return finish(v, requires_grad)
    array = array_of(data, as_dtype(dtype))
    return finish(constant(array, dtypes.from_np(array.dtype)), requires_grad)


@composite(aliases=("asarray",))
def as_tensor(data, dtype=None, device=None) -> Tensor:
    """`data` itself when it is a Tensor of that dtype, else a Tensor of it."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype is dtype else data.to(dtype)
    return tensor(data, dtype=dtype)


@composite()
def from_numpy(ndarray) -> Tensor:
    """A Tensor of a NumPy array. Unlike PyTorch's it is a copy: Values never change."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return tensor(ndarray)


@composite()
def scalar_tensor(s, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    return tensor(s, dtype=dtype or dtypes.get_default_dtype(), requires_grad=requires_grad)


def legacy(cls, *args, **kwargs):
    """`Tensor(2, 3)`, `Tensor([1, 2])`, `Tensor(other)`: PyTorch's old constructors."""
    default = dtypes.get_default_dtype()
    if not args and not kwargs:
        made = tensor([], dtype=default)
    elif len(args) == 1 and isinstance(args[0], Tensor):
        made = args[0].detach()
    elif len(args) == 1 and not isinstance(args[0], int | Size):
        made = tensor(args[0], dtype=default)
    else:
        made = zeros(*args)
    t = new(cls)
    t._value = value_of(made)
    return t


# ---- factories -----------------------------------------------------------------------------------------


def _sized(name: str, value):
    def function(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
                 memory_format=None, **named):  # fmt: skip
        size = size or (named.pop("size"),)
        if named:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
        dtype = dtype or (dtypes.get_default_dtype() if out is None else out.dtype)
        return full(_sizes(size), value, dtype=dtype, device=device,
                    requires_grad=requires_grad, out=out)  # fmt: skip

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"A tensor of the given size filled with {value}."
    return composite()(function)


def like_out(f):
    """For a factory: made in the dtype of `out`, and no other may be asked for."""

    @functools.wraps(f)
    def function(*args, out=None, dtype=None, **kwargs):
        if out is not None and dtype not in (None, out.dtype):
            raise RuntimeError(f"dtype {dtype.legacy} does not match dtype of out parameter ({out.dtype.legacy})")
        return f(*args, out=out, dtype=dtype if out is None else out.dtype, **kwargs)

    return function


@composite()
@like_out
def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A tensor of `size` filled with `fill_value`."""
    check_device(device)
    size = _sizes((size,)) if not isinstance(size, tuple) else _sizes((tuple(size),))
    if any(d < 0 for d in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if isinstance(fill_value, Tensor):
        dtype = dtype or fill_value.dtype
    dtype = dtype or dtypes.scalar_dtype(fill_value)
    fill = operand(number(fill_value, dtype))
    v = record(REGISTRY["full"], (fill,), {"size": tuple(size), "dtype": dtype})
    made = finish(v, requires_grad)
    if out is not None:
        from .variants import into

        return into(out, made, "full")
    return made


zeros = _sized("zeros", 0)
ones = _sized("ones", 1)
empty = _sized("empty", 0)


def _like(name: str, value):
    def function(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
        return full(tuple(input.shape), value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `input` in shape and dtype, filled with {value}."
    return composite()(function)


zeros_like, ones_like, empty_like = _like("zeros_like", 0), _like("ones_like", 1), _like("empty_like", 0)


@composite()
def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    return full(tuple(input.shape), fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def _new(name: str, value):
    def method(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, **named):
        size = size or (named.pop("size"),)
        return full(_sizes(size), value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    method.__name__ = name
    return composite("m")(method)


new_zeros, new_ones, new_empty = _new("new_zeros", 0), _new("new_ones", 1), _new("new_empty", 0)


@composite("m")
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    return full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


@composite("m")
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


@composite()
@like_out
@takes_out
def arange(start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False,
           pin_memory=False):  # fmt: skip
    """Numbers from `start` up to, not including, `end`."""
    check_device(device)
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if end is None:
        start, end = 0, start
    if dtype is not None and (dtype is dtypes.bool_ or dtype.is_complex):
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dtype.legacy}'")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if dtype is dtypes.int64:
        start, end, step = int(start), int(end), int(step)  # before they are counted, as PyTorch does
        if step == 0:
            raise ValueError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = all(isinstance(x, int) for x in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    n = max(0, math.ceil((end - start) / step))
    if dtype.category == dtypes.INT:
        numbers = np.arange(n, dtype=np.int64) * int(step) + int(start)
    else:
        numbers = np.arange(n, dtype=np.float64) * step + start
    return finish(constant(numbers.astype(dtype.np), dtype), requires_grad)


def _ends(name: str, start, end, steps: int) -> tuple:
    """The numbers of a range, which may be given as Tensors."""
    wrong = [(n, x.ndim) for n, x in (("start", start), ("end", end)) if isinstance(x, Tensor) and x.ndim]
    if wrong:
        got = " and ".join(f"{n} with {ndim} dimension(s)" for n, ndim in wrong)
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got {got}.")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return tuple(x.item() if isinstance(x, Tensor) else x for x in (start, end))


@composite()
@like_out
@takes_out
def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """`steps` numbers from `start` to `end`, both included."""
    start, end = _ends("linspace", start, end, steps)
    dtype = dtype or (dtypes.default_complex() if isinstance(start, complex) or isinstance(end, complex)
                      else dtypes.get_default_dtype())  # fmt: skip
    numbers = np.linspace(start, end, steps) if dtype.category != dtypes.INT else _even(start, end, steps)
    return finish(constant(numbers.astype(dtype.np), dtype), requires_grad)


def _even(start, end, steps: int) -> np.ndarray:
    """What integers are cut from: between whole ends, counted from the nearer one."""
    start, end, i = int(start), int(end), np.arange(steps)
    step = (end - start) / max(steps - 1, 1)
    return np.where(i < steps // 2, start + step * i, end - step * (steps - i - 1)) if steps > 1 else i + start


@composite()
@like_out
@takes_out
def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    start, end = _ends("logspace", start, end, steps)
    dtype = dtype or dtypes.get_default_dtype()
    whole = dtype.category == dtypes.INT
    numbers = np.float64(base) ** _even(start, end, steps) if whole else np.logspace(start, end, steps, base=base)
    return finish(constant(numbers.astype(dtype.np), dtype), requires_grad)


@composite()
@like_out
@takes_out
def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The identity matrix, n by m."""
    for name, size in (("n", n), ("m", n if m is None else m)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    dtype = dtype or dtypes.get_default_dtype()
    return finish(constant(np.eye(n, m, dtype=dtype.np), dtype), requires_grad)


def _triangle_indices(name: str, find):
    def function(row, col, offset=0, *, dtype=None, device=None, layout=None):
        dtype = dtype or dtypes.int64
        return finish(constant(np.stack(find(row, offset, col)).astype(dtype.np), dtype))

    function.__name__ = function.__qualname__ = name
    return composite()(function)


tril_indices = _triangle_indices("tril_indices", np.tril_indices)
triu_indices = _triangle_indices("triu_indices", np.triu_indices)
