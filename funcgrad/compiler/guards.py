"""What a recorded function relies on and Python may have changed since: looked at before each replay.

A guard is a place and the object that was there: a name of a namespace, an attribute, an element, a closure's cell.
Objects are compared by identity, in loops that run in C, so that a hundred guards cost three microseconds. Which
names matter is read from the function's bytecode and from that of the functions it calls; of a Module, its training
mode, its members and the attributes that its `forward` names. Knows nothing of the tape.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from operator import attrgetter, getitem, is_

from ..nn.module import Module
from ..optim import Optimizer
from ..tensor import Tensor
from ..utils.hooks import Hooks

MANY = 20_000  # guards of one function
DEEP = 1000  # elements of a list or dict that are looked at
_content = attrgetter("cell_contents")
_FOREIGN = frozenset({"funcgrad", "jax", "jaxlib", "numpy", "builtins", *sys.stdlib_module_names}) - {"__main__"}
_IN_C = frozenset({"array", "cmath", "decimal", "fractions", "math", "numpy", "scipy", "statistics", "struct"})
_LOADS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")


@functools.lru_cache(maxsize=4096)
def names(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """(the global names, the attributes) that some code reads, and the code within it."""
    found: tuple[set, set] = set(), set()
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found[0].add(i.argval)
        elif i.opname.startswith(_LOADS):
            found[1].add(i.argval)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            for mine, inner in zip(found, names(const), strict=True):
                mine |= inner
    return frozenset(found[0]), frozenset(found[1])


@functools.lru_cache(maxsize=1024)
def _forward_names(cls: type) -> frozenset[str]:
    """The attributes that the `forward` of a Module reads, also in the methods that it calls."""
    found, todo = set(), ["forward"]
    while todo:
        f = getattr(cls, todo.pop(), None)
        code = getattr(f, "__code__", None)
        if code is not None:
            new = names(code)[1] - found
            found |= new
            todo += new
    return frozenset(found)


def _root(x) -> str:
    """The package that something is of."""
    return str(getattr(x, "__module__", None) or getattr(x, "__name__", "")).split(".")[0]


def _is_foreign(x) -> bool:
    """Of a package whose own state is none of the user's."""
    return _root(x) in _FOREIGN


class TooMuch(Exception):
    """There is more to look at than a replay would save."""


class Guards:
    """Places and what was there. Filled while a function is recorded; then asked before each replay."""

    def __init__(self):
        self.holders, self.keys, self.objects = [], [], []
        self.cells, self.contents = [], []
        self.sized, self.lengths = [], []
        self._seen: dict[int, object] = {}
        self._attributes: set[str] = set()
        self._instances: list = []
        self._optimizers: list[Optimizer] = []
        self._hooks: list[Hooks] = []
        self._hooks_changed = Hooks.changes[0]

    def hold(self, holder, key) -> None:
        """`holder[key]` is to stay the object that it is."""
        if len(self.holders) >= MANY:
            raise TooMuch(f"more than {MANY} objects are within its reach")
        self.holders.append(holder)
        self.keys.append(key)
        self.objects.append(holder[key])

    def _length(self, sized) -> None:
        self.sized.append(sized)
        self.lengths.append(len(sized))

    def names_c(self) -> bool:
        """Whether some of it is of a package that reads a float without asking it."""
        return any(_root(x) in _IN_C for x in (*self.objects, *self.contents))

    def keep(self) -> bool:
        """Whether everything is as it was."""
        try:
            return (
                all(map(is_, map(getitem, self.holders, self.keys), self.objects))
                and all(map(is_, map(_content, self.cells), self.contents))
                and list(map(len, self.sized)) == self.lengths
                and (Hooks.changes[0] == self._hooks_changed or self._same_hooks())
            )
        except (LookupError, ValueError):
            return False

    def _same_hooks(self) -> bool:
        """Some hooks came or went: whether none of these did."""
        same = max([h.changed for h in self._hooks], default=0) <= self._hooks_changed
        self._hooks_changed = Hooks.changes[0] if same else self._hooks_changed
        return same

    def changed(self) -> str | None:
        """The first thing that is not as it was, in words."""
        for holder, key, was in zip(self.holders, self.keys, self.objects, strict=True):
            try:
                now = holder[key]
            except LookupError:
                return f"{_shown(key)} is gone"
            if now is not was:
                return f"{_shown(key)} is {_shown(now)}, was {_shown(was)}"
        for cell, was in zip(self.cells, self.contents, strict=True):
            if not _full(cell) or cell.cell_contents is not was:
                return f"a variable it closes over was {_shown(was)} and is another object now"
        for sized, was in zip(self.sized, self.lengths, strict=True):
            if len(sized) != was:
                return f"something that had {was} members has {len(sized)}"
        return None if self._same_hooks() else "a module has other hooks"

    # ---- what is guarded ----

    def function(self, f) -> None:
        """All that `f` reaches by its names and by what it closes over."""
        self._visit(f)
        done: set = set()
        while True:  # an attribute's name may be learnt after the object was met
            todo = [(x, name) for x in self._instances for name in self._attributes
                    if name in vars(x) and (id(x), name) not in done]  # fmt: skip
            if not todo:
                return
            for x, name in todo:
                done.add((id(x), name))
                self.hold(vars(x), name)
                self._visit(vars(x)[name])

    def module(self, module: Module) -> None:
        """The members of a Module and of those below it, their mode and what their `forward` names."""
        for m in module.modules():
            if self._met(m):
                continue
            have = vars(m)
            for members in (m._parameters, m._buffers, m._modules):
                self._length(members)
                for name in members:
                    self.hold(members, name)
            self._hooks += (m._forward_pre_hooks, m._forward_hooks, m._backward_pre_hooks, m._backward_hooks)
            self.hold(have, "training")
            for name in _forward_names(type(m)) & have.keys() - {"training"}:
                self.hold(have, name)
                self._visit(have[name])

    def optimizer(self, optimizer: Optimizer) -> None:
        """The parameters of an optimiser and the Tensors of its state, as they are at the end of the recording."""
        if not self._met(optimizer):
            self._optimizers.append(optimizer)

    def recorded(self) -> None:
        """The function has run."""
        for optimizer in self._optimizers:
            have = vars(optimizer)
            self.hold(have, "state")
            self._length(optimizer.state)
            self.hold(have, "param_groups")
            self._visit(optimizer.param_groups, deep=False)
            for group in optimizer.param_groups:
                self.hold(group, "params")
                self._visit(group["params"], deep=False)
            for state in optimizer.state.values():
                self._visit(state, deep=False)

    def _met(self, x) -> bool:
        met = id(x) in self._seen
        self._seen[id(x)] = x
        return met

    def _visit(self, x, deep: bool = True) -> None:
        if isinstance(x, Tensor | str | bytes | int | float | complex | type(None)) or self._seen.get(id(x)) is x:
            return
        if isinstance(x, Module):
            self.module(x)
        elif isinstance(x, Optimizer):
            self.optimizer(x)
        elif isinstance(x, list | tuple | dict):
            self._elements(x, deep)
        elif not deep:
            return
        elif isinstance(x, types.MethodType):
            self._visit(x.__self__)
            self._visit(x.__func__)
        elif isinstance(x, functools.partial):
            for part in (x.func, x.args, x.keywords):
                self._visit(part)
        elif _is_foreign(x) or isinstance(x, type):
            return
        elif isinstance(x, types.FunctionType):
            self._code(x)
        elif hasattr(x, "__dict__") and not self._met(x):
            self._instances.append(x)
            self._visit(vars(type(x)).get("__call__"))

    def _elements(self, x, deep: bool) -> None:
        self._met(x)
        if not isinstance(x, tuple):
            self._length(x)
        for key in list(x)[:DEEP] if isinstance(x, dict) else range(min(len(x), DEEP)):
            self.hold(x, key)
            if deep:
                self._visit(x[key])

    def _code(self, f) -> None:
        self._met(f)
        names_, attributes = names(f.__code__)
        self._attributes |= attributes
        for name in names_:
            if name in f.__globals__:
                self.hold(f.__globals__, name)
                self._visit(f.__globals__[name])
        for cell in f.__closure__ or ():
            if _full(cell):
                self.cells.append(cell)
                self.contents.append(cell.cell_contents)
                self._visit(cell.cell_contents)
        for name in attributes:  # a method of the class whose code this is
            cls = _class_of(f)
            if cls is not None and isinstance(vars(cls).get(name), types.FunctionType):
                self._visit(vars(cls)[name])
        if hasattr(f, "__wrapped__"):
            self._visit(f.__wrapped__)


def _class_of(f) -> type | None:
    """The class in whose body a function was written, where its module has it by that name."""
    scope, _, _ = f.__qualname__.rpartition(".")
    found = f.__globals__.get(scope)
    return found if isinstance(found, type) else None


def _full(cell) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _shown(x) -> str:
    if isinstance(x, Tensor):
        return f"another Tensor of shape {list(x.shape)}"
    return repr(x) if isinstance(x, str | int | float | bool | None) else f"a {type(x).__name__}"
