"""What every Module does, beside PyTorch's: members, state, hooks, conversion, containers, and what is refused or warned
of. Layers have a file of their own."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch

import funcgrad

LIBS = (funcgrad, torch)


def net(lib):
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.register_buffer("seen", lib.zeros(()))
            self.register_buffer("passing", lib.ones(2), persistent=False)
            self.scale = nn.Parameter(lib.ones(3))
            self.register_parameter("nothing", None)

        def forward(self, x, factor=1.0):
            self.seen += 1
            return self.layer(x) * self.scale * factor

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = Block(), Block()
            self.two.layer = self.one.layer
            self.rest = nn.ModuleList([nn.Dropout(0.5), nn.ModuleDict({"a": nn.Linear(3, 1)})])
            self.params = nn.ParameterList([lib.ones(1), lib.zeros(2, 2)])

        def forward(self, x):
            return self.rest[1]["a"](self.two(self.one(x), factor=2.0))

    lib.manual_seed(0)
    return Net()


class Numbers:
    """An array that is equal to another but for rounding."""

    def __init__(self, array):
        self.array = array

    def __eq__(self, other):
        return self.array.shape == other.array.shape and np.allclose(self.array, other.array, rtol=1e-4, atol=2e-5)

    def __repr__(self):
        return repr(self.array.tolist())


def plain(x):
    if hasattr(x, "detach"):
        return (type(x).__name__, str(x.dtype), x.requires_grad, Numbers(x.detach().numpy()))
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    return x


X = np.array([[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]], np.float32)


def both(f):
    found = []
    for lib in LIBS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                seen = plain(f(lib))
            except Exception as error:
                seen = (type(error), str(error))
        found.append((seen, [(w.category, str(w.message)) for w in caught if w.category is not funcgrad.RecompileWarning]))
    assert found[0] == found[1]
    return found[0][0]


WAYS = {
    "names": lambda lib: [[n for n, _ in getattr(net(lib), f"named_{k}")()] for k in ("parameters", "buffers", "modules", "children")],
    "duplicates": lambda lib: [n for n, _ in net(lib).named_parameters(remove_duplicate=False)],
    "not below": lambda lib: [len(list(net(lib).one.parameters(recurse=False))), [n for n, _ in net(lib).named_parameters(prefix="p")]],
    "repr": lambda lib: repr(net(lib)),
    "state": lambda lib: [net(lib).state_dict(), net(lib).state_dict(prefix="x.")._metadata],
    "vars": lambda lib: [type(v).__name__ for v in net(lib).state_dict(keep_vars=True).values()],
    "train": lambda lib: (lambda n: [[m.training for m in n.eval().modules()], [m.training for m in n.train().modules()]])(net(lib)),
    "frozen": lambda lib: [p.requires_grad for p in net(lib).requires_grad_(False).parameters()],
    "double": lambda lib: [str(x.dtype) for x in net(lib).double().state_dict().values()],
    "to": lambda lib: [str(x.dtype) for x in net(lib).to(lib.float16).state_dict().values()],
    "bfloat16": lambda lib: [str(x.dtype) for x in net(lib).bfloat16().buffers()],
    "apply": lambda lib: (lambda seen: (net(lib).apply(lambda m: seen.append(type(m).__name__)), seen)[1])([]),
    "get": lambda lib: [net(lib).get_submodule("rest.1.a"), net(lib).get_parameter("one.scale"), net(lib).get_buffer("two.seen")][1:],
    "set": lambda lib: (lambda n: (n.set_submodule("rest.1.a", lib.nn.Identity()), repr(n.rest))[1])(net(lib)),
    "delete": lambda lib: (lambda n: (delattr(n.one, "scale"), delattr(n, "two"), [k for k in n.state_dict()])[2])(net(lib)),
    "dir": lambda lib: [k in dir(net(lib).one) for k in ("layer", "seen", "scale", "nothing", "forward")],
    "zero_grad": lambda lib: (lambda n: (n(lib.tensor(X)).sum().backward(), n.zero_grad(set_to_none=False), [p.grad for p in n.parameters()])[2])(net(lib)),
    "gradient's dtype": lambda lib: (lambda n: (n(lib.tensor(X)).sum().backward(), n.double(), str(n.one.scale.grad.dtype))[2])(net(lib)),
    "reassigned": lambda lib: (lambda n: (setattr(n.one, "scale", lib.nn.Parameter(lib.zeros(3))), setattr(n.one, "seen", lib.ones(())), n.one.state_dict())[2])(net(lib)),
    "named before": lambda lib: [early(lib, *layer) for layer in (("Linear", 2, 2), ("Conv1d", 2, 2, 1), ("LayerNorm", 2), ("GRUCell", 2, 2))],
    "param to module": lambda lib: (lambda n: (setattr(n.one, "layer", lib.nn.Parameter(lib.zeros(1))), [k for k in n.one.state_dict()])[1])(net(lib)),
    "buffer class": lambda lib: (lambda m: (setattr(m, "b", lib.nn.Buffer(lib.ones(1), persistent=False)), list(m.state_dict()), [n for n, _ in m.named_buffers()])[1:])(lib.nn.Module()),
    "sequential": lambda lib: sequential(lib),
    "lists": lambda lib: lists(lib),
    "parameter dict": lambda lib: [repr(d := lib.nn.ParameterDict({"a": lib.ones(2), "b": lib.zeros(1, 2)})), list(d), "a" in d, list((d | {"c": lib.ones(1)}).keys()), d.pop("a"), len(d)],
    "forward hooks": lambda lib: forward_hooks(lib),
    "backward hooks": lambda lib: backward_hooks(lib),
    "global hooks": lambda lib: global_hooks(lib),
    "state hooks": lambda lib: state_hooks(lib),
    "copied": lambda lib: copied(lib),
    "loaded": lambda lib: loaded(lib),
    "extra state": lambda lib: extra(lib),
    "vector": lambda lib: vector(lib),
    "stateless": lambda lib: stateless(lib),
    "ensemble": lambda lib: ensemble(lib),
    "clipped": lambda lib: clipped(lib),
    "packed": lambda lib: packed(lib),
    "initial": lambda lib: initial(lib),
    "parametrized": lambda lib: parametrized(lib),
    "weight norm": lambda lib: normed(lib, "weight_norm", dim=None),
    "weight norm of a convolution": lambda lib: normed(lib, "weight_norm", lambda: lib.nn.Conv1d(2, 3, 2), (4, 2, 5)),
    "older weight norm": lambda lib: normed_by_hook(lib, "weight_norm"),
    "older weight norm of a convolution": lambda lib: normed_by_hook(lib, "weight_norm", lambda: lib.nn.Conv1d(2, 3, 2), (4, 2, 5), dim=None),
    "older spectral norm": lambda lib: normed_by_hook(lib, "spectral_norm", n_power_iterations=2),
    "older spectral norm of a convolution": lambda lib: normed_by_hook(lib, "spectral_norm", lambda: lib.nn.ConvTranspose1d(2, 3, 2), (4, 2, 5)),
    "spectral norm": lambda lib: normed(lib, "spectral_norm", n_power_iterations=2),
    "spectral norm of a convolution": lambda lib: normed(lib, "spectral_norm", lambda: lib.nn.ConvTranspose1d(2, 3, 2), (4, 2, 5)),
    "orthogonal": lambda lib: orthogonal(lib),
}  # fmt: skip


def sequential(lib):
    nn = lib.nn
    s = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    s.append(nn.ELU()).insert(1, nn.Identity())
    s[0] = nn.GELU()
    del s[2]
    t = s[1:] + nn.Sequential(nn.ReLU())
    s.extend(nn.Sequential(nn.Softplus()))
    return [repr(s), repr(t), len(s), repr(s[-1]), repr(s.pop(0)), repr(nn.Sequential(nn.ReLU()) * 2), [type(m).__name__ for m in s]]


def lists(lib):
    nn = lib.nn
    m = nn.ModuleList([nn.ReLU()] * 3 + [nn.Tanh()])
    m.append(nn.Linear(1, 1))
    m.insert(0, nn.Identity())
    m += [nn.ELU()]
    shown = repr(m)
    del m[1:3]
    p = nn.ParameterList([lib.ones(2), lib.nn.Parameter(lib.zeros(1), requires_grad=False)])
    p.append(lib.zeros(2, 2))
    d = nn.ModuleDict([("a", nn.ReLU())])
    d["b"] = nn.Tanh()
    return [shown.replace("0.", ""), len(m), repr(m[-1]), repr(p), len(p), [q.requires_grad for q in p], repr(d), list(d), repr(d.pop("a"))]


def forward_hooks(lib):
    n, log = net(lib), []
    n.one.register_forward_pre_hook(lambda m, a: log.append(("pre", len(a))))
    n.one.register_forward_pre_hook(lambda m, a: (a[0] * 2,), prepend=True)
    n.two.register_forward_pre_hook(lambda m, a, k: (a, {"factor": 3.0}), with_kwargs=True)
    n.two.register_forward_hook(lambda m, a, k, o: log.append(sorted(k)), with_kwargs=True)
    handle = n.two.register_forward_hook(lambda m, a, o: o + 1)
    first = n(lib.tensor(X))
    handle.remove()
    n.register_forward_hook(lambda m, a, o: log.append("always"), always_call=True)
    try:
        n(lib.ones(2, 5))
    except RuntimeError:
        log.append("raised")
    return [first, n(lib.tensor(X)), log]


def backward_hooks(lib):
    n, log = net(lib), []
    shapes = lambda gs: [None if g is None else list(g.shape) for g in gs]  # noqa: E731
    n.one.register_full_backward_hook(lambda m, i, o: log.append(("one", shapes(i), shapes(o))))
    n.two.register_full_backward_pre_hook(lambda m, o: (o[0] * 2,))
    n.two.register_full_backward_hook(lambda m, i, o: (i[0] * 10,))
    x = lib.tensor(X, requires_grad=True)
    n(x).sum().backward()
    return [log, x.grad, n.one.scale.grad, n.two.scale.grad]


def global_hooks(lib):
    n, log = net(lib), []
    handles = [
        lib.nn.modules.module.register_module_forward_pre_hook(lambda m, a: log.append(type(m).__name__)),
        lib.nn.modules.module.register_module_forward_hook(lambda m, a, o: log.append(list(o.shape))),
        lib.nn.modules.module.register_module_full_backward_hook(lambda m, i, o: log.append(("back", type(m).__name__))),
    ]  # fmt: skip
    n(lib.tensor(X)).sum().backward()
    for h in handles:
        h.remove()
    n(lib.tensor(X))
    return log


def state_hooks(lib):
    n, log = net(lib), []
    n.one.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", prefix)))
    n.one.register_state_dict_post_hook(lambda m, sd, prefix, local: sd.pop(prefix + "seen") and None)
    n.one.register_load_state_dict_pre_hook(lambda m, sd, prefix, *r: sd.update({prefix + "seen": lib.ones(())}))
    n.register_load_state_dict_post_hook(lambda m, keys: log.append(list(keys.missing_keys)))
    state = n.state_dict()
    return [list(state), str(n.load_state_dict(state)), n.one.seen, log]


def copied(lib):
    n = net(lib)
    n(lib.tensor(X)).sum().backward()
    m = copy.deepcopy(n)
    same = m.one.layer is m.two.layer and m.one.layer is not n.one.layer
    with lib.no_grad():
        m.one.scale.zero_()
    small = pickle.loads(pickle.dumps(lib.nn.Sequential(lib.nn.Linear(2, 1), lib.nn.ReLU())))
    return [same, n.one.scale, m.one.scale, m.one.scale.grad, repr(small)]


def loaded(lib):
    n, m = net(lib), net(lib)
    state = {k: v * 2 for k, v in n.state_dict().items()}
    first = [str(m.load_state_dict(state)), m.one.scale]
    del state["one.scale"]
    state["new"] = lib.ones(1)
    loose = m.load_state_dict(state, strict=False)
    given = {k: v for k, v in n.state_dict().items()}
    given["one.scale"] = lib.full((3,), 7.0, dtype=lib.float64)
    m.load_state_dict(given, assign=True)
    return [*first, list(loose.missing_keys), list(loose.unexpected_keys), m.one.scale]


def extra(lib):
    class Counted(lib.nn.Module):
        count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    m = Counted()
    state = m.state_dict()
    m.count = 0
    m.load_state_dict(state)
    return [dict(state), m.count]


def vector(lib):
    n = lib.nn.Linear(2, 2)
    v = lib.nn.utils.parameters_to_vector(n.parameters())
    lib.nn.utils.vector_to_parameters(lib.arange(6.0), n.parameters())
    return [list(v.shape), n.weight, n.bias]


def stateless(lib):
    # PyTorch leaves a module that stands in two places changed, so this one has none
    lib.manual_seed(0)
    n = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1))
    values = {k: lib.ones_like(p) for k, p in n.named_parameters()}
    out = lib.func.functional_call(n, values, (lib.tensor(X),))
    layer = n[0]
    own = {k: lib.ones_like(p) for k, p in layer.named_parameters()}
    grads = lib.func.grad(lambda p: lib.func.functional_call(layer, p, (lib.tensor(X),)).sum())(own)
    kept = n(lib.tensor(X))
    return [out, grads, kept]


def ensemble(lib):
    lib.manual_seed(1)
    nets = [lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1)) for _ in range(3)]
    params, buffers = lib.func.stack_module_state(nets)
    one = copy.deepcopy(nets[0])
    call = lambda p, b, x: lib.func.functional_call(one, (p, b), (x,))  # noqa: E731
    out = lib.vmap(call, in_dims=(0, 0, None))(params, buffers, lib.tensor(X))
    each = lib.stack([n(lib.tensor(X)) for n in nets])
    per_sample = lib.vmap(lib.func.grad(lambda p, x: call(p, {}, x).sum()), in_dims=(None, 0))(
        {k: v.detach() for k, v in nets[0].named_parameters()}, lib.tensor(X)
    )
    return [bool((out - each).abs().max() < 1e-5), out, {k: list(v.shape) for k, v in per_sample.items()}, per_sample]


def clipped(lib):
    ps = [lib.zeros(2, requires_grad=True) for _ in range(3)]
    for i, p in enumerate(ps[:2]):
        p.grad = lib.tensor([3.0, 4.0]) * (i + 1)
    u = lib.nn.utils
    seen = [u.clip_grad_norm_(ps, 5.0), ps[0].grad, u.clip_grad_norm_(ps, 2.0, norm_type=float("inf")), u.clip_grad_norm_(iter(ps), 2.0, norm_type=1), u.clip_grad_norm_(ps[2], 1.0)]
    u.clip_grad_value_(ps, 0.5)
    return [*seen, [p.grad for p in ps], u.get_total_norm([lib.ones(4)])]


def packed(lib):
    r = lib.nn.utils.rnn
    seqs = [lib.arange(float(n)).unsqueeze(1) for n in (2, 4, 1)]
    p = r.pack_sequence(seqs, enforce_sorted=False)
    back, lengths = r.pad_packed_sequence(p, batch_first=True, padding_value=-1, total_length=5)
    lib.manual_seed(0)
    lstm = lib.nn.LSTM(1, 2, num_layers=2, bidirectional=True)
    out, (h, c) = lstm(p)
    gru = lib.nn.GRU(1, 2)
    padded = r.pad_sequence(seqs, padding_value=9.0, padding_side="left")
    return [p.data, p.batch_sizes, p.sorted_indices, p.unsorted_indices, back, lengths, out.data, h, c, gru(p)[0].data, padded, [s.flatten() for s in r.unpack_sequence(p)]]


def parametrized(lib):
    nn, P = lib.nn, lib.nn.utils.parametrize

    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).T

        def right_inverse(self, x):
            return x.triu()

    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    lib.manual_seed(0)
    layer = nn.Linear(3, 3)
    P.register_parametrization(layer, "weight", Symmetric())
    seen = [layer.weight, repr(layer), list(layer.state_dict()), P.is_parametrized(layer), type(layer).__name__]
    layer.weight = lib.ones(3, 3)
    seen += [layer.weight, [n for n, _ in layer.named_parameters()]]
    layer(lib.tensor(X)).sum().backward()
    seen.append(layer.parametrizations.weight.original.grad)
    with P.cached():
        seen.append(layer.weight is layer.weight)
    P.register_parametrization(layer, "weight", Double())
    twin = copy.deepcopy(layer)
    seen += [layer.weight, twin.weight]
    P.remove_parametrizations(layer, "weight")
    return [*seen, layer.weight, repr(layer), repr(twin)]


def normed(lib, name, layer=None, shape=(4, 3), **options):
    lib.manual_seed(2)
    layer = getattr(lib.nn.utils.parametrizations, name)(layer() if layer else lib.nn.Linear(3, 2), **options)
    x = lib.tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    layer(x).sum().backward()
    seen = [layer.weight, [p.grad for p in layer.parameters()], list(layer.state_dict()), layer.eval()(x)]
    lib.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    return [*seen, layer.weight]


def normed_by_hook(lib, name, layer=None, shape=(4, 3), **options):
    lib.manual_seed(2)
    utils = lib.nn.utils
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = getattr(utils, name)(layer() if layer else lib.nn.Linear(3, 2), **options)
    seen = [list(layer.state_dict()), [n for n, _ in layer.named_parameters()], layer.weight.detach()]
    x = lib.tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    optimizer = lib.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x).pow(2).sum().backward()
        optimizer.step()
    seen += [[p.grad for p in layer.parameters()], *layer.state_dict().values(), layer.eval()(x)]
    getattr(utils, f"remove_{name}")(layer)
    return [*seen, layer.weight, sorted(layer.state_dict()), layer(x)]


def orthogonal(lib):
    lib.manual_seed(0)
    wide, tall = lib.nn.Linear(4, 2), lib.nn.Linear(2, 4)
    for layer in (wide, tall):
        lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map="matrix_exp")
    w, t = wide.weight, tall.weight
    return [[round(float(x), 4) for x in (m.detach() @ m.detach().T if m is w else m.detach().T @ m.detach()).flatten()] for m in (w, t)]


def initial(lib):
    i, seen = lib.nn.init, []
    lib.manual_seed(5)
    for f in (
        i.uniform_, i.normal_, i.xavier_uniform_, i.xavier_normal_, i.kaiming_uniform_, i.kaiming_normal_, i.eye_, i.ones_, i.zeros_,
        lambda w: i.trunc_normal_(w, 0.5, 0.2), lambda w: i.constant_(w, 0.3), lambda w: i.sparse_(w, 0.5), i.orthogonal_,
        lambda w: i.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), lambda w: i.orthogonal_(w, 2.0),
    ):  # fmt: skip
        seen.append(f(lib.empty(3, 5)))
    seen.append(i.dirac_(lib.empty(4, 2, 3), groups=2))
    return [*seen, lib.rand(2), i.calculate_gain("leaky_relu", 0.2)]


def early(lib, name, *args):
    """The names of the parameters of a layer that has attributes of these names before it is one."""
    class Early(getattr(lib.nn, name)):
        def __init__(self):
            self.bias = self.bias_ih = True
            super().__init__(*args)

    return [k for k, _ in Early().named_parameters()]


@pytest.mark.parametrize("name", WAYS)
def test_same(name):
    assert both(WAYS[name]) is not None


REFUSED = {
    "no forward": lambda lib: lib.nn.Module()(1),
    "argument": lambda lib: lib.nn.Module(1),
    "keyword": lambda lib: lib.nn.Module(a=1),
    "attribute": lambda lib: lib.nn.Linear(1, 1).nothing,
    "parameter's type": lambda lib: setattr(lib.nn.Linear(1, 1), "weight", 3),
    "module's type": lambda lib: setattr(net(lib), "one", 3),
    "buffer's type": lambda lib: setattr(net(lib).one, "seen", 3),
    "parameter name": lambda lib: net(lib).register_parameter("a.b", None),
    "buffer name": lambda lib: net(lib).register_buffer("", None),
    "taken": lambda lib: net(lib).register_buffer("forward", None),
    "no tensor": lambda lib: net(lib).register_buffer("x", 3),
    "non-leaf": lambda lib: net(lib).register_parameter("x", lib.nn.Parameter(lib.ones(1)) * 2),
    "module name": lambda lib: net(lib).add_module("a.b", lib.nn.ReLU()),
    "no module": lambda lib: net(lib).add_module("a", 3),
    "submodule": lambda lib: net(lib).get_submodule("one.x"),
    "not a module": lambda lib: net(lib).get_submodule("one.scale"),
    "not a parameter": lambda lib: net(lib).get_parameter("one.seen"),
    "not a buffer": lambda lib: net(lib).get_buffer("one.scale"),
    "mode": lambda lib: net(lib).train(1),
    "dtype": lambda lib: net(lib).to(lib.int64),
    "keys": lambda lib: lib.nn.Linear(2, 1).load_state_dict({"weight": lib.ones(1, 3), "x": lib.ones(1)}),
    "not a dict": lambda lib: lib.nn.Linear(2, 1).load_state_dict(3),
    "both kinds of hook": lambda lib: (lambda m: (m.register_full_backward_hook(print), m.register_backward_hook(print)))(lib.nn.ReLU()),
    "pre-hook's result": lambda lib: (lambda m: (m.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True), m(lib.ones(1))))(lib.nn.ReLU()),
    "index": lambda lib: lib.nn.Sequential(lib.nn.ReLU())[3],
    "call a list": lambda lib: lib.nn.ModuleList()(1),
    "dropout": lambda lib: lib.nn.Dropout(1.5),
    "groups": lambda lib: lib.nn.Conv2d(3, 4, 1, groups=2),
    "padding": lambda lib: lib.nn.Conv2d(3, 4, 3, padding="same", stride=2),
    "batch norm": lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    "group norm": lambda lib: lib.nn.GroupNorm(2, 3),
    "heads": lambda lib: lib.nn.MultiheadAttention(5, 2),
    "rnn": lambda lib: lib.nn.RNN(2, 3, nonlinearity="x"),
    "hidden": lambda lib: lib.nn.LSTM(2, 3)(lib.ones(4, 1, 2), (lib.ones(1, 1, 3), lib.ones(1, 1, 2))),
    "input": lambda lib: lib.nn.GRU(2, 3)(lib.ones(4, 1, 3)),
    "projection": lambda lib: lib.nn.GRU(2, 3, proj_size=1),
    "one layer": lambda lib: repr(lib.nn.LSTM(2, 3, dropout=0.5)),
    "padding index": lambda lib: lib.nn.Embedding(3, 2, padding_idx=3),
    "sorted": lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.ones(3, 2, 1), [1, 3]),
    "gain": lambda lib: lib.nn.init.calculate_gain("x"),
    "fan": lambda lib: lib.nn.init.xavier_uniform_(lib.ones(3)),
    "norm": lambda lib: lib.nn.utils.clip_grad_norm_([p for p in [lib.ones(1, requires_grad=True)] if [setattr(p, "grad", lib.tensor([float("nan")]))]], 1.0, error_if_nonfinite=True),
    "lazy": lambda lib: lib.nn.LazyLinear(3).weight.shape,
    "functional_call": lambda lib: lib.func.functional_call(lib.nn.Linear(1, 1), {"x": lib.ones(1)}, (lib.ones(1),), strict=True),
    "parametrize": lambda lib: lib.nn.utils.parametrize.register_parametrization(lib.nn.Linear(1, 1), "x", lib.nn.ReLU()) and None,
    "changes shape": lambda lib: lib.nn.utils.parametrize.register_parametrization(lib.nn.Linear(2, 1), "weight", lib.nn.Flatten(0)) and None,
    "pickled": lambda lib: pickle.dumps(lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(1, 1))) and None,
    "old hook": lambda lib: (lambda m: (m.register_backward_hook(lambda m, i, o: None), m(lib.ones(1, requires_grad=True) * 1).sum().backward()) and None)(lib.nn.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_or_warned_of(name):
    both(REFUSED[name])
