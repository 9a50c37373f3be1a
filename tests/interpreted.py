"""Every path operation by operation, by NumPy where that can be: for tests of it, and for tests that have thousands of
small programs to run once, whose compiling is all that they would spend their time on.
"""

from contextlib import contextmanager

import pytest

from funcgrad.tape import alone


@contextmanager
def always():
    """Within, every path runs so, whatever it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alone, "seldom", lambda line, besides: True)
        patch.setattr(alone, "price", lambda operations: 1e9)
        patch.setattr(alone, "STEADY", 1e9)
        yield
