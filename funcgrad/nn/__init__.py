"""Floor 6. Neural networks: the functions of `torch.nn.functional`.

Knows the Tensor and random. Must not know optim.
"""

from . import functional

__all__ = ["functional"]
