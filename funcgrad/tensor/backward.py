"""`backward` and `autograd.grad`: from Tensors to the sweep and back, and accumulation into `.grad`."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Mapping, Sequence

from ..engine import (
    Batched,
    GradientEdge,
    GraphTask,
    Leaf,
    batch,
    going_on,
    gradient_place,
    logical,
    physical,
    run_after,
    run_before,
    separate,
    sweep,
    unbatched,
)
from ..op import REGISTRY
from ..tape import Lifted, Value, base, local, record, set_grad
from .alias import put
from .hooks import retain_grad
from .storage import detached
from .tensor import Size, Tensor, set_requires_grad, value_of, wrap

CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
    "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
    "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
    "the cycle and avoid the leak."
)
INSIDE = (
    "backward() called inside a functorch transform. This is not supported, please use functorch.grad or functorch.vjp "
    "instead or call backward() outside of functorch transforms."
)
SEPARATE = (
    "vmap: a gradient with respect to a Tensor from outside the function would be summed over the batch. Pass it to "
    "the function as an argument (with in_dims=None), or use func.grad inside."
)
BATCHED = (
    "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The "
    "sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was "
    "detected: "
)


_adding = threading.RLock()  # backwards from several threads may meet in a leaf


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Gradients of `tensors` with respect to the leaves, summed into their `.grad`.

    tensors       a Tensor or a GradientEdge, or a sequence of them
    grad_tensors  a cotangent for each, None where it is a scalar
    retain_graph  keep the graph (default: `create_graph`)
    inputs        a Tensor, GradientEdge, or a sequence or dict of them: only these accumulate (they need not be leaves)

    Raises RuntimeError as PyTorch does: no graph, an implicit gradient of a non-scalar, a graph that a
    backward before has freed.
    """
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    transforms = going_on()
    if transforms and any(name not in ("to_jax", "checkpoint") for name in transforms):
        raise RuntimeError(INSIDE)
    outputs = _sequence(tensors)
    if inputs is not None:
        inputs = list(inputs.values()) if isinstance(inputs, Mapping) else list(_sequence(inputs))
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if create_graph:
        warnings.warn(CYCLE, UserWarning, stacklevel=3)
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, grad_tensors)
    targets = None if inputs is None else _targets(inputs)
    if inputs is not None:
        for t in filter(_is_tensor, inputs):
            if not t.is_leaf:  # it fills its .grad from here on
                retain_grad(t)
    with GraphTask(roots, targets, retain=retain, create=create_graph) as task:
        found = sweep(task)
        for leaf in found.leaves:
            _check_leaf(leaf)
        for leaf, g in found.leaves.items():
            if leaf.grad is None and not (leaf.hooks or leaf.after or leaf.node_hooks):
                leaf.grad = wrap(g if create_graph or not g.spec.needs else detached(g))
            else:
                accumulate(leaf, g, create_graph)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of `outputs` with respect to `inputs`, as a tuple (a dict for a dict of inputs).

    outputs, inputs    a Tensor or a GradientEdge, or a sequence of them; `inputs` also a dict
    grad_outputs       a cotangent for each output, None where it is a scalar
    is_grads_batched   the cotangents have a leading dimension, and so have the gradients: one for each of them, by
                       one vectorised walk
    allow_unused       give None for an input that does not appear in the graph, instead of an error
    materialize_grads  give zeros there

    >>> import funcgrad as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    if not only_inputs:
        warnings.warn("only_inputs argument is deprecated and is ignored now", FutureWarning, stacklevel=2)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    names = list(inputs) if isinstance(inputs, Mapping) else None
    wanted = list(inputs.values()) if names is not None else list(_sequence(inputs))
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    outputs = _sequence(outputs)
    retain = create_graph if retain_graph is None else retain_graph
    one = (wanted, outputs, grad_outputs, retain, create_graph, allow_unused)
    if is_grads_batched:
        with batch(len(next(iter(_sequence(grad_outputs)))), "same") as here:
            results = [None if g is None else unbatched(g, here.level, here.size) for g in _gradients(*one, here.level)]
    else:
        results = _gradients(*one, 0)
    results = [None if g is None else wrap(g) for g in results]
    if materialize_grads:
        results = [_zeros(t, create_graph) if g is None else g for g, t in zip(results, wanted, strict=True)]
    return dict(zip(names, results, strict=True)) if names is not None else tuple(results)


def _zeros(t, create: bool) -> Tensor:
    """Zeros for an input that does not appear in the graph; a leaf if the gradients have a graph."""
    s = _spec(t)
    made = wrap(record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype}))
    if create:
        set_requires_grad(made, True)
    return made


def _gradients(wanted, outputs, grad_outputs, retain, create, allow_unused, level: int) -> list:
    """The Values of the gradients of `outputs`, None where there is none; `level` is that of batched cotangents."""
    roots, targets = _roots(outputs, grad_outputs, level), _targets(wanted)
    for v in map(value_of, filter(_is_tensor, outputs)):
        if isinstance(v, Lifted) and any(separate(v, value_of(t)) for t in filter(_is_tensor, wanted)):
            raise RuntimeError(SEPARATE)
    with GraphTask(roots, targets, retain=retain, create=create) as task:
        swept = sweep(task).targets
        found = [swept.get(i) for i in range(len(targets))]
        for i, t in enumerate(targets):
            if t.__class__ is Leaf and t.hooks and found[i] is not None:
                found[i] = _leaf_hooks(t, found[i])
    if not allow_unused and None in found:
        raise RuntimeError(
            f"The differentiated Tensor at index {found.index(None)} appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return [
        logical(g, value_of(t)) if g is not None and isinstance(t, Tensor) else g
        for t, g in zip(wanted, found, strict=True)
    ]


_ONE = (Tensor, GradientEdge)


def _sequence(tensors) -> Sequence:
    return (tensors,) if isinstance(tensors, _ONE) else tuple(tensors)


def _is_tensor(t) -> bool:
    return isinstance(t, Tensor)


def _place(t):
    """Where the gradient of a Tensor or a GradientEdge gathers."""
    return t.node.place(t.output_nr) if isinstance(t, GradientEdge) else gradient_place(value_of(t))


def _spec(t):
    if not isinstance(t, GradientEdge):
        return value_of(t).spec
    leaf = t.node.place(t.output_nr)
    return value_of(leaf.owner()).spec if leaf.__class__ is Leaf else t.node.specs[t.output_nr]


def _targets(inputs: Sequence) -> list:
    targets = [_place(t) for t in inputs]
    if any(t is None for t in targets):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return targets


def _roots(outputs: Sequence, grads, level: int = 0) -> list:
    if grads is None or isinstance(grads, Tensor):
        grads = (grads,) * len(outputs) if grads is None else (grads,)
    elif not isinstance(grads, Sequence):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grads).__name__}")
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    roots = []
    for i, (t, g) in enumerate(zip(outputs, grads, strict=True)):
        s, where = _spec(t), _place(t)
        if g is None:
            if where is not None and math.prod(s.shape) != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if where is not None and not s.dtype.is_floating_point:
                raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {s.dtype}")
            cotangent = None
        else:
            cotangent = _checked(i, s, g, level)
            if isinstance(t, Tensor):
                cotangent = physical(cotangent, value_of(t))
        if where is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        roots.append((where, cotangent, base(value_of(t)).spec if isinstance(t, Tensor) else s))
    return roots


def _checked(i: int, s, g, level: int) -> Value:
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if level and not g.ndim:
        raise ValueError(f"is_grads_batched: grad_output[{i}] has no dimension to go over")
    v = Batched(value_of(g), level) if level else value_of(g)
    if v.spec.shape != s.shape:
        raise RuntimeError(
            (BATCHED if level else "Mismatch in shape: ")
            + f"grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {Size(s.shape)}."
        )
    if g.dtype.is_complex != s.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in "
            f"dtype: grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {s.dtype}."
        )
    return v if g.dtype is s.dtype else record(REGISTRY["to_dtype"], (v,), {"dtype": s.dtype})


def _check_leaf(leaf: Leaf) -> None:
    """Raise RuntimeError if what was a leaf when it was read has a history now."""
    v = getattr(leaf.owner(), "_value", None)
    if v.__class__ is Value and v.spec.needs:
        raise RuntimeError("leaf variable has been moved into the graph interior")


def accumulate(leaf: Leaf, g: Value, create: bool) -> None:
    """Add `g` to the gradient of `leaf`, after its hooks and before those for afterwards."""
    g, node = _leaf_hooks(leaf, g), leaf.node_hooks
    if node is not None and node.before:
        (g,) = run_before(node.before, (g,))
        if g is None:
            return
    owner = leaf.owner()
    if not isinstance(owner, Tensor) or owner.requires_grad:  # else it was a leaf when it was read
        _accumulate(leaf, g, create)
    for hook in list(leaf.after):
        hook()
    if node is not None and node.after:
        run_after(node.after, (), (g,))


def _leaf_hooks(leaf: Leaf, g: Value) -> Value:
    for hook in list(leaf.hooks):
        g = hook(g) or g
    return g


def _accumulate(leaf: Leaf, g: Value, create: bool) -> None:
    with _adding:
        old, mode = leaf.grad, local.grad
        if old is None:
            leaf.grad = wrap(g if create or not g.spec.needs else detached(g))
            return
        set_grad(create)
        try:
            new = record(REGISTRY["add"], (value_of(old), g))
            if create:
                leaf.grad = wrap(new)
            else:
                put(old, new)
        finally:
            set_grad(mode)
