"""Adam and its relatives: averages of the gradient and of its square, corrected for having begun at zero."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..tensor import Tensor
from .checks import check_adam, check_betas, check_flags, check_lr
from .optimizer import Optimizer
from .rule import Rule
from .sgd import decayed

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam"]

NUMBERS = ("lr", "betas", "eps", "weight_decay")


def averages(h, t) -> dict:
    """The weights of both averages, and what has been averaged by step t."""
    beta1, beta2 = h.betas
    return {
        "fresh1": 1 - beta1, "beta2": beta2, "fresh2": 1 - beta2, "eps": h.eps, "lr": h.lr,
        "weight_decay": h.weight_decay, "shrink": None if h.weight_decay is None else 1 - h.lr * h.weight_decay,
        "part1": 1 - beta1**t, "part2": 1 - beta2**t,
    }  # fmt: skip


def averaged(g, s, k):
    """Both averages, with g in them."""
    return s.exp_avg + k.fresh1 * (g - s.exp_avg), k.beta2 * s.exp_avg_sq + k.fresh2 * (g * g)


def weighed(p, g, k, h):
    """(p, g) after weight decay of either kind."""
    if k.weight_decay is None:
        return p, g
    return (p * k.shrink, g) if h.decoupled_weight_decay else (p, decayed(p, g, k))


def _adam(p, g, s, k, h):
    p, g = weighed(p, g, k, h)
    m, v = averaged(g, s, k)
    made = {"exp_avg": m, "exp_avg_sq": v}
    if h.amsgrad:
        v = made["max_exp_avg_sq"] = jnp.maximum(s.max_exp_avg_sq, v)
    return p - k.size * (m / (jnp.sqrt(v) / k.root + k.eps)), made


def _adam_coefficients(h, t):
    k = averages(h, t)
    return {**k, "size": h.lr / k["part1"], "root": jnp.sqrt(k["part2"])}


class Adam(Optimizer):
    """p ← p - lr·m̂ / (√v̂ + eps), where m and v average g and g² by `betas`; the hats correct for their start at zero.

    weight_decay  added to the gradient; taken off the parameter instead with `decoupled_weight_decay`
    amsgrad       use the largest v̂ so far
    """

    rule = Rule(
        "adam",
        _adam_coefficients,
        _adam,
        lambda h: {"exp_avg": 0, "exp_avg_sq": 0, **({"max_exp_avg_sq": 0} if h["amsgrad"] else {})},
        NUMBERS,
        ("amsgrad", "maximize", "decoupled_weight_decay"),
    )

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None,
                 decoupled_weight_decay=False):  # fmt: skip
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_adam(lr, betas, eps, weight_decay=weight_decay)
        check_flags(foreach, fused, differentiable)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip


class AdamW(Adam):
    """Adam whose weight decay is taken off the parameter: p ← (1 - lr·weight_decay)·p before each step."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def _adamax(p, g, s, k, h):
    g = decayed(p, g, k)
    m = s.exp_avg + k.fresh1 * (g - s.exp_avg)
    largest = jnp.maximum(s.exp_inf * k.beta2, jnp.abs(g) + k.eps)
    return p - k.size * (m / largest), {"exp_avg": m, "exp_inf": largest}


class Adamax(Optimizer):
    """Adam with the largest gradient, forgotten by beta2, in the place of the root of the average square."""

    rule = Rule(
        "adamax",
        lambda h, t: {**averages(h, t), "size": h.lr / (1 - h.betas[0] ** t)},
        _adamax,
        lambda h: {"exp_avg": 0, "exp_inf": 0},
        NUMBERS,
        ("maximize",),
    )

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        check_adam(lr, betas, eps, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip


def _nadam(p, g, s, k, h):
    p, g = weighed(p, g, k, h)
    m, v = averaged(g, s, k)
    # PyTorch keeps the product in float32 whatever the parameter is
    product = (s.mu_product * k.mu).astype(jnp.float32).astype(s.mu_product.dtype)
    root = jnp.sqrt(v / k.part2) + k.eps
    p = p - (k.lr * (1 - k.mu) / (1 - product)) * (g / root)
    p = p - (k.lr * k.mu_next / (1 - product * k.mu_next)) * (m / root)
    return p, {"mu_product": product, "exp_avg": m, "exp_avg_sq": v}


def _nadam_coefficients(h, t):
    mu = h.betas[0] * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))
    mu_next = h.betas[0] * (1 - 0.5 * 0.96 ** ((t + 1) * h.momentum_decay))
    return {**averages(h, t), "mu": mu, "mu_next": mu_next}


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which grows as `momentum_decay` says."""

    rule = Rule(
        "nadam",
        _nadam_coefficients,
        _nadam,
        lambda h: {"mu_product": lambda s: np.ones((), np.float32), "exp_avg": 0, "exp_avg_sq": 0},
        (*NUMBERS, "momentum_decay"),
        ("maximize", "decoupled_weight_decay"),
    )

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False):  # fmt: skip
        check_adam(lr, betas, eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        })  # fmt: skip


def _radam(p, g, s, k, h):
    p, g = weighed(p, g, k, h)
    m, v = averaged(g, s, k)
    adaptive = k.rectified / (jnp.sqrt(v) + k.eps)
    return p - (m / k.part1) * k.lr * jnp.where(k.rectified > 0, adaptive, 1), {"exp_avg": m, "exp_avg_sq": v}


def _radam_coefficients(h, t):
    beta2 = h.betas[1]
    most = 2 / (1 - beta2) - 1
    now = most - 2 * t * beta2**t / (1 - beta2**t)
    known = jnp.where(now > 5, now, 6.0)  # a length for which the root below is real
    root = jnp.sqrt((known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known))
    return {**averages(h, t), "rectified": jnp.where(now > 5, jnp.sqrt(1 - beta2**t) * root, 0.0)}


class RAdam(Optimizer):
    """Adam that takes plain steps of momentum until the average of squares has become reliable."""

    rule = Rule(
        "radam",
        _radam_coefficients,
        _radam,
        lambda h: {"exp_avg": 0, "exp_avg_sq": 0},
        NUMBERS,
        ("maximize", "decoupled_weight_decay"),
    )

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):  # fmt: skip
        check_adam(lr, betas, eps, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        })  # fmt: skip


def _sparse_adam(p, g, s, k, h):
    """Only where the gradient is not zero: there are no sparse gradients here, so zero stands for absent."""
    here = g != 0
    m, v = averaged(g, s, k)
    new = p - k.size * (m / (jnp.sqrt(v) + k.eps))
    made = {"exp_avg": jnp.where(here, m, s.exp_avg), "exp_avg_sq": jnp.where(here, v, s.exp_avg_sq)}
    return jnp.where(here, new, p), made


def _sparse_coefficients(h, t):
    h.weight_decay = None
    return {**averages(h, t), "size": h.lr * jnp.sqrt(1 - h.betas[1] ** t) / (1 - h.betas[0] ** t)}


class SparseAdam(Optimizer):
    """Adam that leaves alone what has no gradient: parameters, and averages, where the gradient is exactly zero.

    Gradients are dense here; PyTorch's takes sparse ones and updates the elements that they have.
    """

    rule = Rule(
        "sparse_adam",
        _sparse_coefficients,
        _sparse_adam,
        lambda h: {"exp_avg": 0, "exp_avg_sq": 0},
        ("lr", "betas", "eps"),
        ("maximize",),
    )

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        check_lr(lr)
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
