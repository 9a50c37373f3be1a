"""PyTorch's own database of operators: its samples and its wrong calls, and the same values here. Knows PyTorch."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import funcgrad
from funcgrad.tensor.interop import host

# whose first two arguments the database gives the other way round
TURNED = {"where", "einsum", "polygamma", "special.polygamma", "nn.functional.embedding", "nn.functional.embedding_bag"}


def turned(f):
    return lambda a, b, *args, **kwargs: f(b, a, *args, **kwargs)


def found(module, path: str):
    """`module.path`, a function or else a method of Tensor; None if there is none."""
    at = module
    for part in path.split("."):
        at = getattr(at, part, None)
    return at if callable(at) else getattr(module.Tensor, path, None)


def operators() -> Iterator[tuple]:
    """(name, PyTorch's entry, the function here) of all that are here."""
    for op in op_db:
        in_place = op.variant_test_name == "in_place"
        function = getattr(funcgrad.Tensor, op.name + "_", None) if in_place else found(funcgrad, op.name)
        if callable(function):
            function = turned(function) if op.name in TURNED else function
            yield op.name + (f".{op.variant_test_name}" if op.variant_test_name else ""), op, function


class Convert:
    """PyTorch's values to the same ones here: tensors that share memory share it here too."""

    def __init__(self):
        self.memories: dict[tuple, object] = {}  # by place and dtype
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
        size, place = memory.nbytes() // t.element_size(), (memory.data_ptr(), t.dtype)
        if t.is_contiguous() and size == t.numel() and (place not in self.memories or not size):
            here = self.memories[place] = array(t)
        else:
            if place not in self.memories:
                self.memories[place] = array(t.as_strided((size,), (1,), 0))
            base = self.memories[place]
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


def said(f, computed: bool = True) -> tuple[type | None, str]:
    """(class, words) of what `f` raises, `computed` to the end or recorded only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            f()
            if computed:
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


# ---- values --------------------------------------------------------------------------------------------------

# drawn in another way here, or not of numbers at all
DRAWN = re.compile(r"dropout|bernoulli|^rand|normal|multinomial|uniform|exponential|geometric|cauchy|rrelu|empty|"
                   r"fractional_max_pool|fill_|scaled_dot|^_|^ops\.|^torch\.|sparse|masked\.|signal\.|resize|as_strided|set_$")  # fmt: skip


def values(v) -> list:
    """The tensors and numbers of a result."""
    if isinstance(v, dict):
        v = list(v.values())
    return [x for part in v for x in values(part)] if isinstance(v, list | tuple) else [v]


def numbers(x) -> np.ndarray:
    """The numbers of a tensor of either, those of half precision as float32."""
    if isinstance(x, torch.Tensor):
        x = x.detach().resolve_conj().resolve_neg()
        return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()
    if isinstance(x, funcgrad.Tensor):
        made = host(x)
        return made.astype(np.float32) if x.dtype in (funcgrad.bfloat16, funcgrad.float16) else made
    return np.asarray(x)


def difference(wanted, got, tolerance: float, exact=None) -> str | None:
    """What differs between a result there and here, or None. With `exact`, the result in float64, what is no further
    from it than PyTorch's result is right, and so is an error of one rounding of the largest element."""
    wanted, got = values(wanted), values(got)
    if len(wanted) != len(got):
        return f"{len(got)} results, not {len(wanted)}"
    for i, (a, b) in enumerate(zip(wanted, got, strict=True)):
        rounding = torch.finfo(a.dtype).eps if isinstance(a, torch.Tensor) and a.is_floating_point() else 0
        kinds = [str(x.dtype) if hasattr(x, "dtype") else None for x in (a, b)]
        a, b = numbers(a), numbers(b)
        if a.shape != b.shape or kinds[0] != kinds[1]:
            return f"{b.shape} of {kinds[1]}, not {a.shape} of {kinds[0]}"
        if not np.allclose(a, b, tolerance, tolerance, equal_nan=True):
            if exact is not None:
                true = numbers(values(exact())[i])
                if np.max(np.abs(b - true)) <= max(np.max(np.abs(a - true)), rounding * np.max(np.abs(true))):
                    continue
            return f"differs by {np.nanmax(np.abs(a.astype(complex) - b)):.2g}"
    return None


def in_float64(op, s):
    s = s.transform(lambda x: x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x)
    return op.op(s.input, *s.args, **s.kwargs)


def disagreements(some, dtype, tolerance: float) -> list[str]:
    """What differs, of several operators, in the first of its samples in `dtype`. All are recorded before the first is
    looked at, so that they are one program.

    some  (name, PyTorch's entry, the function here) of each
    """
    warnings.simplefilter("ignore")  # pytest puts the filters back
    made, different = [], []
    for name, op, function in some:
        torch.manual_seed(0)
        s = next(iter(op.sample_inputs("cpu", dtype)))
        convert = Convert()
        args, kwargs = [convert(x) for x in (s.input, *s.args)], convert(s.kwargs)
        try:
            made.append((name, op, s, op.op(s.input, *s.args, **s.kwargs), function(*args, **kwargs)))
        except Exception as error:
            different.append(f"{name}: {type(error).__name__}: {error}")
    for name, op, s, wanted, got in made:
        try:
            found = difference(wanted, got, tolerance, lambda op=op, s=s: in_float64(op, s))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            different.append(f"{name}: {found}")
    return different
