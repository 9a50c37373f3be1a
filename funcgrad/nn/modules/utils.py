"""What programs import from `torch.nn.modules.utils`: a number for each dimension."""

from __future__ import annotations

from ..functional.shared import ntuple

__all__: list[str] = []


def _ntuple(n: int):
    return lambda x: ntuple(x, n)


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
