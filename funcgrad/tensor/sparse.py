"""Sparse tensors of programs that have them, held dense: the same numbers and gradients, none of the savings.

`sparse_coo_tensor` puts its values where they belong; `to_sparse` and `to_dense` change nothing, and what asks for the
parts looks for what is not zero. Knows the functions of the other files. Must not know the tape.
"""

from __future__ import annotations

from .create import as_tensor
from .tensor import Tensor
from .variants import NAMES, composite

T = NAMES["torch"]


@composite()
def sparse_coo_tensor(indices, values, size=None, *, dtype=None, device=None, pin_memory=False, requires_grad=False,
                      check_invariants=None, is_coalesced=None):  # fmt: skip
    """Zeros but for `values[k, ...]` at `indices[:, k]`; several values of one place are added up. A dense Tensor.

    indices  (sparse dimensions) x n, integers
    values   n x the other dimensions
    size     of the whole; by default just large enough, which looks at the indices

    Raises RuntimeError for sizes that do not fit together, and for an index beyond `size` whose number is there.
    """
    indices, values = as_tensor(indices), as_tensor(values, dtype=dtype)
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {tuple(indices.shape)}")
    dims, n = indices.shape
    if values.shape[:1] != (n,):
        raise RuntimeError(
            f"number of indices must match number of values, but got {n} and values of shape {tuple(values.shape)}"
        )
    rest = tuple(values.shape[1:])
    if size is None:
        largest = indices.max(1).values.tolist() if n else [-1] * dims
        size = (*[i + 1 for i in largest], *rest)
    if len(size) != dims + len(rest):
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {dims}, "
            f"dense_dim = {len(rest)}"
        )
    if tuple(size[dims:]) != rest:
        raise RuntimeError(f"values has incorrect size, expected {[n, *size[dims:]]}, got {list(values.shape)}")
    made = T["zeros"](tuple(size), dtype=values.dtype).index_put(tuple(indices.long()), values, accumulate=True)
    return made.detach().requires_grad_() if requires_grad else made


@composite()
def spmm(input, mat2):
    """`mm`, in whose name the first one is sparse."""
    return T["mm"](input, mat2)


@composite("m")
def smm(self, mat):
    """`mm`, in whose name the first one is sparse."""
    return T["mm"](self, mat)


@composite("m")
def to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """The same Tensor: it stays dense."""
    return self


@composite("m")
def to_sparse_coo(self):
    """The same Tensor: it stays dense."""
    return self


@composite("m")
def to_dense(self, dtype=None, *, masked_grad=None):
    """The same Tensor, in `dtype`."""
    return self if dtype is None else self.to(dtype)


@composite("m")
def coalesce(self):
    """The same Tensor: each place has one value."""
    return self


@composite("m")
def is_coalesced(self) -> bool:
    """Always."""
    return True


def _places(self) -> Tensor:
    return self.detach().nonzero().t()


@composite("m")
def indices(self):
    """Where the numbers are not zero, dims x n. Looks at them."""
    return _places(self)


@composite("m")
def values(self):
    """The numbers that are not zero, in the order of `indices`. Looks at them."""
    return self[tuple(_places(self))]


Tensor._indices, Tensor._values = indices, values
Tensor._nnz = lambda self: _places(self).shape[1]
