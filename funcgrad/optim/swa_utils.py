"""Averages of a model's parameters: stochastic weight averaging, and the exponential moving average.

Everything is recorded: an update looks at no number. Knows Module and schedules.
"""

from __future__ import annotations

import itertools
import math
from copy import deepcopy

import numpy as np

from .. import dtypes
from ..engine import no_grad
from ..nn.module import Module
from ..tape import known_array
from ..tensor import NAMES, Tensor
from ..tensor.create import tensor
from ..tensor.tensor import value_of
from .lr_scheduler.base import LRScheduler, per_group

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

where = NAMES["torch"]["where"]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999):
    """average ← decay·average + (1 - decay)·parameter, for one tensor."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """average ← the mean of all parameters so far, for one tensor."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _all_at_once(avg_fn):
    """An update of lists in place, from one of tensors."""

    @no_grad()
    def update(averaged: list, current: list, num_averaged) -> None:
        for a, p in zip(averaged, current, strict=True):
            a.copy_(avg_fn(a, p, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999):
    """`get_ema_avg_fn` of lists of tensors, in place."""
    return _all_at_once(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    """`get_swa_avg_fn` of lists of tensors, in place."""
    return _all_at_once(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's.

    avg_fn        (average, parameter, number averaged) -> new average; the plain mean if None
    multi_avg_fn  the same for lists, in place
    use_buffers   average the buffers too, instead of copying them
    """

    def __init__(self, model: Module, device=None, avg_fn=None, multi_avg_fn=None, use_buffers: bool = False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def _pairs(self, model: Module) -> list[tuple]:
        if not self.use_buffers:
            return list(zip(self.parameters(), model.parameters(), strict=True))
        mine, theirs = (itertools.chain(m.parameters(), m.buffers()) for m in (self.module, model))
        return list(zip(mine, theirs, strict=True))

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the averages; the first time they are taken as they are."""
        pairs, n = self._pairs(model), self.n_averaged
        averages, current = [a.detach() for a, _ in pairs], [p.detach() for _, p in pairs]
        if _is_zero(n):
            made = current
        elif self.multi_avg_fn is not None:
            made = [a.clone() for a in averages]
            self.multi_avg_fn(made, current, n)
        else:
            made = [(self.avg_fn or get_swa_avg_fn())(a, p, n) for a, p in zip(averages, current, strict=True)]
        for a, p, new in zip(averages, current, made, strict=True):
            a.copy_(where(n == 0, p, new.to(a.dtype)))
        if not self.use_buffers:
            for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.copy_(theirs.detach())
        self.n_averaged.add_(1)


def _is_zero(n: Tensor) -> bool:
    """Whether a count lies on the host and is 0; one that a program has made is not waited for."""
    array = known_array(value_of(n))
    return isinstance(array, np.ndarray) and array == 0


@no_grad()
def update_bn(loader, model: Module, device=None) -> None:
    """The running statistics of batch normalisation, anew from all batches of `loader`, each the input or a list
    whose first part is."""
    from ..nn.modules.norm import _BatchNorm

    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for m in momenta:
        m.reset_running_stats()
        m.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, list | tuple) else batch)
    for m, momentum in momenta.items():
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """The rate annealed to `swa_lr` in `anneal_epochs` epochs, by a cosine or a line, and kept there."""

    def __init__(self, optimizer, swa_lr, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1):
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        found = []
        for group in self.optimizer.param_groups:
            end, lr = group["swa_lr"], group["lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            found.append(end * now + start * (1 - now))
        return found
