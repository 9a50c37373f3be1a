"""Batch normalisation in evaluation folded into the layer before it."""

from __future__ import annotations

from copy import deepcopy

from ...engine import no_grad
from ...tensor import NAMES
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights", "skip_init"]

T = NAMES["torch"]


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose: bool = False):
    """(weight, bias) of a convolution that does what it and the batch normalisation after it did."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """(weight, bias) of a linear layer that does what it and the batch normalisation after it did."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


@no_grad()
def _fused(w, b, mean, var, eps, gamma, beta, dim: int):
    b = T["zeros_like"](mean) if b is None else b
    gamma = T["ones_like"](mean) if gamma is None else gamma
    beta = T["zeros_like"](mean) if beta is None else beta
    scale = gamma * T["rsqrt"](var + eps)
    shape = [-1 if i == dim else 1 for i in range(w.ndim)]
    wants = w.requires_grad
    return (
        Parameter((w * scale.reshape(shape)).to(w.dtype), wants),
        Parameter(((b - mean) * scale + beta).to(b.dtype), wants),
    )


def fuse_conv_bn_eval(conv, bn, transpose: bool = False):
    """A convolution that does what `conv` and `bn` do; both must be in evaluation mode."""
    return _layer(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what `linear` and `bn` do; both must be in evaluation mode."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    return _layer(linear, bn, fuse_linear_bn_weights)


def _layer(layer, bn, fuse, *more):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    made = deepcopy(layer)
    made.weight, made.bias = fuse(
        made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *more
    )
    return made


def skip_init(module_cls, *args, **kwargs):
    """`module_cls(*args, **kwargs)`, whose numbers are not to be relied on: PyTorch leaves them as they lay in memory.

    Raises RuntimeError for what is no Module.
    """
    from ..module import Module

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    return module_cls(*args, **kwargs)
