"""Random programs that PyTorch and funcgrad both understand: what they may contain, and how one is drawn.

A program is a list of statements over tensors of a few elements, with its numbers beside it, so that it can be
printed, run with other numbers, and shortened. It is drawn statement by statement while PyTorch runs it: what
PyTorch knows of its tensors says what may come next. Knows PyTorch; must not know funcgrad.
"""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from phrases import Again
from statements import KINDS

SHAPES = [(), (1,), (3,), (2,), (2, 3), (2, 3), (2, 3), (3, 2), (3, 3), (1, 3), (2, 1), (2, 2, 3)]
NUMEL = 48  # no tensor is larger
LARGEST = 1e3  # nor any number in it
# what is worth meeting again and again; other errors (a shape that does not fit) are drawn anew
TELLING = (
    "leaf", "view", "inplace", "in-place", "grad", "hook", "backward", "out=", "memory location", "detach", "second time",
    "result type", "doesn't match the broadcast", "version", "resize",
)  # fmt: skip
# PyTorch refuses to write to a tensor what is read from the same memory; here what is read stays what it was
PARTIAL = "some elements of the input tensor and the written-to tensor refer to a single memory location"


@dataclass
class Program:
    """Statements, and the numbers `data[i]` that they read.

    watchful  everything is compared after every statement, not only what the statement names
    borrowed  names of gradients: whose memory PyTorch hands out is its own affair
    """

    seed: int
    data: list[np.ndarray] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    watchful: bool = False
    borrowed: set[str] = field(default_factory=set)

    def listing(self, module: str = "torch") -> str:
        """The program as a file to run."""
        head = [f"# seed {self.seed}", "import numpy as np", f"import {module}{' as torch' * (module != 'torch')}", ""]
        head.append("log = lambda name, g: print(name, g)")
        used = [i for i in range(len(self.data)) if any(f"data[{i}]" in s for s in self.steps)]
        head += [f"data = {{{', '.join(f'{i}: np.array({self.data[i].tolist()!r})' for i in used)}}}"] if used else []
        return "\n".join([*head, *self.steps])

    def without(self, start: int, stop: int) -> Program:
        return replace(self, steps=self.steps[:start] + self.steps[stop:])

    def varied(self) -> Program:
        """The same statements on other numbers."""
        data = [a if a.dtype.kind in "ib" else a * 0.75 - 0.125 for a in self.data]
        return replace(self, data=data)


def draw(seed: int, length: int = 26) -> Program:
    """The program of a seed."""
    return Writer(seed).write(length)


def sound(t) -> bool:
    """Whether PyTorch lets the history of `t` be read: not that of one output of several whose memory was written to."""
    try:
        return t.is_leaf in (True, False)
    except RuntimeError:
        return False


def _log(name, g):
    return None


@contextmanager
def atomic(space: dict, module=torch):
    """Inside, a backward that fails leaves every `.grad` as it was: PyTorch has filled some by then."""
    plain, Tensor = module.autograd.backward, module.Tensor
    method = Tensor.backward

    def guarded(run):
        def backward(*args, **kwargs):
            old = [(t, t.grad, None if t.grad is None else t.grad.detach().clone()) for t in space.values()
                   if isinstance(t, Tensor) and sound(t) and (t.is_leaf or t.retains_grad)]  # fmt: skip
            try:
                return run(*args, **kwargs)
            except Exception:
                for t, g, numbers in old:
                    if g is not None and module is torch:
                        g.data.copy_(numbers)
                    t.grad = g
                raise

        return backward

    module.autograd.backward, Tensor.backward = guarded(plain), guarded(method)
    try:
        yield
    finally:
        module.autograd.backward, Tensor.backward = plain, method


class Writer:
    """Draws one program. `space` holds its tensors as PyTorch has them now."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng([seed, 2026])
        self.program = Program(seed, watchful=bool(self.rng.random() < 0.5))
        self.space: dict = {"torch": torch, "data": self.program.data, "log": _log}
        self.made = self.hooks = self.errors = 0
        self.hook_names: list[str] = []
        self.watched: set[str] = set()  # leaves with a hook, which here needs the name of its leaf
        # a program has some of the kinds often and others never, so that kinds meet more than they would evenly mixed
        rate = {k: w * self.rng.choice([0, 0.5, 1, 1, 3]) for k, w in KINDS.items()}
        total = sum(rate.values())
        self.kinds, self.odds = list(rate), [w / total for w in rate.values()]
        self.complex = self.rng.random() < 0.2
        self.narrow = self.rng.random() < 0.3  # float32 among the leaves

    # ---- choosing ----

    def one(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def tensors(self, fits=lambda t: True) -> list[str]:
        return [n for n, t in self.space.items() if isinstance(t, torch.Tensor) and sound(t) and fits(t)]

    def pick(self, fits=lambda t: t.is_floating_point(), owned: bool = False) -> str:
        """The name of a tensor, a recent one rather; raises Again if there is none."""
        names = [n for n in self.tensors(fits) if not (owned and n in self.program.borrowed)]
        if not names:
            raise Again
        recent = names[-3:]
        return self.one(recent if self.chance(0.4) else names)

    def look(self, text: str):
        """What an expression is now, in PyTorch; raises Again if it is nothing."""
        try:
            with torch.no_grad():
                return eval(text, self.space)
        except (IndexError, RuntimeError):
            raise Again from None

    def dim(self, t) -> int:
        return int(self.rng.integers(-max(t.ndim, 1), max(t.ndim, 1)))

    def partner(self, text: str, fits=lambda t: t.is_floating_point(), into: bool = False) -> str:
        """A tensor that broadcasts with `text` (`into`: to its shape)."""
        shape = self.look(text).shape

        def meets(t):
            if not fits(t):
                return False
            try:
                return torch.broadcast_shapes(t.shape, shape) == shape or not into
            except RuntimeError:
                return False

        names = self.tensors(meets)
        return self.one(names) if names else text

    def source(self, place: str, fits=lambda t: t.is_floating_point()) -> str:
        """A tensor to write to `place`: a clone if it shares its memory, which PyTorch would read while it writes."""
        y = self.partner(place, fits, into=True)
        a, b = self.look(place), self.look(y)
        apart = a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr()
        same = (a.data_ptr(), a.shape, a.stride()) == (b.data_ptr(), b.shape, b.stride())
        return y if apart or same else f"{y}.clone()"

    def name(self) -> str:
        self.made += 1
        return f"{'abcdefghijklmnopqrstuvwxyz'[(self.made - 1) % 26]}{'' if self.made <= 26 else (self.made - 1) // 26}"

    def number(self) -> str:
        return self.one(["0.5", "2", "-1.5", "3.0", "0.25", "-1"])

    def leaf(self) -> str:
        kind = "c" if self.complex and self.chance(0.4) else "f"
        shape = self.one(SHAPES)
        a = self.rng.integers(-16, 17, shape) / 8
        if kind == "c":
            a = a + 1j * self.rng.integers(-16, 17, shape) / 8
        dtype = "complex128" if kind == "c" else "float32" if self.narrow and self.chance(0.4) else "float64"
        wants = ", requires_grad=True" if self.chance(0.7) else ""
        self.program.data.append(np.asarray(a))
        return f"{self.name()} = torch.tensor(data[{len(self.program.data) - 1}], dtype=torch.{dtype}{wants})"

    # ---- writing ----

    def write(self, length: int) -> Program:
        cloned = torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t)
        with warnings.catch_warnings(), cloned, atomic(self.space):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", ".*expanded tensors is deprecated")
            for _ in range(2):
                self.run(self.leaf())
            tries = 0
            while len(self.program.steps) < length and tries < 20 * length:
                tries += 1
                try:
                    self.run(self.one_kind()(self))
                except Again:
                    continue
            self.finish()
        return self.program

    def one_kind(self):
        return self.kinds[int(self.rng.choice(len(self.kinds), p=self.odds))]

    def finish(self) -> None:
        """One backward from everything that wants a gradient."""
        names = self.tensors(lambda t: t.requires_grad and not t.is_inference())
        terms = [f"{n}.{'real.' * self.space[n].is_complex()}sum()" for n in names]
        if terms:
            self.program.steps.append(f"({' + '.join(terms)}).backward()")

    def run(self, step: str) -> None:
        """Take `step` into the program if it does what a program should."""
        before = dict(self.space)
        try:
            exec(step, self.space)
        except Exception as error:
            if PARTIAL in str(error):
                raise Again from None
            if "second time" in str(error) and "inputs=" in step:
                raise Again from None  # it goes through what made the inputs, which nobody needs
            telling = any(word in str(error) for word in TELLING)
            if "\n" not in step and not (telling and self.errors < 5 and self.chance(0.7)):
                raise Again from None
            self.errors += 1
        made = [n for n, t in self.space.items() if n not in before or before[n] is not t]
        if "\n" not in step and any(not self.tame(self.space[n]) for n in made):
            for n in made:
                self.space.pop(n)
            raise Again
        self.program.steps.append(step)
        if "autograd.grad(" in step:
            self.program.borrowed.update(re.findall(r"\w+", step.split(" = ")[0]))
        self.borrow(made)
        live = self.tensors()
        old = [n for n in live[:-2] if n not in self.watched]
        if len(live) > 9 and old:
            gone = self.one(old)
            self.space.pop(gone)
            self.program.steps.append(f"del {gone}")

    def borrow(self, made: list[str]) -> None:
        """Note which of the new names share the memory of a gradient."""
        grads = [t.grad for t in self.space.values() if isinstance(t, torch.Tensor) and sound(t)]
        theirs = [*grads, *(self.space.get(n) for n in self.program.borrowed)]
        memory = {t.untyped_storage().data_ptr() for t in theirs if isinstance(t, torch.Tensor)}
        for n in made:
            t = self.space[n]
            if isinstance(t, torch.Tensor) and t.untyped_storage().data_ptr() in memory:
                self.program.borrowed.add(n)

    def tame(self, t) -> bool:
        if not isinstance(t, torch.Tensor):
            return True
        if t.numel() > NUMEL or t.ndim > 4:
            return False
        t = t.detach()
        if not (t.is_floating_point() or t.is_complex()):
            return True
        return bool(t.isfinite().all()) and not bool((t.abs() > LARGEST).any())
