"""Rows that fold dimensions away: sums, products, moments, extrema, logic, norms.

Knows how a cotangent comes back to the folded shape (`spread`), to the one element that was picked
(`pick`) and to places along a dimension (`place`); `scan` and `sort` share these. Must not know
order.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np
from ..op import op, sample
from ..op.checks import wrap_dim, wrap_dims

INF = math.inf


# ---------------------------------------------------------------- what these rows share


def fold(reduce, x, dim, keepdim=False):
    """`reduce(x, dims)`, with the folded dimensions kept as ones if `keepdim`."""
    dims = wrap_dims(dim, x.ndim)
    y = reduce(x, dims)
    return lax.expand_dims(y, dims) if keepdim else y


def spread(g, x, dim=None, keepdim=False):
    """`g`, shaped as a fold of `x` over `dim`, repeated to the shape of `x`."""
    dims = () if keepdim else wrap_dims(dim, x.ndim)
    return lax.broadcast_in_dim(g, x.shape, tuple(i for i in range(x.ndim) if i not in dims))


def pick(g, index, x, dim, keepdim=False):
    """`g` where `index` points along `dim`, else zeros. A comparison: cheaper than a scatter."""
    if x.ndim == 0:
        return g
    here = lax.broadcasted_iota(index.dtype, x.shape, wrap_dim(dim, x.ndim))
    g, index = spread(g, x, dim, keepdim), spread(index, x, dim, keepdim)
    return jnp.where(here == index, g, jnp.zeros((), g.dtype))


def place(g, index, x, dim, unique=False):
    """Zeros like `x` with every g[..., j, ...] added at index[..., j, ...] along `dim`."""
    if x.ndim == 0:
        return g
    dim = wrap_dim(dim, x.ndim)
    where = tuple(
        index if d == dim else lax.broadcasted_iota(index.dtype, index.shape, d)
        for d in range(x.ndim)
    )
    zeros = jnp.zeros(x.shape, g.dtype)
    return zeros.at[where].add(g, unique_indices=unique, mode="promise_in_bounds")


def wide(x):
    """Half precision is summed in float32, as PyTorch does."""
    return lax.convert_element_type(x, np.float32) if x.dtype.itemsize == 2 and inexact(x) else x


def inexact(x):
    return jnp.issubdtype(x.dtype, jnp.inexact)


def is_complex(x):
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


def isnan(x):
    return lax.ne(x, x)


def legacy(x):
    return from_np(x.dtype).legacy


def total_dtype(x, dtype):
    """What sums, products and their running forms are computed in: integers are summed in int64."""
    return dtype.np if dtype is not None else x.dtype if inexact(x) else np.dtype(np.int64)


def count(x, dim):
    return math.prod(x.shape[d] for d in wrap_dims(dim, x.ndim))


def nonempty(
    name, x, dim, error=RuntimeError, hint=" Specify the reduction dim with the 'dim' argument."
):
    """PyTorch's refusal of an extremum over nothing."""
    if x.size:
        return
    if dim is None or dim == ():
        raise error(f"{name}: Expected reduction dim to be specified for input.numel() == 0.{hint}")
    for d in wrap_dims(dim, x.ndim):
        if x.ndim and x.shape[d] == 0:
            raise IndexError(f"{name}: Expected reduction dim {d} to have non-zero size.")


def unsupported(kernel, x):
    """PyTorch's words for a dtype that a kernel was not written for."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{legacy(x)}'")


def _by_dim(name):
    """grad_fn is NameBackward0 over everything, NameBackward1 with a dimension."""
    return lambda p: f"{name}Backward{int(p.get('dim') is not None or bool(p.get('keepdim')))}"


# ---------------------------------------------------------------- sums and means

_SUM = "input: T, dim: ints = None, keepdim: bool = False, *, dtype: dtype = None"


def _sum(x, *, dim=None, keepdim=False, dtype=None):
    out = total_dtype(x, dtype)
    return fold(lax.reduce_sum, wide(x.astype(out)), dim, keepdim).astype(out)


op("sum", _sum, lambda g, y, x, *, dim=None, keepdim=False, dtype=None: spread(g, x, dim, keepdim),
   "reduce", sig=_SUM, casts=True, node=_by_dim("Sum"))  # fmt: skip


def _nansum(x, **params):
    if is_complex(x):
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return _sum(jnp.where(isnan(x), jnp.zeros((), x.dtype), x), **params)


def _nansum_rule(g, y, x, *, dim=None, keepdim=False, dtype=None):
    return jnp.where(isnan(x), jnp.zeros((), g.dtype), spread(g, x, dim, keepdim))


op("nansum", _nansum, _nansum_rule, "reduce", sig=_SUM, casts=True,
   samples=lambda: [sample((3, 4)), sample(np.array([[1.0, np.nan], [np.nan, 4.0]]), dim=-1),
                    sample((2, 3), dim=(0, 1), keepdim=True), sample(())])  # fmt: skip


def _mean(x, *, dim=None, keepdim=False, dtype=None):
    out = total_dtype(x, dtype)
    if not jnp.issubdtype(out, jnp.inexact):
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating "
            f"point or complex dtype. Got: {legacy(x) if dtype is None else dtype.legacy}"
        )
    x = wide(x.astype(out))
    return (fold(lax.reduce_sum, x, dim, keepdim) / count(x, dim)).astype(out)


def _mean_rule(g, y, x, *, dim=None, keepdim=False, dtype=None):
    return spread(g / count(x, dim), x, dim, keepdim)


op("mean", _mean, _mean_rule, "reduce", sig=_SUM, casts=True, node=_by_dim("Mean"))


# ---------------------------------------------------------------- product


def _prod(x, *, dim=None, keepdim=False, dtype=None):
    out = total_dtype(x, dtype)
    return fold(lax.reduce_prod, wide(x.astype(out)), dim, keepdim).astype(out)


def _prod_rule(g, y, x, *, dim=None, keepdim=False, dtype=None):
    # the product of the others, left part by right part: exact at zeros, and so is its derivative
    rows = x.astype(y.dtype)
    rows = rows.reshape(-1) if dim is None or not x.ndim else jnp.moveaxis(rows, dim, -1)
    if not rows.size:
        return jnp.zeros(x.shape, g.dtype)
    one, stay = jnp.ones((), rows.dtype), [(0, 0, 0)] * (rows.ndim - 1)
    axis = rows.ndim - 1
    left = lax.cumprod(lax.pad(rows, one, [*stay, (1, -1, 0)]), axis)
    right = lax.cumprod(lax.pad(rows, one, [*stay, (-1, 1, 0)]), axis, reverse=True)
    others = left * right
    others = others.reshape(x.shape) if dim is None or not x.ndim else jnp.moveaxis(others, -1, dim)
    return spread(g, x, dim, keepdim) * others


op("prod", _prod, _prod_rule, "reduce", casts=True,
   sig="input: T, dim: int = None, keepdim: bool = False, *, dtype: dtype = None",
   node=_by_dim("Prod"),
   samples=lambda: [sample((3, 4)), sample((2, 3, 2), dim=1), sample((2, 3), dim=-1, keepdim=True),
                    sample(()), sample((0, 3), dim=0), sample(np.array([0.0, 2.0, 3.0])),
                    sample(np.array([[0.0, 2.0], [0.0, 0.0]]), dim=1)])  # fmt: skip


# ---------------------------------------------------------------- variance and standard deviation

_VAR = (
    "input: T, dim: ints = None, unbiased: bool = None, keepdim: bool = False, "
    "*, correction: any = None"
)


def _var_args(dim=None, unbiased=None, keepdim=False, correction=None):
    """(dim, correction, keepdim): var(x, False) and unbiased= are older words for correction=."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(
                "unbiased and correction cannot be given together; unbiased=True is correction=1"
            )
        correction = int(unbiased)
    return dim, 1 if correction is None else correction, keepdim


def _centred(x, dim):
    mean = fold(lax.reduce_sum, x, dim, True) / count(x, dim)
    return mean, x - mean


def _moments(x, name="std and var", /, **params):
    """(variance, mean), in float32 for half precision."""
    dim, correction, keepdim = _var_args(**params)
    if not inexact(x):
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    x = wide(x)
    mean, d = _centred(x, dim)
    square = d * d if not is_complex(d) else lax.real(d) ** 2 + lax.imag(d) ** 2
    var = fold(lax.reduce_sum, square, dim, keepdim) / max(count(x, dim) - correction, 0)
    return var, mean if keepdim else lax.squeeze(mean, wrap_dims(dim, x.ndim))


def _real_dtype(x):
    return from_np(x.dtype).to_real().np


def _var_rule(g, y, x, **params):
    dim, correction, keepdim = _var_args(**params)
    mean, d = _centred(wide(x), dim)
    free = count(x, dim) - correction
    if free <= 0:  # PyTorch's convention for a variance that is nan or inf
        return spread(g, x, dim, keepdim) * jnp.where(x == mean, jnp.nan, jnp.inf).astype(g.dtype)
    return jnp.conj(d) * spread(g * (2 / free), x, dim, keepdim)


def _std_as_var(g, y):
    """The variance's cotangent; PyTorch takes 0 for the slope of the root at 0."""
    flat = y == 0
    return jnp.where(
        flat, jnp.zeros((), g.dtype), g / (2 * jnp.where(flat, jnp.ones((), y.dtype), y))
    )


def _std_rule(g, y, x, **params):
    return _var_rule(_std_as_var(g, y), y, x, **params)


def _mean_too(g, y, x, **params):
    dim, _, keepdim = _var_args(**params)
    return _mean_rule(g, y, x, dim=dim, keepdim=keepdim)


def _var_samples():
    return [
        sample((3, 4)),
        sample((3, 4), dim=1, correction=0),
        sample((2, 3, 4), dim=(0, -1), keepdim=True, correction=2),
        sample((2, 5), dim=-1, unbiased=False),
        sample((2, 5), correction=0.5),
        sample((1,)),
    ]


op("var", lambda x, **p: _moments(x, **p)[0].astype(_real_dtype(x)), _var_rule, "reduce",
   sig=_VAR, casts=True, samples=_var_samples)  # fmt: skip
op("std", lambda x, **p: lax.sqrt(_moments(x, **p)[0]).astype(_real_dtype(x)), _std_rule, "reduce",
   sig=_VAR, casts=True, samples=_var_samples)  # fmt: skip


def _var_mean(x, **params):
    var, mean = _moments(x, "var_mean", **params)
    return var.astype(_real_dtype(x)), mean.astype(x.dtype)


def _std_mean(x, **params):
    var, mean = _moments(x, "std_mean", **params)
    return lax.sqrt(var).astype(_real_dtype(x)), mean.astype(x.dtype)


op("var_mean", _var_mean,
   lambda g, y, x, **p: _var_rule(g[0], y[0], x, **p) + _mean_too(g[1], y[1], x, **p),
   "reduce", sig=_VAR, variants="f", samples=_var_samples)  # fmt: skip
op("std_mean", _std_mean,
   lambda g, y, x, **p: _std_rule(g[0], y[0], x, **p) + _mean_too(g[1], y[1], x, **p),
   "reduce", sig=_VAR, variants="f", samples=_var_samples)  # fmt: skip


# ---------------------------------------------------------------- extrema


def share(g, here, dim, keepdim):
    """`g` split evenly among the elements of each fold where `here` holds."""
    n = fold(lax.reduce_sum, here.astype(g.dtype), dim, keepdim)
    # one product, not a select: where nothing holds (a nan) PyTorch answers 0/0
    return spread(g / n, here, dim, keepdim) * here.astype(g.dtype)


def _share_equal(g, y, x, *, dim=None, keepdim=False):
    return share(g, x == spread(y, x, dim, keepdim), dim, keepdim)


def _extremum(reduce, name, kernel):
    def forward(x, *, dim=None, keepdim=False):
        nonempty(f"{name}()", x, dim)
        if is_complex(x):
            raise unsupported(kernel, x)
        return fold(reduce, x, dim, keepdim)

    return forward


op("amax", _extremum(lax.reduce_max, "amax", "max_values_cpu"), _share_equal, "reduce")
op("amin", _extremum(lax.reduce_min, "amin", "min_values_cpu"), _share_equal, "reduce")


def _aminmax(x, *, dim=None, keepdim=False):
    if not x.size and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has "
            "no identity."
        )
    nonempty("aminmax", x, dim)
    if is_complex(x):
        raise unsupported("aminmax_cpu", x)
    return fold(lax.reduce_min, x, dim, keepdim), fold(lax.reduce_max, x, dim, keepdim)


op("aminmax", _aminmax,
   lambda g, y, x, **p: _share_equal(g[0], y[0], x, **p) + _share_equal(g[1], y[1], x, **p),
   "reduce", sig="input: T, *, dim: int = None, keepdim: bool = False",
   samples=lambda: [sample((3, 4)), sample((3, 4), dim=-1), sample((2, 3), dim=0, keepdim=True),
                    sample((2, 3), keepdim=True), sample(())])  # fmt: skip

# torch.max and torch.min are three functions each: of all, along a dimension, of two tensors.


def share_same(g, y, x):
    """`g` split evenly among the elements that equal the result `y`; a nan equals a nan."""
    return share(g, (x == y) | (isnan(x) & isnan(y)), None, False)


_ALL = dict(
    sig="input: T",
    variants="",
    where=None,
    samples=lambda: [sample((3, 4)), sample(()), sample((1, 1))],
)

op(
    "max_all",
    _extremum(lax.reduce_max, "max", "max_all"),
    share_same,
    "reduce",
    node="MaxBackward1",
    **_ALL,
)
op(
    "min_all",
    _extremum(lax.reduce_min, "min", "min_all"),
    share_same,
    "reduce",
    node="MinBackward1",
    **_ALL,
)


def arg(find, x, dim, keepdim):
    """The first place along `dim` of what `find` (lax.argmax, lax.argmin) seeks; nan wins."""
    if x.ndim == 0:
        return jnp.zeros((), np.int64)
    dim = wrap_dim(dim, x.ndim)
    index = find(x, dim, np.dtype(np.int64))
    return lax.expand_dims(index, (dim,)) if keepdim else index


def _with_index(reduce, find, name):
    def forward(x, *, dim, keepdim=False):
        nonempty(f"{name}()", x, dim)
        if is_complex(x):
            raise RuntimeError(f"{name}(): does not support complex input")
        return fold(reduce, x, dim, keepdim), arg(find, x, dim, keepdim)

    return forward


def pick_rule(g, y, x, *, dim=-1, keepdim=False, k=None):
    """The whole cotangent of y[0] to the element that the index y[1] names."""
    return pick(g[0], y[1], x, dim, keepdim)


_DIM = dict(
    sig="input: T, dim: int, keepdim: bool = False", variants="", where=None,
    samples=lambda: [sample((3, 4), dim=1), sample((2, 3, 4), dim=-2, keepdim=True),
                     sample((), dim=0)],
)  # fmt: skip

op(
    "max_dim",
    _with_index(lax.reduce_max, lax.argmax, "max"),
    pick_rule,
    "reduce",
    node="MaxBackward0",
    **_DIM,
)
op(
    "min_dim",
    _with_index(lax.reduce_min, lax.argmin, "min"),
    pick_rule,
    "reduce",
    node="MinBackward0",
    **_DIM,
)


def _arg(find, name):
    def forward(x, *, dim=None, keepdim=False):
        nonempty(f"{name}()", x, dim, IndexError, "")
        if is_complex(x) or x.dtype == bool:
            raise RuntimeError(
                f"{name}(): does not support {'complex' if is_complex(x) else 'bool'} input"
            )
        if dim is not None:
            return arg(find, x, dim, keepdim)
        index = find(lax.reshape(x, (x.size,)), 0, np.dtype(np.int64))
        return lax.reshape(index, (1,) * x.ndim) if keepdim else index

    return forward


_ARG = dict(
    sig="input: T, dim: int = None, keepdim: bool = False",
    samples=lambda: [sample((3, 4)), sample((3, 4), dim=1), sample((2, 3), dim=-2, keepdim=True),
                     sample((2, 3), keepdim=True), sample((), dim=0),
                     sample(np.array([1.0, np.nan, 0.0, np.nan]))],
)  # fmt: skip

op("argmax", _arg(lax.argmax, "argmax"), None, "reduce", **_ARG)
op("argmin", _arg(lax.argmin, "argmin"), None, "reduce", **_ARG)


# ---------------------------------------------------------------- logic and counts


def _logic(reduce):
    def forward(x, *, dim=None, keepdim=False):
        true = x != 0
        y = true if dim == () else fold(reduce, true, dim, keepdim)  # here () folds nothing
        return y.astype(np.uint8) if x.dtype == np.uint8 else y

    return forward


def _logic_samples():
    table = np.array([[0.0, 1.0, np.nan], [2.0, 3.0, 4.0]])
    return [sample(table), sample(table, dim=-1), sample((3, 4), dim=0, keepdim=True),
            sample(table, dim=(0, 1)), sample((2, 2), dim=()), sample((0, 2)),
            sample(())]  # fmt: skip


op("all", _logic(lax.reduce_and), None, "reduce", samples=_logic_samples)
op("any", _logic(lax.reduce_or), None, "reduce", samples=_logic_samples)
op("count_nonzero",
   lambda x, *, dim=None: fold(lax.reduce_sum, (x != 0).astype(np.int64), dim), None,
   "reduce", sig="input: T, dim: ints = None",
   samples=lambda: [sample((3, 4)), sample((3, 4), dim=-1), sample((3, 4), dim=(0, 1)),
                    sample(())])  # fmt: skip


# ---------------------------------------------------------------- norms


def norm(x, ord, dim=None, keepdim=False):
    """(sum |x|^ord)^(1/ord), real; 0 counts, inf and -inf are the extrema."""
    x = wide(x)
    if ord == 0:
        return fold(lax.reduce_sum, (x != 0).astype(_real_dtype(x)), dim, keepdim)
    if ord == 2:
        square = lax.real(x) ** 2 + lax.imag(x) ** 2 if is_complex(x) else x * x
        return lax.sqrt(fold(lax.reduce_sum, square, dim, keepdim))
    size = lax.abs(x)
    if abs(ord) == INF:
        return fold(lax.reduce_max if ord > 0 else lax.reduce_min, size, dim, keepdim)
    if ord == 1:
        return fold(lax.reduce_sum, size, dim, keepdim)
    return fold(lax.reduce_sum, size**ord, dim, keepdim) ** (1 / ord)


def _slope(x):
    """The derivative of |x|; PyTorch's is 0 at 0 and at nan."""
    if not is_complex(x):
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
    zero = x == 0
    return jnp.where(
        zero, jnp.zeros_like(x), lax.conj(x) / lax.abs(jnp.where(zero, jnp.ones_like(x), x))
    )


def norm_rule(g, y, x, *, ord=2, dim=None, keepdim=False):
    """PyTorch's subgradients: 0 where the norm is 0, and at elements that are 0; ties share."""
    if ord == 0:
        return jnp.zeros_like(x)
    if ord == 1:
        return _slope(x) * spread(g, x, dim, keepdim)
    if abs(ord) == INF:
        tied = (lax.abs(x) == spread(y, x, dim, keepdim)) | isnan(x)
        return _slope(x) * share(g, tied, dim, keepdim)
    if ord == 2:
        zero = y == 0
        return jnp.conj(x) * spread(
            jnp.where(zero, jnp.zeros_like(g), g / jnp.where(zero, jnp.ones_like(y), y)),
            x,
            dim,
            keepdim,
        )
    n = spread(y, x, dim, keepdim)
    zero = (n == 0) | (x == 0)
    x, n = jnp.where(zero, jnp.ones_like(x), x), jnp.where(zero, jnp.ones_like(n), n)
    return jnp.where(zero, jnp.zeros_like(x), _slope(x) * (lax.abs(x) / n) ** (ord - 1)) * spread(
        g, x, dim, keepdim
    )


def _vector_norm(x, *, ord=2, dim=None, keepdim=False, dtype=None):
    name = "linalg.vector_norm"
    if not inexact(x):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {legacy(x)}"
        )
    if dtype is not None:
        if dtype.is_complex != is_complex(x):
            kind = "complex" if is_complex(x) else "real"
            raise RuntimeError(
                f"{name}: dtype should be {kind} for {kind} inputs, but got {dtype.legacy}"
            )
        if jnp.promote_types(x.dtype, dtype.np) != dtype.np:
            raise RuntimeError(
                f"{name}: the dtype of the input ({legacy(x)}) should be convertible without "
                f"narrowing to the specified dtype ({dtype.legacy})"
            )
        x = x.astype(dtype.np)
    if not x.size and (ord < 0 or ord == INF):
        why = "because the operation does not have an identity"
        if dim is None or dim == ():
            raise RuntimeError(f"{name} cannot compute the {ord:g} norm on an empty tensor {why}")
        for d in wrap_dims(dim, x.ndim):
            if x.shape[d] == 0:
                raise RuntimeError(
                    f"{name} cannot compute the {ord:g} norm on the dimension {d}"
                    "because this dimension is empty and the operation does not have an identity"
                )
    return norm(x, ord, dim, keepdim).astype(_real_dtype(x))


def _vector_norm_rule(g, y, x, *, ord=2, dim=None, keepdim=False, dtype=None):
    x = x if dtype is None else x.astype(dtype.np)
    return norm_rule(g, y, x, ord=ord, dim=dim, keepdim=keepdim)


op("vector_norm", _vector_norm, _vector_norm_rule, "reduce",
   sig="x: T, ord: any = 2, dim: ints = None, keepdim: bool = False, *, dtype: dtype = None",
   where="linalg", variants="f", node="LinalgVectorNormBackward0",
   samples=lambda: [sample((3, 4), ord=p, dim=d, keepdim=d == -1)
                    for p, d in ((2, None), (1, 0), (3, -1), (0.5, (0, 1)), (1.5, 1), (-2, 0))]
   + [sample((3, 4), ord=p, dim=-1) for p in (0, INF, -INF)]
   + [sample(()), sample((0, 2))])  # fmt: skip


def _dist(a, b, *, p=2.0):
    if not inexact(a):
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. "
            f"Got {legacy(a)} instead."
        )
    return norm(a - b, p).astype(_real_dtype(a))


def _dist_rule(g, y, a, b, *, p=2.0):
    d = norm_rule(g, y, a - b, ord=p)
    return d, -d


op("dist", _dist, _dist_rule, "reduce", sig="input: T, other: T, p: float = 2.0", promote="numeric",
   samples=lambda: [sample((3, 4), (3, 4)), sample((3, 1), (4,), p=1.0), sample((2, 3), (), p=3.0),
                    sample((2, 3), (3,), p=INF), sample((2, 3), (2, 3), p=0.5)])  # fmt: skip
