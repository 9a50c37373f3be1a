"""`torch.nn.functional`: the rows that live there, and what PyTorch composes of them in Python.

One file a field; each registers what it defines, and everything registered for this namespace (rows
included, which is why it is not spelled out) is exported here.
"""

from ...tensor import NAMES
from . import (
    activations,
    attention,
    ctc,
    distances,
    dropouts,
    embeddings,
    fractional,
    losses,
    norms,
    pools,
    recurrent,
    resizing,
)

__all__ = [
    "activations", "attention", "ctc", "distances", "dropouts", "embeddings", "fractional", "losses", "norms", "pools", "recurrent",
    "resizing",
    *sorted(NAMES["F"]),
]  # fmt: skip

globals().update(NAMES["F"])
