"""What random programs do to what there is: writes, histories, modes, hooks, backwards, and looks at numbers.

Phrases, as in `phrases`. Knows PyTorch.
"""

from __future__ import annotations

import torch
from phrases import (
    Again,
    alone,
    binary,
    hollow,
    joined,
    kinked,
    mask,
    number_of,
    picked,
    product,
    real,
    reduced,
    several,
    smooth,
    unary,
    view,
    viewed,
    wants,
    wants_real,
    whole,
)

# ---- writing in place -------------------------------------------------------------------------------------

BY_ITSELF = [
    "mul_({s})", "add_({n})", "sin_()", "tanh_()", "neg_()", "clamp_(-0.5, 0.5)", "zero_()", "fill_({s})", "square_()", "sigmoid_()",
    "cos_()", "div_(2)", "sub_({s})", "pow_(2)", "relu_()", "abs_()", "mul_(0.5).add_(1)", "masked_fill_({x} > 0.3, 0.25)", "exp_()",
    "round_()", "detach_().mul_(2)", "index_fill_(0, torch.tensor([0]), 0.5)", "t_()", "unsqueeze_(0)", "squeeze_()",
]  # fmt: skip
BY_ANOTHER = [
    "add_({y})", "mul_({y})", "sub_({y}, alpha=0.5)", "copy_({y})", "copy_({y})", "div_({y} * {y} + 2)", "lerp_({y}, 0.5)",
    "addcmul_({y}, {y}, value=0.5)", "mul_(2).add_({y})", "add_({y}.detach())", "set_({y})",
]  # fmt: skip
CHANGES_SHAPE = ("t_()", "unsqueeze_(0)", "squeeze_()", "set_(", "detach_()")


def target(g) -> str:
    """What is written to: a tensor, or a view, a detached one or its `.data`, taken at the spot."""
    name = g.pick(smooth, owned=True)
    if g.chance(0.65):
        return name
    return g.one([view(g, name), view(g, name), f"{name}.detach()", f"{name}.data", view(g, f"{name}.detach()"), view(g, f"{name}.data")])


def in_place(g) -> str:
    x = target(g)
    text = g.one(BY_ITSELF if g.chance(0.5) else BY_ANOTHER)
    t = g.look(x)
    if "copy_" in text and 0 in t.stride():
        raise Again
    if text.startswith(CHANGES_SHAPE) and not (g.chance(0.15) and t.is_contiguous() and x in g.space and alone(g, t)):
        raise Again
    if text.startswith("set_") and t.requires_grad:
        raise Again
    if t.is_complex() and any(w in text for w in ("clamp", "relu", "round", "abs", "masked", "lerp")):
        raise Again
    if any(w in text for w in ("clamp", "relu", "abs_", "masked", "round")) and not apart(t, text):
        raise Again
    if bool((t.detach().abs() > 3).any()) and any(w in text for w in ("exp_", "pow_", "square_", "mul_", "addcmul_")):
        text = "sin_()"
    return f"{x}.{text.format(x=x, s=g.number(), n='1', y=g.source(x, smooth if t.is_complex() else real))}"


def apart(t, text: str) -> bool:
    t = t.detach()
    away = t.abs() - 0.5 if "clamp" in text else t - 0.3 if "masked" in text else t * 2 - (t * 2).round() if "round" in text else t
    return bool(((away.abs() > 1e-3) | ((away * 64).round() == away * 64)).all())


def operator(g) -> str:
    x = g.pick(smooth, owned=True)
    t = g.look(x)
    y = g.source(x, smooth if t.is_complex() else real) if g.chance(0.6) else g.number()
    return f"{x} {g.one(['+', '-', '*'])}= {y}"


def assigned(g) -> str:
    """`x[...] = y`."""
    x = g.pick(lambda t: smooth(t) and t.ndim > 0 and t.numel() > 0, owned=True)
    if g.chance(0.2):
        x = g.one([f"{x}.detach()", f"{x}.data", f"{x}[:]"])
    t = g.look(x)
    i = number_of(g, t.shape[0])
    index = g.one([f"{i}", "1:", "::2", "...", ":", f"torch.tensor([{i}])", f"[{i}]", "..., 0", "..., :1", "None", f"torch.tensor({i % t.shape[0]})"])
    if real(t):
        masks = g.tensors(lambda m: mask(m) and m.shape == t.shape)
        if masks and g.chance(0.5):
            index = masks[0]
        elif g.chance(0.15) and apart(t, "masked"):
            index = f"{x} > 0.3"
    try:
        g.space["_"] = g.look(f"{x}[{index}]")
    except (RuntimeError, IndexError):
        raise Again from None
    same = t.dtype
    y = g.source("_", lambda u: u.dtype == same)
    del g.space["_"]
    y = g.number() if y in ("_", x) or g.chance(0.4) else y
    return f"{x}[{index}] = {y}"


def out(g) -> str:
    """`out=` of a function."""
    x = g.pick(real)
    t = g.look(x)
    y = g.partner(x, real)
    function = g.one(["torch.add({x}, {y}, out={o})", "torch.mul({x}, {y}, out={o})", "torch.sin({x}, out={o})"])
    shape = torch.broadcast_shapes(t.shape, g.look(y).shape) if "{y}" in function else t.shape
    place = g.pick(lambda u: u.dtype == t.dtype and (u.shape == shape or (alone(g, u) and g.chance(0.1))), owned=True)
    text = function.format(x=f"{x}.detach()" if g.chance(0.4) else x, y=y, o=place)
    return text if g.chance(0.6) else f"{g.name()} = {text}"


# ---- history and modes ------------------------------------------------------------------------------------


def detached(g) -> str:
    x = g.pick(smooth)
    return f"{g.name()} = {x}.{g.one(['detach()', 'data', 'detach().clone()', 'detach()', 'clone().detach()', 'detach().requires_grad_()'])}"


def data(g) -> str:
    x = g.pick(lambda t: smooth(t) and t.is_leaf and not t._is_view() and alone(g, t), owned=True)
    dtype, shape = g.look(x).dtype, g.look(x).shape
    y = g.pick(lambda t: t.dtype == dtype and t.is_contiguous() and (t.shape == shape or (not g.space[x].requires_grad and g.chance(0.1))))
    return f"{x}.data = {g.one([y, f'{y} * 0.5', f'{y}.clone()'])}"


def mode(g) -> str:
    """A region with another grad mode."""
    inside = g.one([unary, binary, viewed, in_place, in_place, assigned, detached, several, operator, updated, leaf])(g)
    head = g.one(["torch.no_grad()", "torch.no_grad()", "torch.enable_grad()", "torch.set_grad_enabled(False)"])
    lines = [f"with {head}:", *("    " + s for s in inside.split("\n"))]
    if g.chance(0.15):
        lines = ["with torch.no_grad():", *("    " + s for s in lines)]
    return "\n".join(lines)


def switched(g) -> str:
    x = g.pick(lambda t: not t._is_view() and alone(g, t))
    return g.one([f"{x}.requires_grad_()", f"{x}.requires_grad_(False)", f"{x}.requires_grad = True", f"{x}.requires_grad = False", f"{x}.detach_()"])


def leaf(g) -> str:
    return g.leaf()


def updated(g) -> str:
    """A leaf is changed by hand, as an optimiser would."""
    x = g.pick(lambda t: t.is_leaf and wants(t))
    y = f"{x}.grad" if g.look(x).grad is not None else g.number()
    inner = g.one([f"{x} -= 0.1 * {y}", f"{x}.sub_({y})", f"{x}.mul_(0.5)", f"{x}.add_({y}, alpha=-0.5)", f"{x}.copy_({x} * 0.5)"])
    return f"with torch.no_grad():\n    {inner}"


# ---- gradients --------------------------------------------------------------------------------------------

OBSERVE = ["lambda g: log({n!r}, g)", "lambda g: log({n!r}, g)", "lambda g: g * 0.5", "lambda g: g + 1", "lambda g: None", "lambda g: g.detach()"]


# whose hooks PyTorch also calls with None, when only another output has a gradient
MULTI = ("UnbindBackward0", "SplitBackward0", "SplitWithSizesBackward0", "MaxBackward0", "MinBackward0", "SortBackward0")


def hooked(g) -> str:
    x = g.pick(lambda t: smooth(t) and not hollow(t) and not (t.grad_fn is not None and t.grad_fn.name() in MULTI))
    g.hooks += 1
    if g.look(x)._is_view():
        g.program.borrowed.add(x)  # a write would leave the hook on a history that PyTorch has no use for
    name = f"{'leaf' * g.look(x).is_leaf}hook{g.hooks}"
    g.hook_names.append(name)
    if g.look(x).is_leaf:
        g.watched.add(x)
    if g.chance(0.2):
        return f"{name} = {x}.register_post_accumulate_grad_hook(lambda t: log({name!r}, t.grad))"
    return f"{name} = {x}.register_hook({g.one(OBSERVE).format(n=name)})"


def unhooked(g) -> str:
    if not g.hook_names:
        raise Again
    return f"{g.one(g.hook_names)}.remove()"


def retained(g) -> str:
    return f"{g.pick(lambda t: smooth(t) and not hollow(t))}.retain_grad()"


def scalar(g, x: str) -> str:
    """A scalar, real expression of the tensor `x`."""
    t = g.look(x)
    if t.is_complex():
        return g.one([f"{x}.real.sum()", f"{x}.imag.sum()", f"({x} * {x}.conj()).real.sum()"])
    if t.ndim == 0:
        return x
    return g.one([f"{x}.sum()", f"{x}.square().sum()", f"({x} * {g.partner(x)}).sum()", f"{x}.mean()", f"{x}.sum()"])


def backward(g) -> str:
    x = g.pick(wants if g.chance(0.95) else smooth)
    options = ["retain_graph=True"] if g.chance(0.75) else []
    if g.chance(0.15):
        options.append("create_graph=True")
    if g.chance(0.2) and not g.look(x).is_leaf:
        chosen = [g.pick(target_of_grad) for _ in range(g.one([1, 2]))]
        options.append(f"inputs=[{', '.join(dict.fromkeys(chosen))}]")
        if any(not g.space[n].is_leaf for n in chosen):  # PyTorch also frees what made those
            options = list(dict.fromkeys(["retain_graph=True", *options]))
    t = g.look(x)
    if real(t) and g.chance(0.3):
        y = g.pick(lambda u: u.shape == t.shape and real(u))
        y = g.one([f"{y}.clone()", f"torch.ones_like({y})", f"{y} * 0.5"])
        return f"{x}.backward({', '.join([y, *options])})"
    if real(t) and g.chance(0.1):
        return f"torch.autograd.backward([{x}, {x}.sum()], [{x}.detach(), None]{''.join(', ' + o for o in options)})"
    return f"{scalar(g, x)}.backward({', '.join(options)})"


def target_of_grad(t) -> bool:
    """What a gradient is asked of; PyTorch goes through all outputs of a node to find one."""
    return wants(t) and not (t.grad_fn is not None and t.grad_fn.name() in MULTI)


def differentiated(g) -> str:
    """`autograd.grad`, perhaps with a backward through its result."""
    x = g.pick(lambda t: wants(t) and not t.is_leaf)
    to = list(dict.fromkeys(g.pick(target_of_grad) for _ in range(g.one([1, 2, 3]))))
    options = ["allow_unused=True"] if g.chance(0.8) else []
    create = g.chance(0.5)
    options += ["create_graph=True"] if create else ["retain_graph=True"] if g.chance(0.6) else []
    if g.chance(0.15):
        options.append("materialize_grads=True")
    names = [g.name() for _ in to]
    text = f"{', '.join(names)}{',' * (len(to) == 1)} = torch.autograd.grad({scalar(g, x)}, [{', '.join(to)}]{''.join(', ' + o for o in options)})"
    if create and g.chance(0.5):
        text += f"\nif {names[0]} is not None and {names[0]}.requires_grad:\n    {names[0]}.{'real.' * g.look(to[0]).is_complex()}square().sum().backward()"
    return text


def graded(g) -> str:
    """Something done to a `.grad`."""
    x = g.pick(lambda t: t.is_leaf and t.grad is not None)
    t = g.look(x)
    return g.one([
        f"{x}.grad = None", f"{x}.grad.zero_()", f"{x}.grad.mul_(0.5)", f"{x}.grad += 1", f"{g.name()} = {x}.grad", f"del {x}.grad",
        f"{x}.grad = {g.partner(x, lambda u: u.dtype == t.dtype and u.is_contiguous(), into=True)}", f"{x}.grad[...] = 0.5", f"{x}.grad = {x}.grad * 2",
        f"{x}.grad.detach_()", f"{g.name()} = {x}.grad * 2",
    ])  # fmt: skip


# ---- numbers ----------------------------------------------------------------------------------------------


def looked(g) -> str:
    x = g.pick(real)
    t = g.look(x)
    name = g.name()
    options = [f"{name} = {x}.detach().numpy().copy()", f"{name} = {x}.tolist()", f"{name} = float({x}.detach().sum())", f"{name} = {x}.sum().item()"]
    if abs(float(t.sum())) > 1e-2:
        y = g.one(g.tensors(lambda u: real(u) and u.shape == t.shape and u.dtype == t.dtype))
        options += [f"if {x}.sum() > 0:\n    {name} = {x} * 2\nelse:\n    {name} = {y} - 1"] * 2
        options += [f"{name} = {y} * {x}.detach().sum().item()"]
    return g.one(options)


def looped(g) -> str:
    """A training loop of three rounds."""
    x = g.pick(lambda t: t.is_leaf and wants_real(t))
    y = g.partner(x)
    end = g.one([f"{x}.grad = None", f"{x}.grad.zero_()", "pass"])
    return f"for _ in range(3):\n    ({x} * {y} - 1).square().sum().backward()\n    with torch.no_grad():\n        {x} -= 0.1 * {x}.grad\n    {end}"


KINDS = {
    unary: 9, kinked: 4, binary: 10, reduced: 5, whole: 1, product: 3, joined: 3, picked: 4, viewed: 12, several: 3, in_place: 12,
    operator: 4, assigned: 7, out: 2, detached: 4, data: 1.5, mode: 6, switched: 2, leaf: 2, updated: 3, hooked: 4, unhooked: 1,
    retained: 3, backward: 6, differentiated: 4, graded: 4, looked: 3, looped: 0.7,
}  # fmt: skip
