"""The peers of a benchmark compute the same: otherwise a ratio compares two different things."""

import numpy as np
import pytest

import funcgrad
from funcgrad.bench import attention, functional, lengths, mlp, second_order
from funcgrad.bench.plot import plot


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(second_order.penalty_step, second_order.jax_penalty_step), (second_order.product_step, second_order.jax_product_step)],
)
def test_second_order_peers_agree(ours, theirs):
    np.testing.assert_allclose(ours(funcgrad)(5), theirs()(5), rtol=2e-3)


def test_mlp_peers_agree():
    size = (3, 16, 8)
    np.testing.assert_allclose(mlp.torch_like(funcgrad, funcgrad.relu, *size)(4), mlp.hand_written_jax(*size)(4), rtol=1e-4)


def test_attention_peers_agree(monkeypatch):
    monkeypatch.setattr(attention, "SHAPE", (1, 2, 16, 4))
    np.testing.assert_allclose(attention.torch_like(funcgrad)(1), attention.hand_written_jax()(1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", [functional.per_sample, functional.hessian, functional.jacrev, functional.jacfwd])
def test_functional_peers_agree(build):
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(np.float32) * 0.3 for s in ((8, 8), (8,), (5, 8), (8,))]
    f, args = build(funcgrad, funcgrad.func, [funcgrad.tensor(a) for a in arrays])
    g, jargs = build(jnp, jax, [jnp.asarray(a) for a in arrays])
    for a, b in zip(jax.tree.leaves(f(*args)), jax.tree.leaves(g(*jargs)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-3, atol=1e-4)


def test_lengths_peers_agree():
    text = np.random.default_rng(0).integers(0, lengths.WORDS, (2, 9))
    np.testing.assert_allclose(lengths.training(funcgrad)(text), lengths.jax_training()(text), rtol=1e-4)
    assert lengths.writing(funcgrad)(text[:1, :3]) == lengths.jax_writing()(text[:1, :3])


def test_a_report_is_drawn(tmp_path):
    row = {"name": "a step", "ratios": {"funcgrad": {"jax": (2.0, 1.5, 3.0), "torch": (0.5, 0.4, 0.6)},
                                        "compiled": {"jax": (1.0, 0.9, 1.1)}}}  # fmt: skip
    alone = {"name": "nobody to compare with", "ratios": {}}
    report = {"about": {"date": "2026-01-01", "device": "cpu"}, "suites": {"one": [row, alone]}}
    file = tmp_path / "bars.svg"
    plot(report, file)
    text = file.read_text()
    for said in ("a step", "time over jax", "time over torch", "2026-01-01", "compiled"):
        assert f"<!-- {said}" in text or said in text
    assert "nobody to compare with" not in text
    with pytest.raises(SystemExit, match="nothing to draw"):
        plot({"about": {}, "suites": {"one": [alone]}}, file)
