"""Floor 6. `torch.accelerator`: the device that is no CPU, if there is one."""

from __future__ import annotations

import jax

from .cuda import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
    synchronize,
)
from .cuda import mem_get_info as get_memory_info
from .device import default_device, device

__all__ = [
    "current_accelerator", "current_device_index", "device_count", "empty_cache", "get_memory_info", "is_available",
    "max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
    "reset_peak_memory_stats", "set_device_index", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether Tensors live on something else than a CPU."""
    return default_device().type != "cpu"


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of device that is no CPU, None if there is none."""
    return device(default_device().type) if is_available() else None


def device_count() -> int:
    """How many of them JAX sees."""
    return len(jax.devices()) if is_available() else 0


def current_device_index() -> int:
    """The number of the one that Tensors live on."""
    return default_device().index or 0


def set_device_index(device) -> None:
    """Accepted: there is one device, JAX's default."""
