"""Floor 3. Recording, lowering, running: Value, Trace (the trie), Tape, Program.

Knows `op` and JAX. Must not know Tensors, nor what a gradient means. README.md beside this file tells
the design.
"""

from .cache import limit
from .inline import Path, values_of
from .lifted import Lifted, base, innermost, lift_again, new_level, remember
from .program import Program
from .reasons import RecompileWarning, assert_no_recompile, explain
from .record import ready, record
from .residuals import backward_params, reads
from .run import force, known_array, run, settle, wait
from .stats import Stats, stats
from .tape import (
    VALUES,
    Tape,
    constant,
    exact,
    fresh,
    local,
    pending_value,
    set_cast,
    set_default_dtype,
    set_grad,
    set_scope,
    set_watch,
)
from .trace import INPUT, LEAF, Trace, promoted, specs_of
from .uses import uses
from .value import (
    Failed,
    LeafValue,
    Spec,
    Value,
    become_leaf,
    computed,
    leaf_value,
    only_leaves,
    place,
    spec,
)

__all__ = [
    "INPUT",
    "LEAF",
    "VALUES",
    "Failed",
    "LeafValue",
    "Lifted",
    "Path",
    "Program",
    "RecompileWarning",
    "Spec",
    "Stats",
    "Tape",
    "Trace",
    "Value",
    "assert_no_recompile",
    "backward_params",
    "base",
    "become_leaf",
    "computed",
    "constant",
    "exact",
    "explain",
    "force",
    "fresh",
    "innermost",
    "known_array",
    "leaf_value",
    "lift_again",
    "limit",
    "local",
    "new_level",
    "only_leaves",
    "pending_value",
    "place",
    "promoted",
    "reads",
    "ready",
    "record",
    "remember",
    "run",
    "set_cast",
    "set_default_dtype",
    "set_grad",
    "set_scope",
    "set_watch",
    "settle",
    "spec",
    "specs_of",
    "stats",
    "uses",
    "values_of",
    "wait",
]
