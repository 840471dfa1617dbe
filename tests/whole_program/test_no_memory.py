"""Memory that runs out costs no step that was done (a small run of `no_memory_run`)."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux's")
@pytest.mark.parametrize("seed", [0, 1])
def test_no_memory_loses_nothing(seed: int) -> None:
    from tests.whole_program.no_memory_run import survive

    found = survive(seed)
    assert found.short > 0
    assert found.wrong == []
