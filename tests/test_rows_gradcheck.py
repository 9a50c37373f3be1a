"""The whole registry under `gradcheck` and `gradgradcheck`: every row as users record it, in float64 and complex128, by
reverse and forward mode, first and second order. By NumPy where that can be: what XLA makes of the same rules is in
`test_rows.py`.
"""

import numpy as np
import pytest
from interpreted import always

from funcgrad import ops
from funcgrad.autograd import gradcheck, gradgradcheck
from funcgrad.op import REGISTRY, draw
from funcgrad.tape import constant
from funcgrad.tensor.call import call
from funcgrad.tensor.tensor import set_requires_grad, wrap

ops.load()
ROWS = sorted(n for n, op in REGISTRY.items() if op.differentiable and op.samples is not None and not op.skip and not op.host)
CHUNK = 8

# Arguments that have no derivative, by PyTorch's decision or at the value of the sample.
CONSTANT = {
    "batch_norm_eval": {1, 2},  # running statistics
    "quantile": {1}, "nanquantile": {1},  # the sample has both ends of the range, where there is none
}  # fmt: skip
# Rows of Hermitian matrices: as a function of any matrix, of its Hermitian part.
HERMITIAN = {"cholesky", "eigh", "eigvalsh"}
# Rows of which the first output alone has a derivative.
FIRST = {"batch_norm_train"}
# Rows that a check by differences cannot meet.
APART = {
    ("with_data", np.float64): "its value does not depend on what its gradient goes to: that is what it is for",
    ("with_data", np.complex128): "the same",
    ("eigvals", np.complex128): "the order of eigenvalues changes with the input",
}


def tensor(a, constant_=False):
    """A leaf for what can be differentiated, a plain Tensor for other arrays, anything else as it is."""
    if not isinstance(a, np.ndarray):
        return a
    t = wrap(constant(a))
    if a.dtype.kind in "fc" and not constant_:
        set_requires_grad(t, True)
    return t


def arguments(op, dtype):
    """The largest sample of the row that it takes in this dtype, or None."""
    for s in sorted(op.samples(), key=lambda s: -sum(np.size(a) for a in draw(op, s, dtype) if isinstance(a, np.ndarray))):
        arrays = draw(op, s, dtype)
        if not any(isinstance(a, np.ndarray) and a.dtype.kind in "fc" and a.size for a in arrays):
            continue
        made = [tensor(a, i in CONSTANT.get(op.name, ())) for i, a in enumerate(arrays)]
        try:
            out = call(op, made, s.params)
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            continue
        outs = out if isinstance(out, tuple) else (out,)
        if any(t.requires_grad for t in outs):
            return made, s.params
    return None


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("first", range(0, len(ROWS), CHUNK), ids=lambda i: ROWS[i])
@pytest.mark.filterwarnings("ignore")
def test_rows(first, dtype):
    """Several rows as one function of all their arguments: each must also not depend on what is the others'."""
    rows = [(REGISTRY[n], arguments(REGISTRY[n], dtype)) for n in ROWS[first : first + CHUNK] if (n, dtype) not in APART]
    rows = [(op, *found) for op, found in rows if found is not None]
    with always():
        try:
            check(rows)
        except BaseException:
            for row in rows:  # which one it was
                try:
                    check([row])
                except BaseException as error:
                    error.add_note(f"row {row[0].name}, {np.dtype(dtype)}")
                    raise
            raise


def check(rows: list) -> None:
    """rows  (operator, its arguments, its parameters)"""

    def f(*everything):
        rest, outs = list(everything), []
        for op, arrays, params in rows:
            own, rest = rest[: len(arrays)], rest[len(arrays) :]
            if op.name in HERMITIAN:
                own = [(own[0] + own[0].mH) / 2]
            out = call(op, own, params)
            outs += [out] if not isinstance(out, tuple) else out[:1] if op.name in FIRST else out
        return tuple(outs)

    given = [a for _, arrays, _ in rows for a in arrays]
    if given:
        assert gradcheck(f, given, fast_mode=True, check_forward_ad=True)
        assert gradgradcheck(f, given, fast_mode=True, atol=1e-4)
