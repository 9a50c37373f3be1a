"""What every learning rate schedule is: the epoch it is at, and the rates it gives for it.

Rates stay Python numbers in the optimizer's groups: the tape takes one that varies as an input of the program. A
rate that is a Tensor is filled in place. Knows Optimizer.
"""

from __future__ import annotations

import functools
import types
import warnings
import weakref

from ...tape import local
from ...tensor import Tensor
from ..optimizer import Optimizer

__all__ = ["LRScheduler", "per_group", "put", "rates"]

HOW = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed "
    "form is used instead of the new chainable form, where available. Please open an issue if you are unable to "
    "replicate your use case: https://github.com/pytorch/pytorch/issues/new/choose."
)


def rates(optimizer: Optimizer, key: str = "lr") -> list:
    """What each group has for `key`; a Tensor copied."""
    return [g[key].clone() if isinstance(g[key], Tensor) else g[key] for g in optimizer.param_groups]


def put(group: dict, key: str, value) -> None:
    """Give a group a new number; a Tensor that it has takes it in place."""
    if isinstance(group[key], Tensor):
        from ...engine import no_grad

        with no_grad():
            group[key].copy_(value) if isinstance(value, Tensor) else group[key].fill_(value)
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value) -> list:
    """A value for each group, given once or as a list. Raises ValueError for a list of another length."""
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        value = [value] * n
    elif len(value) != n:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {n}."
        )
    return [x.clone() if isinstance(x, Tensor) else x for x in value]


def check_optimizer(optimizer) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def _repeated(step):
    """`step`, which a compiled function that calls it calls again each time."""

    @functools.wraps(step)
    def wrapper(self, *args, **kwargs):
        if local.whole is None:
            return step(self, *args, **kwargs)
        with local.whole.again(functools.partial(step, self, *args, **kwargs)):
            return step(self, *args, **kwargs)

    return wrapper


class LRScheduler:
    """The base class of schedules: a subclass defines `get_lr`, the rates of all groups at `self.last_epoch`, and where
    there is one `_get_closed_form_lr`, the same without regard to the rates before.

    last_epoch  the epoch that was the last one, to go on from a checkpoint; -1 to begin
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _repeated(cls.__dict__["step"])

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"].clone() if isinstance(group["lr"], Tensor) else group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training from a "
                    "checkpoint but haven't properly loaded the optimizer state\n2. You're using last_epoch >= 0 for "
                    "a fresh training run (not recommended)"
                )
        self.base_lrs = rates(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict:
        """Everything but the optimizer."""
        return self._state_without()

    def _state_without(self, *names: str) -> dict:
        left_out = ("optimizer", *names)
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on where `state_dict` was taken."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list:
        """The rates of all groups now."""
        return self._last_lr

    def get_lr(self) -> list:
        """The rates of all groups at `last_epoch`."""
        raise NotImplementedError

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _times(self, factor: float) -> list:
        """The rates of all groups, multiplied."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    @_repeated
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to `epoch`: after the optimizer's step."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                    f"Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. {HOW}",
                    UserWarning,
                    stacklevel=2,
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you "
                    "should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  "
                    "Failure to do this will result in PyTorch skipping the first value of the learning rate "
                    f"schedule. {HOW}",
                    UserWarning,
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = epoch is not None and hasattr(self, "_get_closed_form_lr")
        self._apply(self._get_closed_form_lr if closed else self.get_lr)

    def _apply(self, get) -> None:
        self._get_lr_called_within_step = True
        try:
            found = get()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, found, strict=True):
            put(group, "lr", lr)
        self._last_lr = rates(self.optimizer)


def _watch(optimizer: Optimizer) -> None:
    """Let `optimizer.step` note that it has been called."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step, owner = optimizer.step.__func__, weakref.ref(optimizer)  # the optimizer holds the wrapper

    @functools.wraps(step)
    def wrapper(*args, **kwargs):
        self = owner()
        self._opt_called = True
        return step.__get__(self, type(self))(*args, **kwargs)

    wrapper._wrapped_by_lr_sched = True
    optimizer.step = wrapper


def state_of(functions: list) -> list:
    """What can be kept of callables in a `state_dict`: the attributes of those that are no plain functions."""
    return [None if isinstance(f, types.FunctionType) else f.__dict__.copy() for f in functions]
