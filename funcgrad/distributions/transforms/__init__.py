"""Invertible maps with the logarithm of their volume, as `torch.distributions.transforms`."""

from . import joined, maps
from .joined import *  # noqa: F403
from .maps import *  # noqa: F403

__all__ = sorted([*joined.__all__, *maps.__all__])
