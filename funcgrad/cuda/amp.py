"""`torch.cuda.amp`: autocast and GradScaler for "cuda", by PyTorch's older names."""

from __future__ import annotations

import functools
import warnings

from .. import amp as _amp
from .. import dtypes

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


def _old(name: str, new: str) -> None:
    warnings.warn(f"`torch.cuda.amp.{name}` is deprecated. Please use `{new}` instead.", FutureWarning, stacklevel=3)


class autocast(_amp.autocast):
    """`torch.autocast("cuda")`."""

    def __init__(self, enabled: bool = True, dtype=dtypes.float16, cache_enabled: bool = True):
        _old("autocast(args...)", "torch.amp.autocast('cuda', args...)")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(_amp.GradScaler):
    """`torch.amp.GradScaler("cuda")`."""

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True):  # fmt: skip
        _old("GradScaler(args...)", "torch.amp.GradScaler('cuda', args...)")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


custom_fwd = functools.partial(_amp.custom_fwd, device_type="cuda")
custom_bwd = functools.partial(_amp.custom_bwd, device_type="cuda")
