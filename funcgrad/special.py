"""Floor 6. `torch.special`: special functions of mathematics, as the tables register them."""

from .tensor import NAMES

globals().update(NAMES["special"])
__all__ = sorted(NAMES["special"])
