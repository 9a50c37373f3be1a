"""Modules as functions of their parameters: `functional_call`, `stack_module_state`; and `functionalize`.

A Module is here whatever has `named_parameters()` and `named_buffers()`, as nn's have.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager

from ..op import REGISTRY
from ..tape import record
from ..tensor import Tensor
from ..tensor.tensor import set_requires_grad, value_of, wrap
from .tree import map_leaves


def functional_call(module, parameters, args=None, kwargs: dict | None = None, *, tie_weights: bool = True,
                    strict: bool = False):  # fmt: skip
    """`module(*args, **kwargs)` with its parameters and buffers replaced by those of `parameters`.

    parameters   a dict name -> Tensor, or several such dicts
    tie_weights  what is one tensor under two names in the module is replaced under both
    strict       every parameter and buffer must be given, and nothing else

    The module itself is as before afterwards. Raises RuntimeError for names that are wrong with `strict`, ValueError if
    one name is in two dicts.
    """
    given = _joined(parameters)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _joined(parameters) -> dict:
    if isinstance(parameters, Mapping):
        return dict(parameters)
    if not isinstance(parameters, Sequence) or not all(isinstance(d, Mapping) for d in parameters):
        raise ValueError(
            "Expected all elements of parameter_and_buffer_dicts to be dictionaries; or a dictionary, but got "
            f"{type(parameters)}"
        )
    joined: dict = {}
    for d in parameters:
        for name in d:
            if name in joined:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous")
        joined.update(d)
    return joined


def _own(module) -> dict:
    """Every parameter and buffer by its name, tied ones under each of theirs."""
    found = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    return found


@contextmanager
def _replaced(module, given: dict, tie_weights: bool, strict: bool):
    own = _own(module)
    unexpected, missing = sorted(given.keys() - own.keys()), sorted(own.keys() - given.keys())
    if strict and (unexpected or missing):
        words = [f"Error(s) in reparametrizing for {type(module).__name__}:"]
        words += ["\tUnexpected key(s): " + ", ".join(map(repr, unexpected)) + "."] if unexpected else []
        words += ["\tMissing key(s): " + ", ".join(map(repr, missing)) + "."] if missing else []
        raise RuntimeError("\n".join(words))
    chosen = dict(given)
    if tie_weights:
        by_tensor = {id(own[name]): t for name, t in given.items() if name in own}
        for name, t in own.items():
            if name not in chosen and id(t) in by_tensor:
                chosen[name] = by_tensor[id(t)]
    before = []
    try:
        for name, t in chosen.items():
            if name in own:
                before.append(_put(module, name, t))
        yield
    finally:
        for owner, table, attribute, old in reversed(before):
            getattr(owner, table)[attribute] = old


def _put(module, name: str, t: Tensor):
    *path, attribute = name.split(".")
    for part in path:
        module = getattr(module, part)
    table = "_parameters" if attribute in module._parameters else "_buffers"
    tensors = getattr(module, table)
    old = tensors[attribute]
    tensors[attribute] = t
    return module, table, attribute, old


def replace_all_batch_norm_modules_(root):
    """Have every batch normalisation below `root` use the statistics of its batch alone, in place; returns `root`."""
    for module in root.modules():
        if hasattr(module, "track_running_stats") and hasattr(module, "num_batches_tracked"):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def stack_module_state(models: Sequence) -> tuple[dict, dict]:
    """(parameters, buffers) of several modules of one kind, each stacked along a new first dimension: what `vmap` over
    `functional_call` takes. The parameters want gradients as those of the first do.

    Raises RuntimeError for no modules, for different classes, and for modes or `requires_grad` that differ.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    stacked = {name: _stacked([p[name] for p in parameters]) for name in parameters[0]}
    return stacked, {name: _stacked([b[name] for b in buffers]) for name in buffers[0]}


def _stacked(tensors: list[Tensor]) -> Tensor:
    wants = {t.requires_grad for t in tensors}
    if len(wants) > 1:
        raise RuntimeError(
            "Expected parameters from different models to have the same .requires_grad"
        )
    values = [value_of(t.detach()) for t in tensors]
    made = wrap(record(REGISTRY["stack"], values, {"dim": 0}))
    if wants.pop():
        set_requires_grad(made, True)
    return made


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` without in-place writes. Here no operation ever writes in place, so it is `func`, given copies of its
    arguments: what it does to them does not show outside.

    remove  "mutations" or "mutations_and_views"
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove={remove!r}): expected 'mutations' or 'mutations_and_views'"
        )

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        copies = map_leaves(lambda t: t.clone() if isinstance(t, Tensor) else t, (args, kwargs))
        return func(*copies[0], **copies[1])

    return wrapper
