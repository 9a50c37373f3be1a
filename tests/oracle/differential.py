"""One program run by PyTorch and by funcgrad, everything both show compared, and a disagreement made small.

PyTorch runs a program twice. Once as it is; and once with every saved tensor cloned when it is saved, so that
nothing written later can touch it: that is what a program means here, where values never change. Where PyTorch
itself refuses ("modified by an inplace operation"), the second run has the gradient of the program that writes out
of place. Knows both modules and the tape's doors for holding a value without reading it.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from dataclasses import dataclass, field, replace

import jax
import numpy as np
import torch
from programs import Program, atomic, sound
from rows import QUICK

import funcgrad
import funcgrad.nn.functional
from funcgrad.tape import force, limit
from funcgrad.tape.reasons import RecompileWarning
from funcgrad.tape.tape import fresh
from funcgrad.tape.trace import _roots
from funcgrad.tensor.tensor import seen

MODIFIED = "modified by an inplace operation"
NAMES = re.compile(r"\b[a-z]\d*\b")


@dataclass
class Shown:
    """What a statement did, as far as anybody can see."""

    error: tuple | None = None
    warned: list = field(default_factory=list)
    states: dict = field(default_factory=dict)  # name -> the fields of STATE
    values: dict = field(default_factory=dict)  # name -> something held, to be read at the end
    log: list = field(default_factory=list)  # (hook, something held)


class Torch:
    """PyTorch, for `run`."""

    module, Tensor = torch, torch.Tensor

    def __init__(self, cloned: bool):
        self.cloned = cloned

    def region(self):
        if self.cloned:
            return torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t)
        return contextlib.nullcontext()

    def before(self, step: str, space: dict) -> None:
        """Let PyTorch make the history of stale views anew; it crashes if `register_hook` is the first to ask."""
        for name in NAMES.findall(step):
            if isinstance(space.get(name), torch.Tensor):
                sound(space[name])

    def hold(self, t):
        return t.detach().clone()

    def read(self, held):
        return held.resolve_conj().numpy()


class Funcgrad:
    """funcgrad, for `run`: a Value never changes, so holding it is a snapshot, and all are computed at once."""

    module, Tensor = funcgrad, funcgrad.Tensor

    def region(self):
        return contextlib.nullcontext()

    def before(self, step: str, space: dict) -> None:
        pass

    def hold(self, t):
        return seen(t)

    def read(self, held):
        return np.asarray(force(held))


def run(program: Program, side) -> list[Shown]:
    """What every statement shows, and after the last one everything there is; values as arrays."""
    log: list = []
    space = {"torch": side.module, "data": program.data, "np": np, "log": lambda n, g: log.append((n, None if g is None else side.hold(g)))}
    shown, before = [], torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with side.region(), atomic(space, side.module):
            for k, step in enumerate(program.steps):
                made, log[:] = Shown(), []
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    warnings.simplefilter("ignore", RecompileWarning)
                    try:
                        side.before(step, space)
                        exec(compile(step, f"<step {k}>", "exec"), space)
                    except Exception as error:
                        made.error = type(error).__name__, sentence(error)
                made.warned = [(w.category.__name__, sentence(w.message)) for w in caught]
                made.log = list(log)
                last = k == len(program.steps) - 1
                named = list(space) if program.watchful or last else NAMES.findall(step)
                observe(made, space, dict.fromkeys(named), side, program.watchful or last)
                shown.append(made)
            for made in shown:
                made.values = {n: side.read(v.held) if isinstance(v, Held) else v for n, v in made.values.items()}
                made.log = [(n, None if held is None else side.read(held)) for n, held in made.log]
    finally:
        torch.set_warn_always(before)
        if side.module is torch:
            torch.set_grad_enabled(True)
        else:
            funcgrad.set_grad_enabled(True)
    return shown


@dataclass
class Held:
    held: object


def sentence(message) -> str:
    """The first sentence of a message, without what differs from one process to the next."""
    text = str(message).strip().split("\n")[0].split(" (Triggered internally")[0]
    return re.sub(r"0x[0-9a-f]+", "0x", re.split(r"(?<=[a-z)\]])\. ", text)[0])[:160]


def observe(made: Shown, space: dict, names, side, values: bool) -> None:
    for name in names:
        t = space.get(name)
        if not isinstance(t, side.Tensor):
            if isinstance(t, float | int | list | np.ndarray) and name != "data":
                made.values[name] = np.asarray(t)
            continue
        made.states[name] = state(t, space)
        if values:
            made.values[name] = Held(side.hold(t))
            if asked(lambda t, _: t.is_leaf or t.retains_grad, t, None) is True:
                g = t.grad
                made.states[f"{name}.grad"] = None if g is None else (tuple(g.shape), str(g.dtype), g.requires_grad)
                if g is not None:
                    made.values[f"{name}.grad"] = Held(side.hold(g))


def state(t, space: dict) -> tuple:
    return tuple(asked(ask, t, space) for ask in STATE.values())


def asked(ask, t, space):
    try:
        return ask(t, space)
    except RuntimeError as error:
        return sentence(error)


def base_name(t, space) -> str | None:
    base = t._base
    return None if base is None else next((n for n, u in space.items() if u is base), None)


STATE = {
    "shape": lambda t, space: tuple(t.shape),
    "dtype": lambda t, space: str(t.dtype),
    "requires_grad": lambda t, space: t.requires_grad,
    "is_leaf": lambda t, space: t.is_leaf,
    "grad_fn": lambda t, space: t.grad_fn and t.grad_fn.name(),
    "retains_grad": lambda t, space: t.retains_grad,
    "version": lambda t, space: t._version,
    "is_view": lambda t, space: t._is_view(),
    "base": base_name,
}


# ---- comparing ----------------------------------------------------------------------------------------------


MEMORY = ("grad_fn", "version", "is_view", "base")


class Parted(Exception):
    """Two runs differ in whether a derivative that is zero everywhere says that it requires grad. From here on they may
    differ in everything."""


@dataclass
class Disagreement:
    """Where two runs first differ. `kind` names the field, for a shrinker to hold on to."""

    step: int
    kind: str
    text: str


def compare(theirs: list[Shown], ours: list[Shown], borrowed=frozenset()) -> Disagreement | None:
    """The first difference between what two runs show; not in whose memory the `borrowed` names are."""
    numbers = [np.abs(a[np.isfinite(a)]).max(initial=0) for s in theirs for _, a in parts(s) if a is not None and a.dtype.kind in "fc"]
    largest = max([1.0, *numbers])
    single = any(a is not None and a.dtype in (np.float32, np.complex64) for s in theirs for _, a in parts(s))
    near = (2e-4 if single else 1e-8) * largest
    for k, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        if a.error != b.error:
            return Disagreement(k, f"error {a.error and a.error[0]} {b.error and b.error[0]}", f"raised {b.error}, not {a.error}")
        if a.error:  # what ran before it failed is not compared
            a.log = b.log = a.warned = b.warned = []
        if a.warned != b.warned:
            return Disagreement(k, "warning", f"warned {b.warned}, not {a.warned}")
        ran, should = order(b.log), order(a.log)
        if ran != should:
            return Disagreement(k, "hooks", f"hooks ran {ran}, not {should}")
        for name in sorted(a.states.keys() | b.states.keys()):
            x, y = a.states.get(name), b.states.get(name)
            if x != y:
                if x is None or y is None or name.endswith(".grad"):
                    return Disagreement(k, "presence", f"{name} is {y}, not {x}")
                which = next((i for i in range(len(x)) if x[i] != y[i] and not (name in borrowed and list(STATE)[i] in MEMORY)), None)
                if which is None:
                    continue
                if name in borrowed and list(STATE)[which] == "requires_grad":
                    raise Parted
                return Disagreement(k, list(STATE)[which], f"{name}.{list(STATE)[which]} is {y[which]!r}, not {x[which]!r}")
        for (name, x), (_, y) in zip(parts(a), parts(b), strict=True):
            if (x is None) != (y is None) or (x is not None and not same(x, y, near)):
                return Disagreement(k, "value" if "." not in name else "grad", f"{name} is\n{y}\nnot\n{x}")
    return None


def order(log: list) -> tuple[list, list]:
    """The order of hooks among themselves. Those of leaves come last here, by leaf."""
    names = [n for n, _ in log]
    return [n for n in names if "leaf" not in n], sorted(n for n in names if "leaf" in n)


def parts(s: Shown) -> list:
    """(what, array) for all numbers of a statement, in one order."""
    return sorted(s.values.items()) + sorted(((f"what {n}. saw", a) for n, a in s.log), key=lambda p: p[0])


def same(x: np.ndarray, y: np.ndarray, near: float) -> bool:
    if x.shape != y.shape:
        return False
    return bool(np.allclose(y, x, rtol=0, atol=near, equal_nan=True)) if x.dtype.kind in "fc" else bool((x == y).all())


@dataclass
class Verdict:
    """What came of one program.

    refused   statements at which PyTorch says that a saved value was modified
    silent    PyTorch's own two runs differ without its saying so: a write that its versions do not see
    unstable  the disagreement is one of rounding: PyTorch's own result jumps when its numbers move a little
    varied    it came when the program ran again with other numbers
    parted    not compared to its end (see `Parted`)
    """

    wrong: Disagreement | None = None
    refused: int = 0
    silent: bool = False
    unstable: bool = False
    varied: bool = False
    parted: bool = False


def judge(program: Program) -> Verdict:
    """Run a program everywhere: in funcgrad twice, the second time with other numbers on the path of the first."""
    verdict = Verdict()
    forget()
    for varied in (False, True):
        here = program.varied() if varied else program
        plain, theirs = run(here, Torch(False)), run(here, Torch(True))
        refused = [k for k, s in enumerate(plain) if s.error and MODIFIED in s.error[1]]
        verdict.refused += len(refused)
        difference = None if refused else compare(theirs, plain)
        verdict.silent = verdict.silent or difference is not None
        try:
            verdict.wrong = compare(theirs, run(here, Funcgrad()), program.borrowed)
        except Parted:
            verdict.parted = True
            return verdict
        if verdict.wrong is not None:
            verdict.varied = varied
            verdict.unstable = verdict.wrong.kind in ("value", "grad") and jumps(here, theirs)
            return verdict
    return verdict


def forget() -> None:
    """Begin with an empty tape and trie."""
    limit(limit(0))
    _roots.clear()
    fresh()


@contextlib.contextmanager
def cheap():
    """Have XLA compile fast instead of well: these programs run once or twice. Measured on programs of 150 operations:
    392 ms to compile without, 99 ms with it."""
    plain = jax.stages.Lowered.compile

    def compile(self, compiler_options=None, **kwargs):
        return plain(self, {**QUICK, **(compiler_options or {})}, **kwargs)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    jax.stages.Lowered.compile = compile
    try:
        yield
    finally:
        jax.stages.Lowered.compile = plain
        torch.set_num_threads(threads)


def report(program: Program, verdict: Verdict) -> str:
    """The disagreement, and the shortest program found that has it."""
    small = shrink(program, verdict.wrong.kind)
    found = judge(small)
    wrong = found.wrong or verdict.wrong
    again = " when run again with other numbers" if found.varied else ""
    return f"{wrong.text}{again}, after statement {wrong.step} of\n\n{small.listing()}\n"


def jumps(program: Program, theirs: list[Shown]) -> bool:
    """Whether PyTorch's result is that of rounding: moved inputs give something else altogether."""
    for sign in (1, -1):
        data = [a if a.dtype.kind in "ib" else a * (1 + sign * 1e-6) + sign * 1e-7 * np.arange(a.size).reshape(a.shape) for a in program.data]
        moved = run(replace(program, data=data), Torch(True))
        for s, m in zip(theirs, moved, strict=True):
            for (_, x), (_, y) in zip(parts(s), parts(m), strict=False):
                if x is not None and y is not None and x.dtype.kind in "fc" and not same(x, y, 1e-2 * max(1.0, float(np.abs(x).max(initial=0)))):
                    return True
    return False


def shrink(program: Program, kind: str) -> Program:
    """The program with every statement dropped that the disagreement of this kind does not need."""

    def disagrees(p: Program) -> bool:
        try:
            wrong = judge(p).wrong
        except Exception:
            return False
        return wrong is not None and wrong.kind == kind

    size = max(1, len(program.steps) // 2)
    while True:
        k = len(program.steps) - size
        while k > -size:
            shorter = program.without(max(k, 0), k + size)
            if shorter.steps and disagrees(shorter):
                program = shorter
            k -= size
        if size == 1:
            return program
        size = max(1, size // 2)
