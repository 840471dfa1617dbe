"""Fixtures of the journal: its path, and an annotation that is journalled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.tiny_journal import Kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f0.journal"


@pytest.fixture
def kept(path: Path):
    made = Kept(path)
    made.annotation.add_label("liver")
    made.annotation.add_label("spleen")
    yield made
    made.book.close()
