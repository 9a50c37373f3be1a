"""What PyTorch says when it refuses a write to a view, or to read one whose memory was written to. Knows words only."""

from __future__ import annotations

from typing import NoReturn

LEAF = "a leaf Variable that requires grad is being used in an in-place operation."
OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
    "clone() the tensor before performing the operation."
)
REPEATED = (
    "Use of {} on expanded tensors is deprecated. Please clone() the tensor before performing this operation. This "
    "also applies to advanced indexing e.g. {}"
)
MULTI, NO_GRAD, INFERENCE, CUSTOM = "multi", "no_grad", "inference", "custom"  # how a view came about

_WHY = {
    MULTI: "This view is the output of a function that returns multiple views. Such functions do not allow the output "
    "views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
    CUSTOM: "This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
    "logic to handle view+inplace would override the custom backward associated with the custom Function, leading to "
    "incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function.",
}
_AMBIGUOUS = (
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
    "the view and the inplace either both inside the {} block (if you don't want the inplace to be tracked) or both "
    "outside (if you want the inplace to be tracked)."
)


def refuse_view(origin: str, node: str | None, output_nr: int, indirect: bool) -> NoReturn:
    """Raise RuntimeError about a view that came about as `origin`, whose grad_fn is named `node`.

    indirect  it is read after its base was written to; else it is being written to
    """
    done = "its base or another view of its base has been" if indirect else "is being"
    name = node and node.removesuffix("Backward0").replace("Backward", "")
    if origin in (NO_GRAD, INFERENCE) or name is None:
        head = f"Output {output_nr} of {name} is a view of a view which was" if name else "A view was"
        where = "inference mode" if origin == INFERENCE else "no_grad mode"
        how = "in normal mode" if origin == INFERENCE else "with grad mode enabled"
        what = f"{head} created in {where} and {done} modified inplace {how}."
    else:
        what = f"Output {output_nr} of {name} is a view and {done} modified inplace."
    why = _WHY.get(origin) or _AMBIGUOUS.format("inference_mode" if origin == INFERENCE else "no_grad")
    raise RuntimeError(f"{what} {why}")
