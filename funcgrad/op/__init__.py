"""Floor 1. What an operator is: one row. Families, the registry, grad_fn names, the derived backward op.

Knows JAX and `dtypes`. Must not know tapes, Tensors, or any particular operator.
"""

from .batch import batch_op
from .derive import backward_op, jax_rule
from .family import FAMILIES, Family
from .row import REGISTRY, Op, op
from .sample import Sample, draw, sample
from .signature import Arg, Signature
from .tangent import tangent_op

__all__ = [
    "FAMILIES",
    "REGISTRY",
    "Arg",
    "Family",
    "Op",
    "Sample",
    "Signature",
    "backward_op",
    "batch_op",
    "draw",
    "jax_rule",
    "op",
    "sample",
    "tangent_op",
]
