"""What a run must produce, and which program does it: outputs, residuals, donations, supersets."""

from __future__ import annotations

from sys import getrefcount

from . import alone, cache, reasons
from .program import Program, lower, lower_alone, settings, useful_donations
from .residuals import keep
from .tape import Tape
from .trace import INPUT, MODE, Trace, specs_of


def _probe() -> tuple[int, int]:
    """The reference counts of a Value that only a tape holds, as the two scans below see them."""
    held = {0: object()}
    pending = next(getrefcount(v) for s, v in held.items())
    entered = {0: object()}
    for v, _ in {entered[0]: 0}.items():
        computed = getrefcount(v)
    return pending, computed


PENDING, _COMPUTED = _probe()


class Plan:
    """What a run of one path must produce, for one set of live Values and graphs."""

    __slots__ = ("__weakref__", "alone", "lacking", "often", "outputs", "programs", "readers")

    def __init__(self, outputs: tuple[int, ...], readers: dict[int, list[int]]):
        self.outputs, self.readers = outputs, readers
        self.programs: dict[tuple, Program] = {}
        self.lacking: dict[tuple, int] = {}
        self.alone = 0  # runs operation by operation, by programs given up
        self.often = False  # it has come so often that it is worth a program of its own

    @property
    def runs(self) -> int:
        return self.alone + sum(p.runs for p in set(self.programs.values()))

    def give_up_alone(self) -> None:
        """Forget the programs that run operation by operation."""
        given_up = {p for p in self.programs.values() if p.call.__class__ is alone.OneByOne}
        self.alone += sum(p.runs for p in given_up)
        self.programs = {k: p for k, p in self.programs.items() if p not in given_up}


def live_slots(tape: Tape) -> tuple[int, ...]:
    """The slots whose Values somebody besides the tape still holds."""
    return tuple([s for s, v in tape.pending.items() if getrefcount(v) > PENDING])


def plan_for(tape: Tape, live: tuple[int, ...]) -> Plan:
    """What a run of `tape` must produce for the Values and graphs alive now."""
    nodes = tuple([s for s, n in tape.nodes.items() if n() is not None])
    trace, packed = tape.trace, frozenset(tape.packed)
    key = (live, nodes, tuple(tape.freeings), packed, settings())
    plan = trace.plans.get(key)
    if plan is None:
        steps = trace.steps()
        specs = specs_of(steps)
        given = {t.first for t in steps if t.kind is INPUT}.union(*(t.scalar_slots for t in steps))
        roots = {s for s in live if specs[s].needs}
        for t in steps:
            if t.first in nodes:
                roots.update(t.outs)
        readers = keep(steps, roots, tape.freed, packed, specs) if roots else {}
        residual = sorted(s for s in readers if s not in given and s not in live)
        plan = trace.plans[key] = Plan((*live, *residual), readers)
    return plan


def program_for(tape: Tape, plan: Plan) -> Program:
    """The program for `plan` that donates what may be donated now; a superset will do."""
    journal = {id(old) for _, _, old in tape.journal.values()} if tape.journal else ()
    free = []
    for v, slot in tape.inputs.items():
        count = getrefcount(v)
        if count <= _COMPUTED or (count == _COMPUTED + 1 and id(v) in journal):
            array = getattr(v, "array", None)
            if array is not None and getrefcount(array) <= 3:
                free.append(slot)
    donatable = frozenset(free)
    if plan.readers:
        donatable = donatable.difference(plan.readers)
    found = plan.programs.get(donatable)
    if found is not None:
        return found
    found, settled = _superset(tape.trace, plan, donatable)
    if found is None:
        found = _alone(tape.trace, plan, donatable) or _whole(tape.trace, plan, donatable)
        alone.ended(_line(tape.trace), plan)
        cache.ended(tape.trace, 1)
    if settled:
        plan.programs[donatable] = found
    return found


def _whole(trace: Trace, plan: Plan, donatable: frozenset) -> Program:
    """The path compiled for what `plan` wants."""
    why, line = _why(trace, plan), _line(trace)
    found = lower(trace, plan.outputs, donatable)
    reasons.compiled(line, why, found.seconds)
    return found


def _alone(trace: Trace, plan: Plan, donatable: frozenset) -> Program | None:
    """The path operation by operation, if it is not likely to come often, or nobody knows yet."""
    line, price = _line(trace), alone.price(trace.nops)
    if not alone.allowed or plan.often or trace.nops > alone.MOST:
        return None
    seldom = alone.seldom(line, plan)
    if not seldom and (price < alone.LONG or plan.runs):
        return None

    def worn():
        plan.often = seldom
        plan.give_up_alone()

    once, left = (price, price) if seldom else (price * alone.PART, 0.0)
    found = lower_alone(trace, plan.outputs, once, left, worn)
    if found is not None:
        reasons.ran_alone(line, trace.nops, seldom, found.seconds)
    return found


def allow_alone(allowed: bool) -> None:
    """Whether paths may run operation by operation, whose last digits are not those of the whole path compiled."""
    alone.allowed = allowed
    for plan in [] if allowed else [plan for trace in cache.ends() for plan in trace.plans.values()]:
        plan.give_up_alone()


def exactly(trace: Trace, outputs: tuple, donatable: frozenset, line: str | None, why: str) -> Program:
    """The program of a path whose graph is gone, for these outputs and donations."""
    key = (outputs, (), (), frozenset(), settings())
    plan = trace.plans.get(key)
    if plan is None:
        plan = trace.plans[key] = Plan(outputs, {})
    found = plan.programs.get(donatable)
    if found is None:
        found = plan.programs[donatable] = lower(trace, outputs, donatable)
        reasons.compiled(line, why, found.seconds)
        cache.ended(trace, 1)
    return found


def _superset(trace: Trace, plan: Plan, donatable: frozenset) -> tuple[Program | None, bool]:
    """A program of this path that computes at least what `plan` wants and donates nothing more; and whether that
    is settled. One that could donate more serves once; the second time the exact program is compiled."""
    want, best = set(plan.outputs), None
    now = settings()
    for (*_, under), other in trace.plans.items():
        for program in other.programs.values() if under == now else ():
            if program.hosts and other is not plan:
                continue  # what it would call back for nothing may fail
            if program.call.__class__ is alone.OneByOne and other is not plan:
                continue  # which is to be given up when it has cost enough
            if want.issubset(program.outputs) and donatable.issuperset(program.donated):
                if best is None or len(program.donated) > len(best.donated):
                    best = program
    if best is None or useful_donations(trace, plan.outputs, donatable) <= len(best.donated):
        return best, True
    plan.lacking[donatable] = plan.lacking.get(donatable, 0) + 1
    return (None, True) if plan.lacking[donatable] > 1 else (best, False)


def _line(trace: Trace) -> str | None:
    """The user's line of the last step that has one."""
    while trace is not None and trace.line is None:
        trace = trace.parent
    return trace.line if trace is not None else None


def _why(trace: Trace, plan: Plan) -> str:
    others = [p for p in trace.plans.values() if p is not plan and p.programs]
    if others:
        lost = sorted(set(plan.outputs).difference(others[-1].outputs))
        return f"the same operations, but other Values are alive at the end (%{lost})"
    if plan.programs:
        return "the same operations, but other inputs may be given up (donated)"
    node = trace
    while node.parent is not None:
        siblings = [k for k in node.parent.children if k != node.key]
        if siblings and node.kind is not MODE:
            this, other = _shown(node.key), _shown(siblings[-1])
            return f"a path that left a known one at {_line(node)}: {this} instead of {other}"
        node = node.parent
    return "operations not recorded before"


def _shown(key) -> str:
    return " ".join(getattr(k, "name", None) or getattr(k, "__name__", None) or str(k) for k in key)
