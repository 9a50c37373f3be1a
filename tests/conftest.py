"""What every test starts from: JAX on the CPU as two devices, an empty tape and trie, counters and
seed at zero.

Knows the tape's doors. Must not know PyTorch: `oracle/` does.
"""

import os

# Both before JAX is imported. Two devices, so that nothing quietly relies on there being one.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    two = "--xla_force_host_platform_device_count=2"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {two}".strip()

import jax
import pytest
from rows import QUICK

from funcgrad import dtypes
from funcgrad.random import manual_seed
from funcgrad.tape import alone, limit, local, options, set_default_dtype, set_grad, stats
from funcgrad.tape.tape import fresh
from funcgrad.tape.trace import _roots


def pytest_report_header() -> str:
    return f"jax {jax.__version__} on {len(jax.devices())} x {jax.default_backend()}"


@pytest.fixture(autouse=True)
def start(monkeypatch):
    """No test sees what another recorded, compiled or counted, nor leaves a mode changed. XLA is told to compile fast
    instead of well: what is compiled here runs a few times, and there is a lot of it. The processes that tests start,
    with the demos, the README and the command line in them, compile as users' do."""
    monkeypatch.setattr(options, "compiler_options", QUICK)
    limit(limit(0))  # every program goes, the bound stays
    alone.forget()
    _roots.clear()
    fresh()
    stats.reset()
    manual_seed(0)
    x64 = jax.config.jax_enable_x64
    yield
    kept = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", x64)
    set_default_dtype(dtypes.float32)
    grad = local.grad
    set_grad(True)
    assert kept == x64, "the test left JAX's own jax_enable_x64 changed"
    assert grad, "the test left gradients switched off"
