"""PyTorch's own database of operators: its samples and its wrong calls, and the same values here. Knows PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch.testing._internal.common_methods_invocations import op_db

import funcgrad


def found(module, path: str):
    """`module.path`, a function or else a method of Tensor; None if there is none."""
    at = module
    for part in path.split("."):
        at = getattr(at, part, None)
        if at is None:
            return getattr(module.Tensor, path, None)
    return at


def operators() -> Iterator[tuple]:
    """(name, PyTorch's entry, the function here) of all that are here."""
    for op in op_db:
        in_place = op.variant_test_name == "in_place"
        function = getattr(funcgrad.Tensor, op.name + "_", None) if in_place else found(funcgrad, op.name)
        if function is not None:
            yield op.name + (f".{op.variant_test_name}" if op.variant_test_name else ""), op, function


class Convert:
    """PyTorch's values to the same ones here: tensors that share memory share it here too."""

    def __init__(self):
        self.memories: dict[int, object] = {}
        self.leaves: list[tuple] = []  # (there, here) of those that want a gradient

    def __call__(self, v):
        if isinstance(v, torch.Tensor):
            return self.tensor(v)
        if isinstance(v, torch.dtype | torch.layout | torch.memory_format):
            return getattr(funcgrad, str(v).removeprefix("torch."))
        if isinstance(v, torch.device):
            return funcgrad.device(str(v))
        if isinstance(v, torch.Size):
            return tuple(v)
        if isinstance(v, list | tuple):
            made = [self(x) for x in v]
            return type(v)(*made) if hasattr(v, "_fields") else type(v)(made)
        return {k: self(x) for k, x in v.items()} if isinstance(v, dict) else v

    def tensor(self, v):
        t = v.detach().resolve_conj().resolve_neg()
        memory = t.untyped_storage()
        size = memory.nbytes() // t.element_size()
        if t.is_contiguous() and size == t.numel() and memory.data_ptr() not in self.memories:
            here = self.memories[memory.data_ptr()] = array(t)
        else:
            if memory.data_ptr() not in self.memories:
                self.memories[memory.data_ptr()] = array(t.as_strided((size,), (1,), 0))
            base = self.memories[memory.data_ptr()]
            here = base.as_strided(tuple(t.shape), t.stride(), t.storage_offset())
        if v.requires_grad:
            here = here.detach() if here._is_view() else here
            self.leaves.append((v, here.requires_grad_()))
        return here


def array(t):
    """A tensor of its own with the numbers of `t`."""
    if t.dtype == torch.bfloat16:
        return funcgrad.tensor(t.float().numpy(), dtype=funcgrad.bfloat16)
    return funcgrad.tensor(t.numpy().copy())


def said(f) -> tuple[type | None, str]:
    """(class, words) of what `f` raises, computed to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            f()
            funcgrad.sync()
        except Exception as error:
            return type(error), str(error)
    return None, ""


def wrong_calls() -> Iterator[tuple]:
    """(name and number, function there, function here, error input) of every wrong call of the database."""
    for name, op, function in operators():
        if op.error_inputs_func is not None:
            torch.manual_seed(0)
            for i, e in enumerate(op.error_inputs("cpu")):
                yield f"{name} {i}", op.op, function, e.sample_input
