"""What a file may name: a list, and nothing else. Reading a file executes nothing that is not on it.

Knows how tensors are rebuilt. Must not know archives.
"""

from __future__ import annotations

import collections
import contextlib
import pickle
import pickletools
from collections import OrderedDict

import numpy as np

from ..device import device as Device
from ..nn.parameter import Parameter
from ..tape import constant
from ..tensor import Size, Tensor
from ..tensor.alias import share_data
from ..tensor.tensor import set_requires_grad, wrap
from .files import opened
from .names import DTYPES, STORAGES

__all__ = [
    "add_safe_globals", "clear_safe_globals", "get_safe_globals", "get_unsafe_globals_in_checkpoint", "safe_globals",
]  # fmt: skip

_added: dict[str, object] = {}

NEEDS = "Weights only load failed. "
HOW = (
    "This file can still be loaded, to do so you have two options, do those steps only if you trust the source of the "
    "checkpoint. \n\t(1) In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it "
    "can result in arbitrary code execution. Do it only if you got the file from a trusted source.\n\t(2) "
    "Alternatively, to load with `weights_only=True` please check the recommended steps in the following error "
    "message.\n\tWeightsUnpickler error: "
)


def refuse(words: str) -> pickle.UnpicklingError:
    """The error for a file that is refused."""
    return pickle.UnpicklingError(NEEDS + HOW + words)


def _named(given) -> dict[str, object]:
    found = {}
    for x in given:
        thing, name = x if isinstance(x, tuple) else (x, f"{x.__module__}.{x.__qualname__}")
        found[name] = thing
    return found


def add_safe_globals(safe_globals: list) -> None:
    """Allow these classes and functions, or (class, name) pairs, in files from now on."""
    _added.update(_named(safe_globals))


def get_safe_globals() -> list:
    """What has been allowed beside what always is."""
    return list(_added.values())


def clear_safe_globals() -> None:
    """Allow nothing more than what always is."""
    _added.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: list):
    """Allow these classes and functions inside a `with`."""
    before = dict(_added)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _added.clear()
        _added.update(before)


# ---- rebuilding ----------------------------------------------------------------------------------------------


class Loaded:
    """A storage that has been read: its numbers in one row, and the tensors made from it so far."""

    def __init__(self, array: np.ndarray):
        self.array, self.made = array, {}


def _tensor(storage, offset, size, stride, requires_grad=False, backward_hooks=None, metadata=None) -> Tensor:
    """A tensor over part of a storage. Raises UnpicklingError if that does not lie in it."""
    if not isinstance(storage, Loaded) or not all(type(n) is int and n >= 0 for n in (offset, *size, *stride)):
        raise refuse("a tensor of a storage that is none, or with sizes or strides that are no counts")
    array = storage.array
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if 0 not in size and last >= array.size:
        raise refuse(f"a tensor of size {size} and stride {stride} from {offset} on lies outside its storage")
    key = (offset, tuple(size), tuple(stride))
    step = array.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(array[offset:], size, [s * step for s in stride], writeable=False)
    numbers = np.zeros(size, array.dtype) if 0 in size else view.copy(order="C")
    if metadata and metadata.get("conj"):
        numbers = numbers.conj()
    if metadata and metadata.get("neg"):
        numbers = -numbers
    t = wrap(constant(numbers))
    known = storage.made.get(key)
    if known is not None:
        share_data(t, known)
    storage.made[key] = t
    if requires_grad:
        set_requires_grad(t, True)
    return t


def _tensor_of_bytes(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None) -> Tensor:
    """A tensor whose dtype has no storage of its own: it lies in bytes."""
    if not isinstance(storage, Loaded):
        raise refuse("a tensor of a storage that is none")
    return _tensor(Loaded(storage.array.view(dtype.np)), offset, size, stride, requires_grad)


def _parameter(data, requires_grad, backward_hooks=None) -> Parameter:
    return Parameter(data, requires_grad)


def _parameter_with_state(data, requires_grad, backward_hooks, state) -> Parameter:
    made = Parameter(data, requires_grad)
    made.__dict__.update({k: v for k, v in dict(state).items() if isinstance(k, str) and not k.startswith("_")})
    return made


def _from_type(func, kind, args, state):
    """A tensor with attributes of its own, such as a buffer."""
    if func not in (_tensor, _tensor_of_bytes, _parameter):
        raise refuse("a tensor that is rebuilt by something else")
    made = func(*args)
    attributes = state[0] if isinstance(state, tuple) else state
    allowed = {"persistent", "_is_buffer", "_is_param"}
    made.__dict__.update({k: v for k, v in dict(attributes).items() if k in allowed or not k.startswith("_")})
    return made


class _Kind:
    """The type of a storage, as a file names it."""

    def __init__(self, dtype):
        self.dtype = dtype


class Dtype:
    """NumPy's dtypes by name: `numpy.dtype("f4", False, True)`."""

    def __new__(cls, text, *_flags):
        found = np.dtype(text)
        if found.hasobject:
            raise refuse("a NumPy dtype that holds objects")
        return found


def _scalar(dtype, data=None):
    if not isinstance(data, bytes):
        raise refuse("a NumPy scalar without bytes")
    return np.frombuffer(data, dtype)[0]


def _encoded(text, encoding="latin1"):
    if encoding not in ("latin1", "utf-8", "ascii") or not isinstance(text, str):
        raise refuse("an encoding that is not allowed")
    return text.encode(encoding)


ALWAYS: dict[str, object] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": collections.Counter,
    "collections.defaultdict": collections.defaultdict,
    "builtins.set": set, "builtins.frozenset": frozenset, "builtins.bytearray": bytearray, "builtins.complex": complex,
    "builtins.list": list, "builtins.dict": dict, "builtins.tuple": tuple, "builtins.int": int, "builtins.float": float,
    "builtins.long": int,  # int, as protocol 2 has it
    "_codecs.encode": _encoded,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_bytes,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.Tensor": Tensor, "torch.nn.parameter.Parameter": Parameter, "torch.Size": Size, "torch.device": Device,
    "torch.storage.UntypedStorage": _Kind(DTYPES["uint8"]), "torch.UntypedStorage": _Kind(DTYPES["uint8"]),
    **{f"torch.{name}": _Kind(dtype) for name, dtype in STORAGES.items()},
    **{f"torch.{name}": dtype for name, dtype in DTYPES.items()},
}  # fmt: skip

# NumPy's own, allowed in PyTorch when they have been added
NUMPY = {
    "numpy.dtype": Dtype, "numpy.core.multiarray.scalar": _scalar, "numpy._core.multiarray.scalar": _scalar,
}  # fmt: skip


def find(module: str, name: str):
    """What a file means by a name. Raises UnpicklingError if it is not allowed."""
    if module == "__builtin__":
        module = "builtins"
    full = f"{module}.{name}"
    if full in _added:
        return NUMPY.get(full, _added[full])
    if full in ALWAYS:
        return ALWAYS[full]
    raise refuse(
        f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{name}])` or the `torch.serialization.safe_globals([{name}])` context "
        "manager to allowlist this global if you trust this class/function."
    )


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The names in a file that would have to be allowed before it can be read."""
    from .reader import pickled

    with opened(f) as file:
        text = pickled(file)
    found, strings = [], []
    for op, arg, _ in pickletools.genops(text):
        if "UNICODE" in op.name or "STRING" in op.name:
            strings.append(arg)
        full = None
        if op.name == "GLOBAL":
            full = arg.replace(" ", ".", 1)
        elif op.name == "STACK_GLOBAL" and len(strings) >= 2:
            full = f"{strings[-2]}.{strings[-1]}"
        if full and full.replace("__builtin__", "builtins") not in ALWAYS and full not in _added and full not in found:
            found.append(full)
    return found
