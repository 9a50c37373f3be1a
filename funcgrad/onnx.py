"""Floor 6. `torch.onnx`: programs import it; what writes a file for other runtimes here is JAX."""

from __future__ import annotations

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Never."""
    return False


def export(model, args=(), f=None, **options):
    """Raises NotImplementedError, and says how to export instead."""
    raise NotImplementedError(
        "funcgrad writes no ONNX. jax.export.export(jax.jit(funcgrad.func.to_jax(model)))(*args).serialize() gives "
        "StableHLO, which other runtimes read"
    )
