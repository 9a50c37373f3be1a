"""Random programs, the same in PyTorch and here: see `programs`, `differential` and, for more of them, `fuzz`."""

import pytest
from differential import cheap, judge, report
from programs import draw

GROUPS, EACH = 40, 50


@pytest.fixture(autouse=True, scope="module")
def quick():
    with cheap():
        yield


@pytest.mark.parametrize("group", range(GROUPS))
def test_programs(group):
    for seed in range(group * EACH, (group + 1) * EACH):
        program = draw(seed)
        verdict = judge(program)
        assert verdict.wrong is None or verdict.unstable, report(program, verdict)
