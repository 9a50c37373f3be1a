"""Activations: the rows with their `inplace` flag, the softmax family, and random ones.

Knows the rows and the default generator. Must not know modules.
"""

from __future__ import annotations

import warnings

from ...random import default_generator
from ...tensor import METHODS, NAMES, composite
from ...tensor.tensor import value_of, wrap
from .shared import row, written

T, F = NAMES["torch"], dict(NAMES["F"])  # the rows, before the functions below take their names

for _name in ("sigmoid", "tanh", "prelu", "hardshrink"):
    NAMES["F"][_name] = T[_name]
for _name in ("relu_", "hardtanh_", "leaky_relu_", "elu_", "selu_", "celu_", "threshold_"):
    NAMES["F"][_name] = METHODS[_name]
    if _name in ("relu_", "selu_", "celu_", "threshold_"):
        T[_name] = METHODS[_name]


@composite(where="F")
def relu(input, inplace=False):
    """max(0, x).

    >>> import funcgrad as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return METHODS["relu_"](input) if inplace else METHODS["relu"](input)


@composite(where="F")
def relu6(input, inplace=False):
    """min(max(0, x), 6)."""
    return METHODS["relu6_"](input) if inplace else F["relu6"](input)


@composite(where="F")
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x between `min_val` and `max_val`."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return (METHODS["hardtanh_"] if inplace else F["hardtanh"])(input, min_val, max_val)


@composite(where="F")
def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where it is positive, else `negative_slope` * x."""
    return (METHODS["leaky_relu_"] if inplace else F["leaky_relu"])(input, negative_slope)


@composite(where="F")
def threshold(input, threshold, value, inplace=False):
    """x where it is above `threshold`, else `value`."""
    return (METHODS["threshold_"] if inplace else F["threshold"])(input, threshold, value)


@composite(where="F")
def hardsigmoid(input, inplace=False):
    """relu6(x + 3) / 6."""
    return METHODS["hardsigmoid_"](input) if inplace else F["hardsigmoid"](input)


@composite(where="F")
def hardswish(input, inplace=False):
    """x * relu6(x + 3) / 6."""
    return METHODS["hardswish_"](input) if inplace else F["hardswish"](input)


@composite(where="F")
def elu(input, alpha=1.0, inplace=False):
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return (METHODS["elu_"] if inplace else F["elu"])(input, alpha)


@composite(where="F")
def selu(input, inplace=False):
    """elu, scaled so that mean 0 and variance 1 keep themselves up."""
    return METHODS["selu_"](input) if inplace else F["selu"](input)


@composite(where="F")
def celu(input, alpha=1.0, inplace=False):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    return (METHODS["celu_"] if inplace else F["celu"])(input, alpha)


@composite(where="F")
def silu(input, inplace=False):
    """x * sigmoid(x)."""
    return METHODS["silu_"](input) if inplace else F["silu"](input)


@composite(where="F")
def mish(input, inplace=False):
    """x * tanh(softplus(x))."""
    return METHODS["mish_"](input) if inplace else F["mish"](input)


for _name in ("selu", "celu", "threshold"):
    T[_name] = F[_name]


# ---- softmax -----------------------------------------------------------------------------------------------


def _dim(name: str, dim: int | None, ndim: int, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


@composite(where="F")
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) / sum(exp(x)) along `dim`.

    >>> import funcgrad as torch
    >>> torch.nn.functional.softmax(torch.zeros(4), dim=0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return row("softmax", input, dim=_dim("softmax", dim, input.ndim, _stacklevel), dtype=dtype)


@composite(where="F")
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(x)), without leaving the numbers' range."""
    return row("log_softmax", input, dim=_dim("log_softmax", dim, input.ndim, _stacklevel), dtype=dtype)


@composite(where="F")
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-x)."""
    return row("softmax", -input, dim=_dim("softmin", dim, input.ndim, _stacklevel), dtype=dtype)


@composite(where="F")
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Samples of the Gumbel-softmax distribution; `hard` ones are one-hot, with the soft ones' gradient."""
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", UserWarning, stacklevel=2)
    noise = -T["empty_like"](logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one = T["zeros_like"](logits).scatter(dim, index, T["ones_like"](index, dtype=logits.dtype))
    return one - soft.detach() + soft


# ---- with random slopes --------------------------------------------------------------------------------------


@composite(where="F")
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with a slope drawn for each element, or their mean when not training."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        drawn = default_generator.record("rrelu_train", (value_of(input),), lower=float(lower), upper=float(upper))
        out = wrap(drawn[0])
    else:
        out = F["leaky_relu"](input, (lower + upper) / 2)
    return written(input, out) if inplace else out


@composite(where="F")
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    return rrelu(input, lower, upper, training, True)


T["rrelu"], T["rrelu_"] = rrelu, rrelu_
