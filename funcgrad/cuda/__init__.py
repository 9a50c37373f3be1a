"""Floor 6. `torch.cuda`: what programs ask of a GPU, answered by JAX's default device.

One device is used; its memory and streams are XLA's. Counters that XLA does not keep are 0.
"""

from __future__ import annotations

import time

import jax

from .. import random as _random
from ..device import default_device, device
from ..tape import wait
from . import amp, nvtx

__all__ = [
    "Event", "Stream", "amp", "current_device", "current_stream", "device", "device_count", "empty_cache",
    "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state", "get_rng_state_all", "init",
    "initial_seed", "is_available", "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved",
    "memory_stats", "memory_summary", "nvtx", "reset_peak_memory_stats", "set_device", "set_rng_state",
    "set_rng_state_all", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether Tensors live on a GPU."""
    return default_device().type == "cuda"


def is_initialized() -> bool:
    """The same as `is_available`: JAX sets a GPU up by itself."""
    return is_available()


def init() -> None:
    """Nothing to do: JAX sets a GPU up by itself."""


def device_count() -> int:
    """How many GPUs JAX sees."""
    return len(jax.devices()) if is_available() else 0


def current_device() -> int:
    """The number of the GPU that Tensors live on."""
    _refuse_without()
    return default_device().index or 0


def set_device(device) -> None:
    """Checked: there is one device, JAX's default."""
    _refuse_without()


def _refuse_without() -> None:
    if not is_available():
        raise AssertionError("Torch not compiled with CUDA enabled")


def get_device_name(device=None) -> str:
    """What JAX calls the GPU."""
    _refuse_without()
    return jax.devices()[0].device_kind


def get_device_capability(device=None) -> tuple[int, int]:
    """The compute capability of the GPU."""
    _refuse_without()
    major, _, minor = str(jax.devices()[0].compute_capability).partition(".")
    return int(major), int(minor or 0)


class _Properties:
    """What is known of a GPU."""

    def __init__(self):
        self.name = get_device_name()
        self.major, self.minor = get_device_capability()
        self.total_memory = _stat("bytes_limit")


def get_device_properties(device=None) -> _Properties:
    """Name, capability and memory of the GPU."""
    return _Properties()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether there is a GPU: XLA has bfloat16 on all of them."""
    return is_available()


def synchronize(device=None) -> None:
    """Run what has been recorded and wait for it."""
    wait()


def empty_cache() -> None:
    """Nothing to do: the memory is XLA's."""


def _stat(name: str) -> int:
    stats = jax.devices()[0].memory_stats() or {}
    return int(stats.get(name, 0))


def memory_allocated(device=None) -> int:
    """Bytes in use on the device, 0 where XLA does not count them."""
    return _stat("bytes_in_use")


def max_memory_allocated(device=None) -> int:
    """The most bytes that were in use."""
    return _stat("peak_bytes_in_use")


def memory_reserved(device=None) -> int:
    """Bytes that XLA has taken from the device."""
    return _stat("bytes_reserved") or _stat("bytes_in_use")


max_memory_reserved = max_memory_allocated


def reset_peak_memory_stats(device=None) -> None:
    """Accepted; XLA's peak is that of the process."""


def manual_seed(seed: int) -> None:
    """Seed the one generator, if there is a GPU."""
    if is_available():
        _random.manual_seed(seed)


manual_seed_all = manual_seed


def get_rng_state(device=None):
    """The state of the one generator, as `torch.get_rng_state`. Raises AssertionError without a GPU."""
    _refuse_without()
    return _random.get_rng_state()


def set_rng_state(new_state, device=None) -> None:
    """Set it to what `get_rng_state` gave, if there is a GPU."""
    if is_available():
        _random.set_rng_state(new_state)


def get_rng_state_all() -> list:
    """The state for each GPU; they share one. Without a GPU an empty list."""
    return [get_rng_state()] * device_count()


def set_rng_state_all(new_states) -> None:
    """Set it to the first."""
    for state in new_states[:1]:
        set_rng_state(state)


def initial_seed() -> int:
    """What the generator was seeded with. Raises AssertionError without a GPU."""
    _refuse_without()
    return _random.initial_seed()


def mem_get_info(device=None) -> tuple[int, int]:
    """Bytes that are free and bytes in all, as XLA counts them. Raises AssertionError without a GPU."""
    _refuse_without()
    return _stat("bytes_limit") - _stat("bytes_in_use"), _stat("bytes_limit")


def memory_stats(device=None) -> dict[str, int]:
    """XLA's counters of the device, by XLA's names; empty where it keeps none."""
    return dict(jax.devices()[0].memory_stats() or {}) if is_available() else {}


def memory_summary(device=None, abbreviated: bool = False) -> str:
    """The same, a line each."""
    return "\n".join(f"{name:30} {n:>15,}" for name, n in memory_stats().items())


class Stream:
    """Accepted; XLA orders what runs by what it reads."""

    def __init__(self, device=None, priority: int = 0):
        self.device = device

    def synchronize(self) -> None:
        synchronize()

    def wait_stream(self, stream) -> None:
        """Nothing to wait for."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        return False


def stream(stream) -> Stream:
    """A context in which nothing changes."""
    return stream or Stream()


def current_stream(device=None) -> Stream:
    """The one stream."""
    return Stream()


class Event:
    """A point in time on the host, after what had been recorded has run."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        self._at: float | None = None

    def record(self, stream=None) -> None:
        """Wait for what has been recorded, and note the time."""
        synchronize()
        self._at = time.perf_counter()

    def synchronize(self) -> None:
        """Nothing left to wait for."""

    def query(self) -> bool:
        """Whether it has been reached."""
        return self._at is not None

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another."""
        return (end_event._at - self._at) * 1e3
