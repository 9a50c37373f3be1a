"""Floor 6. `torch.mps`: there is none."""

from .cuda import empty_cache, synchronize

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "synchronize"]


def is_available() -> bool:
    """False: XLA has no such device here."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""
