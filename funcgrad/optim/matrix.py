"""Optimizers that see a parameter as a matrix: Adafactor, Muon."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from .checks import check_lr
from .optimizer import Optimizer
from .rule import Rule

__all__ = ["Adafactor", "Muon"]


def _adafactor(p, g, s, k, h):
    eps1 = jnp.finfo(p.dtype).eps if h.eps[0] is None else h.eps[0]
    size = jnp.maximum(h.eps[1], jnp.sqrt(jnp.sum(p * p)) / math.sqrt(p.size)) * k.size
    if k.shrink is not None:
        p = p * k.shrink
    if g.ndim > 1:
        row = s.row_var + k.fresh * (jnp.mean(g * g, -1, keepdims=True) - s.row_var)
        col = s.col_var + k.fresh * (jnp.mean(g * g, -2, keepdims=True) - s.col_var)
        made = {"row_var": row, "col_var": col}
        square = row @ col / jnp.maximum(jnp.mean(row, -2, keepdims=True), eps1)
    else:
        square = s.variance + k.fresh * (g * g - s.variance)
        made = {"variance": square}
    update = g / jnp.sqrt(jnp.maximum(square, eps1 * eps1))
    clip = jnp.maximum(1.0, jnp.sqrt(jnp.sum(update * update)) / (math.sqrt(update.size) * k.d))
    return p - size / clip * update, made


def _factors(h) -> dict:
    def zeros(shape_of):
        def start(s):
            shape = shape_of(s.shape)
            return None if shape is None else np.zeros(shape, s.dtype.np)

        return start

    return {
        "row_var": zeros(lambda n: (*n[:-1], 1) if len(n) > 1 else None),
        "col_var": zeros(lambda n: (*n[:-2], 1, n[-1]) if len(n) > 1 else None),
        "variance": zeros(lambda n: n if len(n) < 2 else None),
    }


class Adafactor(Optimizer):
    """The average of g² of a matrix kept as that of its rows times that of its columns; steps relative to the size
    of the
    parameter, and clipped at `d`."""

    rule = Rule(
        "adafactor",
        lambda h, t: {
            "fresh": t**h.beta2_decay, "size": jnp.minimum(h.lr, 1 / jnp.sqrt(t)), "d": h.d,
            "shrink": None if h.weight_decay is None else 1 - h.lr * h.weight_decay,
        },
        _adafactor,
        _factors,
        ("lr", "beta2_decay", "d", "weight_decay"),
        ("eps", "maximize"),
    )

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
                 maximize=False):  # fmt: skip
        check_lr(lr) if not isinstance(lr, int | float) else None
        if isinstance(lr, int | float) and not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": tuple(eps), "d": d, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize,
        })  # fmt: skip
        if any(p.dtype.is_complex for group in self.param_groups for p in group["params"]):
            raise RuntimeError("Adafactor does not support complex parameters")


def orthogonal(g, coefficients, steps: int, eps: float):
    """A matrix near the orthogonal one nearest to `g`, by a quintic iteration of Newton and Schulz in bfloat16, whose
    coefficients raise small singular values fast rather than reach 1 exactly."""
    a, b, c = coefficients
    x = g.astype(jnp.bfloat16)
    tall = g.shape[0] > g.shape[1]
    x = x.T if tall else x
    x = x / jnp.maximum(jnp.linalg.norm(x.astype(jnp.float32)).astype(jnp.bfloat16), jnp.bfloat16(eps))
    for _ in range(steps):
        gram = x @ x.T
        square = jnp.matmul(gram, gram, preferred_element_type=jnp.float32)
        gram = (b * gram.astype(jnp.float32) + c * square).astype(x.dtype)
        x = (a * x.astype(jnp.float32) + jnp.matmul(gram, x, preferred_element_type=jnp.float32)).astype(x.dtype)
    return x.T if tall else x


def _check_iteration(group: dict) -> None:
    if group["ns_steps"] >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(group["ns_coefficients"]) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")


def _muon(p, g, s, k, h):
    buf = s.momentum_buffer + k.fresh * (g - s.momentum_buffer)
    update = g + k.momentum * (buf - g) if h.nesterov else buf
    update = orthogonal(update, h.ns_coefficients, h.ns_steps, h.eps).astype(p.dtype)
    rows, columns = p.shape
    if h.adjust_lr_fn == "match_rms_adamw":
        ratio = 0.2 * math.sqrt(max(rows, columns))
    else:
        ratio = math.sqrt(max(1, rows / columns))
    return p * k.shrink - k.lr * ratio * update, {"momentum_buffer": buf}


class Muon(Optimizer):
    """Momentum whose update is made nearly orthogonal before it is taken. Every parameter must be a matrix.

    adjust_lr_fn  what the learning rate is multiplied by: √max(1, rows / columns) for "original",
                  0.2·√max(rows, columns) for "match_rms_adamw"
    """

    rule = Rule(
        "muon",
        lambda h, t: {
            "lr": h.lr, "momentum": h.momentum, "fresh": 1 - h.momentum, "shrink": 1 - h.lr * h.weight_decay,
        },
        _muon,
        lambda h: {"momentum_buffer": 0},
        ("lr", "weight_decay", "momentum"),
        ("nesterov", "ns_coefficients", "eps", "ns_steps", "adjust_lr_fn"),
        check=_check_iteration,
        zeros=(),
        clock=False,
    )

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
                 ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None):  # fmt: skip
        check_lr(lr) if not isinstance(lr, int | float) else None
        if isinstance(lr, int | float) and not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": tuple(ns_coefficients), "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        })  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )
