"""Tables of hooks by number, and the handles that take them out again: for modules and optimisers.

Knows dicts alone; hooks of the graph are the engine's (`engine/attached`).
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """Takes a hook out of the table it was put in: by `remove()`, or at the end of a `with`.

    hooks_dict  the table; `extra_dict`, one or several, hold what else is known of the hook by its number
    """

    _numbers = itertools.count()

    def __init__(self, hooks_dict: dict, *, extra_dict=None):
        self.id = next(RemovableHandle._numbers)
        extra = extra_dict if isinstance(extra_dict, list) else [] if extra_dict is None else [extra_dict]
        self._tables = [weakref.ref(table) for table in (hooks_dict, *extra)]

    def remove(self) -> None:
        """Take the hook out; again does nothing."""
        for ref in self._tables:
            table = ref()
            if table is not None:
                table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, kind, error, tb) -> None:
        self.remove()


class Hooks(OrderedDict):
    """A table of hooks; a handle refers to it weakly, which a plain dict does not allow.

    changes  how often any table has changed; `changed`: the number of the last change of this one
    """

    changes = [0]  # noqa: RUF012  of all tables together
    changed = 0

    def _note(self) -> None:
        Hooks.changes[0] += 1
        self.changed = Hooks.changes[0]

    def __setitem__(self, key, hook) -> None:
        super().__setitem__(key, hook)
        self._note()

    def __delitem__(self, key) -> None:
        super().__delitem__(key)
        self._note()

    def pop(self, *args):
        self._note()
        return super().pop(*args)

    def clear(self) -> None:
        super().clear()
        self._note()


def register(table: dict, hook, prepend: bool = False, **also: dict) -> RemovableHandle:
    """Put `hook` in `table`, last or first; and True under its number in each table of `also`."""
    handle = RemovableHandle(table, extra_dict=list(also.values()))
    table[handle.id] = hook
    for other in also.values():
        other[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle
