"""Floor 6. `torch.nested`: batches of Tensors whose sizes differ, as one Tensor.

In the layout `torch.jagged` one dimension differs, and most of what a network does works on all components at once;
in `torch.strided`, PyTorch's older one and its default, any may, and each component goes alone.
"""

from __future__ import annotations

from ..tensor import NAMES, Tensor
from .operators import of_components
from .ragged import Ragged
from .strided import StridedNestedTensor
from .tensor import NestedTensor, jagged

__all__ = [
    "as_nested_tensor", "masked_select", "narrow", "nested_tensor", "nested_tensor_from_jagged", "to_padded_tensor",
]  # fmt: skip

_T = NAMES["torch"]
_JAGGED = "torch.jagged"


def nested_tensor(tensor_list, *, dtype=None, layout=None, device=None, requires_grad: bool = False,
                  pin_memory: bool = False):  # fmt: skip
    """A leaf with copies of the Tensors, or lists of numbers, in `tensor_list`, all of one number of dimensions.

    layout  `torch.jagged`, or `torch.strided` (the default)
    """
    if not isinstance(tensor_list, list | tuple):
        raise TypeError("Only lists (List[Tensor] and List[List...[Scalar]]) are accepted in nested_tensor")
    copies = [_T["as_tensor"](t, dtype=dtype, device=device).detach().clone() for t in tensor_list]
    return _of(copies, layout).requires_grad_(requires_grad)


def as_nested_tensor(ts, dtype=None, device=None, layout=None):
    """The Tensors of the list `ts`, or along the first dimension of the Tensor `ts`, with their history."""
    if isinstance(ts, NestedTensor | StridedNestedTensor):
        return ts if dtype is None else ts.to(dtype)
    if isinstance(ts, Tensor) and layout == _JAGGED:
        dense = ts if dtype is None else ts.to(dtype)
        return jagged(dense.flatten(0, 1), Ragged.of_lengths([dense.shape[1]] * dense.shape[0]))
    if not isinstance(ts, list | tuple | Tensor):
        raise TypeError("as_nested_tensor(): Expected first argument to be a tensor or a list / tuple of tensors ")
    return _of([_T["as_tensor"](t, dtype=dtype, device=device) for t in ts], layout)


def _of(components: list, layout):
    if len({c.ndim for c in components}) > 1:
        raise RuntimeError("When constructing a nested tensor, all tensors in list must have the same dim")
    if layout not in (_JAGGED, "torch.strided", None):
        raise RuntimeError(f"Specified layout is unsupported for nested tensors: {layout}")
    if layout != _JAGGED:
        return StridedNestedTensor.of(components)
    if not components:
        raise RuntimeError("Cannot construct a nested tensor from an empty tensor list")
    sizes = [tuple(c.shape) for c in components]
    ragged = [d for d, n in enumerate(zip(*sizes, strict=True)) if len(set(n)) > 1] or [0]
    if len(ragged) > 1 or not sizes[0]:
        raise RuntimeError(
            "Cannot represent given tensor list as a nested tensor with the jagged layout. Note that the jagged layout "
            "only allows for a single ragged dimension. For example: (B, *, D_0, D_1, ..., D_N), with ragged dim *. "
            f"Got: {sizes}"
        )
    return of_components(components, ragged[0] + 1)


def nested_tensor_from_jagged(values, offsets=None, lengths=None, jagged_dim=None, min_seqlen=None, max_seqlen=None):
    """A NestedTensor of the components that lie in `values`, with its history.

    offsets     B + 1 integers: component b is `values[offsets[b]:offsets[b + 1]]`
    lengths     B integers, for components shorter than that; or without offsets, where they follow one another.
                Shorter ones are copied, so that the result has no holes between its components
    jagged_dim  the ragged dimension of the result, 1 unless given
    """
    at = 1 if jagged_dim is None else jagged_dim
    if offsets is None:
        if lengths is None:
            raise RuntimeError("nested_tensor_from_jagged(): At least one of offsets or lengths is required.")
        return jagged(values, Ragged.of_lengths(lengths.tolist()), at)
    if lengths is None:
        return jagged(values, Ragged.of(offsets), at)
    pairs = zip(offsets.tolist(), lengths.tolist(), strict=False)
    return of_components([values.narrow(at - 1, start, n) for start, n in pairs], at)


def to_padded_tensor(input, padding: float, output_size=None) -> Tensor:
    """A dense Tensor, `padding` behind the shorter components; of `output_size` if that is given."""
    return input.to_padded_tensor(padding, output_size)


def narrow(tensor, dim: int, start, length, layout=None):
    """Of each row of a dense Tensor, `length` elements from `start` on along dimension 1, as components.

    start, length  an int, or a Tensor with one number for each row
    layout         `torch.jagged` alone
    """
    if layout != _JAGGED:
        raise RuntimeError(f"Specified layout is unsupported for nested narrow: {layout or 'torch.strided'}")
    if dim != 1:
        raise RuntimeError("narrow(): only the dimension behind the batch can be narrowed")
    starts, lengths = (
        x.tolist() if isinstance(x, Tensor) else [x] * tensor.shape[0] for x in (start, length)
    )
    return of_components([row.narrow(0, a, n) for row, a, n in zip(tensor, starts, lengths, strict=True)])


def masked_select(tensor, mask) -> NestedTensor:
    """Of each row of a dense B x N Tensor, the elements where the boolean `mask` says so, as components."""
    if tensor.layout != "torch.strided":
        raise RuntimeError(f"torch.nested.masked_select requires a strided tensor, given {tensor.layout}")
    mask = mask.expand(tensor.shape)
    return jagged(tensor.masked_select(mask), Ragged.of_lengths(mask.sum(-1).reshape(-1).tolist()))
