"""Floor 6. `torch.utils`: what stands beside training."""

from . import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]
