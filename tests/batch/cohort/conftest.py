"""Fixtures of a small cohort: its table, and the folder for results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.cohort.small_cohort import make_cohort


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return make_cohort(tmp_path / "in")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
