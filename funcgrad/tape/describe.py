"""A path in words: what it computes, told so that another process knows it by them.

Functions are told by where they stand, and by what they close over; so the words hold for one text of this package and
one version of JAX, which `source` tells apart. What cannot be told so, because it is the user's own, raises Untold.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import jax
import numpy as np

from .. import dtypes
from ..op import Op
from .trace import VARIED, Trace

PACKAGE = __package__.split(".")[0]
KNOWN = frozenset({PACKAGE, "jax", "jaxlib", "numpy", "builtins", "functools", "operator"})


class Untold(Exception):
    """This means nothing in another process."""


def described(steps: list[Trace], scalars: list[tuple], shape: tuple, settings: tuple) -> str:
    """What a program of these steps computes, as a digest. `shape`: the slots that it takes, gives up and makes;
    `settings`: those of JAX that it depends on."""
    parts = [source(), jax.default_backend(), str(dtypes.get_default_dtype()), repr(settings), repr(shape)]
    for t in steps:
        op = t.kind if t.op is None else _op(t.op)
        params = ";".join(f"{k}={_text(x)}" for k, x in t.params.items())
        parts.append(f"{op}|{params}|{t.args}|{t.dtype}|{t.first}|{t.specs}|{t.mode.scope}")
    for slot, kind, const, dtype in scalars:
        parts.append(f"{slot}|{kind.__name__}|{const if const is VARIED else _text(const)}|{dtype}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def source() -> str:
    """The text of this package and the versions below it, as a digest."""
    root = Path(__file__).parent.parent
    found = hashlib.sha256(f"{sys.version} {jax.__version__} {jax.lib.__version__} {np.__version__}".encode())
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


@cache
def _op(op: Op) -> str:
    if op.host is not None:
        raise Untold(op.name)
    return f"{op.name}:{_text(op.forward)}"


def _text(x, inside: tuple = ()) -> str:
    """`x` in words. Raises Untold for what another process may understand otherwise."""
    if x is None or x is Ellipsis or x.__class__ in (bool, int, float, complex, str, bytes, range):
        return repr(x)
    if any(x is y for y in inside):
        return f"<{len(inside)}>"  # a function that closes over itself
    inside = (*inside, x)
    kind = x.__class__.__qualname__
    if isinstance(x, tuple | list | set | frozenset):
        parts = [_text(y, inside) for y in x]
        return f"{kind}({','.join(parts if isinstance(x, tuple | list) else sorted(parts))})"
    if isinstance(x, dict):
        return f"{kind}({','.join(f'{_text(k, inside)}:{_text(y, inside)}' for k, y in x.items())})"
    if isinstance(x, slice):
        return f"slice({_text(x.start)},{_text(x.stop)},{_text(x.step)})"
    if isinstance(x, dtypes.DType | np.dtype | np.generic):
        return f"{kind}:{x!r}"
    if isinstance(x, Op):
        return _op(x)
    if isinstance(x, partial):
        return f"partial({_text(x.func, inside)},{_text(x.args, inside)},{_text(x.keywords, inside)})"
    if isinstance(x, FunctionType) and _known(x.__module__):
        more = _text(([c.cell_contents for c in x.__closure__ or ()], x.__defaults__, x.__kwdefaults__), inside)
        return f"{x.__module__}.{x.__qualname__}:{_code(x.__code__)}:{more}"
    if isinstance(x, ModuleType) or callable(x):
        return _by_name(x)
    fields = getattr(x, "__dataclass_fields__", None)
    if fields is not None and _known(type(x).__module__):
        return f"{kind}({','.join(f'{f}={_text(getattr(x, f), inside)}' for f in fields)})"
    raise Untold(repr(x))


def _code(code: CodeType) -> str:
    """Enough to tell lambdas of one line from each other."""
    consts = [_code(c) if isinstance(c, CodeType) else _text(c) for c in code.co_consts]
    return f"{code.co_firstlineno}:{code.co_code.hex()}:{code.co_names}:{consts}"


def _known(module: str | None) -> bool:
    return module is not None and module.split(".")[0] in KNOWN


def _by_name(x) -> str:
    """What can be imported under its own name."""
    module, name = getattr(x, "__module__", None), getattr(x, "__qualname__", None) or getattr(x, "__name__", None)
    if isinstance(x, ModuleType) and _known(x.__name__):
        return x.__name__
    found = sys.modules.get(module) if _known(module) and name else None
    for part in name.split(".") if found is not None else ():
        found = getattr(found, part, None)
    if found is not x:
        raise Untold(repr(x))
    return f"{module}.{name}"
