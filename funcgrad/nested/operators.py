"""What functions make of a NestedTensor: on its values where every component goes alone, padded where they must meet.

`apply` finds a function by its name: a row that works number by number, or an entry of `TABLE`.
"""

from __future__ import annotations

import math

from ..nn import functional as F
from ..op import REGISTRY
from ..op.checks import wrap_dim
from ..tensor import NAMES, Tensor
from ..tensor.alias import put
from ..tensor.tensor import value_of
from .ragged import NestedInt, Ragged
from .tensor import NestedTensor, jagged, like, plain

T = NAMES["torch"]

ALONE = {"unary", "unary_float", "binary", "binary_float", "ternary", "compare", "unary_bool", "activation"}
POINTWISE = {op.name for op in REGISTRY.values() if op.family in ALONE} | {
    "masked_fill", "clone", "dropout", "alpha_dropout", "add", "sub", "subtract", "multiply", "divide", "true_divide",
    "fill", "zero", "float_power", "clip", "prelu", "to", "type", "type_as",
    "float", "double", "half", "bfloat16", "int", "long", "bool", "cpu", "cuda", "detach", "zeros_like",
    "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "__rsub__", "__rpow__",
    "__rtruediv__", "__radd__", "__rmul__",
}  # fmt: skip
LOSSES = {
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
}  # fmt: skip
TABLE: dict = {}


def apply(func, args: tuple, kwargs: dict):
    """`func(*args, **kwargs)`, with a NestedTensor among the arguments. Raises NotImplementedError without an entry."""
    name = func.__name__
    if name in TABLE:
        return TABLE[name](*args, **kwargs)
    if name in POINTWISE or name in LOSSES:
        return pointwise(func, args, kwargs)
    if name.endswith("_") and name[:-1] in POINTWISE:
        return in_place(func, args, kwargs)
    raise NotImplementedError(f"{name}(): not supported for NestedTensor")


def handles(*names: str):
    """Register what the functions of these names do."""

    def register(f):
        for name in names:
            TABLE[name] = f
        return f

    return register


def pointwise(func, args: tuple, kwargs: dict):
    """A function of the numbers at each place."""
    x = next(a for a in (*args, *kwargs.values()) if isinstance(a, NestedTensor))

    def fitted(a):
        if not isinstance(a, Tensor):
            return a
        return _fitted(x, a, func.__name__, (*args, *kwargs.values()))

    made = func(*map(fitted, args), **{k: fitted(a) for k, a in kwargs.items()})
    if isinstance(made, tuple):
        return type(made)(*[like(x, m) for m in made])
    return like(x, made) if made.ndim == x.ndim - 1 else made


def in_place(func, args: tuple, kwargs: dict):
    x, *rest = args
    if not isinstance(x, NestedTensor):
        raise RuntimeError(f"{func.__name__}(): a NestedTensor cannot be written into a dense one")
    values = x.values()
    values._leaf = x._leaf
    made = func(values, *[_fitted(x, a, func.__name__, args) if isinstance(a, Tensor) else a for a in rest], **kwargs)
    put(x, value_of(made))
    return x


def _fitted(x: NestedTensor, a: Tensor, name: str, together) -> Tensor:
    """`a` in such a shape that it goes with the values of `x`."""
    if isinstance(a, NestedTensor):
        if a._ragged is x._ragged and a.ndim - a._at == x.ndim - x._at:
            return a.values()
    elif a.ndim < x.ndim:
        if a.ndim < x.ndim - x._at or a.shape[a.ndim - (x.ndim - x._at)] == 1:
            return a
    elif a.ndim == x.ndim:
        if a.shape[0] == 1 and a.shape[x._at] == 1:
            return a.squeeze(0)
        if a.shape[0] == x._ragged.batch and a.shape[x._at] == 1:
            return a.squeeze(x._at).index_select(0, x._ragged.rows()).movedim(0, x._at - 1)
        if a.shape[0] == x._ragged.batch and a.shape[x._at] == x._ragged.longest:
            return x._ragged.packed(a, x._at - 1)
    shapes = " and ".join(str(tuple(t.shape)) for t in together if isinstance(t, Tensor))
    raise RuntimeError(f"cannot call binary pointwise function {name} with inputs of shapes {shapes}")


def _inner(x: NestedTensor, name: str, dim: int) -> int:
    """The dimension of the values for dimension `dim` of `x`, which must be neither the batch nor the ragged one."""
    dim = wrap_dim(dim, x.ndim)
    if dim == 0:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on dim=0")
    if dim == x._at:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on ragged dim")
    return dim - 1


# ---- reductions ------------------------------------------------------------------------------------------------

_FILL = {"sum": 0, "amax": -math.inf, "amin": math.inf, "all": True, "any": False, "prod": 1, "logsumexp": -math.inf}


def _reduction(name: str):
    f = T[name]
    places = ("p", "dim", "keepdim") if name == "norm" else ("dim", "keepdim")

    def reduce(x, *args, **kwargs):
        kwargs |= dict(zip(places, args, strict=False))
        dim, keepdim = kwargs.pop("dim", kwargs.pop("axis", None)), kwargs.pop("keepdim", False)
        if dim is None or dim == ():
            return f(x.values(), **kwargs)
        dims = sorted({wrap_dim(d, x.ndim) for d in (dim if isinstance(dim, tuple | list) else (dim,))})
        if 0 in dims and x._at not in dims:
            raise RuntimeError(
                f"{name}(): reducing along the batch dimension but not the ragged dimension is not supported for "
                "nested tensors"
            )
        several = isinstance(dim, tuple | list)
        if x._at not in dims:
            made = f(x.values(), [d - 1 for d in dims] if several else dims[0] - 1, keepdim=keepdim, **kwargs)
            at = x._at if keepdim else x._at - sum(d < x._at for d in dims)
            return like(x, made, at) if isinstance(made, Tensor) else type(made)(*[like(x, m, at) for m in made])
        if 0 in dims:
            made = f(x.values(), [d - 1 for d in dims if d], keepdim=keepdim, **kwargs)
            return made.unsqueeze(0) if keepdim else made
        if name == "mean":
            n = T["tensor"](x._ragged.lengths, dtype=x.dtype) * math.prod(x.shape[d] for d in dims if d != x._at)
            total = reduce_sum(x, dim, True, **kwargs)
            made = total / n.reshape(-1, *[1] * (x.ndim - 1))
            return made if keepdim else made.squeeze(tuple(dims))
        if name not in _FILL:
            raise RuntimeError(f"{name}(): not supported for NestedTensor on ragged dim")
        padded = x._ragged.padded(x.values(), x._at - 1, _FILL[name])
        return f(padded, dims if several else dims[0], keepdim=keepdim, **kwargs)

    return handles(name)(reduce)


reduce_sum = _reduction("sum")
for _name in ("mean", "amax", "amin", "all", "any", "prod", "max", "min", "argmax", "argmin", "logsumexp", "var", "std",
              "norm"):  # fmt: skip
    _reduction(_name)


def _softmax(name: str):
    def softmax(x, dim=None, _stacklevel=3, dtype=None):
        f = getattr(F, name)
        if wrap_dim(dim, x.ndim) == x._at:
            padded = x._ragged.padded(x.values(), x._at - 1, -math.inf)
            return like(x, x._ragged.packed(f(padded, x._at, dtype=dtype), x._at - 1))
        return like(x, f(x.values(), _inner(x, name, dim), dtype=dtype))

    return handles(name)(softmax)


_softmax("softmax")
_softmax("log_softmax")


# ---- shapes ------------------------------------------------------------------------------------------------------


@handles("transpose", "swapaxes", "swapdims")
def transpose(x, dim0, dim1):
    a, b = (wrap_dim(d, x.ndim) for d in (dim0, dim1))
    if 0 in (a, b) and a != b:
        raise RuntimeError("transpose(): not supported for NestedTensor on dim=0")
    at = b if x._at == a else a if x._at == b else x._at
    return like(x, x.values().transpose(a - 1, b - 1), at) if a != b else x


@handles("permute")
def permute(x, *dims):
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple | list) else dims
    dims = [wrap_dim(d, x.ndim) for d in dims]
    if dims[0] != 0:
        raise RuntimeError("permute(): not supported for NestedTensor on dim=0")
    return like(x, x.values().permute([d - 1 for d in dims[1:]]), dims.index(x._at))


@handles("unsqueeze")
def unsqueeze(x, dim):
    dim = wrap_dim(dim, x.ndim + 1)
    if dim == 0:
        raise RuntimeError("unsqueeze(): not supported for NestedTensor on dim=0")
    return like(x, x.values().unsqueeze(dim - 1), x._at + (dim <= x._at))


@handles("squeeze")
def squeeze(x, dim):
    inner = _inner(x, "squeeze", dim)
    made = x.values().squeeze(inner)
    return like(x, made, x._at - (made.ndim < x.ndim - 1 and inner + 1 < x._at))


@handles("unflatten")
def unflatten(x, dim, sizes):
    inner = _inner(x, "unflatten", dim)
    return like(x, x.values().unflatten(inner, sizes), x._at + (len(sizes) - 1) * (inner + 1 < x._at))


@handles("flatten")
def flatten(x, start_dim=0, end_dim=-1):
    start, end = wrap_dim(start_dim, x.ndim), wrap_dim(end_dim, x.ndim)
    if start == end:
        return x
    if start == 0 or start <= x._at <= end:
        raise RuntimeError("flatten(): not supported for NestedTensor on " + ("dim=0" if start == 0 else "ragged dim"))
    return like(x, x.values().flatten(start - 1, end - 1), x._at - (end - start) * (end < x._at))


@handles("view", "reshape", "expand", "view_as", "reshape_as", "expand_as")
def view(x, *sizes):
    """Another shape of the components: the ragged dimension stays what it is, and says so by its size or by -1."""
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    sizes = tuple(sizes[0].shape) if isinstance(sizes[0], Tensor) else tuple(sizes)
    at = next((i for i, n in enumerate(sizes) if isinstance(n, NestedInt)), None)
    if at is None:
        at = next((i for i, n in enumerate(sizes) if n == -1 and i), None)
    known = math.prod(x.shape[1 : x._at])
    behind = sizes[(at or 0) + 1 :]
    fits = -1 in behind or math.prod(behind) == math.prod(x.shape[x._at + 1 :])
    if at is None or sizes[0] not in (x._ragged.batch, -1) or math.prod(sizes[1:at]) != known or not fits:
        raise RuntimeError(f"view(): cannot view shape {tuple(x.shape)} as {list(sizes)}")
    total = x.values().shape[x._at - 1]
    return like(x, x.values().reshape(*sizes[1:at], total, *behind), at)


@handles("contiguous")
def contiguous(x, memory_format=None):
    return x


def _cut(name: str):
    def cut(x, size, dim=0):
        if wrap_dim(dim, x.ndim) == 0:
            parts = getattr(x.offsets()[:-1], name)(size)
            lengths, values = iter(x.unbind()), []
            for part in parts:
                values.append([next(lengths) for _ in range(part.shape[0])])
            return tuple(of_components(v, x._at) for v in values)
        return tuple(like(x, v) for v in getattr(x.values(), name)(size, _inner(x, name, dim)))

    return handles(name)(cut)


for _name in ("chunk", "split", "split_with_sizes"):
    _cut(_name)


def of_components(components, at: int = 1) -> NestedTensor:
    """Dense Tensors as one NestedTensor whose dimension `at` is ragged; it has their history."""
    return jagged(T["cat"](list(components), at - 1), Ragged.of_lengths([c.shape[at - 1] for c in components]), at)


@handles("narrow")
def narrow(x, dim, start, length):
    return like(x, x.values().narrow(_inner(x, "narrow", dim), start, length))


@handles("select")
def select(x, dim, index):
    if wrap_dim(dim, x.ndim) == 0:
        return x.unbind()[index]
    inner = _inner(x, "select", dim)
    return like(x, x.values().select(inner, index), x._at - (inner + 1 < x._at))


@handles("unbind")
def unbind(x, dim=0):
    return x.unbind(dim)


@handles("__getitem__")
def getitem(x, index):
    items = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in items:
        i = items.index(Ellipsis)
        items[i : i + 1] = [slice(None)] * (x.ndim - len(items) + 1)
    first, *rest = items
    if isinstance(first, int):
        found = x.unbind()[first]
        return found[tuple(rest)] if rest else found
    everything = slice(None)
    if first != everything or any(i != everything for i in rest[x._at - 1 : x._at]):
        raise RuntimeError(f"slice(): not supported for NestedTensor on dim={0 if first != everything else x._at}")
    before = rest[: x._at - 1]
    if not all(isinstance(i, int | slice) for i in before):
        raise RuntimeError("index(): not supported for NestedTensor before the ragged dim")
    return like(x, x.values()[tuple(rest)], x._at - sum(isinstance(i, int) for i in before))


def _joined(name: str):
    def join(tensors, dim=0):
        x = next(t for t in tensors if isinstance(t, NestedTensor))
        if any(not isinstance(t, NestedTensor) or t._ragged is not x._ragged or t._at != x._at for t in tensors):
            raise RuntimeError(f"{name}(): nested tensors of one ragged structure are expected")
        dim = wrap_dim(dim, x.ndim + (name == "stack"))
        if dim == 0:
            raise RuntimeError(f"{name}(): not supported for NestedTensor on dim=0")
        if name == "cat":
            _inner(x, name, dim)
        return like(x, T[name]([t.values() for t in tensors], dim - 1), x._at + (name == "stack" and dim <= x._at))

    return handles(name)(join)


_joined("cat")
_joined("stack")


# ---- products, layers, attention ---------------------------------------------------------------------------------


@handles("linear")
def linear(input, weight, bias=None):
    if not isinstance(input, NestedTensor) or input._at == input.ndim - 1:
        raise RuntimeError("linear(): not supported for NestedTensor on ragged dim")
    return like(input, F.linear(input.values(), weight, bias))


@handles("matmul", "bmm", "__matmul__")
def matmul(x, other):
    if isinstance(x, NestedTensor) and not isinstance(other, NestedTensor):
        if x._at < x.ndim - 1 and other.ndim <= 2:
            return like(x, T["matmul"](x.values(), other))
        if x._at == x.ndim - 2:
            return like(x, x._ragged.packed(x.to_padded_tensor(0) @ other, x._at - 1))
    elif isinstance(x, NestedTensor) and x._ragged is other._ragged:
        if x._at == x.ndim - 1 and other._at == other.ndim - 2:
            return x.to_padded_tensor(0) @ other.to_padded_tensor(0)
    raise RuntimeError(f"matmul(): not supported between inputs of shapes {tuple(x.shape)} and {tuple(other.shape)}")


def _normalization(name: str):
    def normalize(input, normalized_shape, *args, **kwargs):
        if len(normalized_shape) >= input.ndim - input._at:
            raise RuntimeError(f"{name}(): normalizing over the ragged dimension is not supported for NestedTensor")
        return like(input, getattr(F, name)(input.values(), normalized_shape, *args, **kwargs))

    return handles(name)(normalize)


_normalization("layer_norm")
_normalization("rms_norm")


@handles("embedding")
def embedding(input, weight, *args, **kwargs):
    return like(input, F.embedding(input.values(), weight, *args, **kwargs))


@handles("scaled_dot_product_attention")
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None,
                                 enable_gqa=False):  # fmt: skip
    """Attention of each component's positions to those of the same component; B x heads x ragged x E."""
    if attn_mask is not None:
        raise ValueError("scaled_dot_product_attention(): attn_mask is not supported for NestedTensor")
    for t in (query, key, value):
        if t.ndim != 4 or (isinstance(t, NestedTensor) and t._at != 2):
            shape = tuple(t.shape)
            raise ValueError(f"scaled_dot_product_attention(): expected (batch, heads, length, width), got {shape}")
    dense = [t.to_padded_tensor(0) if isinstance(t, NestedTensor) else t for t in (query, key, value)]
    mask = key._ragged.mask()[:, None, None, :] if isinstance(key, NestedTensor) else None
    if is_causal:
        causal = T["ones"](dense[0].shape[2], dense[1].shape[2]).tril().bool()
        mask = causal if mask is None else mask & causal
    made = F.scaled_dot_product_attention(*dense, mask, dropout_p, False, scale=scale, enable_gqa=enable_gqa)
    return like(query, query._ragged.packed(made, 1)) if isinstance(query, NestedTensor) else made


@handles("equal")
def equal(x, other):
    same = isinstance(x, NestedTensor) and isinstance(other, NestedTensor) and x.shape == other.shape
    return same and T["equal"](plain(x), plain(other))


@handles("is_same_size")
def is_same_size(x, other):
    return x.shape == other.shape
