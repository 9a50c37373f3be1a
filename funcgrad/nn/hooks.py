"""How a Module is called: its `forward`, and the hooks before it, after it, and in its backward.

Knows the tables of a Module and autograd's Function. Must not know what a Module holds.
"""

from __future__ import annotations

import warnings

import jax

from ..autograd import Function
from ..engine import is_grad_enabled
from ..tape import local
from ..tensor import Tensor
from ..utils.hooks import Hooks, RemovableHandle, register

__all__ = [
    "Called",
    "register_module_backward_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

TABLES = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_backward_pre_hooks", "_backward_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


class _Global:
    """The hooks of all modules."""

    forward_pre, forward, backward_pre, backward = Hooks(), Hooks(), Hooks(), Hooks()
    with_kwargs, always = Hooks(), Hooks()
    full: bool | None = None


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module."""
    return register(_Global.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module."""
    return register(_Global.forward, hook, **_flags(with_kwargs, always_call))


def _flags(with_kwargs: bool, always: bool) -> dict:
    given = {"with_kwargs": with_kwargs, "always": always}
    return {k: getattr(_Global, k) for k, wanted in given.items() if wanted}


def _only(have: bool | None, full: bool, where: str) -> bool:
    if have is not None and have is not full:
        raise RuntimeError(
            f"Cannot use both regular backward hooks and full backward hooks as a {where}. Please use only one of them."
            if where.startswith("global")
            else f"Cannot use both regular backward hooks and full backward hooks on a {where}. "
            "Please use only one of them."
        )
    return full


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return register(_Global.backward_pre, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` once the gradients for a module's inputs are known."""
    _Global.full = _only(_Global.full, True, "global Module hook")
    return register(_Global.backward, hook)


def register_module_backward_hook(hook) -> RemovableHandle:
    """PyTorch's older kind of `register_module_full_backward_hook`, on the last node of a module's graph."""
    _Global.full = _only(_Global.full, False, "global Module hook")
    return register(_Global.backward, hook)


class Called:
    """The part of Module that is called."""

    def register_forward_pre_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call `hook(module, args)`, or `hook(module, args, kwargs)`, before `forward`; what it returns is used."""
        also = {"with_kwargs": self._forward_pre_hooks_with_kwargs} if with_kwargs else {}
        return register(self._forward_pre_hooks, hook, prepend, **also)

    def register_forward_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:  # fmt: skip
        """Call `hook(module, args, output)`, or `hook(module, args, kwargs, output)`, after `forward`; what it returns
        becomes the output. With `always_call` also when `forward` raises."""
        also = {"with_kwargs": self._forward_hooks_with_kwargs} if with_kwargs else {}
        if always_call:
            also["always"] = self._forward_hooks_always_called
        return register(self._forward_hooks, hook, prepend, **also)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the backward of this module; what it returns is used."""
        return register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` once the gradients for the inputs are known; what it returns
        replaces `grad_input`."""
        self._is_full_backward_hook = _only(self._is_full_backward_hook, True, "single Module")
        return register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """PyTorch's older kind of `register_full_backward_hook`, on the last node of the module's graph."""
        self._is_full_backward_hook = _only(self._is_full_backward_hook, False, "single Module")
        return register(self._backward_hooks, hook)

    def __call__(self, *args, **kwargs):
        if local.whole is not None:
            local.whole.called(self)
        if not (
            self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
            or _Global.forward or _Global.forward_pre or _Global.backward or _Global.backward_pre
        ):  # fmt: skip
            return self.forward(*args, **kwargs)
        return _with_hooks(self, args, kwargs)

    _call_impl = __call__


def _with_hooks(module, args: tuple, kwargs: dict):
    ran: set = set()
    try:
        return _call(module, args, kwargs, ran)
    except Exception:
        _always(module, args, kwargs, ran)
        raise


def _call(module, args: tuple, kwargs: dict, ran: set):
    for number, hook in [*_Global.forward_pre.items(), *module._forward_pre_hooks.items()]:
        if number in module._forward_pre_hooks_with_kwargs:
            found = hook(module, args, kwargs)
            if found is not None:
                if not isinstance(found, tuple) or len(found) != 2:
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {found}."
                    )
                args, kwargs = found
        else:
            found = hook(module, args)
            if found is not None:
                args = found if isinstance(found, tuple) else (found,)
    around = _Backward.of(module)
    if around is not None:
        args = around.inputs(args)
    result = module.forward(*args, **kwargs)
    for number, hook in [*_Global.forward.items(), *module._forward_hooks.items()]:
        if number in module._forward_hooks_always_called or number in _Global.always:
            ran.add(number)
        result = _after(module, number, hook, args, kwargs, result)
    if around is not None:
        result = around.outputs(result)
    _older(module, args, result)
    return result


def _after(module, number: int, hook, args, kwargs, result):
    wants = number in module._forward_hooks_with_kwargs or number in _Global.with_kwargs
    found = hook(module, args, kwargs, result) if wants else hook(module, args, result)
    return result if found is None else found


def _always(module, args, kwargs, ran: set) -> None:
    """The hooks that want to be called although the forward raised."""
    for which, table, flags in (
        ("global module", _Global.forward, _Global.always),
        ("module", module._forward_hooks, module._forward_hooks_always_called),
    ):
        for number, hook in table.items():
            if number in flags and number not in ran:
                try:
                    _after(module, number, hook, args, kwargs, None)
                except Exception as error:
                    warnings.warn(
                        f"{which} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error}",
                        stacklevel=4,
                    )


# ---- backward ----------------------------------------------------------------------------------------------


class BackwardHookFunction(Function):
    """Does nothing, to several tensors at once: its one node sees the gradients of all of them together."""

    @staticmethod
    def forward(ctx, *args):
        ctx.mark_non_differentiable(*[a for a in args if not a.requires_grad])
        return args

    @staticmethod
    def backward(ctx, *grads):
        return grads


class _Backward:
    """One call of a module with full backward hooks: a node around its inputs, another around its outputs."""

    def __init__(self, module, hooks: list, before: list):
        self.module, self.hooks, self.before = module, hooks, before
        self.grads = None  # of the outputs, once known
        self.count, self.places = -1, None  # of the inputs; and where among them Tensors are

    @classmethod
    def of(cls, module) -> _Backward | None:
        hooks = list(_Global.backward.values()) if _Global.full else []
        if module._is_full_backward_hook:
            hooks += module._backward_hooks.values()
        before = [*_Global.backward_pre.values(), *module._backward_pre_hooks.values()]
        return cls(module, hooks, before) if hooks or before else None

    def inputs(self, args):
        if not self.hooks or not is_grad_enabled():
            return args

        def arrived(grad_input, _):
            if self.grads is None:
                raise RuntimeError(
                    "Module backward hook for grad_input is called before the grad_output one. This happens because "
                    "the gradient in your nn.Module flows to the Module's input without passing through the Module's "
                    "output. Make sure that the output depends on the input and that the loss is computed based on "
                    "the output."
                )
            found = self._run(_spread(grad_input, self.places, self.count), self.grads)
            self.grads = None
            return None if found is None else tuple(found[i] for i in self.places)

        made, self.places = _around(args, arrived, None)
        self.count = len(args) if isinstance(args, tuple) else 1
        return made

    def outputs(self, result):
        if not is_grad_enabled():
            return result
        count = len(result) if isinstance(result, tuple) else 1

        def arrived(grad_output):
            grads = _spread(grad_output, places, count)
            for hook in self.before:
                found = hook(self.module, grads)
                if found is not None:
                    grads = found if isinstance(found, tuple) else (found,)
            self.grads = grads
            # nobody waits for the gradients of inputs that want none
            if self.places is None and self.hooks:
                warnings.warn(
                    "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                    "inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                    "#torch.nn.Module.register_full_backward_hook for more details.",
                    stacklevel=5,
                )
                self._run(_spread((), (), max(self.count, 0)), grads)
                self.grads = None
            return tuple(grads[i] for i in places)

        if not isinstance(result, Tensor | tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=5,
            )
        made, places = _around(result, None, arrived)
        return made

    def _run(self, grad_input: tuple, grad_output: tuple):
        changed = None
        for hook in self.hooks:
            found = hook(self.module, grad_input, grad_output)
            if found is not None:
                found = found if isinstance(found, tuple) else (found,)
                if len(found) != len(grad_input):
                    raise RuntimeError(
                        f"Backward hook returned an invalid number of grad_input, got {len(found)}, but expected "
                        f"{len(grad_input)}"
                    )
                grad_input = changed = found
        return changed


def _spread(grads, places, count: int) -> tuple:
    """Gradients at their places among all arguments; None for what is no Tensor."""
    full = [None] * count
    for i, g in zip(places, grads, strict=True):
        full[i] = g
    return tuple(full)


def _around(args, hook, before):
    """(args, with one node behind their Tensors, that has the hook; where the Tensors are, None if none wants a
    gradient)."""
    alone = not isinstance(args, tuple)
    several = (args,) if alone else args
    places = [i for i, a in enumerate(several) if isinstance(a, Tensor)]
    if not any(several[i].requires_grad for i in places):
        return args, None
    made = BackwardHookFunction.apply(*[several[i] for i in places])
    node = next(t.grad_fn for t in made if t.grad_fn is not None)
    if hook is not None:
        node.register_hook(hook)
    if before is not None:
        node.register_prehook(before)
    out = list(several)
    for i, t in zip(places, made, strict=True):
        out[i] = t
    if alone:
        return out[0], places
    return (type(args)(*out) if hasattr(args, "_fields") else tuple(out)), places


def _older(module, args, result) -> None:
    """The older backward hooks: on the node of the first output."""
    hooks = [] if _Global.full is not False else list(_Global.backward.values())
    if module._is_full_backward_hook is False:
        hooks += module._backward_hooks.values()
    if not hooks:
        return
    _complain(args, result)
    first = next((x for x in jax.tree.leaves(result, is_leaf=_is_tensor) if isinstance(x, Tensor)), None)
    node = None if first is None else first.grad_fn
    if node is None:
        return
    if len({id(n) for n, _ in node.next_functions if n is not None}) > len(args) + 1:
        _warn("when the forward contains multiple autograd Nodes", "some grad_input.")
    for hook in hooks:
        node.register_hook(lambda into, out, hook=hook: hook(module, into, out))


def _complain(args, result) -> None:
    if not isinstance(result, Tensor) and not (isinstance(result, tuple) and all(map(_is_tensor, result))):
        _warn("on a Module that does not return a single Tensor or a tuple of Tensors", "some of the grad_output.")
    elif not (isinstance(args, tuple) and all(map(_is_tensor, args))):
        _warn("on a Module that does not take as input a single Tensor or a tuple of Tensors", "some of the grad_input.")
    elif isinstance(result, tuple) and len({id(r.grad_fn) for r in result}) > 1:
        _warn("when outputs are generated by different autograd Nodes", "some grad_output.")


def _warn(when: str, missing: str) -> None:
    where = "hooks" if when.startswith("on") else "a non-full backward hook"
    what = f"non-full backward {where}" if where == "hooks" else where
    warnings.warn(
        f"Using {what} {when} is deprecated and will be removed in future versions. This hook will be missing "
        f"{missing} Please use register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=7,
    )


def _is_tensor(x) -> bool:
    return isinstance(x, Tensor)
