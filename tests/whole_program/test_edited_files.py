"""No edit of a good file does more to a reader than make it refuse the file in a sentence."""

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
LONGEST_SECONDS, MOST_MB = 2.0, 200.0
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
    """Else the test below would only show that everything is refused."""
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
    @given(which=st.integers(0, len(reader.good) - 1), edits=EDITS)
    def try_one(which: int, edits: list[tuple[int, float, int]]) -> None:
        started = time.monotonic()
        if not reader.accepts(edited(reader.good[which], edits), tmp_path):
            refused.append(which)
        assert time.monotonic() - started < LONGEST_SECONDS

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try_one()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(refused) > N_INPUTS / 20
    assert grown < MOST_MB
