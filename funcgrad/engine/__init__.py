"""Floor 4. Differentiation: the reverse sweep, grad modes, leaves, `grad_fn`.

Knows the tape and `op`. Must not know Tensors: what it hands to hooks and takes from them are Values.
"""

from ..tape import place
from .leaf import Leaf
from .modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .node import AccumulateGrad, Node, OpNode, accumulate_node, node_of
from .sweep import FREED, sweep

__all__ = [
    "FREED",
    "AccumulateGrad",
    "Leaf",
    "Node",
    "OpNode",
    "accumulate_node",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "node_of",
    "place",
    "set_grad_enabled",
    "sweep",
]
