"""Floor 6. `torch.utils`: what stands beside training."""

from . import checkpoint

__all__ = ["checkpoint"]
