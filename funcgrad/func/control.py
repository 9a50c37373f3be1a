"""Control flow that is not unrolled: `scan`, `cond`, `while_loop`, over Tensors and closures.

The body is recorded once, on a tape of its own; what it closes over becomes inputs of one recorded
operation. That is differentiated as JAX differentiates its loops, with the rows' own rules inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import dtypes
from ..engine import taking
from ..op import Op, backward_op, jax_rule
from ..tape import (
    Failed,
    Lifted,
    Path,
    Value,
    computed,
    constant,
    fresh,
    local,
    new_level,
    record,
    spec,
)
from ..tape.trace import input_step
from ..tensor.call import operand
from ..tensor.tensor import wrap
from .tree import flatten, unflatten

LOOKED = (
    "{name}: its body is recorded once and has no numbers while it is. Choose with torch.where or func.cond, and "
    "return what you want to look at."
)


@dataclass(frozen=True)
class Body:
    """A function recorded for Tensors of given specs: the path, and which of its inputs is which.

    order  for each input of the path: ("argument", i) or ("closure", i)
    """

    path: Path
    order: tuple
    closures: int

    def __call__(self, closures, arguments) -> list:
        """Its outputs, for arrays."""
        given = {"closure": closures, "argument": arguments}
        return self.path.call(*(given[kind][i] for kind, i in self.order))


class _Recording:
    """Records the body of `name`, on a fresh tape, for arguments without numbers.

    What the body closes over and is not computed yet, or belongs to a transform outside, stands in as an argument
    too: the loop reads it where it is.
    """

    def __init__(self, name: str):
        self.name, self.level = name, new_level()
        self.blank = Failed(None, LOOKED.format(name=name))
        self.stand_ins: dict[int, tuple] = {}  # id -> (what it stands for, the Value that stands in)

    def __call__(self, f: Callable, specs: list, make) -> tuple[Body, list, object, list]:
        """(the body, the Values it closes over, the structure of its results, their Specs); `make` builds the arguments
        of `f` from a list of Tensors."""
        before = local.tape, local.body
        self.tape, local.body = fresh(), self
        try:
            with taking(self.name):
                arguments = [self._placeholder(s) for s in specs]
                flat, structure = flatten(f(*make([wrap(v) for v in arguments])))
                values = [self.own(_value(operand(t))) for t in flat]
                slots = tuple(self.tape.slot_of(v) for v in values)
            return (*self._body(arguments, slots), structure, [v.spec for v in values])
        finally:
            gone = Failed(None, f"this Tensor escaped from the body of {self.name}, which has no numbers of its own")
            for v in self.tape.pending.values():
                v.tape, v.home, v.graph, v.array = None, None, None, gone
            local.tape, local.body = before

    def _placeholder(self, s) -> Value:
        v = computed(self.blank, s.plain)
        self.tape.trace = child = input_step(self.tape.trace, v.spec)
        self.tape.inputs[v], self.tape.entered[child.first] = child.first, v
        return v

    def own(self, v):
        """`v`, or what stands in for it within the body."""
        if isinstance(v, Lifted):
            foreign = v.level < self.level
        else:
            foreign = hasattr(v, "spec") and not hasattr(v, "array") and v.tape is not self.tape
        if not foreign:
            return v
        found = self.stand_ins.get(id(v))
        if found is None:
            found = self.stand_ins[id(v)] = v, self._placeholder(v.spec)
        return found[1]

    def refuse(self):
        raise RuntimeError(LOOKED.format(name=self.name))

    def _body(self, arguments, slots):
        tape, path = self.tape, Path(self.tape.trace, slots)
        places = {id(v): i for i, v in enumerate(arguments)}
        meant = {id(stands): v for v, stands in self.stand_ins.values()}
        order, closures = [], []
        for slot in path.inputs:
            v = tape.entered[slot]
            if id(v) in places:
                order.append(("argument", places[id(v)]))
            else:
                order.append(("closure", len(closures)))
                closures.append(meant.get(id(v), v))
        for slot, dtype in path.scalars:
            order.append(("closure", len(closures)))
            closures.append(constant(np.asarray(tape.scalars[slot], dtype.np), dtype))
        return Body(path, tuple(order), len(closures)), closures


def _value(v):
    return v if hasattr(v, "spec") else constant(np.asarray(v, dtypes.scalar_dtype(v).np))


def _operator(name: str, forward) -> Op:
    op = Op(name, forward, jax_rule, "internal")
    backward_op(op).results = None  # a loop that cannot be reversed says so where a backward comes to it
    return op


def _record(op: Op, arrays: list, params: dict) -> list[Value]:
    with dtypes.x64():
        out = record(op, arrays, params)
    return list(out)


# ---- scan ---------------------------------------------------------------------------------------------


def _scan(*arrays, body: Body, carries: int, length: int, reverse: bool):
    closures = arrays[: body.closures]
    init, xs = arrays[body.closures : body.closures + carries], arrays[body.closures + carries :]

    def step(carry, x):
        out = body(closures, (*carry, *x))
        return tuple(out[:carries]), tuple(out[carries:])

    last, ys = lax.scan(step, tuple(init), tuple(xs), length=length, reverse=reverse)
    return (*last, *ys)


_SCAN = _operator("scan", _scan)


def scan(f: Callable, init, xs=None, length: int | None = None, reverse: bool = False):
    """(last carry, stacked ys) of `carry, y = f(carry, x)` over the first dimension of `xs`: a loop that is one
    operation, however long it is.

    init, xs  pytrees of Tensors; xs may be None with a `length`
    reverse   go from the last to the first

    Raises RuntimeError if the carry changes its structure, shape or dtype, and when the body looks at a number.

    >>> import funcgrad as torch
    >>> from funcgrad.func import scan
    >>> decay = torch.tensor(0.5, requires_grad=True)
    >>> last, all = scan(lambda c, x: (c * decay + x, c), torch.tensor(0.0), torch.ones(3))
    >>> last.backward()
    >>> last, decay.grad
    (tensor(1.7500, grad_fn=<ScanBackward0>), tensor(2.))
    """
    carry, carry_tree = _tensors("scan", init)
    over, over_tree = _tensors("scan", xs)
    if not over and length is None:
        raise ValueError("scan: give xs, or a length")
    length = over[0].spec.shape[0] if over else length
    if any(v.spec.shape[:1] != (length,) for v in over):
        raise ValueError(f"scan: every leaf of xs must have first dimension {length}")
    specs = [v.spec for v in carry] + [_one(v.spec) for v in over]

    def make(some):
        return unflatten(carry_tree, some[: len(carry)]), unflatten(over_tree, some[len(carry) :])

    trees: list = []

    def both(c, x):
        out = f(c, x)
        if not (isinstance(out, tuple) and len(out) == 2):
            raise RuntimeError("scan: the body must return a pair (carry, y)")
        trees.extend(flatten(part)[1] for part in out)
        return out

    body, closures, _, found = _Recording("scan")(both, specs, make)
    _same_carry("scan", carry_tree, trees[0], [v.spec for v in carry], found[: len(carry)])
    params = {"body": body, "carries": len(carry), "length": int(length), "reverse": bool(reverse)}
    out = [wrap(v) for v in _record(_SCAN, [*closures, *carry, *over], params)]
    return unflatten(carry_tree, out[: len(carry)]), unflatten(trees[1], out[len(carry) :])


def _tensors(name: str, tree):
    flat, structure = flatten(tree)
    return [_value(operand(t)) for t in flat], structure


def _one(s):
    return spec(s.shape[1:], s.dtype)


def _same_carry(name: str, before, after, specs, found) -> None:
    if before != after:
        raise RuntimeError(f"{name}: the carry must keep its structure; it was {before} and became {after}")
    for a, b in zip(specs, found, strict=True):
        if a.shape != b.shape or a.dtype is not b.dtype:
            raise RuntimeError(f"{name}: the carry must keep its shapes and dtypes; {a.plain} became {b.plain}")


# ---- cond ---------------------------------------------------------------------------------------------


def _cond(pred, *arrays, bodies: tuple):
    operands = arrays[sum(b.closures for b in bodies) :]
    branches, start = [], 0
    for b in bodies:
        branches.append(lambda closures, args, b=b: tuple(b(closures, args)))
        start += b.closures
    first = arrays[: bodies[0].closures]
    second = arrays[bodies[0].closures : start]
    return lax.cond(
        jnp.asarray(pred).astype(bool),
        lambda: branches[0](first, operands),
        lambda: branches[1](second, operands),
    )


_COND = _operator("cond", _cond)


def cond(pred, true_fn: Callable, false_fn: Callable, *operands):
    """`true_fn(*operands)` or `false_fn(*operands)`, whichever `pred`, a Tensor with one element, says when the program
    runs. Both must return the same structure, shapes and dtypes; only one is computed.

    >>> import funcgrad as torch
    >>> from funcgrad.func import cond
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> cond(x > 0, torch.log, torch.neg, x)
    tensor(0.6931, grad_fn=<CondBackward0>)
    """
    values, structure = _tensors("cond", operands)
    specs = [v.spec for v in values]
    parts = [_Recording("cond")(f, specs, lambda some: unflatten(structure, some)) for f in (true_fn, false_fn)]
    (first, closed, tree, found), (second, also, other, others) = parts
    if tree != other or [(s.shape, s.dtype) for s in found] != [(s.shape, s.dtype) for s in others]:
        raise RuntimeError(
            f"cond: both branches must return the same structure, shapes and dtypes; got {found} in {tree} and "
            f"{others} in {other}"
        )
    out = _record(_COND, [_value(operand(pred)), *closed, *also, *values], {"bodies": (first, second)})
    return unflatten(tree, [wrap(v) for v in out])


# ---- while_loop ---------------------------------------------------------------------------------------


def _while(*arrays, test: Body, body: Body):
    closures = arrays[: test.closures], arrays[test.closures : test.closures + body.closures]
    init = arrays[test.closures + body.closures :]
    return lax.while_loop(
        lambda carry: jnp.reshape(test(closures[0], carry)[0], ()).astype(bool),
        lambda carry: tuple(body(closures[1], carry)),
        tuple(init),
    )


_WHILE = _operator("while_loop", _while)


def while_loop(cond_fn: Callable, body_fn: Callable, init):
    """`while cond_fn(carry): carry = body_fn(carry)`, from `init`, a pytree of Tensors: as many rounds as the numbers
    say when the program runs.

    Forward mode goes through it; a backward raises ValueError (JAX's), because how many rounds to keep is not known.

    >>> import funcgrad as torch
    >>> from funcgrad.func import while_loop
    >>> while_loop(lambda x: x < 100, lambda x: x * 3, torch.tensor(2.0))
    tensor(162.)
    """
    values, structure = _tensors("while_loop", init)
    specs = [v.spec for v in values]

    def make(some):
        return (unflatten(structure, some),)

    test, closed, _, _ = _Recording("while_loop")(cond_fn, specs, make)
    body, also, after, found = _Recording("while_loop")(body_fn, specs, make)
    _same_carry("while_loop", structure, after, specs, found)
    out = _record(_WHILE, [*closed, *also, *values], {"test": test, "body": body})
    return unflatten(structure, [wrap(v) for v in out])
