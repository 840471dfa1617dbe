"""A reader given an edited file either reads it or refuses it with a documented error."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import N_KINDS, READERS, edited

N_INPUTS = 1000
MAX_SECONDS, MAX_MB = 2.0, 200.0
EDITS = st.lists(
    st.tuples(
        st.integers(0, N_KINDS - 1),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 2**16 - 1),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("name", READERS)
def test_good_file_is_read(name: str, tmp_path: Path) -> None:
    """Without this, the test below could pass by refusing everything."""
    reader = READERS[name]
    assert all(reader.accepts(data, tmp_path) for data in reader.good[:1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measures memory the POSIX way")
@pytest.mark.parametrize("name", READERS)
def test_edited_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    refused = []

    @settings(
        max_examples=N_INPUTS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(file_number=st.integers(0, len(reader.good) - 1), edits=EDITS)
    def try_edits(file_number: int, edits: list[tuple[int, float, int]]) -> None:
        started = time.process_time()  # the processor's: a busy machine makes nothing slower
        if not reader.accepts(edited(reader.good[file_number], edits), tmp_path):
            refused.append(file_number)
        assert time.process_time() - started < MAX_SECONDS

    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try_edits()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) / 1024
    assert len(refused) > N_INPUTS / 20
    assert grown < MAX_MB
