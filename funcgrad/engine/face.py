"""What a Value is to the user. The Tensor stands above the engine, which hands Values to the user's
hooks and takes them back: floor 5 says here how.
"""

from __future__ import annotations


class Face:
    """The two ways across. Set once, when the Tensor is defined.

    wrap    Value -> what the user holds
    value   its inverse
    kind    the class of what the user holds
    """

    wrap = staticmethod(lambda v: v)
    value = staticmethod(lambda t: t)
    kind: type = object


def wrapped(v):
    return None if v is None else Face.wrap(v)


def unwrapped(t):
    return None if t is None else Face.value(t)
