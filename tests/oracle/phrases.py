"""What random programs compute and look at: expressions, elements, views, drawn to fit the tensors there are.

A phrase is a function of the Writer (see `programs`) that gives the text of a statement or raises Again. Knows PyTorch.
"""

from __future__ import annotations

import torch


class Again(Exception):
    """What was drawn cannot be used: draw anew."""


def real(t) -> bool:
    return t.is_floating_point()


def smooth(t) -> bool:
    return t.is_floating_point() or t.is_complex()


def wants(t) -> bool:
    return t.requires_grad and not hollow(t)


def hollow(t) -> bool:
    """A view made under no_grad: PyTorch says that it wants a gradient, but nothing receives one."""
    return t.requires_grad and t.is_leaf and t._is_view()


def alone(g, t) -> bool:
    """Whether nobody else shares the memory of `t`."""
    memory = t.untyped_storage().data_ptr()
    return sum(u.untyped_storage().data_ptr() == memory for u in g.space.values() if isinstance(u, torch.Tensor)) == 1


def wants_real(t) -> bool:
    return wants(t) and t.is_floating_point()


def integral(t) -> bool:
    return t.dtype == torch.int64


def mask(t) -> bool:
    return t.dtype == torch.bool


# ---- expressions ---------------------------------------------------------------------------------------

# x a tensor, y one that broadcasts with it, s a number, n a whole number, d a dimension of x
SMOOTH = [
    "{x}.sin()", "torch.cos({x})", "torch.tanh({x})", "-{x}", "{x}.square()", "({x} * 0.25).exp()", "{x} ** 2", "{x} ** 3",
    "{x}.cumsum({d})", "{x}.flip({d})", "{x}.clone()", "{x} * {s}", "{s} - {x}", "{x} / {s}", "{x} + {n}", "{x} * 2",
    "1 / ({x}.square() + 1.5)", "{x}.roll(1, {d})", "{x}.double()", "{x} * 0", "+{x}", "torch.zeros_like({x})",
]  # fmt: skip
REAL = [
    "torch.sigmoid({x})", "torch.nn.functional.softplus({x})", "{x}.softmax({d})", "{x}.log_softmax({d})", "{x}.atan()",
    "({x}.square() + 1).sqrt()", "({x} * {x} + 0.5).log()", "torch.erf({x})", "{x}.float()", "{x}.logsumexp({d})",
    "torch.nn.functional.gelu({x})", "{x}.to(torch.float64)", "({x}.square() + 0.5) ** 1.5",
]  # fmt: skip
# the second text must stay away from zero, or be exactly there
KINKED = [
    ("{x}.abs()", "{x}"), ("{x}.relu()", "{x}"), ("{x}.clamp(-0.5, 0.5)", "{x}.abs() - 0.5"), ("{x}.sign()", "{x}"),
    ("{x}.clamp(min=0.25)", "{x} - 0.25"), ("torch.nn.functional.leaky_relu({x}, 0.1)", "{x}"), ("{x}.floor()", "{x}.frac()"),
    ("{x}.amax({d})", PAIRS := "({x}.flatten()[:, None] - {x}.flatten()) + torch.eye({x}.numel())"), ("{x}.max()", PAIRS),
    ("{x}.max({d})[0]", PAIRS), ("{x}.sort({d})[0]", PAIRS), ("{x}.min({d}).values", PAIRS), ("{x}.median()", PAIRS),
    ("torch.maximum({x}, {y})", "{x} - {y}"), ("torch.minimum({x}, {y})", "{x} - {y}"), ("{x} > {y}", "{x} - {y}"),
    ("torch.where({x} > {y}, {x}, {y})", "{x} - {y}"), ("{x} < {s}", "{x} - {s}"), ("{x}.ge({y})", "{x} - {y}"),
    ("{x}.argmax()", PAIRS), ("{x}.norm()", "{x}.norm()"), ("{x}.prod()", "{x}"), ("{x}.eq({y})", "{x} - {y}"),
]  # fmt: skip
BINARY = [
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} * {y}", "{x} / ({y} * {y} + 3)", "torch.add({x}, {y}, alpha={s})",
    "torch.sub({x}, {y}, alpha=2)", "torch.lerp({x}, {y}, 0.25)", "torch.addcmul({x}, {y}, {x}, value=0.5)", "{x}.mul({y})",
]  # fmt: skip
REDUCED = [
    "{x}.sum()", "{x}.sum({d})", "{x}.mean()", "{x}.mean({d}, keepdim=True)", "{x}.sum({d}, keepdim=True)", "{x}.sum((0,))",
    "{x}.square().mean({d})",
]  # fmt: skip
WHOLE = ["{i} + 1", "{i} * {i}", "{i}.sum()", "{i}.double() * 0.5", "{i} % 2 == 0", "{i}[None]", "torch.arange({n} + 2)"]


def filled(g, text: str, fits=real) -> str:
    """`text` with tensors for its letters."""
    x = seen(g, fits)
    t = g.look(x)
    parts = {"x": x, "s": g.number(), "n": g.one(["1", "2", "3"]), "d": str(g.dim(t))}
    if "{y}" in text:
        parts["y"] = g.partner(x, fits)
    return text.format(**parts)


def seen(g, fits=real) -> str:
    """A tensor: mostly a name, sometimes a view taken at the spot."""
    name = g.pick(fits)
    return view(g, name) if g.chance(0.12) else name


def unary(g) -> str:
    if g.chance(0.3):
        return g.name() + " = " + filled(g, g.one(SMOOTH), smooth)
    return g.name() + " = " + filled(g, g.one(REAL if g.chance(0.5) else SMOOTH))


def kinked(g) -> str:
    text, distance = g.one(KINKED)
    whole = filled(g, text + "|" + distance)
    text, distance = whole.split("|")
    try:
        away = g.look(distance).double()
    except (RuntimeError, IndexError):
        raise Again from None
    exact = bool(((away * 64).round() == away * 64).all())
    if bool((away.abs() < 1e-3).any()) and not exact:
        raise Again
    return f"{g.name()} = {text}"


def binary(g) -> str:
    return g.name() + " = " + filled(g, g.one(BINARY), smooth if g.chance(0.3) else real)


def reduced(g) -> str:
    return g.name() + " = " + filled(g, g.one(REDUCED), smooth if g.chance(0.2) else real)


def whole(g) -> str:
    if not g.tensors(integral):
        return f"{g.name()} = " + g.one(["torch.arange(3)", "torch.tensor([2, 0, 1])", "torch.tensor(2)"])
    return f"{g.name()} = " + g.one(WHOLE).format(i=g.pick(integral), n=g.one(["1", "2"]))


def product(g) -> str:
    x = g.pick(lambda t: real(t) and t.ndim in (1, 2))
    t = g.look(x)
    n, dtype = t.shape[-1], t.dtype
    y = g.pick(lambda u: u.dtype == dtype and u.ndim in ((1,) if t.ndim == 1 else (1, 2)) and n in u.shape)
    y = y if g.look(y).shape[0] == n else f"{y}.t()"
    return f"{g.name()} = {x} @ {y}"


def joined(g) -> str:
    x = seen(g, smooth)
    t = g.look(x)
    others = g.tensors(lambda u: u.dtype == t.dtype and u.shape == t.shape) or [x]
    y = g.one(others)
    if t.ndim and g.chance(0.5):
        return f"{g.name()} = torch.cat([{x}, {y}], {g.dim(t)})"
    return f"{g.name()} = torch.stack([{x}, {y}{g.one(['', f', {x}'])}], {g.one([0, -1])})"


def number_of(g, n: int) -> int:
    return int(g.rng.integers(-n, n))


def picked(g) -> str:
    """Elements at places that a tensor names."""
    x = g.pick(lambda t: smooth(t) and t.ndim > 0 and t.numel() > 0)
    t = g.look(x)
    n, last = t.shape[0], t.shape[-1]
    at = [number_of(g, n) for _ in range(g.one([1, 2, 3]))]
    up = [i % n for i in at]
    ends = [i % last for i in at]
    options = [
        f"{x}[torch.tensor({at})]", f"{x}[{at}]", f"{x}[..., torch.tensor({ends})]", f"{x}[torch.tensor({up[0]})]",
        f"{x}.index_select(0, torch.tensor({up}))", f"{x}.take(torch.tensor({up}))", f"{x}.gather(-1, torch.zeros({list(t.shape)}, dtype=torch.int64))",
    ]  # fmt: skip
    if t.ndim > 1:
        options += [f"{x}[torch.tensor({up}), torch.tensor({[0] * len(up)})]", f"{x}[:, {[0, -1]}]", f"{x}[torch.tensor([[0], [{up[0]}]]), 0]"]
    if real(t):
        same = g.tensors(lambda m: mask(m) and m.shape == t.shape)
        if same:
            options += [f"{x}[{same[0]}]", f"torch.where({same[0]}, {x}, 0.5)", f"{x}.masked_fill({same[0]}, {g.number()})"]
    return f"{g.name()} = {g.one(options)}"


# ---- views ------------------------------------------------------------------------------------------------


def in_order(t) -> bool:
    """Whether the memory that PyTorch looks at lies in order: funcgrad's always does."""
    return (t if t._base is None else t._base).is_contiguous()


def view(g, name: str) -> str:
    """A view of the tensor `name`, of one output."""
    t = g.look(name)
    d = g.dim(t)
    options = [f"{name}.unsqueeze({g.one([0, -1])})", f"{name}[...]", f"{name}[None]", f"{name}.view_as({name})"]
    if in_order(t):
        options += [f"{name}.reshape(-1)", f"{name}.flatten()", f"{name}.view(-1)", f"{name}.reshape({[1, *t.shape]})"]
    if t.ndim:
        n = t.shape[d]
        i = number_of(g, n) if n else 0
        start = abs(i)
        options += [
            f"{name}[{number_of(g, t.shape[0]) if t.shape[0] else 0}]", f"{name}.select({d}, {i})", f"{name}[1:]", f"{name}[::2]",
            f"{name}[..., :2]", f"{name}.narrow({d}, {min(start, n)}, {n - min(start, n)})", f"{name}[..., {-1}]", f"{name}[:-1]",
            f"{name}.squeeze()", f"{name}.squeeze({d})", f"{name}.transpose(0, -1)", f"{name}[-2:]", f"{name}[:]",
        ]  # fmt: skip
        if n and t.shape[d] == 1:
            options.append(f"{name}.expand({[3 if i == d % t.ndim else -1 for i in range(t.ndim)]})")
    if t.ndim < 3:
        options += [f"{name}.t()", f"{name}.expand({[2, *t.shape]})"]
    if t.ndim > 1:
        options += [f"{name}.diagonal()", f"{name}.permute({[*range(1, t.ndim), 0]})", f"{name}.mT", f"{name}[:, 0]", f"{name}[:, 1::2]",
                    f"{name}.movedim(0, -1)", f"{name}[0, ..., None]"]  # fmt: skip
    if t.is_complex():
        options += [f"{name}.real", f"{name}.imag", f"torch.view_as_real({name})", f"{name}.conj()"]
    return g.one(options)


def viewed(g) -> str:
    text = view(g, g.pick(smooth))
    if g.chance(0.2):
        name = g.name()
        g.space["_"] = g.look(text)
        inner = view(g, "_")
        del g.space["_"]
        return f"{name} = {text}{inner[1:]}" if inner.startswith("_") else f"{name} = {text}"
    return f"{g.name()} = {text}"


def several(g) -> str:
    """A view with several outputs."""
    x = g.pick(lambda t: smooth(t) and t.ndim > 0)
    t = g.look(x)
    d = g.dim(t)
    n = t.shape[d]
    text, count = g.one([
        (f"{x}.unbind({d})", n), (f"{x}.split(2, {d})", -(-n // 2)), (f"torch.chunk({x}, 2, {d})", len(t.chunk(2, d)) if n else 1),
        (f"torch.tensor_split({x}, 2, {d})", 2), (f"{x}.split({[1, n - 1]}, {d})", 2 if n else 9),
    ])  # fmt: skip
    if not 0 < count < 4:
        raise Again
    return ", ".join(g.name() for _ in range(count)) + f"{',' * (count == 1)} = {text}"
