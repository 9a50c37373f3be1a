"""What the user attached to one step of one tape: hooks on its node, a backward in Python, a traceback.

A Tape maps the first slot of the step to it. The trie knows nothing of it, so the programs stay.
"""

from __future__ import annotations

from ..tape import Tape
from .face import Face, unwrapped, wrapped

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
    "if you need to access saved tensors after calling backward."
)


class Attached:
    """before, after  hooks on the gradients that arrive, and on those that leave
    custom         the backward in Python: (gradients, wants) -> a cotangent for each argument
    traceback      the forward call, as text, where anomaly detection was on
    metadata       the user's, of the node
    """

    __slots__ = ("after", "before", "custom", "metadata", "traceback")

    def __init__(self):
        self.before: list = []
        self.after: list = []
        self.metadata: dict = {}
        self.custom = self.traceback = None


def attached_to(tape: Tape, first: int) -> Attached:
    """What is attached to the step whose first slot is `first`, made when first asked for."""
    found = tape.attached.get(first)
    if found is None:
        found = tape.attached[first] = Attached()
    return found


class RemovableHandle:
    """Takes a hook away again: by `remove()`, or at the end of a `with`."""

    _ids = 0

    def __init__(self, hooks: list, hook):
        self._hooks, self._hook = hooks, hook
        self.id = RemovableHandle._ids
        RemovableHandle._ids += 1

    def remove(self) -> None:
        # by identity: a hook may be registered twice
        for i, hook in enumerate(self._hooks):
            if hook is self._hook:
                del self._hooks[i]
                return

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        self.remove()


def run_before(hooks: list, gs: tuple) -> tuple:
    """The gradients that arrive at a node, after its pre-hooks."""
    for hook in list(hooks):
        gs = _checked(hook, hook.of(tuple(map(wrapped, gs))), gs)
    return gs


def run_after(hooks: list, found: tuple, gs: tuple) -> tuple:
    """The gradients that leave a node, after its hooks."""
    arrived = tuple(map(wrapped, gs))
    for hook in list(hooks):
        found = _checked(hook, hook.of(tuple(map(wrapped, found)), arrived), found)
    return found


class NodeHook:
    """One registration of a user's hook on a node."""

    def __init__(self, of):
        self.of = of
        self.name = getattr(of, "__name__", type(of).__name__)


def _checked(hook: NodeHook, out, old: tuple) -> tuple:
    """What the hook returned instead of `old`, as Values."""
    if out is None:
        return old
    if not isinstance(out, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(out).__name__}'")
    if len(out) != len(old):
        raise RuntimeError(
            f"hook '{hook.name}' has returned an incorrect number of values (got {len(out)}, but expected {len(old)})"
        )
    return tuple(checked(hook.name, new, v) for new, v in zip(out, old, strict=True))


def checked(name: str, new, old):
    """The Value of what hook `name` returned in place of the gradient `old`, of the same shape and dtype."""
    if new is None:
        return None
    if not isinstance(new, Face.kind):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    v = unwrapped(new)
    if old is None:
        return v
    if v.spec.shape != old.spec.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    if v.spec.dtype is not old.spec.dtype:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {_type(old)} got {_type(v)})")
    return v


def _type(v) -> str:
    return f"torch.{v.spec.dtype.legacy}Tensor"
