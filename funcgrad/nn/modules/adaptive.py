"""Softmax over very many classes, the rare ones in clusters: Grave and others (2017)."""

from __future__ import annotations

from collections import namedtuple

from ...tensor import NAMES
from .. import functional as F
from ..module import Module
from .container import ModuleList, Sequential
from .linear import Linear

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

T = NAMES["torch"]
_Made = namedtuple("ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of the target class, and minus its mean.

    n_classes  classes, the most frequent first
    cutoffs    where each cluster of rarer classes begins
    div_value  how many times smaller the projection of each further cluster is

    Shapes: input (N, in_features) or (in_features), target (N) or (). All clusters are computed for all rows, so that
    shapes do not depend on the targets.
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs, div_value: float = 4.0, head_bias: bool = False,
                 device=None, dtype=None):  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        if len(cutoffs) == 0:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(cutoffs) or min(cutoffs) <= 0 or max(cutoffs) > n_classes - 1
            or len(set(cutoffs)) != len(cutoffs) or any(int(c) != c for c in cutoffs)
        ):  # fmt: skip
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value "
                "is between 1 and n_classes-1"
            )
        how = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **how)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, width, bias=False, **how), Linear(width, size, bias=False, **how))
            )

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_, target_):
        if target_.ndim not in (0, 1):
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        batched = target_.ndim == 1
        if batched and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.ndim != (2 if batched else 1):
            raise RuntimeError(f"{'1D' if batched else '0D'} target tensor expects {'2D' if batched else '1D'} input tensors")
        x, y = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        logs = self.log_prob(x)
        output = logs.gather(1, y.unsqueeze(1)).squeeze(1)
        return _Made(output if batched else output.squeeze(0), (-output).mean())

    def log_prob(self, input):
        """Log-probabilities of all classes, (N, n_classes)."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return T["cat"](parts, 1)

    def predict(self, input):
        """The likeliest class of each row, (N)."""
        return self.log_prob(input).argmax(1)
