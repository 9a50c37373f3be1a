"""Floor 5. The Tensor: methods, operators, in-place, views, printing, interop.

Knows the engine, the tape and the tables. Must not know nn or optim. Importing it attaches the methods.
"""

from . import (
    counting,
    create,
    fourier,
    functions,
    indexing,
    interop,
    linear,
    more,
    older,
    operators,
    sparse,
    writes,
)
from .backward import backward, grad
from .tensor import Size, Tensor
from .variants import METHODS, NAMES, composite

operators.attach()
functions.attach()
writes.attach()
older.attach()
indexing.attach()

__all__ = [
    "METHODS", "NAMES", "Size", "Tensor", "backward", "composite", "counting", "create", "fourier", "grad", "interop",
    "linear", "more", "older", "sparse",
]  # fmt: skip
