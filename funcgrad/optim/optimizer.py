"""Optimizer: parameter groups, hooks and the `state_dict`; what a step does is a `Rule` (see `rule`).

Knows the Tensor and how a Rule is recorded. Must not know nn.
"""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy

from ..engine import enable_grad, no_grad
from ..engine.modes import set_grad_enabled
from ..tape import local, settle, stats
from ..tensor import Tensor
from ..tensor.tensor import typename, zero_grad
from ..utils.hooks import Hooks, RemovableHandle, register
from .rule import Rule, record_step

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook", "required"]

_pre_hooks, _post_hooks = Hooks(), Hooks()


def register_optimizer_step_pre_hook(hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before the step of every optimizer."""
    return register(_pre_hooks, hook)


def register_optimizer_step_post_hook(hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after the step of every optimizer."""
    return register(_post_hooks, hook)


class _Required:
    """Stands for an option that every group must be given."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

TABLES = (
    "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)  # fmt: skip


class Optimizer:
    """The base class of all optimizers.

    params    an iterable of Tensors, of (name, Tensor), or of dicts with "params" and options of their own
    defaults  the options of groups that say nothing else

    A step of a subclass that has a `rule` is one recorded operation for all parameters of a group. Its options may
    change from step to step: what a schedule changes is an input of the compiled program from the beginning, any other
    number from its first change on.
    """

    rule: Rule | None = None

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])

    def __init__(self, params: Iterable, defaults: dict) -> None:
        settle()  # how parameters and data were made is no part of the first step
        self.defaults = defaults
        self.__dict__.update({name: Hooks() for name in TABLES})
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + params.type()
            )
        self.state: defaultdict[Tensor, dict] = defaultdict(dict)
        self.param_groups: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # ---- groups ----

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters with options of their own: a dict with "params". Raises ValueError for one that is there."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, Tensor):
            param_group["params"] = [given]
        elif isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        else:
            param_group["params"] = list(given)
        self._take_names(param_group)
        for p in param_group["params"]:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {typename(p)}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        params = param_group["params"]
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        have = set().union(*(g["params"] for g in self.param_groups))
        if not have.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _take_names(self, group: dict) -> None:
        named = [isinstance(p, tuple) for p in group["params"]]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            group["param_names"] = [name for name, _ in group["params"]]
            group["params"] = [p for _, p in group["params"]]
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            word = "with names" if "param_names" in group else "without names"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {word} to the optimizer"
            )

    # ---- the step ----

    def step(self, closure: Callable | None = None):
        """Update all parameters that have a gradient.

        closure  computes the loss again and returns it; called first, with gradients enabled
        """
        if self.rule is None:
            raise NotImplementedError
        loss = loss_of(closure)
        with set_grad_enabled(bool(self.defaults.get("differentiable"))):
            for group in self.param_groups:
                record_step(self.rule, group, self.state, getattr(self, "found_inf", None))
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or make them zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                zero_grad(p, set_to_none)

    def register_step_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; a tuple (args, kwargs) it returns is used instead."""
        return register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return register(self._optimizer_step_post_hooks, hook)

    # ---- state ----

    def register_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; a dict it returns is used instead."""
        return register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; a dict it returns is used instead."""
        return register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def state_dict(self) -> dict:
        """{"state": number of a parameter -> its state, "param_groups": options, with numbers for parameters}."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[Tensor, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            for p in group["params"]:
                numbers.setdefault(p, len(numbers))
            packed["params"] = [numbers[p] for p in group["params"]]
            groups.append(packed)
        own = Rule.own_clocks
        state = {numbers.get(k, k) if isinstance(k, Tensor) else k: own(v) for k, v in self.state.items()}
        made = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            found = hook(self, made)
            made = made if found is None else found
        return made

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a copy of what `state_dict` of an optimizer with groups of the same sizes gave."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            found = hook(self, state_dict)
            state_dict = state_dict if found is None else found
        mine, theirs = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(mine) != len(theirs):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(mine, theirs, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        by_number = {
            number: p
            for a, b in zip(mine, theirs, strict=True)
            for number, p in zip(b["params"], a["params"], strict=True)
        }
        state: defaultdict = defaultdict(dict)
        with no_grad():
            for key, kept in state_dict["state"].items():
                p = by_number.get(key)
                state[key if p is None else p] = deepcopy(kept) if p is None else _taken(kept, p)
        groups = []
        for a, b in zip(mine, theirs, strict=True):
            if "param_names" in a and "param_names" not in b:
                b["param_names"] = a["param_names"]
            groups.append({**b, "params": a["params"]})
        self.__setstate__({"state": state, "param_groups": groups})
        Rule.share_clocks(self.state)
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in TABLES:
            self.__dict__.setdefault(name, Hooks())
        for group in self.param_groups:
            for name, default in self.__dict__.get("defaults", {}).items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"


def loss_of(closure: Callable | None):
    """What the closure of a step returns, called with gradients enabled; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def _hooked(step: Callable) -> Callable:
    """`step` with the hooks before and after it."""

    @functools.wraps(step)
    def wrapper(self, *args, **kwargs):
        for hook in (*_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            found = hook(self, args, kwargs)
            if found is None:
                continue
            if not isinstance(found, tuple) or len(found) != 2:
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got {found}."
                )
            args, kwargs = found
        if local.whole is not None:
            local.whole.stepped(self)
        stats.steps += 1
        out = step(self, *args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    return wrapper


Optimizer.step = _hooked(Optimizer.step)


def _taken(kept, p: Tensor, name: str | None = None):
    """A copy of a parameter's state, in its dtype; a step stays as it is."""
    if isinstance(kept, Tensor):
        made = kept.detach().clone()
        return made if name == "step" or not p.dtype.differentiable else made.to(p.dtype)
    if isinstance(kept, dict):
        return {k: _taken(v, p, k) for k, v in kept.items()}
    if isinstance(kept, list | tuple):
        return type(kept)(_taken(v, p) for v in kept)
    return deepcopy(kept)
