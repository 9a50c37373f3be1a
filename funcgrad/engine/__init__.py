"""Floor 4. Differentiation: the reverse sweep, grad modes, leaves, `grad_fn`.

Knows the tape and `op`. Must not know Tensors: what it hands to hooks and takes from them goes through `face`.
"""

from ..tape import place
from . import anomaly, draws
from .attached import (
    FREED,
    Attached,
    NodeHook,
    RemovableHandle,
    attached_to,
    checked,
    run_after,
    run_before,
)
from .batch import Batch, Batched, batch, batches, unbatched
from .face import Face
from .forward import Dual, dual, enter_level, exit_level
from .leaf import Leaf
from .modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .node import (
    AccumulateGrad,
    GradientEdge,
    Node,
    OpNode,
    accumulate_node,
    arg_specs,
    edge_of_value,
    gradient_place,
    node_at,
    node_of,
    step_of,
)
from .saved import SavedTensor, pack, positions, saved_value
from .sweep import gradients_again, sweep
from .task import GraphTask, current_task, queue_callback
from .transform import fresh_values, going_on, logical, physical, separate, taking

__all__ = [
    "FREED",
    "AccumulateGrad",
    "Attached",
    "Batch",
    "Batched",
    "Dual",
    "Face",
    "GradientEdge",
    "GraphTask",
    "Leaf",
    "Node",
    "NodeHook",
    "OpNode",
    "RemovableHandle",
    "SavedTensor",
    "accumulate_node",
    "anomaly",
    "arg_specs",
    "attached_to",
    "batch",
    "batches",
    "checked",
    "current_task",
    "draws",
    "dual",
    "edge_of_value",
    "enable_grad",
    "enter_level",
    "exit_level",
    "fresh_values",
    "going_on",
    "gradient_place",
    "gradients_again",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "logical",
    "no_grad",
    "node_at",
    "node_of",
    "pack",
    "physical",
    "place",
    "positions",
    "queue_callback",
    "run_after",
    "run_before",
    "saved_value",
    "separate",
    "set_grad_enabled",
    "step_of",
    "sweep",
    "taking",
    "unbatched",
]
