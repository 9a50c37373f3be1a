"""Products of matrices and vectors. Knows `dot_general`: every rule here is again a product, written with
the contraction in place so that nothing is transposed or copied first. Must not know tapes or Tensors.

The factors are not promoted: PyTorch refuses unlike dtypes, and so do the checks here, in its words.
"""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..dtypes import from_np, result_dtype
from ..op import op, sample
from ..op.checks import broadcast, check_real, same_dtype, wrap_dim

# --- checks, in PyTorch's words -----------------------------------------------------------------------


def _legacy(x):
    return from_np(x.dtype).legacy


def _no_bool(kernel, x):
    if x.dtype == bool and x.size:
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")


def _same_scalar_type(a, b):
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected scalar type {_legacy(a)} but found {_legacy(b)}")


def _check_mm(a, b):
    if a.shape[1] != b.shape[0]:
        (n, m), (k, p) = a.shape, b.shape
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({n}x{m} and {k}x{p})")
    same_dtype("m1 and m2", a, b)
    _no_bool("addmm_impl_cpu_", a)


def _check_bmm(a, b, added=None):
    for name, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if (a.shape[0], a.shape[2]) != b.shape[:2]:
        want, got = [a.shape[0], a.shape[2]], list(b.shape[:2])
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {got}."
        )
    if added is not None and added.dtype != a.dtype:
        x, y, z = (_legacy(t).lower() for t in (added, a, b))
        raise RuntimeError(f"Input dtypes must be the same, got: input {x}, batch1: {y}, batch2: {z}")
    _same_scalar_type(a, b)
    _no_bool("bmm", a)


def _check_mv(a, v, added=None):
    if a.ndim != 2 or v.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {a.ndim}, {v.ndim}")
    n, m = a.shape
    size = added.shape[0] if added is not None and added.ndim == 1 else n
    if m != v.shape[0] or size not in (1, n):
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({n}x{m}), vec ({len(v)})")
    if a.dtype != v.dtype or (added is not None and added.dtype != v.dtype):
        x, y, z = map(_legacy, (v if added is None else added, a, v))
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {x}, {y}, and {z}")
    _no_bool("addmv_impl_cpu", a)


def _check_dot(a, b):
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        x, y = _legacy(a), _legacy(b)
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {x} and {y}")
    n, m = len(a), len(b)
    if n != m:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of "
            f"elements, but got {n} and {m} elements respectively"
        )
    _no_bool("dot", a)


def _check_expand(x, target):
    """That the added `x` broadcasts to the product, as `expand` words it."""
    for i, (have, want) in enumerate(zip(reversed(x.shape), reversed(target), strict=False), 1):
        if have not in (1, want):
            raise RuntimeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) at "
                f"non-singleton dimension {len(target) - i}.  Target sizes: {list(target)}.  "
                f"Tensor sizes: {list(x.shape)}"
            )
    if x.ndim > len(target):
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number "
            f"of dimensions in the tensor ({x.ndim})"
        )


def _contract(a, b, da, db, batch=0):
    """`a` and `b` multiplied and summed over dimensions `da` and `db`; the first `batch` go along."""
    both = tuple(range(batch))
    return lax.dot_general(a, b, ((da, db), (both, both)))


def multilinear(forward):
    """The rule of a forward that is linear in each input: its transpose in each."""

    def rule(g, y, *inputs, **params):
        def ct(i, x):
            # JAX's default precision and XLA's choice of contraction order hold for the transpose as well
            at = lambda x: forward(*inputs[:i], x, *inputs[i + 1 :], **params)  # noqa: E731
            return jax.linear_transpose(at, x)(g)[0]

        found = tuple(None if x is None else ct(i, x) for i, x in enumerate(inputs))
        return found if len(found) != 1 else found[0]

    return rule


# --- products of two ----------------------------------------------------------------------------------


def _mm(a, b):
    for name, x in (("self", a), ("mat2", b)):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    _check_mm(a, b)
    return _contract(a, b, (1,), (0,))


def _bmm(a, b):
    _check_bmm(a, b)
    return _contract(a, b, (2,), (1,), batch=1)


def _mv(a, v):
    _check_mv(a, v)
    return _contract(a, v, (1,), (0,))


def _dot(a, b):
    _check_dot(a, b)
    return _contract(a, b, (0,), (0,))


def _outer(a, b):
    for name, x in (("self", a), ("vec2", b)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return a[:, None] * b


def _matmul(a, b):
    """Any ranks, batch dimensions broadcast; the common ranks are mm, bmm, mv and dot."""
    if not a.ndim or not b.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    if b.ndim == 1 and a.ndim == 1:
        _check_dot(a, b)
    elif b.ndim == 1:
        _check_mv(jax.ShapeDtypeStruct((prod(a.shape[:-1]), a.shape[-1]), a.dtype), b)
    elif b.ndim == 2:
        _check_mm(jax.ShapeDtypeStruct((prod(a.shape[:-1]), a.shape[-1]), a.dtype), b)
    else:
        lead = prod(broadcast([a.shape[:-2], b.shape[:-2]]))
        rows = a.shape[-2:] if a.ndim > 1 else (1, *a.shape)
        _check_bmm(
            *(jax.ShapeDtypeStruct((lead, *s[-2:]), x.dtype) for s, x in ((rows, a), (b.shape, b)))
        )
    return jnp.matmul(a, b)


def _linear(x, w, b=None):
    """`x @ w.T + b` by contracting both last dimensions: the (out, in) weight is never transposed."""
    lead = prod(x.shape[:-1])
    if w.ndim == 1 and b is not None:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    _check_mm(
        *(
            jax.ShapeDtypeStruct(s, z.dtype)
            for s, z in (((lead, x.shape[-1]), x), ((*w.shape[::-1], 1)[:2], w))
        )
    )
    y = _contract(x, w, (x.ndim - 1,), (w.ndim - 1,))
    if b is None:
        return y
    if b.dtype != w.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {_legacy(b)} and {_legacy(w)}"
        )
    _check_expand(b, (lead, w.shape[0]))
    return y + b


def _linear_rule(g, y, input, weight, bias=None):
    lead = tuple(range(input.ndim - 1))
    if weight.ndim == 1:
        return g[..., None] * weight, _contract(g, input, lead, lead), None
    # the bias gradient is g itself: the sweep sums it over the batch
    return _contract(g, weight, (g.ndim - 1,), (0,)), _contract(g, input, lead, lead), g


def _bilinear(x1, x2, w, b=None):
    for i, x in ((1, x1), (2, x2)):
        if x.shape[-1] != w.shape[i]:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got {x.shape[-1]} but expected {w.shape[i]}"
            )
    y = jnp.einsum("...i,oij,...j->...o", x1, w, x2)
    return y if b is None else y + b


_bilinear_product = multilinear(_bilinear)


def _bilinear_rule(g, y, input1, input2, weight, bias=None):
    return *_bilinear_product(g, y, input1, input2, weight), g


def _values(shape):
    """Given values, which stay floating: PyTorch has no bool kernel to compare with."""
    return np.linspace(-2, 2, prod(shape)).reshape(shape)


# fmt: off
_pairs = {
    "mm": [sample((2, 3), (3, 4)), sample((2, 0), (0, 3)), sample((0, 3), (3, 2))],
    "bmm": [sample((2, 3, 4), (2, 4, 5)), sample((0, 2, 3), (0, 3, 1))],
    "mv": [sample((2, 3), (3,)), sample((2, 0), (0,))],
    "dot": [sample((3,), (3,)), sample((0,), (0,))],
    "outer": [sample((3,), (4,)), sample((0,), (2,))],
    "matmul": [
        sample(_values(a), _values(b)) for a, b in (
            ((5, 2, 3), (3, 4)), ((3,), (3, 2)), ((3,), (5, 3, 2)), ((2, 5, 2, 3), (3,)),
            ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 4)), ((3,), (3,)), ((2, 3), (3, 4)))
    ],
    "linear": [
        sample((2, 3), (4, 3), (4,)), sample((2, 5, 3), (4, 3), (4,)), sample((3,), (4, 3), (4,)),
        sample((2, 3), (4, 3), None), sample((0, 3), (4, 3), (4,)), sample((2, 3), (3,), None),
    ],
    "bilinear": [sample((2, 3), (2, 4), (5, 3, 4), (5,)), sample((2, 6, 3), (2, 6, 4), (5, 3, 4), None)],
}
_product = dict(promote=None, sig="input: T, mat2: T")

op("mm", _mm, lambda g, y, a, b: (_contract(g, b, (1,), (1,)), _contract(a, g, (0,), (0,))),
   "linalg", **_product, samples=lambda: _pairs["mm"])
op("bmm", _bmm, lambda g, y, a, b: (_contract(g, b, (2,), (2,), 1), _contract(a, g, (1,), (1,), 1)),
   "linalg", **_product, samples=lambda: _pairs["bmm"])
op("mv", _mv, lambda g, y, a, v: (_contract(g, v, (), ()), _contract(a, g, (0,), (0,))),
   "linalg", promote=None, sig="input: T, vec: T", samples=lambda: _pairs["mv"])
op("dot", _dot, lambda g, y, a, b: (_contract(g, b, (), ()), _contract(g, a, (), ())),
   "linalg", promote=None, sig="input: T, tensor: T", samples=lambda: _pairs["dot"])
op("vdot", lambda a, b: _dot(jnp.conj(a), b), lambda g, y, a, b: (jnp.conj(g * b), g * jnp.conj(a)),
   "linalg", promote=None, sig="input: T, other: T", samples=lambda: _pairs["dot"])
op("outer", _outer, lambda g, y, a, b: (_contract(g, b, (1,), (0,)), _contract(a, g, (0,), (0,))),
   "linalg", sig="input: T, vec2: T", casts=True, node="MulBackward0", aliases=("ger",),
   samples=lambda: _pairs["outer"])
op("vm", _matmul, lambda g, y, v, b: (_contract(b, g, (1,), (0,)), _contract(v, g, (), ())), "linalg", promote=None,
   sig="vec: T, input: T", where=None, variants="", node="SqueezeBackward4", samples=lambda: [sample((3,), (3, 2))])
# torch.matmul is mm, bmm, mv, vm or dot where the ranks allow; this row is what is left
op("matmul", _matmul, multilinear(_matmul), "linalg", promote=None, sig="input: T, other: T", where=None,
   variants="", node="UnsafeViewBackward0", samples=lambda: _pairs["matmul"])
op("linear", _linear, _linear_rule, "nn", promote=None, sig="input: T, weight: T, bias: OT = None",
   node="AddmmBackward0", samples=lambda: _pairs["linear"])
op("bilinear", _bilinear, _bilinear_rule, "nn", promote=None, node="AddBackward0",
   sig="input1: T, input2: T, weight: T, bias: OT = None", samples=lambda: _pairs["bilinear"])
# fmt: on

# --- beta * input + alpha * product -------------------------------------------------------------------
# None stands for 1: the factors are operands (changing them compiles nothing), left out where not given.


def _factor(name, number, like, whole):
    """beta or alpha in the dtype of the product; for integers it is cut off, or with `whole` refused."""
    if number is None:
        return None
    if whole and not jnp.issubdtype(like.dtype, jnp.inexact) and jnp.issubdtype(number.dtype, jnp.inexact):
        raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    check_real(number, like)
    return number.astype(like.dtype)


def _together(*arrays):
    dtype = result_dtype([(from_np(t.dtype), t.ndim) for t in arrays], ())
    return [t.astype(dtype.np) for t in arrays]


def _added(check, product, mixed):
    """The forward of `beta * input + alpha * product(a, b)`; PyTorch does not look at input if beta is 0."""

    def forward(x, a, b, beta=None, alpha=None):
        check(a, b, x)
        x, a, b = _together(x, a, b) if mixed else (x, a, b)
        beta, alpha = _factor("beta", beta, x, mixed), _factor("alpha", alpha, x, mixed)
        p = product(a, b)
        _check_expand(x, p.shape)
        p = p if alpha is None else alpha * p
        x = x if beta is None else jnp.where(beta == 0, jnp.zeros((), x.dtype), beta * x)
        return jnp.add(p, x)

    return forward


def _added_rule(product, product_rule):
    def rule(g, y, input, a, b, *factors):
        input, a, b, *factors = (t if t is None else t.astype(y.dtype) for t in (input, a, b, *factors))
        beta, alpha = (*factors, None, None)[:2]
        found = (
            g if beta is None else beta * g,
            *product_rule(g if alpha is None else alpha * g, a, b),
        )
        more = None if beta is None else g * input, None if alpha is None else g * product(a, b)
        return found + more[: len(factors)]

    return rule


def _matrices(a, b, added):
    for name, x in (("mat1", a), ("mat2", b)):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {x.ndim}-D tensor")
    if added.dtype != b.dtype:
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {_legacy(added)} and {_legacy(b)}")
    _check_mm(a, b)


def _vectors(a, b, added):
    for name, x in (("vec1", a), ("vec2", b)):
        if x.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {x.ndim}-D")


def _summed_bmm(a, b):
    return lax.dot_general(a, b, (((0, 2), (0, 1)), ((), ())))


def _addbmm_rule(g, a, b):
    g = jnp.broadcast_to(g, (a.shape[0], *g.shape))
    return _contract(g, b, (2,), (2,), 1), _contract(a, g, (1,), (1,), 1)


def _add_row(name, args, check, product, product_rule, samples):
    def both():
        return [*(sample(*s) for s in samples), sample(*map(_values, samples[0]), 2, 3)]

    op(
        name,
        _added(check, product, name == "addr"),
        _added_rule(product, product_rule),
        "linalg",
        promote=None,
        variants="fmi",
        casts=name == "addr",
        sig=f"input: T, {args}, *, beta: OTS = None, alpha: OTS = None",
        samples=both,
    )


# fmt: off
_add_row("addmm", "mat1: T, mat2: T", _matrices, lambda a, b: _contract(a, b, (1,), (0,)),
         lambda g, a, b: (_contract(g, b, (1,), (1,)), _contract(a, g, (0,), (0,))),
         [((2, 4), (2, 3), (3, 4)), ((4,), (2, 3), (3, 4)), ((), (2, 0), (0, 4))])
_add_row("addmv", "mat: T, vec: T", _check_mv, lambda a, v: _contract(a, v, (1,), (0,)),
         lambda g, a, v: (_contract(g, v, (), ()), _contract(a, g, (0,), (0,))),
         [((2,), (2, 3), (3,)), ((), (2, 3), (3,)), ((1,), (2, 3), (3,))])
_add_row("addr", "vec1: T, vec2: T", _vectors, lambda a, b: a[:, None] * b,
         lambda g, a, b: (_contract(g, b, (1,), (0,)), _contract(a, g, (0,), (0,))),
         [((2, 3), (2,), (3,)), ((3,), (2,), (3,)), ((), (2,), (3,))])
_add_row("addbmm", "batch1: T, batch2: T", _check_bmm, _summed_bmm, _addbmm_rule,
         [((2, 4), (5, 2, 3), (5, 3, 4)), ((4,), (5, 2, 3), (5, 3, 4))])
_add_row("baddbmm", "batch1: T, batch2: T", _check_bmm, lambda a, b: _contract(a, b, (2,), (1,), 1),
         lambda g, a, b: (_contract(g, b, (2,), (2,), 1), _contract(a, g, (1,), (1,), 1)),
         [((5, 2, 4), (5, 2, 3), (5, 3, 4)), ((2, 1), (5, 2, 3), (5, 3, 4))])
# fmt: on

# --- contractions named by letters or dimensions ------------------------------------------------------

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _subscripts(equation, operands):
    """Explicit subscripts of every operand and of the result, the ellipsis spelt in letters of its own."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(
            f"Number of einsum subscripts, {len(terms)}, must be equal to the number of operands, {len(operands)}."
        )
    for i, c in enumerate(text.replace("->", "  ").replace("...", "   ")):
        if c not in _LETTERS and c not in ", ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z]"
            )
    free = [c for c in _LETTERS if c not in text]
    covered = []
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        named = len(term.replace("...", ""))
        if named != x.ndim and ("..." not in term or named > x.ndim):
            dots = "..." in term
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) "
                f"{'is more than' if dots else 'does not match'} the number of dimensions ({x.ndim}) "
                f"for operand {k}{'' if dots else ' and no ellipsis was given'}"
            )
        covered.append(x.ndim - named)
    dots = "".join(free[: max(covered, default=0)])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, covered, strict=True)]
    if arrow:
        result = right.replace("...", dots)
        for c in right.replace("...", ""):
            if c not in left:
                raise RuntimeError(
                    f"einsum(): output subscript {c} does not appear in the equation for any input operand"
                )
            if right.count(c) > 1:
                raise RuntimeError(
                    f"einsum(): output subscript {c} appears more than once in the output"
                )
    else:
        seen = "".join(t for t in terms)
        result = dots + "".join(c for c in _LETTERS if c not in dots and seen.count(c) == 1)
    return terms, result, dots


def _einsum(*operands, equation):
    terms, result, dots = _subscripts(equation, operands)
    size: dict[str, int] = {}
    for k, (term, x) in enumerate(zip(terms, operands, strict=True)):
        here: dict[str, int] = {}
        for c, n in zip(term, x.shape, strict=True):
            if here.setdefault(c, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated for operand {k} but the sizes don't match, {n} != {here[c]}"
                )
        for c, n in here.items():
            if n != 1 and size.get(c, 1) not in (1, n):
                if c in dots:
                    raise RuntimeError(
                        f"einsum(): dimension {term.index(c)} covered by ellipsis in operand {k}has size {n} which "
                        f"does not broadcast with previously seen ellipsis with size {size[c]} for the respective "
                        "dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {k} which does not broadcast with "
                    f"previously seen size {size[c]}"
                )
            size[c] = max(size.get(c, 1), n) if n else 0
    first = operands[0]
    for x in operands[1:]:
        _same_scalar_type(first, x)
    # a dimension of size 1 stands for every size: drop it where another operand has the real one
    thin = []
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        one = [d for d, c in enumerate(term) if x.shape[d] == 1 and size[c] != 1]
        terms[i] = "".join(c for d, c in enumerate(term) if d not in one)
        thin.append(lax.squeeze(x, one))
    if (
        len(operands) == 1
        and set(terms[0]) - set(result)
        and not jnp.issubdtype(first.dtype, jnp.inexact)
    ):
        thin = [thin[0].astype(jnp.int64)]  # one operand is summed, and sums of integers are int64
    return jnp.einsum(f"{','.join(terms)}->{result}", *thin)


def _tensordot(a, b, *, dims=2):
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        of_a, of_b = range(-dims, 0), range(dims)
    else:
        of_a, of_b = ((d,) if isinstance(d, int) else tuple(d) for d in dims)
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    da, db = (tuple(wrap_dim(d, x.ndim) for d in ds) for ds, x in ((of_a, a), (of_b, b)))
    for i, (d, e) in enumerate(zip(da, db, strict=True)):
        if a.shape[d] != b.shape[e]:
            if 1 not in (a.shape[d], b.shape[e]):
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {a.shape[d]} in dim {of_a[i]} "
                    f"and second has size {b.shape[e]} in dim {of_b[i]}"
                )
            a, b = (
                jnp.sum(x, k, keepdims=True) if x.shape[k] != 1 else x for x, k in ((a, d), (b, e))
            )
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    return _contract(a, b, da, db)


# fmt: off
op("einsum", _einsum, multilinear(_einsum), "linalg", promote=None, variants="f",
   sig="equation: str, operands: Ts", samples=lambda: [
       sample((2, 3), (3, 4), equation="ij,jk->ik"), sample((2, 3), (3, 4), equation="ij, jk"),
       sample((2, 3, 3), equation="bii->bi"), sample((3, 3), equation="ii"), sample((2, 3), equation="ij->ji"),
       sample((5, 2, 3), (4, 1, 3, 6), equation="...ij,...jk->...ik"), sample((2, 3, 4), equation="...k->k"),
       sample(_values((2, 1)), _values((3, 4)), equation="ij,jk->ik"), sample((3,), (4,), (3, 4), equation="i,j,ij->"),
       sample((2, 5, 3), (2, 6, 3), equation="bQd,bKd->bQK"), sample((), (3,), equation=",i->i")])
op("tensordot", _tensordot, multilinear(_tensordot), "linalg", promote=None, variants="f",
   sig="a: T, b: T, dims: any = 2", node="ViewBackward0", samples=lambda: [
       sample((2, 3, 4), (3, 4, 5)), sample((2, 3), (3, 5), dims=1), sample((2, 3), (4,), dims=0),
       sample((2, 3, 4), (4, 2), dims=((0, -1), (1, 0))), sample((2, 3), (1, 4), dims=((1,), (0,)))])
# fmt: on

# --- trace, distances ---------------------------------------------------------------------------------


def _trace(x):
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    exact = jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == bool
    return jnp.trace(x, dtype=jnp.int64 if exact else None)


def _cdist(x1, x2, *, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    _same_scalar_type(x1, x2)
    if not jnp.issubdtype(x1.dtype, jnp.floating):
        raise RuntimeError(f"cdist only supports floating-point dtypes, X1 got: {_legacy(x1)}")
    # differences, not |x|^2 - 2xy + |y|^2: XLA fuses them with the sum, and nothing cancels
    d = jnp.abs(x1[..., :, None, :] - x2[..., None, :, :])
    if p == 0:
        return jnp.sum(d != 0, -1).astype(x1.dtype)
    if p == 1:
        return jnp.sum(d, -1)
    if p == 2:
        return lax.sqrt(jnp.sum(d * d, -1))
    return jnp.max(d, -1, initial=0) if p == jnp.inf else jnp.sum(d**p, -1) ** (1 / p)


def _cdist_rule(g, y, x1, x2, *, p=2.0, compute_mode=None):
    """d|x1 - x2|_p; 0 where the distance is 0, and at p = inf all of it to every largest difference."""
    if p == 0:
        return jnp.zeros_like(x1), jnp.zeros_like(x2)
    d = x1[..., :, None, :] - x2[..., None, :, :]
    g, y = g[..., None], y[..., None]
    if p == 1:
        ct = g * lax.sign(d)
    elif p == jnp.inf:
        ct = g * lax.sign(d) * (jnp.abs(d) == y)
    else:
        away = (y != 0) & (d != 0)
        size = jnp.where(away, jnp.abs(d) / jnp.where(away, y, 1), 1)
        ct = jnp.where(away, g * lax.sign(d) * (size if p == 2 else size ** (p - 1)), 0)
    return jnp.sum(ct, -2), -jnp.sum(ct, -3)


# fmt: off
op("trace", _trace, lambda g, y, x: g * jnp.eye(*x.shape, dtype=g.dtype),
   "linalg", promote=None, sig="input: T", samples=lambda: [sample((3, 3)), sample((2, 4)), sample((0, 2))])
op("cdist", _cdist, _cdist_rule, "linalg", promote=None, variants="f",
   sig="x1: T, x2: T, p: float = 2.0, compute_mode: str = 'use_mm_for_euclid_dist_if_necessary'",
   samples=lambda: [sample((4, 3), (5, 3)), sample((2, 4, 3), (5, 3), p=1.0), sample((4, 3), (5, 3), p=3.0),
                    sample((4, 3), (2, 5, 3), p=float("inf")), sample((4, 3), (5, 3), p=0.5),
                    sample((4, 3), (5, 3), p=0.0)])
# fmt: on
