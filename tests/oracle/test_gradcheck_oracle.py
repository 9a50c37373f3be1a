"""`gradcheck` and `gradgradcheck`: the same verdicts and the same words as PyTorch's, on functions right and wrong."""

import pytest
import torch

import funcgrad


def functions(t):
    """name -> function, on module `t`; those in capitals have a derivative that is wrong."""

    def custom(forward, backward, jvp=None):
        space = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        if jvp is not None:
            space["jvp"] = staticmethod(jvp)
        return type("F", (t.autograd.Function,), space).apply

    def saved(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    return {
        "sin": lambda x: x.sin(), "two": lambda x: (x * x, x.sum()), "none": lambda x: x[:0], "linear": lambda x: 3 * x,
        "square": custom(saved, lambda ctx, g: 2 * g * ctx.saved_tensors[0]),
        "SLOPE": custom(lambda ctx, x: x**2, lambda ctx, g: g * 3), "DETACHED": lambda x: x.detach() * 2,
        "NOISE": custom(lambda ctx, x: x * 2, lambda ctx, g: g * 2 + t.rand_like(g) * 1e-9),
        "CONSTANT": custom(lambda ctx, x: x * 2, lambda ctx, g: t.full_like(g, 2.0)),
        "SECOND": custom(saved, lambda ctx, g: 2 * g * ctx.saved_tensors[0].detach()),
        "TANGENT": custom(lambda ctx, x: x * 2, lambda ctx, g: g * 2, lambda ctx, v: v * 3),
        "zz": lambda x: x * x.conj(), "size": lambda x: x.abs(), "CONJUGATE": custom(lambda ctx, x: x * 2j, lambda ctx, g: g * 2j),
    }  # fmt: skip


REAL = ("sin", "two", "none", "linear", "square", "SLOPE", "DETACHED", "NOISE", "CONSTANT", "SECOND", "TANGENT")
OPTIONS = [{}, {"fast_mode": True}, {"raise_exception": False}, {"nondet_tol": 1e-6}]


def verdict(t, check, name, dtype, **options):
    x = t.tensor([1.0, 2.0] if dtype == "float64" else [1 + 2j, 0.5 - 1j], dtype=getattr(t, dtype), requires_grad=True)
    try:
        return getattr(t.autograd, check)(functions(t)[name], x, **options)
    except (RuntimeError, ValueError, AssertionError) as error:
        words = str(error).split("\nnumerical")[0].split("\n")[0]
        return type(error).__name__, words.removeprefix("While considering the imaginary part of complex outputs only, ").removeprefix(
            "While considering the real part of complex outputs only, "
        )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("check", ["gradcheck", "gradgradcheck"])
@pytest.mark.parametrize(
    ("name", "dtype"), [(n, "float64") for n in REAL] + [(n, "complex128") for n in ("zz", "size", "sin", "CONJUGATE")]
)
@pytest.mark.filterwarnings("ignore")
def test_same_verdict(name, dtype, check, options):
    if check == "gradgradcheck" and name in ("DETACHED", "none", "NOISE", "CONSTANT", "TANGENT"):
        pytest.skip("its first derivative is what is wrong with it, or it has none")
    assert verdict(funcgrad, check, name, dtype, **options) == verdict(torch, check, name, dtype, **options)


@pytest.mark.parametrize("options", [{"check_forward_ad": True}, {"check_forward_ad": True, "check_backward_ad": False},
                                     {"check_batched_grad": True}, {"check_backward_ad": False},
                                     {"check_batched_forward_grad": True}, {"check_grad_dtypes": True},
                                     {"check_forward_ad": True, "check_batched_forward_grad": True}], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["sin", "two", "linear", "SLOPE", "TANGENT"])
@pytest.mark.filterwarnings("ignore")
def test_other_modes(name, options):
    if name in ("SLOPE", "TANGENT") and options.get("check_batched_forward_grad"):
        pytest.skip("PyTorch wants a vmap of the Function")
    if name == "SLOPE" and options.get("check_forward_ad"):
        pytest.skip("it has no jvp")
    if name == "TANGENT" and options.get("check_batched_grad"):
        pytest.skip("PyTorch runs its backward under vmap")
    assert verdict(funcgrad, "gradcheck", name, "float64", **options) == verdict(torch, "gradcheck", name, "float64", **options)


def inputs_refused(t):
    out = []
    for x in (t.ones(2, dtype=t.float64), t.ones(2, requires_grad=True)):
        try:
            t.autograd.gradcheck(lambda x: x * 2, x)
        except (ValueError, RuntimeError, UserWarning) as error:
            out.append((type(error).__name__, str(error).split(".")[0]))
    return out


def test_inputs_that_cannot_be_checked():
    assert inputs_refused(funcgrad) == inputs_refused(torch)  # warnings are errors
