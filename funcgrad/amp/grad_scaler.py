"""GradScaler: gradients of a scaled loss, and steps left out where one of them is no number; all inside the program.

PyTorch looks at a flag before each step. Here the flag is an input of the update, which keeps the old numbers where
it is set: no look, no run. Knows Optimizer's way of recording a step.
"""

from __future__ import annotations

import warnings

import jax.numpy as jnp

from .. import dtypes
from ..engine import no_grad
from ..op import Op
from ..tape import record
from ..tensor import NAMES, Tensor
from ..tensor.alias import write_fresh
from ..tensor.create import tensor
from ..tensor.tensor import value_of, wrap

__all__ = ["GradScaler"]

T = NAMES["torch"]


def _unscale(scale, *grads):
    """(1 if some gradient is no finite number, else 0; the gradients without the scale)."""
    inverse = 1.0 / scale.astype(jnp.float64)
    made = [(g.astype(jnp.float32) * inverse.astype(jnp.float32)).astype(g.dtype) for g in grads]
    found = jnp.zeros((), bool)
    for g in grads:
        found |= ~jnp.all(jnp.isfinite(g))
    return (found.astype(jnp.float32), *made)


_UNSCALE = Op("unscale_grads", _unscale, None, "internal")


class GradScaler:
    """Scales the loss, so that small gradients do not vanish in float16, and the gradients back before a step.

    init_scale       the scale to begin with
    growth_factor    what it is multiplied by after `growth_interval` steps without an infinite gradient
    backoff_factor   what it is multiplied by after a step with one, which is left out
    enabled          do nothing if not
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True):  # fmt: skip
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda":
            from ..device import default_device

            if default_device().type != "cuda":
                warnings.warn(
                    "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
                )
                self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if backoff_factor >= 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._growth_factor, self._backoff_factor = init_scale, growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._found: dict[int, Tensor] = {}  # optimizer -> whether it has a gradient that is no number
        self._done: set[int] = set()  # optimizers that have stepped since the last update

    def _begin(self) -> None:
        if self._scale is None:
            self._scale = tensor(float(self._init_scale), dtype=dtypes.float32)
            self._growth_tracker = tensor(0, dtype=dtypes.int32)

    def _begun(self, name: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss or "
                "outputs) earlier in the iteration."
            )

    def scale(self, outputs):
        """A Tensor, or Tensors in lists and tuples, times the scale."""
        if not self._enabled:
            return outputs
        self._begin()
        if isinstance(outputs, Tensor):
            return outputs * self._scale.to(outputs.dtype if outputs.dtype is dtypes.float64 else self._scale.dtype)
        if isinstance(outputs, list | tuple):
            made = [self.scale(x) for x in outputs]
            return type(outputs)(*made) if hasattr(outputs, "_fields") else type(outputs)(made)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    @no_grad()
    def unscale_(self, optimizer) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, before they are clipped."""
        if not self._enabled:
            return
        self._begun("unscale_")
        if id(optimizer) in self._found:
            if id(optimizer) in self._done:
                raise RuntimeError("unscale_() is being called after step().")
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        if not grads:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        for g in grads:
            if g.dtype is dtypes.float16:
                raise ValueError("Attempting to unscale FP16 gradients.")
        found, *made = record(_UNSCALE, (value_of(self._scale), *map(value_of, grads)))
        for g, v in zip(grads, made, strict=True):
            write_fresh(g, v)
        self._found[id(optimizer)] = wrap(found)

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step(*args)`, whose updates are left out where a gradient is infinite or no number."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._begun("step")
        if id(optimizer) in self._done:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        self._done.add(id(optimizer))
        optimizer.found_inf = self._found[id(optimizer)]
        try:
            if getattr(optimizer, "rule", None) is None and optimizer.found_inf.item():
                return None  # one that is no Rule can only be left out whole
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.found_inf

    @no_grad()
    def update(self, new_scale=None) -> None:
        """A smaller scale after a step that was left out, a larger one after many that were not; or `new_scale`."""
        if not self._enabled:
            return
        self._begun("update")
        if new_scale is not None:
            self._scale.copy_(new_scale) if isinstance(new_scale, Tensor) else self._scale.fill_(float(new_scale))
        else:
            if not self._found:
                raise AssertionError("No inf checks were recorded prior to update.")
            found = sum(self._found.values()) > 0
            grown = self._growth_tracker + 1
            full = grown == self._growth_interval
            up = T["where"](full, self._scale * self._growth_factor, self._scale)
            up = T["where"](up.isfinite(), up, self._scale)
            self._scale.copy_(T["where"](found, self._scale * self._backoff_factor, up))
            self._growth_tracker.copy_(T["where"](found | full, 0, grown))
        self._found, self._done = {}, set()

    def get_scale(self) -> float:
        """The scale, 1 if not enabled. Looks at it."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps let the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many good steps let the scale grow."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict:
        """Scale, factors, interval, and good steps so far; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": 0 if self._growth_tracker is None else self._growth_tracker.item(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on where `state_dict` was taken."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale, self._growth_factor = state_dict["scale"], state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._begin()
        with no_grad():
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(state_dict["_growth_tracker"])
