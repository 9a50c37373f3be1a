"""Wrong calls raise what they raise in PyTorch: those of its own database, arguments of a wrong kind, `out=`."""

import numpy as np
import pytest
import torch
from database import Convert, found, said, wrong_calls

import funcgrad
from funcgrad.op import REGISTRY, draw

HARMLESS = "memory that is read may be written to: Values never change, and the result is right"
SLOT = "a slot of a C type refuses another `self`; here it is a function"
FIXED = "memory that cannot be resized is not told from other memory"
DIFFERENT = {
    "kthvalue 0": HARMLESS, "masked_select 1": HARMLESS, "masked_select 2": HARMLESS, "gather 6": HARMLESS,
    "gather 7": HARMLESS, "take 1": HARMLESS, "take 2": HARMLESS, "cat 6": HARMLESS,
    "narrow_copy 1": "PyTorch comes upon an assertion of its own; here it is the IndexError of `narrow`",
    **{f"__r{name}__ {i}": SLOT for name in ("add", "mul", "and", "or", "xor") for i in (0, 1)},
}  # fmt: skip
NOT_HERE = {
    **{f"gradient {i}": "tensors without data" for i in (3, 10, 17)}, "cat 7": FIXED, "cat 8": FIXED,
    **{f"{name} {i}": "more than 64 dimensions" for name in ("amax", "amin", "aminmax") for i in (1, 2)},
}  # fmt: skip


def test_the_database():
    """Every wrong call of PyTorch's database raises the class that it raises there."""
    different, same = set(), 0
    for name, there, here, s in wrong_calls():
        wanted = said(lambda f=there, s=s: f(s.input, *s.args, **s.kwargs))[0]
        if wanted is None or name in NOT_HERE:
            continue
        convert = Convert()
        args, kwargs = [convert(x) for x in (s.input, *s.args)], convert(s.kwargs)
        same += said(lambda f=here, a=args, k=kwargs: f(*a, **k))[0] is wanted or different.add(name) or 0
    assert different == set(DIFFERENT)
    assert same >= 549


# ---- arguments of a wrong kind -------------------------------------------------------------------------------

SPACES = {"torch": "", "F": "nn.functional.", "linalg": "linalg.", "special": "special.", "fft": "fft."}
WRONG = (2, 0.5, None, True, "x", [1.0])
IN_PYTHON = {TypeError, AttributeError}  # of a function in Python: how far it comes before it needs a Tensor
ODD = {"sub", "rsub", "quantile", "nanquantile", "isin"}  # which refuse some numbers where they take others
ODD |= {"binary_cross_entropy_with_logits"}  # which looks at sizes first


def filled(signature, values: dict) -> tuple[list, dict]:
    """The arguments by position as far as that goes, and the others by keyword."""
    args, kwargs = [], {}
    for a in signature.args:
        if a.name in values:
            if a.keyword_only or len(args) + len(kwargs) < list(signature.args).index(a):
                kwargs[a.name] = values[a.name]
            else:
                args.append(values[a.name])
    return args, kwargs


def called(f, signature, values: dict):
    args, kwargs = filled(signature, values)
    return said(lambda: f(*args, **kwargs))


def rows():
    for op in REGISTRY.values():
        if op.where is not None and op.samples is not None and all(a.kind != "Ts" for a in op.sig.arrays):
            yield op


@pytest.mark.parametrize("form", "fm")
def test_kinds(form):
    """A number, None or a list for each Tensor of each row, as a function and as a method."""
    wrong, checked = [], 0
    for op in rows():
        there, here = (
            found(m, SPACES[op.where] + op.name) if form == "f" else getattr(m.Tensor, op.name, None)
            for m in (torch, funcgrad)
        )
        if there is None or here is None or form not in op.variants or op.name in ODD:
            continue
        s = op.samples()[0]
        arrays = dict(zip([a.name for a in op.sig.arrays], draw(op, s), strict=False))
        values = [
            {n: m.tensor(x.copy()) if isinstance(x, np.ndarray) else x for n, x in arrays.items()}
            | {n: getattr(m, str(x).split(".")[1]) if type(x) is funcgrad.dtype else x for n, x in s.params.items()}
            for m in (torch, funcgrad)
        ]
        if called(there, op.sig, values[0])[0] is not None:
            continue
        for name in list(arrays)[form == "m" :]:
            for x in WRONG:
                wanted = called(there, op.sig, values[0] | {name: x})[0]
                got = called(here, op.sig, values[1] | {name: x})[0]
                checked += 1
                if got is not wanted and ({got, wanted} != IN_PYTHON or (got is AttributeError and op.where != "F")):
                    wrong.append(f"{op.name}: {name}={x!r} raises {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)
    assert checked > (2000 if form == "f" else 500)


# ---- out= ----------------------------------------------------------------------------------------------------

OUTS = ("float32", "float64", "int64", "bool", "complex64")
OWN = {"sum", "nansum", "prod", "mean", "cumsum", "cumprod"}  # which compute in the dtype of `out`
OWN |= {"clamp"}  # of tensors it casts, of numbers it does not


def test_out():
    """`out` of another dtype is written to or refused, by the row."""
    wrong, checked = [], 0
    for op in rows():
        there, here = (found(m, SPACES[op.where] + op.name) for m in (torch, funcgrad))
        if there is None or here is None or "f" not in op.variants or op.where == "F" or op.name in OWN:
            continue
        s = op.samples()[0]
        arrays = dict(zip([a.name for a in op.sig.arrays], draw(op, s), strict=False))
        if any(type(x) is funcgrad.dtype for x in s.params.values()):
            continue
        args, kwargs = filled(op.sig, arrays | s.params)
        try:
            made = there(*map(to(torch), args), **kwargs)
            there(*map(to(torch), args), **kwargs, out=torch.empty_like(made))
        except (RuntimeError, TypeError, NotImplementedError):
            continue  # it has no `out`, or gives several tensors
        outs = [[m.zeros(made.shape, dtype=getattr(m, name)) for name in OUTS] for m in (torch, funcgrad)]
        for name, *pair in zip(OUTS, *outs, strict=True):
            wanted, got = (into(f, m, args, kwargs, o) for f, m, o in zip((there, here), (torch, funcgrad), pair, strict=True))
            checked += 1
            if got is not wanted:
                wrong.append(f"{op.name}: out of {name} for {made.dtype} raises {got}, not {wanted}")
        funcgrad.sync()  # what was accepted can be computed: all outs of the row by one program
    assert not wrong, "\n".join(wrong)
    assert checked > 500


def into(f, module, args, kwargs, out):
    return said(lambda: f(*map(to(module), args), **kwargs, out=out), computed=False)[0]


def to(module):
    return lambda x: module.tensor(x.copy()) if isinstance(x, np.ndarray) else x
