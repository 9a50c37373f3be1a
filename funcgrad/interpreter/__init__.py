"""Floor 0. A jaxpr, evaluated by NumPy on the host.

XLA takes 10-50 ms to compile the smallest program. Where arrays are small and a program will run once or twice, NumPy
has done it in the meantime. Each primitive of JAX is one entry of a table (`elementwise`, `shapes`, `reductions`,
`products`, `indexing`, `draws`); nested jits are laid open, and a `scan` is a loop in Python. A jaxpr with a primitive
that is in no table, or with floats of fewer than 32 bits, is not interpreted, and the caller compiles it instead.

Knows JAX, NumPy and SciPy. Must not know anything else of funcgrad.
"""

from .program import Interpreted, interpreted

__all__ = ["Interpreted", "interpreted"]
