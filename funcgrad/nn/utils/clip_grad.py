"""Clipping gradients: all of them in one recorded operation, without a look at their norm.

Knows the tape and the Tensor. Must not know Module.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import jax.numpy as jnp

from ... import dtypes
from ...engine import no_grad
from ...op import Op
from ...op.derive import jax_rule
from ...tape import record
from ...tensor import Tensor
from ...tensor.alias import write_fresh
from ...tensor.tensor import value_of, wrap

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _norm(x, p: float):
    x = jnp.abs(x)
    if p == math.inf:
        return jnp.max(x, initial=0)
    if p == 0:
        return jnp.sum(x != 0).astype(x.dtype)
    if p == 1:
        return jnp.sum(x)
    if p == 2:
        return jnp.sqrt(jnp.sum(x * x))
    return jnp.sum(x**p) ** (1 / p)


def _total(*grads, norm_type: float):
    norms = [_norm(g, norm_type) for g in grads]
    dtype = jnp.result_type(*norms)
    return _norm(jnp.stack([n.astype(dtype) for n in norms]), norm_type)


def _scaled(total, limit, *grads):
    scale = jnp.minimum(limit / (total + 1e-6), 1.0)
    return tuple((g * scale.astype(g.real.dtype)).astype(g.dtype) for g in grads)


def _clamped(limit, *grads):
    return tuple(jnp.clip(g, -limit.astype(g.dtype), limit.astype(g.dtype)) for g in grads)


_TOTAL = Op("total_norm", _total, jax_rule, "internal", node="LinalgVectorNormBackward0")
_SCALE = Op("scale_grads", _scaled, None, "internal", numbers=dtypes.float64)
_CLAMP = Op("clamp_grads", _clamped, None, "internal", numbers=dtypes.float64)


def _list(parameters) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def get_total_norm(tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach=None) -> Tensor:
    """The norm of the norms of several tensors, a 0-d tensor.

    error_if_nonfinite  raise RuntimeError if it is nan or infinite; that is looked at, and makes a run
    foreach             accepted; they are always taken together
    """
    tensors, norm_type = _list(tensors), float(norm_type)
    if not tensors:
        return wrap(value_of(Tensor(0).new_zeros(())))
    total = wrap(record(_TOTAL, tuple(map(value_of, tensors)), {"norm_type": norm_type}))
    if error_if_nonfinite and not math.isfinite(total.detach().item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def _write(op: Op, heads: tuple, grads: list[Tensor]) -> None:
    made = record(op, (*heads, *map(value_of, grads)))
    for g, v in zip(grads, made, strict=True):
        write_fresh(g, v)


@no_grad()
def clip_grads_with_norm_(parameters, max_norm: float, total_norm: Tensor, foreach=None) -> None:
    """Scale the gradients in place so that their norm, which is `total_norm`, is at most `max_norm`."""
    grads = [p.grad for p in _list(parameters) if p.grad is not None]
    if grads:
        limit = value_of(max_norm) if isinstance(max_norm, Tensor) else float(max_norm)
        _write(_SCALE, (value_of(total_norm), limit), grads)


@no_grad()
def clip_grad_norm_(parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach=None) -> Tensor:  # fmt: skip
    """Scale the gradients of `parameters` in place so that the norm of all together is at most `max_norm`. Returns the norm
    before that.

    >>> import funcgrad as torch
    >>> p = torch.zeros(2, requires_grad=True)
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([p], 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    parameters = _list(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                   foreach=None) -> Tensor:  # fmt: skip
    """`clip_grad_norm_`, by PyTorch's older name."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float, foreach=None) -> None:
    """Clamp every element of the gradients in place to ±clip_value."""
    grads = [p.grad for p in _list(parameters) if p.grad is not None]
    if grads:
        _write(_CLAMP, (float(clip_value),), grads)
