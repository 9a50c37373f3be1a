"""Floor 2. The tables of operators: rows of pure JAX, one file a field.

Knows `op` and JAX. Must not know tapes or Tensors. `load` fills the registry.
"""

from importlib import import_module

TABLES = (
    "basic", "pointwise", "complexes", "compare", "special", "bessel", "polynomials", "reduce", "scan", "sort", "view",
    "getitem", "pieces", "shape", "pad", "scatter", "index", "linalg", "decomp", "factors", "fourier", "activation",
    "loss", "classes", "alignment", "norm", "embedding", "attention", "conv", "pool", "resample", "recurrent", "random",
)  # fmt: skip


def load() -> None:
    """Import every table."""
    for name in TABLES:
        import_module(f".{name}", __name__)
