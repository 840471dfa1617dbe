"""No finished step is lost when memory runs out (a small run of `no_memory_run`)."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux's")
@pytest.mark.parametrize("seed", [0, 1])
def test_lack_of_memory_loses_nothing(seed: int) -> None:
    from tests.whole_program.no_memory_run import run_once

    outcome = run_once(seed)
    assert outcome.n_short > 0 or outcome.died, "memory was never short"
    assert outcome.wrong == []
