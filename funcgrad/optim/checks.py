"""What the options of optimizers may be, in PyTorch's words."""

from __future__ import annotations

from ..tensor import Tensor

__all__ = ["check_adam", "check_at_least_zero", "check_betas", "check_flags", "check_lr"]


def check_lr(lr) -> None:
    """A learning rate: a number from 0, or a Tensor with one element."""
    if isinstance(lr, Tensor):
        if lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
    elif not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_at_least_zero(**named) -> None:
    """Raise ValueError for the first that is below 0; a name stands in the message with spaces for underscores, where
    PyTorch has them."""
    words = {"eps": "epsilon", "rho": "rho", "alpha": "alpha"}
    for name, x in named.items():
        if not isinstance(x, Tensor) and not x >= 0.0:
            raise ValueError(f"Invalid {words.get(name, name)} value: {x}")


def check_betas(betas) -> None:
    """Two numbers from 0 to below 1."""
    for i, beta in enumerate(betas):
        if not isinstance(beta, Tensor) and not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_adam(lr, betas, eps, **named) -> None:
    """What Adam and its relatives all have, then what else has to be at least 0: in PyTorch's order."""
    check_lr(lr)
    check_at_least_zero(eps=eps)
    check_betas(betas)
    check_at_least_zero(**named)


def check_flags(foreach=None, fused=None, differentiable=False) -> None:
    """`foreach` and `fused` ask for what is always done here: all parameters of a group together."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
