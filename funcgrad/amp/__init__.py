"""Floor 6. Mixed precision as `torch.amp`: autocast as operations are recorded, and GradScaler inside the program."""

from .autocast import (
    autocast,
    custom_bwd,
    custom_fwd,
    get_autocast_dtype,
    is_autocast_enabled,
    set_autocast_dtype,
)
from .grad_scaler import GradScaler

__all__ = [
    "GradScaler", "autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available",
    "is_autocast_enabled", "set_autocast_dtype",
]  # fmt: skip


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows a kind of device."""
    return device_type in ("cpu", "cuda")
