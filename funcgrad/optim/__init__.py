"""Floor 6. Optimizers as `torch.optim`: a step is one recorded operation for all parameters of a group.

`rule` says how that is recorded, the other files what each optimizer does. Knows the Tensor. Must not know nn.
"""


from . import lr_scheduler, swa_utils
from .adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from .adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .matrix import Adafactor, Muon
from .optax import Optax
from .optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from .sgd import ASGD, SGD

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam", "Optax",
    "Optimizer", "RAdam", "RMSprop", "Rprop", "SparseAdam", "lr_scheduler", "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook", "swa_utils",
]  # fmt: skip
