"""What `import funcgrad` does to a process: nothing that its user's own JAX would notice.

Each test is a process of its own, with JAX as its user has it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = ("XLA_FLAGS", "JAX_ENABLE_X64", "JAX_NUM_CPU_DEVICES")


def process(code: str, **env: str) -> str:
    """What `code` prints, run in a new Python where warnings are errors."""
    clean = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**clean, "JAX_PLATFORMS": "cpu", **env},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PROGRAM = """
import jax, jax.numpy as jnp
before = dict(jax.config.values)
import funcgrad as torch
assert dict(jax.config.values) == before
n = torch.tensor([2**40, 3]) * 2 + 1
x = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
(x * x).sum().backward()
print(n.tolist(), x.grad.dtype, jnp.arange(3).dtype, jnp.ones(3).dtype)
assert dict(jax.config.values) == before
"""


@pytest.mark.parametrize(("x64", "own"), [("0", "int32 float32"), ("1", "int64 float64")])
def test_64_bits_here_leave_the_users_setting_alone(x64, own):
    found = process(PROGRAM, JAX_ENABLE_X64=x64)
    assert found == f"[2199023255553, 7] torch.float64 {own}"


def test_torch_is_not_imported():
    code = "import sys, funcgrad; print('torch' in sys.modules)"
    assert process(code) == "False"


def test_importing_makes_no_array_and_starts_no_backend():
    """Whoever imports it may still choose devices; what a backend costs is paid on first use."""
    code = (
        "import funcgrad, jax\n"
        "jax.config.update('jax_num_cpu_devices', 3)\n"  # refused once a backend is up
        "print(jax.device_count())"
    )
    assert process(code) == "3"


def test_the_version_is_one():
    from importlib.metadata import PackageNotFoundError, version

    import funcgrad.version

    try:
        installed = version("funcgrad")
    except PackageNotFoundError:
        pytest.skip("funcgrad is not installed here")
    assert installed == funcgrad.version.__version__
