"""No test touches the user's settings, journals, caches, tables or napari's own files."""

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

PRINT_FILES = """
import json
from napari.settings import get_settings
from napari_medsam.headless import disk_cache_settings
from napari_medsam.storage import settings
from napari_medsam.formats.labels.label_templates import template_folder
from napari_medsam.journal.location import journal_folder
from napari_medsam.ui.widgets.napari_preferences import NapariPreferences, _agreed_file

preferences = NapariPreferences(print, print)
settings.set_settings(sound=True)
preferences.meet()
get_settings().save()
paths = [settings.settings_file(), _agreed_file(), journal_folder(), template_folder()]
paths += [disk_cache_settings.cache_folder(), disk_cache_settings.cache_preferences_file()]
paths += [get_settings().config_path] + ([preferences.file] if preferences.file else [])
print(json.dumps([str(path) for path in paths]))
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An empty home folder in place of the user's."""
    folder = tmp_path / "home"
    folder.mkdir()
    names = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
    return dict.fromkeys(names, str(folder))


@pytest.mark.slow
def test_a_program_that_a_test_starts_writes_only_into_the_test_s_folder(
    tmp_path: Path, home: dict[str, str]
) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_FILES],
        env={**variables, **home, "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    paths = [Path(name) for name in json.loads(done.stdout.splitlines()[-1])]
    assert [path for path in paths if not path.is_relative_to(tmp_path)] == []
    assert (tmp_path / "napari" / "settings.yaml").is_file(), "the program wrote it"
    left = [path for path in Path(home["HOME"]).rglob("*") if path.is_file()]
    # napari writes its icons into a cache, which holds no settings.
    assert [path for path in left if "_themes" not in path.parts] == []


def test_napari_in_this_process_writes_nothing_into_the_user_s_folder(tmp_path: Path) -> None:
    run = Path(NAPARIS.name)
    path = get_settings().config_path
    assert path is None or Path(path).is_relative_to(run)
    plugins = getattr(napari.settings, "_CFG_PATH", None)
    assert plugins is None or Path(plugins).is_relative_to(run)
