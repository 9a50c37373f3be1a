"""Peak bytes of a training step of the GPT: what its one program is given, makes and needs meanwhile, as XLA says.

What a donated argument gives up is counted once. Beside it the peak of the process.
"""

from __future__ import annotations

import sys

from ..tape import cache
from . import gpt
from .harness import Row
from .training import beginning, jax_loop, torch_like


def run(peers, rounds: int) -> list[Row]:
    import funcgrad

    row = Row("memory of a step of gpt", "step")
    works = {
        "undecorated": torch_like(funcgrad, gpt.build),
        "compiled": torch_like(funcgrad, gpt.build, funcgrad.compile),
    }
    peaks = {}
    for name in (*works, *(("jax",) if "jax" in peers else ())):
        if name == "jax":
            params, inputs = beginning(gpt.build)
            works[name] = jax_loop(params, gpt.jax_loss, inputs, gpt.DECAY)
            del params, inputs
        works[name](3)
        peaks[name] = _peak(works[name].program() if name == "jax" else _largest())
        funcgrad.tape.limit(funcgrad.tape.limit(0))  # what was compiled so far is forgotten
    row.facts.update({f"peak, {name}": f"{n / 1e6:.1f} MB" for name, n in peaks.items()})
    if "jax" in peaks:
        row.facts.update({f"{name} / jax": f"{peaks[name] / peaks['jax']:.2f}" for name in ("undecorated", "compiled")})
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        row.facts["peak of the process"] = f"{peak / 1e6:.0f} MB"
    return [row]


def _peak(program) -> int:
    m = program.memory_analysis()
    given, made, again = m.argument_size_in_bytes, m.output_size_in_bytes, m.alias_size_in_bytes
    return given + made - again + m.temp_size_in_bytes


def _largest():
    """The program of the step: of all that are held, the one that needs most."""
    programs = [p for trace in cache.ends() for plan in trace.plans.values() for p in plan.programs.values()]
    return max((p.call for p in programs), key=_peak)
