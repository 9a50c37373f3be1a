"""What XLA is told when it compiles a program."""

from __future__ import annotations

from functools import cache

import jax

from .trace import Trace

# a third of the compile time of a single operation, for kernels that use no vector instructions
_LITTLE_EFFORT = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}

# for every program; tests that compile thousands of tiny ones ask for little effort here
compiler_options: dict[str, object] = {}


def options_of(steps: list[Trace]) -> dict | None:
    """`compiler_options`, and what the rows in a program want on this platform, where this version of XLA knows it."""
    platform, found = jax.default_backend(), {}
    for options in {id(t.op.options): t.op.options for t in steps if t.op is not None and t.op.options}.values():
        found.update({k: v for k, v in options.get(platform, {}).items() if _known(k, v)})
    return {**found, **compiler_options} or None


@cache
def little_effort() -> dict:
    """What XLA is told about a program that is too small to be worth more."""
    return {k: v for k, v in _LITTLE_EFFORT.items() if _known(k, v)}


@cache
def _known(name: str, value) -> bool:
    try:
        jax.jit(lambda x: x).lower(0.0).compile(compiler_options={name: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True
