"""autocast: products in a narrow dtype, sums that need it in float32, cast as they are recorded.

A cast is one more operation on the tape; XLA makes one of several of the same parameter, and fuses it. Knows the tape.
"""

from __future__ import annotations

import functools
import warnings

from .. import dtypes
from ..device import device as Device
from ..op import REGISTRY
from ..tape import local, record, set_cast

__all__ = ["autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_enabled", "set_autocast_dtype"]

PRODUCTS = """addbmm addmm addmv baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
einsum linear matmul mm prelu tensordot attention recurrent_layer"""
LOSSES = """binary_cross_entropy binary_cross_entropy_with_logits huber_loss l1_loss mse_loss multi_margin_loss
multilabel_margin_loss nll_loss nll_loss2d smooth_l1_loss soft_margin_loss ctc cdist prod"""
# by kind of device, as PyTorch has them: what is computed in the narrow dtype, and what in float32
NARROW = {
    "cpu": PRODUCTS,
    "cuda": PRODUCTS + " mv dot lstm_cell_step gru_cell_step tanh_cell_step relu_cell_step",
}
WIDE = {
    "cpu": LOSSES + " avg_pool3d grid_sampler_2d grid_sampler_3d quantile nanquantile trace",
    "cuda": LOSSES + """ acos asin cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt sinh tan pow pow_scalar
rpow softplus layer_norm group_norm rms_norm vector_norm dist logsumexp softmax log_softmax cumprod cumsum sum""",
}  # fmt: skip
_defaults = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}
SUPPORTED = {"cpu": (dtypes.bfloat16, dtypes.float16), "cuda": (dtypes.bfloat16, dtypes.float16)}


class Cast:
    """What casts the arguments of an operation. One object for each kind of device and dtype, so that the path a
    program has taken is found again."""

    def __init__(self, kind: str, dtype: dtypes.DType):
        self.kind, self.dtype = kind, dtype
        self.to = dict.fromkeys(NARROW[kind].split(), dtype) | dict.fromkeys(WIDE[kind].split(), dtypes.float32)

    def __call__(self, op, args):
        to = self.to.get(op.name)
        if to is None:
            return args
        return [cast(a, to) for a in args]

    def __repr__(self) -> str:
        return f"autocast to {self.dtype}"


def cast(v, to: dtypes.DType):
    """A Value in another floating point dtype; float64 and what is no float stay as they are."""
    s = getattr(v, "spec", None)
    if s is None or s.dtype is to or not s.dtype.is_floating_point or s.dtype is dtypes.float64:
        return v
    return record(REGISTRY["to_dtype"], (v,), {"dtype": to})


_cast = functools.cache(Cast)


def _kind(device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    kind = Device(device_type).type
    return kind if kind in NARROW else "cuda"


class autocast:
    """Within, products are computed in `dtype` (bfloat16 on "cpu", float16 on "cuda" by default), and losses and
    what else needs it in float32. As a context or as a decorator.

    >>> import funcgrad as torch
    >>> x = torch.ones(2, 2)
    >>> with torch.autocast("cpu"):
    ...     y = x @ x
    >>> y.dtype, (y + x).dtype
    (torch.bfloat16, torch.float32)
    """

    def __init__(self, device_type: str, dtype: dtypes.DType | None = None, enabled: bool = True,
                 cache_enabled: bool | None = None):  # fmt: skip
        self.device, kind = device_type, _kind(device_type)
        self.fast_dtype = dtype or _defaults[kind]
        if enabled and self.fast_dtype not in SUPPORTED[kind]:
            supported = ", ".join(str(d) for d in SUPPORTED[kind])
            warnings.warn(
                f"In {kind.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{kind.upper()} Autocast only supports dtypes of {supported} currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._to = _cast(kind, self.fast_dtype) if enabled else None

    def __enter__(self):
        self._before = local.cast
        set_cast(self._to)
        return self

    def __exit__(self, kind, error, tb):
        set_cast(self._before)
        return False

    def __call__(self, f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            with autocast(self.device, self.fast_dtype, self._enabled):
                return f(*args, **kwargs)

        return wrapper


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether `autocast` is on, for a kind of device."""
    return local.cast is not None and (device_type is None or local.cast.kind == _kind(device_type))


def get_autocast_dtype(device_type: str) -> dtypes.DType:
    """What `autocast` casts to."""
    kind = _kind(device_type)
    return local.cast.dtype if is_autocast_enabled(device_type) else _defaults[kind]


def set_autocast_dtype(device_type: str, dtype: dtypes.DType) -> None:
    """What `autocast` casts to where nothing else is said."""
    _defaults[_kind(device_type)] = dtype


def custom_fwd(fwd=None, *, device_type: str = "cuda", cast_inputs: dtypes.DType | None = None):
    """For the forward of an autograd.Function: with `cast_inputs`, without autocast and with its Tensors in that
    dtype."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapper(ctx, *args, **kwargs):
        ctx._fwd_used_autocast = is_autocast_enabled(device_type)
        if cast_inputs is None or not ctx._fwd_used_autocast:
            return fwd(ctx, *args, **kwargs)
        from ..tensor import Tensor

        ctx._fwd_used_autocast = False
        floats = lambda x: isinstance(x, Tensor) and x.dtype.is_floating_point and x.dtype is not dtypes.float64  # noqa: E731
        with autocast(device_type, enabled=False):
            args = [a.to(cast_inputs) if floats(a) else a for a in args]
            return fwd(ctx, *args, **{k: a.to(cast_inputs) if floats(a) else a for k, a in kwargs.items()})

    return wrapper


def custom_bwd(bwd=None, *, device_type: str = "cuda"):
    """For the backward of an autograd.Function: with autocast as its forward had it."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapper(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return wrapper
