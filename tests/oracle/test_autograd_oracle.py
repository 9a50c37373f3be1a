"""What `torch.autograd` shows, the same programs on PyTorch and here: hooks, Functions, edges, saved tensors, forward mode.

A program is a function of the module and of a list that it writes down what it sees in: numbers, names, errors.
"""

import numpy as np
import pytest
import torch

import funcgrad

PROGRAMS = []


def program(f):
    PROGRAMS.append(f)
    return f


def seen(f, module):
    """What `f` writes down on `module`; an error it raises is its last line."""
    notes: list = []

    def note(*what):
        notes.append(tuple(_plain(w) for w in what))

    try:
        f(module, note)
    except Exception as error:
        notes.append((type(error).__name__, str(error).split(". ")[0].split("\n")[0]))
    return notes


def _plain(w):
    if isinstance(w, torch.Tensor | funcgrad.Tensor):
        return str(w.dtype), w.requires_grad, str(np.round(w.detach().numpy(), 4).tolist())
    if isinstance(w, tuple | list):
        return tuple(map(_plain, w))
    if isinstance(w, float):
        return round(w, 4)
    if isinstance(w, Exception):
        return type(w).__name__, str(w).split(". ")[0].split("\n")[0]
    return w if isinstance(w, bool | int | str | None) else type(w).__name__


def leaf(t, *values):
    return t.tensor([float(v) for v in values], requires_grad=True)


def attempt(note, f):
    try:
        note(f())
    except Exception as error:
        note(error)


# ---- hooks ----------------------------------------------------------------------------------------------


@program
def order_of_all_hooks(t, note):
    x = leaf(t, 1, 2)
    y = x * 2
    y.register_hook(lambda g: note("tensor", g))
    y.grad_fn.register_prehook(lambda g: note("pre", g))
    y.grad_fn.register_hook(lambda gi, go: note("post", gi, go))
    node = y.grad_fn.next_functions[0][0]
    node.register_hook(lambda gi, go: note("leaf post", gi, go, x.grad))
    node.register_prehook(lambda g: note("leaf pre", g))
    x.register_hook(lambda g: note("leaf", g))
    x.register_post_accumulate_grad_hook(lambda p: note("accumulated", p.grad))
    y.sum().backward()


@program
def hooks_replace(t, note):
    x = leaf(t, 1, 2)
    y = x.exp()
    y.grad_fn.register_prehook(lambda g: (g[0] * 3,))
    y.grad_fn.register_prehook(lambda g: (g[0] + 1,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * go[0],))
    y.sum().backward()
    note(x.grad)


for wrong in (
    lambda g: g[0] * 2, lambda g: (None,), lambda g: (g[0].sum(),), lambda g: (g[0].double(),), lambda g: (3,), lambda g: (),
):  # fmt: skip

    @program
    def prehook_that_returns_something_wrong(t, note, wrong=wrong):
        x = leaf(t, 1, 2)
        y = x * 2
        y.grad_fn.register_prehook(wrong)
        y.sum().backward()
        note(x.grad)

    @program
    def posthook_that_returns_something_wrong(t, note, wrong=wrong):
        x = leaf(t, 1, 2)
        y = x * 2
        y.grad_fn.register_hook(lambda gi, go: wrong(gi))
        y.sum().backward()
        note(x.grad)

    @program
    def tensor_hook_that_returns_something_wrong(t, note, wrong=wrong):
        x = leaf(t, 1, 2)
        y = x * 2
        y.register_hook(lambda g: wrong((g,)))
        y.sum().backward()
        note(x.grad)


@program
def retain_grad_sees_the_last_word(t, note):
    x = leaf(t, 1, 2)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    handle = y.register_hook(lambda g: g * 100)
    handle.remove()
    y.sum().backward(retain_graph=True)
    note(y.grad, x.grad)
    with y.register_hook(lambda g: g + 1):
        y.sum().backward(retain_graph=True)
    y.sum().backward()
    note(y.grad, x.grad, y.retains_grad)


@program
def hooks_stay_on_the_node_of_their_time(t, note):
    x = leaf(t, 1, 2)
    y = x * 2
    y.register_hook(lambda g: note("old", g))
    y.mul_(3)
    y.register_hook(lambda g: note("new", g))
    y.sum().backward()
    note(x.grad)


@program
def a_hook_may_call_backward(t, note):
    x, w = leaf(t, 1, 2), leaf(t, 3)
    y = x * 2
    y.register_hook(lambda g: (w * w).sum().backward())
    y.sum().backward()
    note(x.grad, w.grad)


@program
def a_hook_that_raises(t, note):
    x = leaf(t, 1, 2)
    y = x * 2

    def hook(g):
        raise KeyError("mine")

    y.register_hook(hook)
    attempt(note, lambda: y.sum().backward())
    note(x.grad)


@program
def hooks_under_grad(t, note):
    x = leaf(t, 1, 2)
    x.register_hook(lambda g: g * 5)
    x.register_post_accumulate_grad_hook(lambda p: note("never"))
    y = x.exp()
    y.register_hook(lambda g: g * 2)
    y.grad_fn.register_prehook(lambda g: note("pre"))
    note(t.autograd.grad(y.sum(), y, retain_graph=True))
    note(t.autograd.grad(y.sum(), x))


@program
def multi_grad_hooks(t, note):
    a, b = leaf(t, 1, 2), leaf(t, 3, 4)
    c, d = a * b, a + b
    register = t.autograd.graph.register_multi_grad_hook
    with register((a, b, c, d), lambda gs: note("all", [g is not None for g in gs])):
        c.sum().backward(retain_graph=True)
        d.sum().backward(retain_graph=True)
        (c + d).sum().backward(retain_graph=True)
    with register((c, d), lambda g: note("any", g), mode="any"):
        c.sum().backward(retain_graph=True)
        (c + 2 * d).sum().backward(inputs=[a], retain_graph=True)
    attempt(note, lambda: register((a,), note, mode="x"))


@program
def optimiser_in_backward(t, note):
    w = leaf(t, 1, 2)

    def update(p):
        with t.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    w.register_post_accumulate_grad_hook(update)
    for _ in range(3):
        (w * w).sum().backward()
    note(w, w.grad)


@program
def callbacks_at_the_end(t, note):
    x = leaf(t, 1, 2)
    y = x * 2
    y.register_hook(lambda g: t.autograd.Variable._execution_engine.queue_callback(lambda: note("end", x.grad)))
    y.sum().backward()
    attempt(note, lambda: t.autograd.Variable._execution_engine.queue_callback(lambda: 0))


# ---- Function ----------------------------------------------------------------------------------------------


def exp_of(t, note=lambda *a: None):
    class Exp(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            note("forward", t.is_grad_enabled(), x.requires_grad)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            note("backward", t.is_grad_enabled(), ctx.needs_input_grad)
            return g * y

    return Exp


@program
def function_to_the_third_order(t, note):
    x = leaf(t, 0.5, 1)
    y = exp_of(t, note).apply(x * 2)
    note(y, y.grad_fn.name(), y.is_leaf, [type(n).__name__ for n, _ in y.grad_fn.next_functions])
    for _ in range(3):
        (y,) = t.autograd.grad(y.sum(), x, create_graph=True)
        note(y)


@program
def function_freed(t, note):
    x = leaf(t, 1, 2)
    y = exp_of(t).apply(x)
    note(y.grad_fn.saved_tensors)
    y.sum().backward()
    attempt(note, lambda: y.grad_fn.saved_tensors)
    attempt(note, lambda: y.sum().backward())


@program
def function_several_of_everything(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, a, k, b=None, *more):
            ctx.k = k
            ctx.save_for_backward(a, None, b)
            return a * k, a + b, a.sum()

        @staticmethod
        def backward(ctx, g, h, s):
            _, nothing, _ = ctx.saved_tensors
            note(nothing, ctx.needs_input_grad, g, h, s)
            return g * ctx.k + h + s, None, h, None

    a, b = leaf(t, 1, 2), leaf(t, 3, 4)
    x, y, z = F.apply(a, 3.0, b, "text")
    note(x, y, z, x.grad_fn is y.grad_fn, [v.output_nr for v in (x, y, z)], x.grad_fn.k)
    (x * y).sum().backward(retain_graph=True)
    note(a.grad, b.grad)
    z.backward()
    note(a.grad, b.grad)


@program
def function_without_materialised_gradients(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.set_materialize_grads(False)
            return a * 2, a * 3

        @staticmethod
        def backward(ctx, g, h):
            note(g, h)
            return g

    a = leaf(t, 1, 2)
    F.apply(a)[0].sum().backward()
    note(a.grad)


@program
def function_with_outputs_of_every_kind(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            a, b, c = x * 2, x * 3, x > 0
            ctx.mark_non_differentiable(b)
            return a, b, c, "s", None

        @staticmethod
        def backward(ctx, *gs):
            note(gs)
            return gs[0] * 2

    x = leaf(t, 1, 2)
    made = F.apply(x)
    note(made)
    made[0].sum().backward()
    note(x.grad)


def dirty(t):
    class Mul(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            x.mul_(y)
            ctx.save_for_backward(x, y)
            return x

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, (g * x).sum()

    return Mul


@program
def function_in_place(t, note):
    a, s = leaf(t, 1, 2), t.tensor(2.0, requires_grad=True)
    x = a * 1
    y = dirty(t).apply(x, s)
    note(y is x, x, x.grad_fn.name(), x._version)
    (x * x).sum().backward()
    note(a.grad, s.grad)


@program
def function_in_place_through_a_view(t, note):
    a, s = leaf(t, 1, 2), t.tensor(2.0, requires_grad=True)
    base = a * 1
    part = base[0]
    dirty(t).apply(part, s)
    note(base, base.grad_fn.name())
    (base * base).sum().backward()
    note(a.grad)


@program
def function_in_place_on_a_leaf(t, note):
    attempt(note, lambda: dirty(t).apply(leaf(t, 1, 2), t.tensor(2.0)))


@program
def function_dirty_but_not_returned(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x + 1

    F.apply(leaf(t, 1) * 1)


@program
def function_that_returns_its_input(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = leaf(t, 1, 2)
    y = F.apply(x)
    note(y is x, y, y._is_view(), y._base is x)
    y.sum().backward()
    note(x.grad)
    attempt(note, lambda: F.apply(x * 1).mul_(2))


RETURNS = {
    "one of two": lambda t: t.ones(2),
    "too many": lambda t: (t.ones(2), None, t.ones(2)),
    "more None": lambda t: (t.ones(2), None, None, None),
    "for a number": lambda t: (t.ones(2), 1),
    "a float": lambda t: (1.0, None),
    "a wrong shape": lambda t: (t.ones(7), None),
    "a wider shape": lambda t: (t.ones(3, 2), None),
    "a narrower shape": lambda t: (t.ones(()), None),
    "another dtype": lambda t: (t.ones(2, dtype=t.float64), None),
    "None": lambda t: (None, None),
    "nothing": lambda t: (),
}

for what in RETURNS:

    @program
    def function_returns(t, note, what=what):
        class Fn(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, k):
                return x * k

            @staticmethod
            def backward(ctx, g):
                return RETURNS[what](t)

        x = leaf(t, 1, 2)
        Fn.apply(x, 2).sum().backward()
        note(x.grad)


@program
def function_with_nothing_implemented(t, note):
    class F(t.autograd.Function):
        pass

    class G(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    attempt(note, lambda: F.apply(leaf(t, 1)))
    attempt(note, lambda: G.apply(leaf(t, 1)).sum().backward())
    attempt(note, lambda: exp_of(t).apply(3.0))


@program
def function_saves_a_number(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x

    F.apply(leaf(t, 1))


@program
def function_with_setup_context(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(x, k=2):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.k = inputs
            note(x, ctx.k, output)
            ctx.save_for_forward(x)

        @staticmethod
        def vjp(ctx, g):
            return g * ctx.k, None

        @staticmethod
        def jvp(ctx, x_t, k_t):
            note(k_t, ctx.saved_tensors)
            return x_t * ctx.k

    x = leaf(t, 1, 2)
    (F.apply(x) + F.apply(x, k=3)).sum().backward()
    note(x.grad)
    ad = t.autograd.forward_ad
    with ad.dual_level():
        y = F.apply(ad.make_dual(t.ones(2), t.tensor([1.0, 10.0])), 4)
        note(ad.unpack_dual(y).tangent)
        attempt(note, lambda: exp_of(t).apply(ad.make_dual(t.ones(2), t.ones(2))))
    attempt(note, lambda: F.apply())


@program
def function_once_differentiable(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(t, 1, 2)
    (g,) = t.autograd.grad(F.apply(x).sum(), x, create_graph=True)
    note(g)
    seed = leaf(t, 1, 1)
    (g,) = t.autograd.grad(F.apply(x), x, seed, create_graph=True)
    note(g)
    attempt(note, lambda: g.sum().backward())


@program
def function_whose_backward_raises(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise ValueError("boom")

    x = leaf(t, 1, 2)
    attempt(note, lambda: F.apply(x).sum().backward())
    note(x, x.grad)


@program
def function_whose_backward_goes_backward(t, note):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with t.enable_grad():
                z = x.detach().requires_grad_()
                return g * t.autograd.grad((z**3).sum(), z)[0]

    x = leaf(t, 1, 2)
    F.apply(x * 2).sum().backward()
    note(x.grad)


@program
def function_under_no_grad(t, note):
    x = leaf(t, 1, 2)
    with t.no_grad():
        note(exp_of(t, note).apply(x))
    note(exp_of(t, note).apply(x.detach()))


@program
def function_instances(t, note):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = exp_of(t)()
    attempt(note, lambda: f(leaf(t, 1)))


# ---- edges, nodes, saved tensors -----------------------------------------------------------------------------


@program
def edges(t, note):
    a, b = leaf(t, 1, 2), leaf(t, 3, 4)
    c = a * b
    edge = t.autograd.graph.get_gradient_edge
    note(edge(c).output_nr, edge(a).node.name(), edge(c).node is c.grad_fn)
    note(t.autograd.grad(edge(c), a, grad_outputs=t.ones(2), retain_graph=True))
    note(t.autograd.grad(c.sum(), edge(c), retain_graph=True), t.autograd.grad(c.sum(), edge(a), retain_graph=True))
    attempt(note, lambda: t.autograd.backward(edge(c)))
    attempt(note, lambda: t.autograd.grad(edge(c), a))
    t.autograd.backward(edge(c), t.ones(2), inputs=[edge(a)], retain_graph=True)
    note(a.grad, b.grad)
    attempt(note, lambda: edge(t.ones(2)))
    kept, c = edge(c), None
    note(t.autograd.grad(kept, [a, b], grad_outputs=t.ones(2)))


@program
def batched_cotangents(t, note):
    a = leaf(t, 1, 2, 3)
    y = t.relu(a * a - 2)
    eye = t.eye(3)
    note(t.autograd.grad(y, a, eye, is_grads_batched=True, retain_graph=True))
    (g,) = t.autograd.grad(y.exp(), a, eye, is_grads_batched=True, create_graph=True)
    note(g, t.autograd.grad(g.sum(), a))
    attempt(note, lambda: t.autograd.grad(a * 2, a, t.eye(4), is_grads_batched=True))


@program
def saved_attributes(t, note):
    x, y = leaf(t, 1, 2), leaf(t, 3, 4)
    z = x * y
    note(z.grad_fn._saved_self, z.grad_fn._saved_other, hasattr(z.grad_fn, "_saved_foo"))
    e = x.exp()
    note(e.grad_fn._saved_result, e.grad_fn._saved_result.grad_fn is e.grad_fn, x.sum(0).grad_fn._saved_dim is not None)
    e.sum().backward()
    attempt(note, lambda: e.grad_fn._saved_result)
    raw = z.grad_fn._raw_saved_self
    raw.register_hooks(lambda v: v * 2, lambda v: v / 4)
    attempt(note, lambda: raw.register_hooks(lambda v: v, lambda v: v))
    z.sum().backward()
    note(x.grad, y.grad)
    attempt(note, lambda: z.grad_fn._raw_saved_other.register_hooks(lambda v: v, lambda v: v))


@program
def saved_tensor_hooks(t, note):
    x = leaf(t, 1, 2)

    def pack(v):
        note("pack", v, t.is_grad_enabled())
        return v.detach() * 2

    def unpack(v):
        note("unpack", v)
        return v / 2

    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * x).exp()
        z = x * 3 + 1
    note(y.grad_fn._saved_result)
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    note(g, t.autograd.grad(g.sum(), x))
    z.sum().backward()


@program
def saved_tensor_hooks_nest(t, note):
    hooks = t.autograd.graph.saved_tensors_hooks
    x = leaf(t, 1, 2)
    with hooks(lambda v: note("outer") or v, lambda v: v):
        x.exp()
        with hooks(lambda v: note("inner") or v, lambda v: v):
            y = x.exp()
        x.sin()
    y.sum().backward()
    note(x.grad)
    with t.autograd.graph.save_on_cpu():
        y = (x.exp() * x).sum()
    y.backward()
    note(x.grad)


@program
def saved_tensor_hooks_misused(t, note):
    graph = t.autograd.graph
    x = leaf(t, 1, 2)

    def wrong(pack, unpack):
        with graph.saved_tensors_hooks(pack, unpack):
            y = (x * 2).exp()
        y.sum().backward()

    attempt(note, lambda: wrong(lambda v: v.mul_(2), lambda v: v))
    attempt(note, lambda: wrong(lambda v: 3, lambda v: v))

    def refused():
        with graph.disable_saved_tensors_hooks("no hooks here"), graph.saved_tensors_hooks(lambda v: v, lambda v: v):
            pass

    attempt(note, refused)
    with graph.allow_mutation_on_saved_tensors():
        y = x.exp()
        z = y * y
        y.mul_(2)
        z.sum().backward()
    note(x.grad)


# ---- forward mode --------------------------------------------------------------------------------------------


@program
def duals(t, note):
    ad = t.autograd.forward_ad
    x, v = t.tensor([1.0, 2.0]), t.tensor([1.0, 10.0])
    with ad.dual_level():
        d = ad.make_dual(x, v)
        for f in (
            lambda d: d * d, lambda d: d.sin() / d, lambda d: d.sum() * d, lambda d: d.relu() + 1, lambda d: d > 0,
            lambda d: d @ d, lambda d: t.stack([d, d * 2]), lambda d: d.detach() * 2, lambda d: d.max(), lambda d: d[1:] ** 2,
            lambda d: t.where(d > 1, d, 3 * d), lambda d: d.cumsum(0), lambda d: d.clone().mul_(d), lambda d: d.long(),
        ):  # fmt: skip
            out = ad.unpack_dual(f(d))
            note(out.primal, out.tangent)
        z = t.zeros(3, 2)
        z[1] = d
        note(ad.unpack_dual(z.exp()).tangent)
        with t.no_grad():
            note(ad.unpack_dual(d * 2).tangent)
        note(ad.unpack_dual(x).tangent)
        attempt(note, ad.enter_dual_level)
        attempt(note, lambda: ad.make_dual(d, v))
        attempt(note, lambda: ad.make_dual(x, t.ones(3)))
        attempt(note, lambda: ad.make_dual(t.tensor([1, 2]), v))
    note(ad.unpack_dual(d * 2).tangent)
    attempt(note, lambda: ad.make_dual(x, v))


@program
def forward_over_reverse(t, note):
    ad = t.autograd.forward_ad
    with ad.dual_level():
        x = ad.make_dual(leaf(t, 1, 2), t.tensor([1.0, 0.0]))
        y = (x**3).sum() * x.sum()
        (g,) = t.autograd.grad(y, x, create_graph=True)
        note(g, ad.unpack_dual(g).tangent)


@program
def reverse_over_forward(t, note):
    ad = t.autograd.forward_ad
    p = leaf(t, 1, 2)
    with ad.dual_level():
        x = ad.make_dual(p, t.tensor([1.0, 0.0]))
        tangent = ad.unpack_dual((x**3).sum() * x.sum()).tangent
        note(tangent)
        note(t.autograd.grad(tangent, p))


# ---- anomalies -----------------------------------------------------------------------------------------------


@program
def anomaly_names_the_backward(t, note):
    import warnings

    def told(f):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with t.autograd.detect_anomaly():
                attempt(note, f)
        note([str(w.message).split("\n")[0].split(". ")[0] for w in caught if issubclass(w.category, UserWarning)])
        note(any("leaf(t" in str(w.message) for w in caught))  # the forward call is shown

    told(lambda: (leaf(t, -1, 2).sqrt() * 0).sum().backward())
    told(lambda: leaf(t, 1, 2).sqrt().sum().backward())
    x = leaf(t, -1, 2)
    with t.autograd.set_detect_anomaly(True, check_nan=False):
        x.sqrt().sum().backward()
    note(x.grad, t.is_anomaly_enabled())


# ---- in place and views, engine --------------------------------------------------------------------------------


@program
def higher_orders(t, note):
    x = leaf(t, 0.5, 1.5)
    y = (x.sin() * x**3).sum()
    for _ in range(4):
        (g,) = t.autograd.grad(y, x, create_graph=True)
        note(g)
        y = g.sum()
    (g,) = t.autograd.grad((3 * x).sum(), x, create_graph=True)
    note(g)
    attempt(note, lambda: t.autograd.grad(g.sum(), x))


@program
def maml(t, note):
    w = leaf(t, 0.3, -0.2)
    data = [t.tensor([1.0, 2.0]), t.tensor([3.0, -1.0])]
    total = 0
    for d in data:
        fast = w
        for _ in range(3):
            (g,) = t.autograd.grad(((fast * d).sum() - 1) ** 2, fast, create_graph=True)
            fast = fast - 0.05 * g
        total = total + ((fast * d).sum() - 2) ** 2
    total.backward()
    note(w.grad)


@program
def node_details(t, note):
    x = leaf(t, 1, 2)
    y = x * 2
    y.grad_fn.metadata["mine"] = 3
    note(y.grad_fn.metadata["mine"], type(y.grad_fn).__name__, isinstance(y.grad_fn, t.autograd.graph.Node))
    note(y.grad_fn.next_functions[1], y.grad_fn.requires_grad)
    attempt(note, lambda: y.grad_fn.foo)


@program
def a_second_gradient_goes_only_where_what_was_used_depends(torch, note):
    """Of two gradients taken at once, one is used: what only the other depends on has none."""
    a, b = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor([5.0, 7.0], requires_grad=True)
    c = b * b
    of_c, of_a = torch.autograd.grad((c * a).sum(), [c, a], create_graph=True)
    of_c.square().sum().backward(retain_graph=True)
    note(a.grad, b.grad is None)
    note(*torch.autograd.grad(of_a.sum(), [c, a], allow_unused=True))


@program
def what_was_a_leaf_is_none_any_more(torch, note):
    """A leaf that was detached, and then written a history into, cannot take the gradient of what had read it."""
    a, b = torch.tensor([2.0], requires_grad=True), torch.tensor([5.0, 7.0], requires_grad=True)
    c = b * 2
    b.detach_()
    b[:1] = a
    note(b.requires_grad, b.is_leaf)
    try:
        (a.sum() + c.sum()).backward()
    finally:
        note(b.tolist())


@program
def a_leaf_with_views_is_reshaped_in_place(torch, note):
    for name, args in (("t_", ()), ("unsqueeze_", (0,)), ("squeeze_", ()), ("transpose_", (0, 1))):
        a = torch.tensor([[2.0, 3.0]], requires_grad=True)
        seen = a.view_as(a) * 3
        with torch.no_grad():
            getattr(a, name)(*args)
        note(name, tuple(a.shape), a.requires_grad, a.is_leaf, seen)


@program
def an_output_that_is_an_input_keeps_its_size(torch, note):
    a, b = torch.ones(3), torch.ones(2, 3)
    for f in (torch.add, torch.mul, torch.maximum, torch.atan2):
        try:
            f(b, a, out=a)
        except RuntimeError as error:
            note(f.__name__, str(error), a)
    note(torch.add(a, a, out=a))


@program
def memory_of_another_dtype_is_not_taken(torch, note):
    a = torch.ones(3)
    try:
        a.set_(torch.ones(3, dtype=torch.float64))
    finally:
        note(a)


@program
def what_may_not_be_written_is_said_before_other_mistakes(torch, note):
    a = torch.ones(2, requires_grad=True)
    a.lerp_(torch.ones(2, dtype=torch.float64), 0.5)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")
def test_same(f):
    assert seen(f, funcgrad) == seen(f, torch)
