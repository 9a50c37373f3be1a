"""Floor 6. `torch.backends`: switches that programs set, kept and accepted.

What XLA decides by itself has no switch here: how a convolution is done, and in which order sums are taken. Two do
something: `allow_tf32`, of matmuls (as `set_float32_matmul_precision`) and of cudnn; `use_deterministic_algorithms`.
"""

from __future__ import annotations

import contextlib
from types import ModuleType

import jax

from . import mps as _mps
from . import precision as _exactness
from .cuda import is_available as _cuda
from .tape.plan import allow_alone

__all__ = ["cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]

PRECISIONS = {"highest": "highest", "high": "high", "medium": "default"}
_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """How products of float32 matrices are computed: "highest" (float32, but JAX's default on TPU), "high"
    (three products in bfloat16, or TF32), "medium" (bfloat16 or TF32). Sets JAX's `jax_default_matmul_precision`, which
    is part of what a program is known by."""
    global _precision
    if precision not in PRECISIONS:
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', or 'medium'. Please use one of these.")
    _precision = precision
    jax.config.update("jax_default_matmul_precision", None if precision == "highest" else PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given."""
    return _precision


_deterministic = {"mode": False, "warn_only": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """With `mode`, what computes the same gives the same bits each time: everything is compiled, and nothing runs by
    NumPy until that is worth it. (A GPU's sums are XLA's choice: `XLA_FLAGS=--xla_gpu_deterministic_ops=true`.)"""
    _deterministic.update(mode=bool(mode), warn_only=bool(warn_only))
    allow_alone(not mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was given."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Likewise its `warn_only`."""
    return _deterministic["warn_only"]


_DEBUG = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by a number or a name: 0 "default", 1 "warn", 2 "error"."""
    if debug_mode not in (*_DEBUG, 0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected `default`, `warn`, `error`, 0, 1 or 2, got {debug_mode}"
        )
    level = _DEBUG.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as `set_deterministic_debug_mode` takes it."""
    return 0 if not _deterministic["mode"] else 1 if _deterministic["warn_only"] else 2


class _Matmul:
    """`torch.backends.cuda.matmul`."""

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True

    @property
    def allow_tf32(self) -> bool:
        return _precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        set_float32_matmul_precision("high" if allowed else "highest")


class _Switches(ModuleType):
    """What stands below `torch.backends`: a module, for programs `import torch.backends.cudnn as cudnn`."""

    def __init__(self, name: str, **switches):
        super().__init__(f"{__name__}.{name}")
        self.__dict__.update(switches)


class _Cudnn(_Switches):
    """`torch.backends.cudnn`; `allow_tf32`: convolutions of float32 in TF32, as in PyTorch on a GPU."""

    @property
    def allow_tf32(self) -> bool:
        return _exactness.convolutions_in_tf32

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        _exactness.convolutions_in_tf32 = bool(allowed)


@contextlib.contextmanager
def _sdp(*args, **kwargs):
    yield  # XLA chooses how attention is computed


def _on(*args, **kwargs) -> bool:
    return True


cuda = _Switches(
    "cuda", matmul=_Matmul(), is_built=_cuda, sdp_kernel=_sdp, flash_sdp_enabled=_on, math_sdp_enabled=_on,
    mem_efficient_sdp_enabled=_on, enable_flash_sdp=lambda enabled: None, enable_math_sdp=lambda enabled: None,
    enable_mem_efficient_sdp=lambda enabled: None,
)  # fmt: skip
cudnn = _Cudnn(
    "cudnn", enabled=True, benchmark=False, deterministic=False, benchmark_limit=10, is_available=_cuda,
    version=lambda: None, is_acceptable=lambda tensor: False,
)  # fmt: skip
mkl = _Switches("mkl", is_available=lambda: False)
mkldnn = _Switches("mkldnn", is_available=lambda: False, enabled=False)
openmp = _Switches("openmp", is_available=lambda: False)
opt_einsum = _Switches("opt_einsum", is_available=lambda: True, enabled=True, strategy="auto")
mha = _Switches("mha", get_fastpath_enabled=lambda: False, set_fastpath_enabled=lambda value: None)
mps = _Switches("mps", is_available=_mps.is_available, is_built=_mps.is_available)
