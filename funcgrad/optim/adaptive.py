"""Steps scaled by what each element's gradients have been: Adagrad, Adadelta, RMSprop, Rprop."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from .checks import check_at_least_zero, check_flags, check_lr
from .optimizer import Optimizer
from .rule import Rule, begin
from .sgd import decayed

__all__ = ["Adadelta", "Adagrad", "RMSprop", "Rprop"]


def _adagrad(p, g, s, k, h):
    g = decayed(p, g, k)
    total = s.sum + g * g
    return p - k.lr * (g / (jnp.sqrt(total) + k.eps)), {"sum": total}


class Adagrad(Optimizer):
    """p ← p - lr / (1 + (t - 1)·lr_decay) · g / (√sum + eps), where sum is of all g² so far."""

    rule = Rule(
        "adagrad",
        lambda h, t: {"lr": h.lr / (1 + (t - 1) * h.lr_decay), "eps": h.eps, "weight_decay": h.weight_decay},
        _adagrad,
        lambda h: {"sum": lambda s: _full(s, h["initial_accumulator_value"])},
        ("lr", "lr_decay", "eps", "weight_decay"),
        ("maximize",),
    )

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
                 foreach=None, *, maximize=False, differentiable=False, fused=None):  # fmt: skip
        check_lr(lr)
        check_at_least_zero(
            lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )
        check_flags(foreach, fused, differentiable)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        })  # fmt: skip
        # PyTorch has the state of every parameter from the beginning
        begin(self.rule, self.param_groups, self.state)

    def share_memory(self) -> None:
        """Nothing to do: Values never change, so whoever has one may read it."""


def _full(s, value) -> np.ndarray:
    return np.full(s.shape, complex(value, value) if s.dtype.is_complex else value, s.dtype.np)


def _adadelta(p, g, s, k, h):
    g = decayed(p, g, k)
    square = k.rho * s.square_avg + k.fresh * (g * g)
    delta = jnp.sqrt(s.acc_delta + k.eps) / jnp.sqrt(square + k.eps) * g
    return p - k.lr * delta, {"square_avg": square, "acc_delta": k.rho * s.acc_delta + k.fresh * (delta * delta)}


class Adadelta(Optimizer):
    """p ← p - lr·d, where d = g·√(average of d² + eps) / √(average of g² + eps), averages by `rho`."""

    rule = Rule(
        "adadelta",
        lambda h, t: {
            "lr": h.lr, "rho": h.rho, "fresh": 1 - h.rho, "eps": h.eps, "weight_decay": h.weight_decay,
        },
        _adadelta,
        lambda h: {"square_avg": 0, "acc_delta": 0},
        ("lr", "rho", "eps", "weight_decay"),
        ("maximize",),
    )

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
                 maximize=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least_zero(eps=eps, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })  # fmt: skip


def _rmsprop(p, g, s, k, h):
    g = decayed(p, g, k)
    square = k.alpha * s.square_avg + k.fresh * (g * g)
    made, root = {"square_avg": square}, square
    if h.centered:
        mean = made["grad_avg"] = s.grad_avg + k.fresh * (g - s.grad_avg)
        root = square - mean * mean
    root = jnp.sqrt(root) + k.eps
    if h.momentum is None:
        return p - k.lr * (g / root), made
    buf = made["momentum_buffer"] = k.momentum * s.momentum_buffer + g / root
    return p - k.lr * buf, made


def _rmsprop_slots(h):
    slots = {"square_avg": 0}
    if h["momentum"] > 0:
        slots["momentum_buffer"] = 0
    if h["centered"]:
        slots["grad_avg"] = 0
    return slots


class RMSprop(Optimizer):
    """p ← p - lr·g / (√(average of g²) + eps), the average by `alpha`, less the square of the average with
    `centered`; with
    `momentum` steps add up."""

    rule = Rule(
        "rmsprop",
        lambda h, t: {
            "lr": h.lr, "alpha": h.alpha, "fresh": 1 - h.alpha, "eps": h.eps, "weight_decay": h.weight_decay,
            "momentum": h.momentum,
        },
        _rmsprop,
        _rmsprop_slots,
        ("lr", "alpha", "eps", "weight_decay", "momentum"),
        ("centered", "maximize"),
        zeros=("weight_decay", "momentum"),
    )

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                 capturable=False, foreach=None, maximize=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        check_at_least_zero(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        })  # fmt: skip


def _rprop(p, g, s, k, h):
    sign = jnp.sign(g * s.prev)
    factor = jnp.where(sign > 0, k.grow, jnp.where(sign < 0, k.shrink, 1))
    size = jnp.clip(s.step_size * factor, k.least, k.most)
    g = jnp.where(factor == k.shrink, 0, g)
    return p - jnp.sign(g) * size, {"prev": g, "step_size": size}


class Rprop(Optimizer):
    """Steps of a size of each element's own, which grows while the sign of its gradient stays, and shrinks when it
    turns."""

    rule = Rule(
        "rprop",
        lambda h, t: {
            "shrink": h.etas[0], "grow": h.etas[1], "least": h.step_sizes[0], "most": h.step_sizes[1],
        },
        _rprop,
        lambda h: {"prev": 0, "step_size": lambda s: _full(s, float(h["lr"]))},
        ("etas", "step_sizes"),
        ("maximize",),
    )

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
                 maximize=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip
