"""Floor 6. `torch.utils`: what stands beside training."""

from . import _pytree, checkpoint, data, dlpack, hooks

__all__ = ["_pytree", "checkpoint", "data", "dlpack", "hooks"]
