"""Distributions beside PyTorch's: densities and their gradients, moments, entropies, divergences, draws and refusals."""

import math

import numpy as np
import pytest
import torch

import funcgrad

A, B, C = [0.3, 1.2, 2.5], [0.7, 1.1, 3.0], [-0.5, 0.2, 1.0]
P, S = [0.2, 0.5, 0.9], [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
TRIL = [[1.0, 0.0], [0.5, 2.0]]
COV = [[1.0, 0.5], [0.5, 4.25]]

# name, parameters, a value with a density
CASES = [
    ("Normal", (C, A), [0.1, 2.0, -1.0]),
    ("LogNormal", (C, A), [0.1, 2.0, 1.0]),
    ("HalfNormal", (A,), [0.1, 2.0, 1.0]),
    ("Laplace", (C, A), [0.1, 2.0, -1.0]),
    ("Cauchy", (C, A), [0.1, 2.0, -1.0]),
    ("HalfCauchy", (A,), [0.1, 2.0, 1.0]),
    ("Gumbel", (C, A), [0.1, 2.0, -1.0]),
    ("Uniform", (C, B), [0.0, 0.5, 2.0]),
    ("Exponential", (A,), [0.1, 2.0, 1.0]),
    ("Pareto", (A, [2.5, 3.0, 4.0]), [0.5, 2.0, 3.0]),
    ("Weibull", (A, B), [0.5, 2.0, 3.0]),
    ("Kumaraswamy", (A, B), [0.5, 0.2, 0.9]),
    ("Gamma", (A, B), [0.1, 2.0, 1.0]),
    ("Chi2", (A,), [0.1, 2.0, 1.0]),
    ("InverseGamma", ([3.0, 1.2, 2.5], B), [0.1, 2.0, 1.0]),
    ("Beta", (A, B), [0.1, 0.5, 0.9]),
    ("Dirichlet", ([[0.5, 1.5, 2.0]],), [[0.2, 0.3, 0.5]]),
    ("StudentT", ([3.0, 1.5, 5.0], C, A), [0.1, 2.0, -1.0]),
    ("FisherSnedecor", ([3.0, 1.5, 5.0], [5.0, 6.0, 2.5]), [0.1, 2.0, 1.0]),
    ("Bernoulli", (P,), [0.0, 1.0, 1.0]),
    ("Geometric", (P,), [0.0, 2.0, 1.0]),
    ("Categorical", (S,), [0, 2]),
    ("OneHotCategorical", (S,), [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    ("Binomial", ([5.0, 5.0, 5.0], P), [0.0, 3.0, 5.0]),
    ("Multinomial", (4, S), [[1.0, 1.0, 2.0], [4.0, 0.0, 0.0]]),
    ("Poisson", (A,), [0.0, 2.0, 1.0]),
    ("NegativeBinomial", (A, P), [0.0, 2.0, 1.0]),
    ("MultivariateNormal", ([0.5, -1.0], COV), [[0.1, 2.0], [1.0, -1.0]]),
    ("LowRankMultivariateNormal", ([0.5, -1.0, 0.2], [[0.5], [1.0], [-0.3]], A), [[0.1, 2.0, 0.3], [1.0, -1.0, 0.0]]),
    ("VonMises", (C, A), [0.1, 2.0, -1.0]),
    ("RelaxedBernoulli", ([0.7, 0.7, 0.7], P), [0.2, 0.5, 0.9]),
    ("LogisticNormal", ([0.1, 0.5], [1.0, 0.5]), [0.2, 0.3, 0.5]),
    ("ContinuousBernoulli", ([0.2, 0.5, 0.9],), [0.1, 0.6, 0.9]),
    ("ContinuousBernoulli", ([0.4995, 0.5002],), [0.1, 0.6]),
    ("Wishart", ([3.0, 4.5], COV), [[1.5, 0.2], [0.2, 0.8]]),
    ("LKJCholesky", (3, [0.7, 2.0]), [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.1, 0.2, 0.95**0.5]]),
]  # fmt: skip
NAMES = [c[0] for c in CASES]


def made(lib, name, params, grad=False, **more):
    ts = [p if isinstance(p, int) else lib.tensor(p, dtype=lib.float64, requires_grad=grad) for p in params]
    return getattr(lib.distributions, name)(*ts, **more), [t for t in ts if not isinstance(t, int)]


def tried(f):
    try:
        return f().detach().numpy()
    except (NotImplementedError, AttributeError) as error:
        return type(error).__name__


@pytest.mark.parametrize(("name", "params", "value"), CASES, ids=NAMES)
def test_what_it_says(name, params, value):
    found = []
    for lib in (funcgrad, torch):
        d, ts = made(lib, name, params, grad=True)
        v = lib.tensor(value, dtype=lib.float64 if isinstance(np.ravel(value)[0], float) else lib.int64)
        seen = {"shapes": (tuple(d.batch_shape), tuple(d.event_shape)), "repr": repr(d).split("(")[0]}
        log = d.log_prob(v)
        log.sum().backward()
        seen["log_prob"] = log.detach().numpy()
        seen["gradients"] = [np.zeros(1) if t.grad is None else t.grad.numpy() for t in ts]
        for what in ("mean", "variance", "stddev", "mode"):
            seen[what] = tried(lambda d=d, what=what: getattr(d, what))
        for what in ("entropy", "perplexity"):
            seen[what] = tried(lambda d=d, what=what: getattr(d, what)())
        if name not in ("LogisticNormal", "StudentT", "FisherSnedecor", "Beta"):
            seen["cdf"] = tried(lambda d=d, v=v: d.cdf(v))
        seen["icdf"] = tried(lambda d=d, v=v, lib=lib: d.icdf(lib.full_like(v, 0.3)))
        seen["support"] = tried(lambda d=d: d.enumerate_support())
        wide = d.expand((2, *d.batch_shape))
        seen["expanded"] = (tuple(wide.batch_shape), tried(lambda wide=wide, v=v: wide.log_prob(v)))
        found.append(seen)
    same(*found, rtol=5e-7 if name == "VonMises" else 1e-7)  # PyTorch's I0 is a polynomial good to 2e-7


def test_von_mises_integrates_to_one():
    x = funcgrad.linspace(-math.pi, math.pi, 4001, dtype=funcgrad.float64)
    for k in (0.1, 1.0, 3.0, 30.0):
        d = funcgrad.distributions.VonMises(funcgrad.tensor(0.3, dtype=funcgrad.float64), k)
        assert abs(float(d.log_prob(x).exp()[:-1].mean()) * 2 * math.pi - 1) < 1e-12


def same(a, b, where="", rtol=1e-7):
    if isinstance(a, dict):
        for k in a:
            same(a[k], b[k], f"{where} {k}", rtol)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for x, y in zip(a, b, strict=True):
            same(x, y, where, rtol)
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        assert a.shape == b.shape, where
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9, err_msg=where)
    else:
        assert a == b, f"{where}: {a} {b}"


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Laplace", "Cauchy", "Gumbel", "LogNormal", "HalfNormal", "Exponential", "Bernoulli", "Geometric", "Categorical", "OneHotCategorical", "Multinomial", "Pareto", "Weibull", "MultivariateNormal", "LowRankMultivariateNormal", "VonMises", "RelaxedBernoulli"])
def test_draws_are_pytorchs(name):
    params, found = dict(zip(NAMES, [c[1] for c in CASES], strict=True))[name], []
    for lib in (funcgrad, torch):
        lib.manual_seed(3)
        d, _ = made(lib, name, params)
        found.append((d.sample().numpy(), d.sample((4,)).numpy(), lib.rand(2).numpy()))
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["Normal", "Gamma", "Beta", "Dirichlet", "StudentT", "Laplace", "Poisson", "Binomial", "NegativeBinomial", "Chi2", "InverseGamma", "Kumaraswamy", "HalfNormal"])
def test_draws_have_the_moments(name):
    """Of 40,000 draws, within five standard errors."""
    params = {"Gamma": (B, A), "Beta": (B, A), "InverseGamma": ([6.0, 7.0, 8.0], B), "StudentT": ([8.0, 9.0, 9.0], C, A)}
    given = params.get(name) or dict(zip(NAMES, [c[1] for c in CASES], strict=True))[name]
    funcgrad.manual_seed(0)
    d, _ = made(funcgrad, name, given)
    n = 40_000
    drawn = d.sample((n,)).numpy()
    mean, std = d.mean.numpy(), d.variance.sqrt().numpy()
    assert np.all(np.abs(drawn.mean(0) - mean) < 5 * std / math.sqrt(n))
    np.testing.assert_allclose(drawn.std(0), std, rtol=0.1)


def test_gradients_go_through_draws():
    """d E[x] / d parameter, by many reparameterised draws."""
    for name, params, true in (
        ("Gamma", (2.0, 3.0), (1 / 3, -2 / 9)), ("Normal", (0.5, 2.0), (1.0, 0.0)), ("Exponential", (2.0,), (-0.25,)),
        ("Beta", (2.0, 3.0), (3 / 25, -2 / 25)),
    ):  # fmt: skip
        funcgrad.manual_seed(1)
        d, ts = made(funcgrad, name, params, grad=True)
        d.rsample((60_000,)).mean().backward()
        np.testing.assert_allclose([t.grad.item() for t in ts], true, atol=0.02)


PAIRS = [(n, n) for n in ("Normal", "LogNormal", "HalfNormal", "Laplace", "Cauchy", "Gumbel", "Exponential", "Gamma", "Beta", "Dirichlet", "Bernoulli", "Categorical", "OneHotCategorical", "Geometric", "Poisson", "Uniform", "MultivariateNormal", "LowRankMultivariateNormal", "Binomial")]
PAIRS += [("Normal", "Laplace"), ("Exponential", "Gamma"), ("Uniform", "Normal"), ("Pareto", "Pareto")]


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=["-".join(p) for p in PAIRS])
def test_divergences(p, q):
    table, found = dict(zip(NAMES, [c[1] for c in CASES], strict=True)), []
    shift = {"Uniform": ([-1.0, 0.0, -5.0], [2.0, 3.0, 4.0]), "Categorical": ([[0.1, 0.8, 0.1]] * 2,), "MultivariateNormal": ([0.0, 0.3], [[2.0, 0.1], [0.1, 1.0]])}
    for lib in (funcgrad, torch):
        one, ts = made(lib, p, table[p], grad=True)
        other, _ = made(lib, q, shift.get(q) or table[q][::-1] if len(table[q]) > 1 and q in ("Gamma", "Beta") else shift.get(q, table[q]))
        kl = lib.distributions.kl_divergence(one, other)
        kl.sum().backward()
        found.append([kl.detach().numpy(), *(np.zeros(1) if t.grad is None else np.nan_to_num(t.grad.numpy()) for t in ts)])
    same(*found)


def composed(lib):
    d, f64 = lib.distributions, {"dtype": lib.float64}
    loc, scale = lib.tensor([[0.1, 0.5], [1.0, -1.0]], **f64), lib.tensor([[1.0, 0.5], [0.3, 2.0]], **f64)
    normal = d.Normal(loc, scale)
    yield d.Independent(normal, 1), loc + 0.3
    yield d.TransformedDistribution(normal, [d.ExpTransform()]), loc.exp()
    yield d.TransformedDistribution(normal, [d.AffineTransform(1.0, 2.0), d.TanhTransform()]), loc.tanh() * 0.5
    yield d.TransformedDistribution(normal, [d.SigmoidTransform(), d.PowerTransform(2.0)]), loc.sigmoid()
    yield d.TransformedDistribution(d.Independent(normal, 1), d.StickBreakingTransform()), lib.tensor([[0.2, 0.3, 0.5]] * 2, **f64)
    yield d.MixtureSameFamily(d.Categorical(lib.tensor([[0.3, 0.7]] * 2, **f64)), normal), lib.tensor([0.5, 0.1], **f64)
    yield d.MixtureSameFamily(d.Categorical(lib.tensor([0.3, 0.7], **f64)), d.Independent(normal, 1)), lib.tensor([0.5, 0.1], **f64)
    yield d.MultivariateNormal(loc, scale_tril=lib.tensor(TRIL, **f64)), loc + 1
    yield d.MultivariateNormal(loc, precision_matrix=lib.tensor(COV, **f64)), loc + 1
    yield d.Bernoulli(logits=loc), lib.ones(2, 2, **f64)
    yield d.Categorical(logits=loc), lib.tensor([0, 1])


def test_composed():
    pairs = list(zip(composed(funcgrad), composed(torch), strict=True))
    for (a, x), (b, y) in pairs:
        assert tuple(a.batch_shape) == tuple(b.batch_shape) and tuple(a.event_shape) == tuple(b.event_shape)
        same(a.log_prob(x).numpy(), b.log_prob(y).numpy(), type(b).__name__)
        for what in ("mean", "variance"):
            same(tried(lambda a=a, w=what: getattr(a, w)), tried(lambda b=b, w=what: getattr(b, w)), f"{type(b).__name__} {what}")
        assert tuple(a.sample((3,)).shape) == tuple(b.sample((3,)).shape)
    assert len(pairs) == 11


WRONG = {
    "scale": lambda lib, d: d.Normal(0.0, -1.0),
    "value": lambda lib, d: d.Exponential(lib.tensor([1.0])).log_prob(lib.tensor([-1.0])),
    "event": lambda lib, d: d.Dirichlet(lib.ones(3)).log_prob(lib.ones(2) / 2),
    "shape": lambda lib, d: d.Normal(lib.zeros(3), 1.0).log_prob(lib.zeros(2)),
    "low": lambda lib, d: d.Uniform(1.0, 0.0),
    "both": lambda lib, d: d.Bernoulli(probs=lib.ones(1), logits=lib.ones(1)),
    "probability": lambda lib, d: d.Bernoulli(lib.tensor([1.5])),
    "class": lambda lib, d: d.Categorical(lib.ones(3)).log_prob(lib.tensor(5)),
    "scalar": lambda lib, d: d.Categorical(lib.tensor(1.0)),
    "number": lambda lib, d: d.Normal("a", 1.0),
    "matrix": lambda lib, d: d.MultivariateNormal(lib.zeros(2), lib.tensor([[1.0, 2.0], [0.0, 1.0]])),
    "matrices": lambda lib, d: d.MultivariateNormal(lib.zeros(2)),
    "divergence": lambda lib, d: d.kl_divergence(d.Cauchy(0.0, 1.0), d.Normal(0.0, 1.0)),
    "not a tensor": lambda lib, d: d.Normal(0.0, 1.0).log_prob(1.0),
    "independent": lambda lib, d: d.Independent(d.Normal(0.0, 1.0), 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    said = []
    for lib in (funcgrad, torch):
        with pytest.raises(Exception) as caught:
            WRONG[name](lib, lib.distributions)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]


def test_validation_is_one_look():
    runs = funcgrad.tape.stats.runs
    loc, scale = funcgrad.zeros(3) + 1, funcgrad.ones(3) * 2
    d = funcgrad.distributions.Normal(loc, scale)
    assert funcgrad.tape.stats.runs == runs + 1
    d.log_prob(loc)
    assert funcgrad.tape.stats.runs == runs + 2
    funcgrad.distributions.Normal(loc, scale, validate_args=False).log_prob(loc)
    assert funcgrad.tape.stats.runs == runs + 2


# ---- maps, and what is asked of a constraint -------------------------------------------------------------------

X, Y, M = [0.3, -1.2, 0.5, 2.0, 0.1, -0.7], [[0.1, 0.2], [0.3, -0.4], [1.0, 2.0]], [[0.3, -0.2], [0.5, 0.1]]


def _corr(lib):
    return lib.distributions.transforms.CorrCholeskyTransform()


def _cat(lib):
    d = lib.distributions
    return d.CatTransform([d.ExpTransform(), d.SigmoidTransform()], dim=0, lengths=[2, 4])


def _stack(lib):
    d = lib.distributions
    return d.StackTransform([d.ExpTransform(), d.SigmoidTransform()], dim=1)


def _normal(lib):
    d = lib.distributions
    return d.CumulativeDistributionTransform(d.Normal(lib.tensor(0.3).double(), lib.tensor(1.2).double()))


def _definite(lib):
    return lib.distributions.transforms.PositiveDefiniteTransform()


@pytest.mark.parametrize(("make", "x"), [(_corr, X), (_cat, X), (_stack, Y), (_normal, X), (_definite, M)])
def test_maps(make, x):
    found = []
    for lib in (funcgrad, torch):
        t, x_ = make(lib), lib.tensor(x, dtype=lib.float64, requires_grad=True)
        y = t(x_)
        seen = [y, t.inv(y.detach())]
        (y * y).sum().backward()
        seen.append(x_.grad)
        try:
            seen.append(t.log_abs_det_jacobian(x_, y))
        except NotImplementedError:
            seen.append(lib.tensor(0.0))
        found.append([s.detach().numpy() for s in seen] + [np.asarray(t.codomain.check(y.detach()).numpy())])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_shapes_of_a_triangle():
    for lib in (funcgrad, torch):
        assert tuple(_corr(lib).forward_shape((2, 6))) == (2, 4, 4)
        assert tuple(_corr(lib).inverse_shape((2, 4, 4))) == (2, 6)
        with pytest.raises(ValueError, match="not a flattened lower-diagonal number"):
            _corr(lib).forward_shape((5,))


CONSTRAINTS = {
    "real": X, "positive": X, "nonnegative": X, "unit_interval": X, "simplex": X, "corr_cholesky": X,
    "lower_cholesky": M, "positive_definite": M, "positive_semidefinite": M, "boolean": X, "nonnegative_integer": X,
    "greater_than(2.0)": X, "less_than(2.0)": X, "interval(-1.0, 2.0)": X, "independent(constraints.positive, 1)": X,
    "cat([constraints.real, constraints.positive], 0, [2, 4])": X,
    "stack([constraints.positive, constraints.real], 1)": Y,
}  # fmt: skip


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_the_map_to_a_constraint(name, registry):
    found = []
    for lib in (funcgrad, torch):
        constraints = lib.distributions.constraints
        constraint = eval(f"constraints.{name}", {"constraints": constraints})
        try:
            y = getattr(lib.distributions, registry)(constraint)(lib.tensor(CONSTRAINTS[name], dtype=lib.float64))
            found.append([y.numpy(), constraint.check(y).numpy()])
        except NotImplementedError as error:
            found.append(str(error))
    if isinstance(found[1], str):
        assert found[0] == found[1]
        return
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_pareto_beyond_a_threshold():
    """In float32: PyTorch's does not take other dtypes everywhere."""
    found = []
    for lib in (funcgrad, torch):
        d = lib.distributions.GeneralizedPareto(*map(lib.tensor, ([0.2, 0.5, 0.9], [1.0, 2.0, 0.5], [0.3, -0.4, 0.0])))
        x = lib.tensor([1.0, 2.0, 1.5], requires_grad=True)
        y = d.log_prob(x)
        y.sum().backward()
        lib.manual_seed(0)
        seen = [y, x.grad, d.mean, d.variance, d.mode, d.entropy(), d.cdf(x), d.icdf(lib.tensor([0.1, 0.5, 0.7])),
                d.sample((4,)), d.support.check(lib.tensor([0.1, 1.0, 2.0]))]  # fmt: skip
        found.append([s.detach().numpy() for s in seen])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_wishart_and_correlations_drawn():
    """Moments, and the divergence by draws: PyTorch's closed form of it may come out negative."""
    funcgrad.manual_seed(1)
    d = funcgrad.distributions
    p = d.Wishart(funcgrad.tensor(4.5), covariance_matrix=funcgrad.tensor(COV))
    q = d.Wishart(funcgrad.tensor(4.0), scale_tril=funcgrad.tensor(TRIL) * 1.2)
    x = p.sample((40_000,))
    np.testing.assert_allclose(x.mean(0).numpy(), p.mean.numpy(), rtol=0.03)
    np.testing.assert_allclose(x.var(0).numpy(), p.variance.numpy(), rtol=0.06)
    by_draws = (p.log_prob(x) - q.log_prob(x)).mean().item()
    assert by_draws > 0.1 and abs(d.kl_divergence(p, q).item() - by_draws) < 0.02
    factor = d.LKJCholesky(3, 2.0).sample((40_000,))
    correlation = (factor @ factor.mT).numpy()
    off = correlation[:, [1, 2, 2], [0, 0, 1]]
    # each correlation is a Beta(5/2, 5/2) on [-1, 1], of variance 1 / 6
    np.testing.assert_allclose(off.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(off.var(0)[0], 1 / 6, rtol=0.05)


@pytest.mark.parametrize("lib", [funcgrad, torch], ids=["funcgrad", "torch"])
def test_matrices_refused(lib):
    d, eye = lib.distributions, lib.eye(2)
    with pytest.raises(ValueError, match=r"Value of df=.* expected to be greater than ndim - 1 = 1"):
        d.Wishart(lib.tensor(0.5), covariance_matrix=eye)
    with pytest.raises((ValueError, AssertionError), match="Exactly one of covariance_matrix or precision_matrix"):
        d.Wishart(lib.tensor(3.0), covariance_matrix=eye, scale_tril=eye)
    with pytest.raises(ValueError, match="greater than or equal to 2. Found dim=1"):
        d.LKJCholesky(1)
    with pytest.raises(TypeError, match="Expected constraint to be either a Constraint subclass or instance"):
        d.biject_to.register(3, lambda c: None)


def _family(lib):
    """The exponential distribution, by its natural parameter alone."""

    class Waiting(lib.distributions.ExponentialFamily):
        arg_constraints = {"rate": lib.distributions.constraints.positive}  # noqa: RUF012
        _mean_carrier_measure = 0

        def __init__(self, rate):
            self.rate = rate
            super().__init__(rate.shape)

        @property
        def _natural_params(self):
            return (-self.rate,)

        def _log_normalizer(self, x):
            return -(-x).log()

    return Waiting


def test_an_exponential_family_of_ones_own():
    found = []
    for lib in (funcgrad, torch):
        kind, rates = _family(lib), (lib.tensor(A, dtype=lib.float64), lib.tensor(B, dtype=lib.float64))
        p, q = map(kind, rates)
        known = [lib.distributions.Exponential(r) for r in rates]
        found.append([x.detach().numpy() for x in (p.entropy(), lib.distributions.kl_divergence(p, q))])
        np.testing.assert_allclose(found[-1][0], known[0].entropy().numpy(), rtol=1e-12)
        np.testing.assert_allclose(found[-1][1], lib.distributions.kl_divergence(*known).numpy(), rtol=1e-10)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
