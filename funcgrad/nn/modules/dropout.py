"""Dropout layers: active in training, the identity in evaluation."""

from __future__ import annotations

from .. import functional as F
from ..module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    function = None

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input):
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes each element with probability p and scales the others by 1 / (1 - p)."""

    function = F.dropout


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L)."""

    function = F.dropout1d


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W)."""

    function = F.dropout2d


class Dropout3d(_Dropout):
    """Zeroes whole channels of (N, C, D, H, W)."""

    function = F.dropout3d


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of what SELU gives."""

    function = F.alpha_dropout


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels."""

    function = F.feature_alpha_dropout
