"""Float arguments of a recorded function, known again where they reach an operation: those are inputs of a replay.

A float that is another one each call would be a recording each call. So from the second on it is handed in as a
`Given`, which remembers through Python's arithmetic how it came about. Whatever else Python does with it (comparing,
printing, hashing, keeping it) may decide what is recorded, or would not happen at a replay: then it has been `looked`
at, and is part of what a recording is for. C code reads a float without asking it; what such code made of one differs
from the recording before, and functions that name `math` or NumPy are taken for having looked (see `guards`).
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Sequence

import numpy as np

from ..tape.trace import same_number
from ..tensor import Tensor


class Anything:
    """Equal to whatever float comes."""

    def __eq__(self, other) -> bool:
        return True

    __hash__ = None

    def __repr__(self) -> str:
        return "any float"


ANY = Anything()


class Floats:
    """The float arguments of one recording.

    values  of this call
    handed  which of them are handed in as a Given
    looked  whether something was done with one that a replay could not do
    """

    def __init__(self, values: Sequence[float], handed: frozenset[int] = frozenset()):
        self.values, self.handed, self.looked = tuple(values), handed, False
        self._made: list[weakref.ref] = []
        self._met: dict[int, tuple] = {}

    def arguments(self) -> list[float]:
        return [
            Given(x, operator.itemgetter(i), self) if i in self.handed else x for i, x in enumerate(self.values)
        ]

    def scalar(self, x):
        """What an operation takes for the number `x`."""
        if x.__class__ is not Given or x.recording is not self:
            return x
        plain = float.__pos__(x)  # an object of its own, known again by that
        self._met[id(plain)] = (plain, x.of)
        return plain

    def links(self, tape) -> dict[int, tuple]:
        """slot -> (step, number of the scalar, its value as a function of `values`), of scalars that came from one."""
        found = {}
        for t in tape.trace.steps() if self._met else ():
            for i, slot in enumerate(t.scalar_slots):
                met = self._met.get(id(tape.scalars.get(slot)))
                if met is not None:
                    found[slot] = (t, i, met[1])
        return found

    def kept(self) -> bool:
        """Whether somebody still holds one, or what was computed of one."""
        return any(ref() is not None for ref in self._made)

    def pattern(self) -> tuple:
        """The floats that the recording is for, if those handed in were inputs alone."""
        return tuple([ANY if i in self.handed else x for i, x in enumerate(self.values)])


def same_but_for(links: dict, tape, before) -> bool:
    """Whether two recordings took the same path with the same numbers, but for those at `links`."""
    return tape.trace is before.trace and all(
        slot in links or same_number(x, before.scalars[slot]) for slot, x in tape.scalars.items()
    )


def same_constants(others: list, before: list) -> bool:
    """The same of what else the programs take (see `Variant.others`)."""
    return len(others) == len(before) and all(
        kind == was and (kind != "constant" or np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"))
        for (kind, x), (was, y) in zip(others, before, strict=True)
    )


class Given(float):
    """A float argument, or what Python's arithmetic made of such.

    of         its value, as a function of the floats of a call
    recording  whose it is
    """

    __slots__ = ("__weakref__", "of", "recording")

    def __new__(cls, value: float, of: Callable, recording: Floats):
        self = super().__new__(cls, value)
        self.of, self.recording = of, recording
        recording._made.append(weakref.ref(self))
        return self

    def __reduce_ex__(self, protocol):
        return float, (float.__pos__(self),)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __copy__(self):
        self.recording.looked = True
        return float.__pos__(self)


def plain(x):
    """`x`, as the float that it is if it is a Given."""
    return float.__pos__(x) if x.__class__ is Given else x


def _arithmetic(compute: Callable, swapped: bool) -> Callable:
    def method(self, other):
        if isinstance(other, Tensor):
            return NotImplemented  # which goes on with `scalar`
        pair = (plain(other), plain(self)) if swapped else (plain(self), plain(other))
        of = self.of, (other.of if other.__class__ is Given else None)
        if other.__class__ not in (Given, int, float, bool):
            self.recording.looked = True
            return compute(*pair)
        try:
            made = compute(*pair)
        except ArithmeticError:
            self.recording.looked = True
            raise
        if made.__class__ is not float:
            self.recording.looked = True
            return made
        mine, theirs = of[0], of[1] or (lambda _: other)
        first, second = (theirs, mine) if swapped else (mine, theirs)
        return Given(made, lambda floats: compute(first(floats), second(floats)), self.recording)

    return method


def _alone(compute: Callable) -> Callable:
    def method(self):
        mine = self.of
        return Given(compute(plain(self)), lambda floats: compute(mine(floats)), self.recording)

    return method


def _looking(name: str) -> Callable:
    of_float = getattr(float, name)

    def method(self, *args):
        self.recording.looked = True
        return of_float(plain(self), *map(plain, args))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Given, f"__{_name}__", _arithmetic(getattr(operator, _name), False))
    setattr(Given, f"__r{_name}__", _arithmetic(getattr(operator, _name), True))
for _name in ("neg", "pos", "abs"):
    setattr(Given, f"__{_name}__", _alone(getattr(operator, _name)))
for _name in (
    "__bool__ __ceil__ __divmod__ __eq__ __float__ __floor__ __format__ __ge__ __gt__ __hash__ __int__ __le__ __lt__ "
    "__ne__ __rdivmod__ __repr__ __round__ __str__ __trunc__ as_integer_ratio conjugate hex is_integer"
).split():
    setattr(Given, _name, _looking(_name))
Given.real = property(_looking("conjugate"))
Given.imag = property(lambda self: 0.0)
