"""Floor 6. `torch.linalg`: matrix decompositions, norms and solvers, as the tables register them."""

from .tensor import NAMES

globals().update(NAMES["linalg"])
__all__ = sorted(NAMES["linalg"])
