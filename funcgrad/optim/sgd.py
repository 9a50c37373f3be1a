"""Stochastic gradient descent, and its averaged kind."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from .checks import check_at_least_zero, check_flags, check_lr
from .optimizer import Optimizer
from .rule import Rule

__all__ = ["ASGD", "SGD"]


def decayed(p, g, k):
    """The gradient of a loss that has weight decay in it."""
    return g if k.weight_decay is None else g + k.weight_decay * p


def _sgd(p, g, s, k, h):
    g = decayed(p, g, k)
    if h.momentum is None:
        return p - k.lr * g, {}
    buf = g if s.momentum_buffer is None else k.momentum * s.momentum_buffer + k.fresh * g
    g = g + k.momentum * buf if h.nesterov else buf
    return p - k.lr * g, {"momentum_buffer": buf}


def _momentum(h):
    """From zeros the first buffer is the gradient, unless it is damped: PyTorch begins with all of it."""
    return {} if h["momentum"] == 0 else {"momentum_buffer": 0 if h["dampening"] == 0 else None}


class SGD(Optimizer):
    """p ← p - lr·b, where b ← momentum·b + (1 - dampening)·(g + weight_decay·p); with `nesterov` g + momentum·b for
    b."""

    rule = Rule(
        "sgd",
        lambda h, t: {
            "lr": h.lr, "weight_decay": h.weight_decay, "momentum": h.momentum, "fresh": 1 - h.dampening,
        },
        _sgd,
        _momentum,
        ("lr", "momentum", "dampening", "weight_decay"),
        ("nesterov", "maximize"),
        zeros=("weight_decay", "momentum"),
        clock=False,
    )

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
                 foreach=None, differentiable=False, fused=None):  # fmt: skip
        check_lr(lr)
        check_at_least_zero(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_flags(foreach, fused, differentiable)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
            "fused": fused,
        })  # fmt: skip


def _asgd(p, g, s, k, h):
    g = decayed(p, g, k)
    p = p * (1 - k.lambd * s.eta) - s.eta * g
    ax = jnp.where(s.mu == 1, p, s.ax + (p - s.ax) * s.mu)
    return p, {"eta": k.eta, "mu": k.mu, "ax": ax}


class ASGD(Optimizer):
    """SGD with a learning rate that falls as lr / (1 + lambd·lr·t)^alpha, and an average `ax` of the parameters from
    step `t0` on in the state."""

    rule = Rule(
        "asgd",
        lambda h, t: {
            "lambd": h.lambd, "weight_decay": h.weight_decay, "eta": h.lr / (1 + h.lambd * h.lr * t) ** h.alpha,
            "mu": 1 / jnp.maximum(1, t - h.t0),
        },
        _asgd,
        lambda h: {
            "eta": lambda s: np.asarray(float(h["lr"]), np.float32), "mu": lambda s: np.ones((), np.float32), "ax": 0,
        },
        ("lr", "lambd", "alpha", "t0", "weight_decay"),
        ("maximize",),
    )

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        check_lr(lr)
        check_at_least_zero(weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip
