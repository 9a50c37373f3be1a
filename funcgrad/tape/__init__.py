"""Floor 3. Recording, lowering, running: Value, Trace (the trie), Tape, Program.

Knows `op` and JAX. Must not know Tensors, nor what a gradient means. README.md beside this file tells
the design.
"""

from .cache import limit
from .program import Program
from .reasons import RecompileWarning, assert_no_recompile, explain
from .record import ready, record
from .residuals import backward_params, reads
from .run import force, run
from .stats import Stats, stats
from .tape import Tape, constant, local, pending_value, set_default_dtype, set_grad
from .trace import INPUT, LEAF, Trace, specs_of
from .value import Failed, LeafValue, Spec, Value, become_leaf, computed, leaf_value, place, spec

__all__ = [
    "INPUT",
    "LEAF",
    "Failed",
    "LeafValue",
    "Program",
    "RecompileWarning",
    "Spec",
    "Stats",
    "Tape",
    "Trace",
    "Value",
    "assert_no_recompile",
    "backward_params",
    "become_leaf",
    "computed",
    "constant",
    "explain",
    "force",
    "leaf_value",
    "limit",
    "local",
    "pending_value",
    "place",
    "reads",
    "ready",
    "record",
    "run",
    "set_default_dtype",
    "set_grad",
    "spec",
    "specs_of",
    "stats",
]
