"""Floor 0. Device names. Every Tensor lives on JAX's default device; a name says which kind that is."""

from __future__ import annotations

from functools import cache

import jax

_KINDS = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, "
    "mtia, privateuseone"
)


class device:
    """`device("cuda:0")`, `device("cpu")`, `device("cuda", 0)`."""

    __slots__ = ("index", "type")

    def __init__(self, type: str | device, index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index
        kind, _, number = type.partition(":")
        if kind not in _KINDS.split(", ") and kind != "tpu":
            raise RuntimeError(f"Expected one of {_KINDS} device type at start of device string: {kind}")
        self.type, self.index = kind, int(number) if number else index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self):
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        """As a context, where Tensors are made; checked, for they all live in one place."""
        check_device(self)
        return self

    def __exit__(self, *exc) -> None:
        pass


@cache
def default_device() -> device:
    """Where Tensors live: JAX's default backend, under PyTorch's name for it."""
    kind = jax.default_backend()
    return device("cpu") if kind == "cpu" else device({"gpu": "cuda", "rocm": "cuda"}.get(kind, kind), 0)


def check_device(wanted) -> None:
    """Accept the device Tensors live on (and "cpu", whose data moves by itself); refuse others in PyTorch's words."""
    if wanted is None:
        return
    wanted = device(wanted) if not isinstance(wanted, device) else wanted
    if wanted.type == "cpu" or wanted.type == default_device().type:
        return  # "cpu" starts no backend, so that importing funcgrad does not
    if wanted.type == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    raise RuntimeError(f"device {wanted} is not available; Tensors live on {default_device()}")


def set_default_device(device) -> None:
    """Checked: Tensors are made where they live, on JAX's default device. None asks for nothing."""
    check_device(device)


def get_default_device() -> device:
    """Where Tensors are made."""
    return default_device()
