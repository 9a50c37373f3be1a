"""Floor 6. `torch.fft`: Fourier transforms, as the tables register them."""

from .tensor import NAMES

globals().update(NAMES["fft"])
__all__ = sorted(NAMES["fft"])
