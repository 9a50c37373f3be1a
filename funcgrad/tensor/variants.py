"""Functions, methods and in-place methods made from the rows.

A row's signature is turned into one Python function with torch's argument names, so that help(),
keyword arguments and TypeErrors are as for hand-written code. Composites (Python over other functions)
register with `composite` and win over a row of the same name.
"""

from __future__ import annotations

import functools
import inspect
import operator
import warnings

from .. import dtypes, ops
from ..op import REGISTRY, Op
from ..op.signature import REQUIRED, Arg
from ..tape import local, record
from . import strides
from .alias import (
    check_writable,
    forget_dead,
    leave,
    make_view,
    put,
    reshaped_in_place,
    write,
    write_fresh,
)
from .call import (
    call,
    call_given,
    call_method,
    check_indices,
    check_kinds,
    operands,
    refuse_argument,
)
from .hot import MAKE, RENAME, body, compiled, function
from .overrides import overridable, taken, taking
from .refusals import OVERLAP, REPEATED
from .storage import in_mode, layout, repeats
from .storage import name as rename
from .tensor import Tensor, c_name, value_of

NAMES: dict[str, dict] = {"torch": {}, "F": {}, "linalg": {}, "special": {}, "fft": {}}
METHODS: dict[str, object] = {}


# ---- what generated code calls -----------------------------------------------------------------------


def _ints(v):
    """An int, None, or a tuple of ints from any sequence of them."""
    if v is None or v.__class__ is int or v.__class__ is bool:
        return v
    if isinstance(v, list | tuple):
        return tuple([i if i.__class__ is int else operator.index(i) for i in v])
    return operator.index(v)


def _sizes(v):
    """Sizes given one by one or as one sequence."""
    if len(v) == 1 and isinstance(v[0], list | tuple):
        v = v[0]
    return tuple([i if i.__class__ is int else operator.index(i) for i in v])


def _int(v):
    return v if v.__class__ is int or v is None else operator.index(v)


def _float(v):
    return v if v is None or v.__class__ is float else float(v)


def _bool(v):
    return v if v is None else bool(v)


def _any(v):
    return tuple([_any(x) for x in v]) if isinstance(v, list | tuple) else v


def _tensors(v, name):
    if isinstance(v, Tensor) or not isinstance(v, list | tuple):
        refuse_argument(name, "tensors", 1, v, "tuple of Tensors")
    for i, t in enumerate(v):
        if t is None or isinstance(t, bool | int | float | complex | str | list | tuple):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return v


def _as_given(op, args, params) -> tuple[tuple, dict]:
    """The arguments of a row's function as a user writes them: up to the last that is not a default, by position."""
    arrays, positional, keywords, last = iter(args), [], {}, 0
    for a in op.sig.args:
        x = tuple(arrays) if a.kind == "Ts" else next(arrays) if a.is_array else params[a.name]
        given = a.default is REQUIRED or (x is not a.default and x != a.default)
        if not a.keyword_only:
            positional.append(x)
            last = len(positional) if given else last
        elif given:
            keywords[a.name] = x
    return tuple(positional[:last]), keywords


def _general(form: str, otherwise):
    """`otherwise(op, args, params)`, the general way of a generated function, unless a class takes over."""

    def way(op, args, params):
        found = taking(args)
        if not found:
            return otherwise(op, args, params)
        f = NAMES[op.where][op.name] if form == "f" else METHODS[op.name + ("_" if form == "i" else "")]
        return taken(f, found, *_as_given(op, args, params))

    return way


def _view(op, args, params):
    """A view operator: the result shares the memory of its first argument."""
    base = args[0]
    if not isinstance(base, Tensor):
        return call_given(op, args, params)
    if op.name in _LAID_OUT and base._cut is not None:
        return _view_of_view(op, base, args, params)
    return make_view(base, op, params, call(op, args, params))


_LAID_OUT = frozenset({"view", "reshape", "flatten"})  # what depends on how the elements lie


def _view_of_view(op, base, args, params):
    """`reshape` and `flatten` copy where no strides would do, and `view` refuses."""
    s, have = layout(base)
    out = call(op, args, params)
    if strides.reshaped(s.shape, have, value_of(out).spec.shape) is not None:
        if op.name != "view" and not strides.is_in_order(s.shape, have):
            op, params = REGISTRY["reshape_alias"], {"size": tuple(out.shape)}
            out = call(op, args, params)
        return make_view(base, op, params, out)
    if op.name == "view":
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    copied = call(REGISTRY["clone"], args)
    return call(REGISTRY["unsafe_view"], (copied,), {"size": tuple(out.shape)})


def in_order(t: Tensor) -> bool:
    """Whether the elements of `t` lie one after the other in its memory."""
    if t._cut is None:
        return True
    s, have = layout(t)
    return strides.is_in_order(s.shape, have)


# what PyTorch only warns of when several elements share a place, and how it calls it
_REPEATED = {
    "masked_fill": "tensor[mask] = scalar",
    "index_fill": "tensor[mask] = scalar",
    "masked_scatter": "tensor[mask] = source",
}


def _inplace(op, args, params):
    self = args[0]
    check_kinds(op, args, 0)
    if self._storage is not None:
        forget_dead(self)
        if op.name in _REPEATED and self._storage is not None and repeats(self):
            warnings.warn(REPEATED.format(f"{op.name}_", _REPEATED[op.name]), UserWarning, stacklevel=3)
    if local.grad or self._storage is not None:
        check_writable(self, *args, overlap=op.name not in _REPEATED)
    if op.indices is not None:
        where = next(i for i, a in enumerate(op.sig.arrays) if a.name == op.indices.name)
        check_indices(op, self, args[where], params.get("dim"))
    return write_fresh(self, record(op, operands(op, args), params))


def _reshape_in_place(op, args, params):
    """`squeeze_` and its like: the same name for another view of the same memory."""
    self = args[0]
    leaf = value_of(self).leaf is not None
    check_writable(self, overlap=False)
    kept = value_of(self).spec.needs and not local.grad and not leaf
    v = in_mode(local.grad or kept, lambda: value_of(call(_in_place_twin(op), args, params)))
    if self._storage is not None:
        return reshaped_in_place(self, op, params, v)
    if kept:  # under no_grad, too, a gradient has to come to the shape that its history has
        self._bumps += 1
        rename(self, v)
        return self
    return put(self, v)


_twins: dict[Op, Op] = {}


def _in_place_twin(op: Op) -> Op:
    """The row of `op` under the names that PyTorch's history has for `op_`: t_ has TBackward1, squeeze_ begins at 3."""
    if op not in _twins:
        later = 3 if op.name == "squeeze" else 1

        def node(params):
            stem, _, number = op.node_name(params).partition("Backward")
            return f"{stem}Backward{int(number) + later}"

        _twins[op] = Op(f"{op.name}_", op.forward, op.rule, "internal", node=node)
    return _twins[op]


_JOINED = frozenset({"cat", "stack", "hstack", "vstack", "dstack", "column_stack"})


def into(out, result, name: str, casts: bool = True, inputs: tuple = ()):
    """`out=`: write `result` where the user asked for it; `casts` says whether another dtype will do. One of `inputs`
    keeps its size: what is read is not resized."""
    if isinstance(result, tuple):
        return tuple(into(o, r, name, casts) for o, r in zip(out, result, strict=True))
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    have, wanted = out.dtype, result.dtype
    if have is not wanted and not casts:
        raise RuntimeError(f"Expected out tensor to have dtype {c_name(wanted)}, but got {c_name(have)} instead")
    if not dtypes.can_cast(wanted, have):
        if name in _JOINED:
            raise TypeError(f"torch.{name}(): input types can't be cast to the desired output type {have.legacy}")
        raise RuntimeError(f"result type {wanted.legacy} can't be cast to the desired output type {have.legacy}")
    if local.grad and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if out._storage is not None and repeats(out):
        raise RuntimeError(OVERLAP)
    if out.shape != result.shape:
        if any(a is out for a in inputs):
            raise RuntimeError(
                f"output with shape {list(out.shape)} doesn't match the broadcast shape {list(result.shape)}"
            )
        if out.numel():
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does "
                f"not match the required output shape {list(result.shape)}. This behavior is deprecated, and in a "
                "future PyTorch release outputs will not be resized unless they have zero elements. You can "
                "explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                UserWarning,
                stacklevel=3,
            )
        v = value_of(result)
        if v.spec.dtype is not out.dtype:
            v = record(REGISTRY["to_dtype"], (v,), {"dtype": out.dtype})
        leave(out).n += 1
        return put(out, v)
    return write(out, value_of(result))


# ---- making the functions ----------------------------------------------------------------------------

_CONVERT = {"ints": "_ints({})", "int": "_int({})", "float": "_float({})", "bool": "_bool({})", "any": "_any({})"}
_SCOPE = {
    "_bool": _bool, "_call": _general("f", call), "_call_given": _general("f", call_given),
    "_call_method": _general("m", call_method), "_check": check_indices, "_float": _float,
    "_inplace": _general("i", _inplace), "_int": _int, "_ints": _ints, "_any": _any, "_into": into,
    "_reshape_in_place": _general("i", _reshape_in_place), "_sizes": _sizes, "_tensors": _tensors,
    "_view": _general("f", _view), "_view_method": _general("m", _view), "_write": write,
}  # fmt: skip


_RETURN = "    return made\n"


def _declared(args: tuple[Arg, ...], first: str, varargs: bool, out: bool) -> str:
    parts, star = [], False
    for i, a in enumerate(args):
        if varargs and a.kind == "shape":
            parts.append("*" + a.name)
            star = True
            continue
        if a.keyword_only and not star:
            parts.append("*")
            star = True
        name = first if i == 0 else a.name
        parts.append(name if a.default is REQUIRED else f"{name}={a.default!r}")
    if out:
        parts += ["out=None"] if star else ["*", "out=None"]
    return ", ".join(parts)


_POINTWISE = frozenset({"binary", "binary_float", "compare", "ternary"})


def _source(op: Op, form: str) -> str:
    """The text of a function ("f"), method ("m") or in-place method ("i")."""
    args = op.sig.args
    first = args[0].name if form == "f" else "self"
    varargs = form == "m" and any(a.kind == "shape" for a in args) and args[0].is_array
    out = form == "f" and op.where not in ("F", None) and op.family != "view"
    head = _declared(args, first, varargs, out)
    arrays, params = [], []
    for i, a in enumerate(args):
        name = first if i == 0 else a.name
        if a.kind == "Ts":
            arrays.append(f"*_tensors({name}, {op.name!r})")
        elif a.is_array:
            arrays.append(name)
        elif a.kind == "shape":
            params.append((a.name, f"_sizes({name})" if varargs else f"_sizes(({name},))"))
        else:
            params.append((a.name, _CONVERT.get(a.kind, "{}").format(name)))
    tail = f"({''.join(x + ', ' for x in arrays)}), {{{', '.join(f'{n!r}: {x}' for n, x in params)}}}"
    suffix = "_" if form == "i" else ""
    text = f"def {op.name}{suffix}({head}):\n"
    check = ""
    if op.indices is not None:
        dim = ", dim" if any(a.name == "dim" for a in args) else ""
        check = f"    _check(op, {first}, {op.indices.name}{dim})\n"
    if form != "i":
        text += check
    kinds = [(x, a.kind) for x, a in zip(arrays, op.sig.arrays, strict=True)]
    if form == "i":
        if op.family == "view":
            return text + f"    return _reshape_in_place(op, {tail})\n"
        slow = f"_inplace(op, {tail})"
        before = f"    if local.grad or self._storage is not None: return {slow}\n" + check
        return text + body([(kinds[0][0], "T"), *kinds[1:]], params, slow, before) + RENAME
    if op.family == "view":
        return text + f"    return {'_view' if form == 'f' else '_view_method'}(op, {tail})\n"
    inputs = f", ({', '.join(arrays)},)" if op.family in _POINTWISE else ""
    into_out = f"_into(out, made, {op.name!r}, {op.casts}{inputs})\n"
    if any(a.kind == "Ts" for a in args):
        text += f"    made = _call(op, {tail})\n"
        return text + (f"    return made if out is None else {into_out}" if out else _RETURN)
    given = f"{'_call_given' if form == 'f' else '_call_method'}(op, {tail})"
    before = f"    if out is not None:\n        made = {given}\n        return {into_out}" if out else ""
    return text + body(kinds, params, given, before) + MAKE


def make(op: Op, form: str):
    name = op.name + ("_" if form == "i" else "")
    f = function(name, lambda: _source(op, form), op, _SCOPE)
    kind = {"f": "", "m": "Tensor.", "i": "Tensor."}[form]
    f.__qualname__ = kind + name
    f.__module__ = "funcgrad"
    f.__doc__ = f"{kind}{name}({op.sig.text}), the operator `{op.name}` ({op.family})."
    return f


def composite(variants: str = "f", where: str = "torch", aliases: tuple[str, ...] = ()):
    """Register a Python function over other functions: "f" as a function of `where`, "m" as a method, "i" also in
    place (`name_`, which writes the result of the function)."""

    def register(plain):
        f = overridable(plain)
        for name in (f.__name__, *aliases):
            if "f" in variants:
                NAMES[where][name] = f
            if "m" in variants:
                METHODS[name] = f
            if "i" in variants:
                METHODS[name + "_"] = overridable(in_place_of(plain, name + "_"))
        return f

    return register


def takes_out(f, casts: bool = True):
    """For a composite whose `out` is where its result goes and nothing else: under `composite`."""

    @functools.wraps(f)
    def function(*args, out=None, **kwargs):
        made = f(*args, **kwargs)
        return made if out is None else into(out, made, f.__name__, casts)

    return function


def takes_same_out(f):
    """`takes_out` of the dtype of the result."""
    return takes_out(f, False)


def in_place_of(f, name: str):
    @functools.wraps(f)
    def method(self, *args, **kwargs):
        check_writable(self)
        return write(self, value_of(f(self, *args, **kwargs)))

    method.__name__ = name
    return method


def generate() -> None:
    """Fill NAMES and METHODS from the registry; called once, before composites register."""
    for op in REGISTRY.values():
        if op.where is None:
            continue
        for form in op.variants:
            f = make(op, form)
            for name in (op.name, *op.aliases):
                if form == "f":
                    NAMES[op.where][name] = f
                else:
                    METHODS[name + ("_" if form == "i" else "")] = f


def signature_of(f) -> str:
    """For the stub writer: the signature of anything registered here."""
    return str(inspect.signature(compiled(f)))


ops.load()
generate()
