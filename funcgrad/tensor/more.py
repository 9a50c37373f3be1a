"""What PyTorch composes of other functions: norms, stacking, differences, products, and other names for the same.

Knows the functions of the tables. Must not know the tape.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .. import dtypes
from ..op import REGISTRY
from ..op.checks import wrap_dim, wrap_dims
from ..tape import known_array
from .alias import check_writable, put
from .call import call, refuse_argument, refuse_together
from .functions import nonzero, tensor
from .indexing import masks_to_indices, pattern_of
from .tensor import Tensor, value_of
from .variants import METHODS, NAMES, composite, takes_out, takes_same_out

T, L = NAMES["torch"], NAMES["linalg"]


# ---- norms -------------------------------------------------------------------------------------------


@composite("fm")
@takes_same_out
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm over `dim` (all dimensions if None); "fro" is the 2-norm, "nuc" the sum of singular values."""
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    p = 2.0 if p in ("fro", None) else float(p)
    return L["vector_norm"](input, p, dim, keepdim, dtype=dtype)


@composite(where="linalg")
@takes_same_out
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """The norm of matrices: "fro", "nuc", and 1, 2, inf and their negatives."""
    A = A if dtype is None else A.to(dtype)
    a, b = (d % A.ndim for d in dim)
    if ord == "fro":
        return L["vector_norm"](A, 2, (a, b), keepdim)
    if ord != "nuc" and (isinstance(ord, str) or abs(ord) not in (1, 2, math.inf)):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if ord == "nuc" or abs(ord) == 2:
        s = L["svdvals"](T["movedim"](A, (a, b), (-2, -1)))
        found = s.sum(-1) if ord == "nuc" else _largest(s, -1) if ord > 0 else s.amin(-1)
    else:
        summed, over = (a, b) if abs(ord) == 1 else (b, a)
        sums = A.abs().sum(summed, keepdim=True)
        found = (_largest(sums, over, True) if ord > 0 else sums.amin(over, keepdim=True)).squeeze((a, b))
    return found.reshape([1 if i in (a, b) else n for i, n in enumerate(A.shape)]) if keepdim else found


def _largest(x, dim: int, keepdim: bool = False):
    """Of sizes: 0 if there are none."""
    return x.amax(dim, keepdim=keepdim) if x.shape[dim] else x.sum(dim, keepdim=keepdim)


@takes_same_out
def _linalg_norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """A vector norm, or a matrix norm where two dimensions are meant."""
    two = isinstance(dim, tuple | list) and len(dim) == 2
    if ord is not None and (two or (dim is None and A.ndim == 2)):
        return matrix_norm(A, ord, dim or (-2, -1), keepdim, dtype=dtype)
    return L["vector_norm"](A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


L["norm"] = _linalg_norm


# ---- at least so many dimensions, and stacking -----------------------------------------------------------


def _at_least(name: str, grow):
    def function(*tensors):
        tensors = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
        made = tuple(grow(t) for t in tensors)
        return made[0] if len(made) == 1 else made

    function.__name__ = function.__qualname__ = name
    return composite()(function)


atleast_1d = _at_least("atleast_1d", lambda t: t.reshape(1) if t.ndim == 0 else t)
atleast_2d = _at_least("atleast_2d", lambda t: t.reshape(1, -1) if t.ndim < 2 else t)
atleast_3d = _at_least(
    "atleast_3d", lambda t: t.reshape(1, -1, 1) if t.ndim < 2 else t.unsqueeze(-1) if t.ndim == 2 else t
)


def _some(name: str, tensors) -> None:
    if isinstance(tensors, list | tuple) and not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    if isinstance(tensors, bool | int | float | complex | str):
        refuse_argument(name, "tensors", 1, tensors, "tuple of Tensors")


@composite()
@takes_out
def hstack(tensors, *, out=None):
    _some("hstack", tensors)
    tensors = [atleast_1d(t) for t in tensors]
    return T["cat"](tensors, 0 if tensors[0].ndim == 1 else 1)


@composite(aliases=("row_stack",))
@takes_out
def vstack(tensors, *, out=None):
    _some("vstack", tensors)
    return T["cat"]([atleast_2d(t) for t in tensors], 0)


@composite()
@takes_out
def dstack(tensors, *, out=None):
    _some("dstack", tensors)
    return T["cat"]([atleast_3d(t) for t in tensors], 2)


@composite()
@takes_out
def column_stack(tensors, *, out=None):
    _some("column_stack", tensors)
    return T["cat"]([t.reshape(-1, 1) if t.ndim < 2 else t for t in tensors], 1)


@composite("fm")
def fliplr(input):
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return input.flip(1)


@composite("fm")
def flipud(input):
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return input.flip(0)


@composite()
def block_diag(*tensors):
    """The matrices along a diagonal of zeros."""
    tensors = [atleast_2d(t) for t in tensors]
    rows, width, at = [], sum(t.shape[1] for t in tensors), 0
    for t in tensors:
        rows.append(T["constant_pad_nd"](t, (at, width - at - t.shape[1]), 0.0))
        at += t.shape[1]
    return T["cat"](rows, 0)


@composite()
def cartesian_prod(*tensors):
    if len(tensors) == 1:
        return tensors[0]
    return T["stack"]([g.reshape(-1) for g in T["meshgrid"](*tensors, indexing="ij")], 1)


@composite()
def combinations(input, r=2, with_replacement=False):
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    index = np.array(list(choose(range(input.shape[0]), r)), np.int64)
    return input[tensor(index.reshape(-1, r))] if r else input.new_empty(0)


# ---- products --------------------------------------------------------------------------------------------


@composite("fm")
@takes_same_out
def inner(input, other, *, out=None):
    """Sums over the last dimensions of both."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return T["tensordot"](input, other, ((-1,), (-1,)))


@composite(where="linalg")
@takes_same_out
def multi_dot(tensors, *, out=None):
    made = tensors[0]
    for t in tensors[1:]:
        made = made @ t
    return made


@composite()
def chain_matmul(*matrices):
    return multi_dot(matrices)


@composite("fm")
@takes_out
def kron(input, other, *, out=None):
    n = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (n - input.ndim) + tuple(input.shape))
    b = other.reshape((1,) * (n - other.ndim) + tuple(other.shape))
    shape = [x * y for x, y in zip(a.shape, b.shape, strict=True)]
    for i in range(n):
        a, b = a.unsqueeze(2 * i + 1), b.unsqueeze(2 * i)
    return (a * b).reshape(shape)


@composite(where="linalg")
@takes_same_out
def cross(input, other, *, dim=-1, out=None):
    return T["cross"](input, other, dim=dim)


@composite()
def vander(x, N=None, increasing=False):
    powers = T["arange"](x.shape[0] if N is None else N)
    return x.unsqueeze(-1) ** (powers if increasing else powers.flip(0))


# ---- along a dimension -------------------------------------------------------------------------------------


@composite("fm")
@takes_same_out
def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None):
    """Differences of neighbours, `n` times."""
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    made = T["cat"](parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        length = made.shape[dim]
        if length == 0:
            return made
        high, low = made.narrow(dim, 1, length - 1), made.narrow(dim, 0, length - 1)
        made = high ^ low if str(made.dtype) == "torch.bool" else high - low
    return made


def _slopes(x, spacing, dim: int, edge_order: int):
    """Central differences along `dim`, of points `spacing` apart or at these places; at the ends one-sided ones."""
    n = x.shape[dim]
    part = lambda first, count: x.narrow(dim, first, count)  # noqa: E731
    if isinstance(spacing, Tensor):
        gap = spacing.diff().reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    else:
        dtype = x.dtype if x.dtype.differentiable else None
        gap = T["full"]([n - 1 if d == dim else 1 for d in range(x.ndim)], spacing, dtype=dtype)
    a, b = gap.narrow(dim, 0, n - 2), gap.narrow(dim, 1, n - 2)
    middle = -b / (a * (a + b)) * part(0, n - 2) + (b - a) / (a * b) * part(1, n - 2) + a / (b * (a + b)) * part(
        2, n - 2)  # fmt: skip
    if not isinstance(spacing, Tensor):
        middle = (part(2, n - 2) - part(0, n - 2)) / (2 * spacing)
    first, last = gap.narrow(dim, 0, 1), gap.narrow(dim, n - 2, 1)
    if edge_order == 1:
        low, high = (part(1, 1) - part(0, 1)) / first, (part(n - 1, 1) - part(n - 2, 1)) / last
    else:
        second, before = gap.narrow(dim, 1, 1), gap.narrow(dim, n - 3, 1)
        ends = ((first, second, (0, 1, 2), 1), (last, before, (n - 1, n - 2, n - 3), -1))
        low, high = (
            sign * (-(2 * a + b) / (a * (a + b)) * part(i, 1) + (a + b) / (a * b) * part(j, 1)
                    - a / (b * (a + b)) * part(k, 1))
            for a, b, (i, j, k), sign in ends
        )  # fmt: skip
    return T["cat"]([low, middle, high], dim)


@composite()
def gradient(input, *, spacing=None, dim=None, edge_order=1):
    """Slopes along each of `dim` (all if None), by second-order central differences.

    spacing     between neighbours: a number for all, one for each dimension, or the places as a 1-D Tensor for each
    edge_order  1 or 2, of the one-sided differences at the ends
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = wrap_dims(dims, input.ndim) if dims else []
    each = [1.0 if spacing is None else spacing] * len(dims) if not isinstance(spacing, list | tuple) else list(spacing)
    if len(each) != len(dims):
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                           f"'self.dim() = {input.ndim}', since dim argument was not given, but got a list of length "
                           f"{len(each)}")  # fmt: skip
    for d in dims:
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_slopes(input, s, d, edge_order) for s, d in zip(each, dims, strict=True))


@composite(aliases=("trapz",))
def trapezoid(y, x=None, *, dx=1.0, dim=-1):
    return _areas(y, x, dx, dim).sum(dim)


@composite()
def cumulative_trapezoid(y, x=None, *, dx=1.0, dim=-1):
    return _areas(y, x, dx, dim).cumsum(dim)


def _areas(y, x, dx, dim):
    n = y.shape[dim]
    pairs = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) / 2
    if x is None:
        return pairs * dx
    if x.ndim == 1:
        x = x.reshape([-1 if d == dim % y.ndim else 1 for d in range(y.ndim)])
    return pairs * diff(x, dim=dim)


@composite("fm")
@takes_out
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    there = ~T["isnan"](input)
    return T["nansum"](input, dim, keepdim, dtype=dtype) / there.sum(dim, keepdim)


@composite("fm")
@takes_same_out
def msort(input, *, out=None):
    return input.sort(0)[0]


@composite("fm")
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of the rows of `input`, whose columns are observations.

    fweights  how often each was seen (integers); aweights: how much each counts
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
                           "dimensions")  # fmt: skip
    x = input if input.ndim == 2 else input.reshape(1, -1)
    seen = x.shape[1]
    _check_weights(seen, fweights, aweights)
    w = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if w is None:
        total, mean = tensor(float(seen)), x.sum(1, keepdim=True) / seen if seen else x.mean(1, keepdim=True)
    else:
        total = w.sum()
        mean = (x * w).sum(1, keepdim=True) / total
    lost = correction if aweights is None or correction == 0 else correction * (w * aweights).sum() / total
    x = x - mean
    other = x if w is None else x * w
    freedom = (total - lost).to(value_of(x).spec.dtype if not x.dtype.is_complex else x.real.dtype)
    return (x @ other.t().conj() / freedom.clamp(min=0)).squeeze()


def _check_weights(seen: int, fweights, aweights) -> None:
    for name, w, wanted in (("fweights", fweights, "integral"), ("aweights", aweights, "floating point")):
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} "
                               "dimensions")  # fmt: skip
        if w.dtype.is_floating_point != (name == "aweights") or w.dtype.is_complex:
            raise RuntimeError(
                f"cov(): expected {name} to have {wanted} dtype but got {name} with {w.dtype.legacy} dtype"
            )
        if w.numel() != seen:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{w.numel()} != {seen}"
            )
        numbers = known_array(value_of(w))
        if numbers is not None and (np.asarray(numbers) < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")


@composite("fm")
def corrcoef(input):
    """Correlations of the rows of `input`, held to [-1, 1]."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    d = c.diagonal()
    d = (d.real if c.dtype.is_complex else d).sqrt()
    c = c / d.unsqueeze(1) / d.unsqueeze(0)
    return T["complex"](c.real.clip(-1, 1), c.imag.clip(-1, 1)) if c.dtype.is_complex else c.clip(-1, 1)


@composite("fmi")
@takes_same_out
def renorm(input, p, dim, maxnorm, *, out=None):
    """The slices of `input` along `dim` whose p-norm is above `maxnorm`, scaled down to it."""
    if isinstance(p, complex):
        raise RuntimeError("renorm: p must be real-valued")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    dim = wrap_dim(dim, input.ndim)
    n = L["vector_norm"](input, float(p), tuple(d for d in range(input.ndim) if d != dim), True)
    return input * T["where"](n > maxnorm, maxnorm / (n + 1e-7), 1.0)


# ---- indexing ----------------------------------------------------------------------------------------------


@composite("fm")
def argwhere(input):
    return nonzero(input)


@composite("m")
def index_put_(self, indices, values, accumulate=False):
    """`self[indices] = values`, or adds with `accumulate`."""
    check_writable(self)
    if accumulate:
        arrays, dim = [], 0
        for i in indices:
            if i is not None:
                arrays.append((dim, i))
            dim += i.ndim if i is not None and i.dtype is dtypes.bool_ else 1
        found = masks_to_indices(self.shape, arrays)
        params = {"pattern": pattern_of(found), "accumulate": True}
        made = call(REGISTRY["index_put"], (self, values, *(a for _, a in found)), params)
        return put(self, value_of(made))
    self[tuple(indices)] = values
    return self


@composite("fm")
def index_put(input, indices, values, accumulate=False):
    return index_put_(input.clone(), indices, values, accumulate)


@composite("m")
def fill_diagonal_(self, fill_value, wrap=False):
    self.diagonal().fill_(fill_value)
    return self


# ---- other names, and small questions ------------------------------------------------------------------------


@composite("fm")
@takes_same_out
def float_power(input, exponent, *, out=None):
    """`input ** exponent` in float64 or complex128."""
    from .. import dtypes

    there = [t for t in (input, exponent) if isinstance(t, Tensor)]
    if not there:
        refuse_together("float_power", (input, exponent), "Tensor or Number input, Tensor or Number exponent")
    wide = dtypes.complex128 if any(t.dtype.is_complex for t in there) else dtypes.float64
    a, b = (t.to(wide) if isinstance(t, Tensor) else t for t in (input, exponent))
    return T["pow"](a, b)


@composite()
def is_nonzero(input) -> bool:
    if input.numel() != 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(input.item())


@composite("m")
def is_same_size(self, other) -> bool:
    return self.shape == other.shape


@composite("m")
def is_signed(self) -> bool:
    return self.dtype.is_signed


@composite("m")
def get_device(self) -> int:
    return -1 if self.device.index is None else self.device.index


def _itself(name: str):
    def method(self, *args, **kwargs):
        return self

    method.__name__ = name
    composite("m")(method)


for _name in ("pin_memory", "share_memory_", "resolve_conj", "resolve_neg"):
    if _name not in METHODS:
        _itself(_name)

_SPECIAL = {
    "expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma",
    **{n: n for n in ("logit", "erf", "erfc", "erfinv", "digamma", "xlogy", "log1p", "expm1", "exp2", "i0", "logsumexp",
                      "softmax", "log_softmax", "sinc", "round", "polygamma")},
}  # fmt: skip
for _name, _of in _SPECIAL.items():
    if _of in T:
        NAMES["special"].setdefault(_name, T[_of])


# ---- the inverse of broadcasting -----------------------------------------------------------------------


@composite("m")
def sum_to_size(self, *size):
    """Sum over the dimensions that broadcasting `size` to this shape would have repeated.

    Raises RuntimeError if `size` does not broadcast to it.
    """
    size = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    if not size:
        return self.sum()
    shape, lead = tuple(self.shape), self.ndim - len(size)
    if lead < 0 or any(a not in (b, 1) for a, b in zip(size, shape[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    dims = [*range(lead), *(lead + i for i, n in enumerate(size) if n == 1 and shape[lead + i] != 1)]
    return (self.sum(dims, keepdim=True) if dims else self).reshape(size) if dims or lead else self


@composite("fm")
def diagflat(input, offset=0):
    """The elements, in a line, on a diagonal of a matrix of zeros."""
    return input.reshape(-1).diag(offset)


@composite()
def fill(input, value):
    return input.clone().fill_(value)


@composite()
def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False,
                   pin_memory=False):  # fmt: skip
    """An uninitialised Tensor; how it lies in memory is XLA's choice, so `physical_layout` is only checked."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(f"Number of dimensions in size does not match the length of the physical_layout; i.e. "
                           f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(physical_layout)}"
                           if len(size) != len(physical_layout) else "Duplicate dim not allowed")  # fmt: skip
    return T["empty"](size, dtype=dtype, device=device, requires_grad=requires_grad)


for _where, _pairs in ((T, ("chunk", "split")), (METHODS, ("chunk", "split"))):
    _where.update({f"unsafe_{name}": _where[name] for name in _pairs})
