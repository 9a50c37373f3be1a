"""Floor 6. Tensors in files: PyTorch's own format, read without executing anything, and safetensors.

`writer` makes the archive and `reader` opens it, `allowed` is the list of what a file may name, `legacy` reads the
format before archives, `files` keeps the old file until the new one is whole. Knows the Tensor. Must not know optim.
"""

from . import safetensors
from .allowed import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    safe_globals,
)
from .reader import load
from .writer import save

__all__ = [
    "add_safe_globals", "clear_safe_globals", "get_safe_globals", "get_unsafe_globals_in_checkpoint", "load",
    "safe_globals", "safetensors", "save",
]  # fmt: skip
