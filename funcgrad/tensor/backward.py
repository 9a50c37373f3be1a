"""`backward` and `autograd.grad`: from Tensors to the sweep and back, and accumulation into `.grad`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from ..engine import Leaf, place, sweep
from ..op import REGISTRY
from ..tape import Value, local, record, set_grad
from .alias import put
from .tensor import Tensor, leaf_of, value_of, wrap

CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
    "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
    "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
    "the cycle and avoid the leak."
)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Gradients of `tensors` with respect to the leaves, summed into their `.grad`.

    tensors       a Tensor or a sequence of them
    grad_tensors  a cotangent for each, None where it is a scalar
    retain_graph  keep the graph (default: `create_graph`)
    inputs        a Tensor or a sequence: only these accumulate (they need not be leaves)

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
    outputs = _sequence(tensors)
    if inputs is not None:
        inputs = list(inputs.values()) if isinstance(inputs, Mapping) else list(_sequence(inputs))
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if create_graph:
        warnings.warn(CYCLE, UserWarning, stacklevel=3)
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, grad_tensors)
    targets = None if inputs is None else [place(value_of(t)) for t in inputs]
    if targets is not None and any(t is None for t in targets):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = sweep(roots, targets, retain=retain, create=create_graph)
    for leaf, g in found.leaves.items():
        if leaf.grad is None and not leaf.hooks and not leaf.after:
            leaf.grad = wrap(g)
        else:
            accumulate(leaf, g, create_graph)
    if inputs is not None:
        for i, (t, target) in enumerate(zip(inputs, targets, strict=True)):
            if target.__class__ is not Leaf and i in found.targets:
                _accumulate(leaf_of(t), found.targets[i], create_graph)


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

    grad_outputs       a cotangent for each output, None where it is a scalar
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
    if is_grads_batched:
        raise NotImplementedError("is_grads_batched: use funcgrad.func.vmap over the vector-Jacobian product")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    names = list(inputs) if isinstance(inputs, Mapping) else None
    wanted = list(inputs.values()) if names is not None else list(_sequence(inputs))
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    outputs = _sequence(outputs)
    retain = create_graph if retain_graph is None else retain_graph
    targets = [place(value_of(t)) for t in wanted]
    if any(t is None for t in targets):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = _roots(outputs, grad_outputs)
    found = sweep(roots, targets, retain=retain, create=create_graph)
    results = []
    for i, t in enumerate(wanted):
        g = found.targets.get(i)
        if g is not None and targets[i].__class__ is Leaf:
            g = _leaf_hooks(targets[i], g)
        if g is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        if g is None and materialize_grads:
            s = value_of(t).spec
            g = record(REGISTRY["blank"], (), {"shape": s.shape, "dtype": s.dtype})
        results.append(None if g is None else wrap(g))
    return dict(zip(names, results, strict=True)) if names is not None else tuple(results)


def _sequence(tensors) -> Sequence:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _roots(outputs: Sequence, grads) -> list:
    if grads is None or isinstance(grads, Tensor):
        grads = (grads,) * len(outputs) if grads is None else (grads,)
    elif not isinstance(grads, Sequence):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grads).__name__}")
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    roots = []
    for i, (t, g) in enumerate(zip(outputs, grads, strict=True)):
        v = value_of(t)
        where = place(v)
        if g is None:
            if where is not None and v.spec.shape != () and t.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if where is not None and not v.spec.dtype.is_floating_point:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {v.spec.dtype}"
                )
            cotangent = None
        else:
            cotangent = _checked(i, t, g)
        if where is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        roots.append((where, cotangent, v.spec))
    return roots


def _checked(i: int, t: Tensor, g) -> Value:
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g.shape != t.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {t.shape}."
        )
    if g.dtype.is_complex != t.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in "
            f"dtype: grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {t.dtype}."
        )
    v = value_of(g)
    return v if g.dtype is t.dtype else record(REGISTRY["to_dtype"], (v,), {"dtype": t.dtype})


def accumulate(leaf: Leaf, g: Value, create: bool) -> None:
    """Add `g` to the gradient of `leaf`, after its hooks and before those for afterwards."""
    g = _leaf_hooks(leaf, g)
    _accumulate(leaf, g, create)
    for hook in list(leaf.after):
        hook()


def _leaf_hooks(leaf: Leaf, g: Value) -> Value:
    for hook in list(leaf.hooks):
        g = hook(g) or g
    return g


def _accumulate(leaf: Leaf, g: Value, create: bool) -> None:
    old = leaf.grad
    if old is None:
        leaf.grad = wrap(g)
    elif create:
        leaf.grad = wrap(record(REGISTRY["add"], (value_of(old), g)))
    else:
        mode = local.grad
        set_grad(False)
        try:
            put(old, record(REGISTRY["add"], (value_of(old), g)))
        finally:
            set_grad(mode)
