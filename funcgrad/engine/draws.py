"""What random draws do inside `vmap`: nothing, the same for every example, or different ones; and going back to where a
generator was."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..op import REGISTRY
from ..tape import constant, local, record
from .batch import Batched, batches

RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
    "randomness flags on vmap or perform the randomness operation out of vmap"
)


def _drawing() -> tuple:
    """The `vmap`s that this thread is in whose examples draw numbers of their own. Raises RuntimeError in one that
    forbids draws."""
    if any(b.randomness == "error" for b in batches()):
        raise RuntimeError(RANDOM)
    return tuple(b for b in batches() if b.randomness == "different")


def _as_examples(v, drawing: tuple):
    """A Value with a leading dimension for each of those batches, as one example sees it."""
    for b in drawing:
        v = Batched(v, b.level)
    return v


def of_each(draw: Callable[[], np.ndarray]):
    """What `draw` gives, as a Value; drawn for each example that is to have numbers of its own."""
    drawing = _drawing()
    sizes = tuple(b.size for b in drawing)

    def several():
        drawn = np.stack([draw() for _ in range(math.prod(sizes))])
        return drawn.reshape(*sizes, *drawn.shape[1:])

    draw_all = several if drawing else draw
    v = constant(draw_all())
    if local.whole is not None:
        local.whole.drawn(v, draw_all)
    return _as_examples(v, drawing)


def key_of_each(key):
    """(the key to draw with, the next key or None if the draw itself gives it)."""
    drawing = _drawing()
    if not drawing:
        return key, None
    sizes = tuple(b.size for b in drawing)
    keys, following = record(REGISTRY["keys"], (key,), {"n": math.prod(sizes)})
    keys = record(REGISTRY["view"], (keys,), {"size": (*sizes, *keys.spec.shape[1:])})
    return _as_examples(keys, drawing), following


def shared(key):
    """The next key after a draw that all examples of a batch share."""
    while isinstance(key, Batched):
        key = record(REGISTRY["select"], (key.inner,), {"dim": 0, "index": 0})
    return key


class Place:
    """A place that a Generator was at: the state of its stream, and its key, which may still be pending.

    A compiled function that notes one and goes back does both again at each replay.
    """

    def __init__(self, generator):
        self.generator, self.key = generator, generator.key()
        _again(self._note)

    def _note(self) -> None:
        self.stream = self.generator.stream.get_state()

    def _restore(self) -> None:
        self.generator.stream.set_state(self.stream)

    def go_back(self) -> None:
        """The generator is there again."""
        _again(self._restore)
        self.generator._key = self.key


def _again(effect) -> None:
    """Do something on the host, which a compiled function does again each time."""
    if local.whole is None:
        effect()
        return
    with local.whole.again(effect):
        effect()
