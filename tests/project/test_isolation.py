"""No test touches what the user keeps: settings, journals, caches, tables, napari's own files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import napari.settings
import pytest
from napari.settings import get_settings

from tests.conftest import NAPARIS, PROJECT

PRINT_PLACES = """
import json
from napari.settings import get_settings
from napari_medsam.headless import embedding_store
from napari_medsam.storage import settings
from napari_medsam.formats.labels.templates import template_folder
from napari_medsam.journal.location import journal_folder
from napari_medsam.ui.widgets.napari_preferences import NapariPreferences, _agreed_file

theirs = NapariPreferences(print, print)
settings.set_settings(sound=True)
theirs.meet()
get_settings().save()
places = [settings.settings_file(), _agreed_file(), journal_folder(), template_folder()]
places += [embedding_store.cache_folder(), embedding_store.cache_preferences_file()]
places += [get_settings().config_path] + ([theirs.file] if theirs.file else [])
print(json.dumps([str(one) for one in places]))
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An empty home, in place of the user's."""
    folder = tmp_path / "home"
    folder.mkdir()
    names = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
    return dict.fromkeys(names, str(folder))


@pytest.mark.slow
def test_a_program_that_a_test_starts_keeps_everything_in_the_tests_folder(
    tmp_path: Path, home: dict[str, str]
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_PLACES],
        env={**kept, **home, "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    places = [Path(one) for one in json.loads(done.stdout.splitlines()[-1])]
    assert [one for one in places if not one.is_relative_to(tmp_path)] == []
    assert (tmp_path / "napari" / "settings.yaml").is_file(), "the program wrote it"
    left = [one for one in Path(home["HOME"]).rglob("*") if one.is_file()]
    # napari draws its icons into a cache, which holds nothing that anyone chose.
    assert [one for one in left if "_themes" not in one.parts] == []


def test_napari_in_this_process_keeps_nothing_in_the_users_folder(tmp_path: Path) -> None:
    run = Path(NAPARIS.name)
    path = get_settings().config_path
    assert path is None or Path(path).is_relative_to(run)
    plugins = getattr(napari.settings, "_CFG_PATH", None)
    assert plugins is None or Path(plugins).is_relative_to(run)
