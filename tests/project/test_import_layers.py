"""The house stands: who loads what, the manifest, and the linter that keeps the floors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from graphlib import TopologicalSorter

import grimp
import pytest

from tests.conftest import PROJECT

HELP_NEEDS_NONE = (
    *("numpy", "scipy", "openvino", "SimpleITK", "nibabel", "pydicom", "PIL", "tifffile"),
    *("rich", "pydantic", "psutil", "napari", "npe2", "qtpy", "magicgui", "distributed"),
)
HEAVY = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "vispy", "torch", "cv2")


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in a fresh interpreter after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [
        ("napari_medsam", (*HEAVY, "numpy", "openvino", "SimpleITK", "typer")),
        ("napari_medsam.cli", (*HEAVY, "numpy", "openvino", "SimpleITK")),
        ("napari_medsam.models.specs.catalogue", (*HEAVY, "numpy", "openvino")),
        ("napari_medsam.models.store.store", (*HEAVY, "openvino")),
        ("napari_medsam.engine.session", (*HEAVY, "openvino", "SimpleITK", "nibabel")),
        ("napari_medsam.formats.images.read", (*HEAVY, "openvino")),
        ("napari_medsam.models.loading", (*HEAVY, "SimpleITK", "nibabel")),
        ("napari_medsam.headless.run", (*HEAVY, "openvino")),
        ("napari_medsam.journal.replay", (*HEAVY, "openvino")),
        ("napari_medsam.cli.run_case", HEAVY),
        ("napari_medsam.headless.demo", (*HEAVY, "openvino")),
        ("napari_medsam.diagnostics", (*HEAVY, "openvino")),
    ],
)
def test_module_loads_nothing_it_does_not_need(module: str, not_loaded: tuple[str, ...]):
    assert loaded_by(f"import {module}").isdisjoint(not_loaded)


def test_no_command_without_a_window_loads_napari():
    statement = (
        "from napari_medsam.cli import main\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['models', 'list'])\n"
        "    main(['info', 'pyproject.toml'])\n"
    )
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_no_help_loads_what_only_work_needs():
    """One process asks for the help of every command; each says who loaded what first."""
    statement = (
        "import contextlib, io, sys\n"
        "import typer\n"
        f"unwanted = set({HELP_NEEDS_NONE!r}) - set(sys.modules)\n"  # typer may load rich itself
        "from typer.main import get_command\n"
        "from napari_medsam.cli import app, main\n"
        "def paths(command, path):\n"
        "    yield path\n"
        "    for name, inner in getattr(command, 'commands', {}).items():\n"
        "        yield from paths(inner, [*path, name])\n"
        "asked = list(paths(get_command(app), []))\n"
        "for path in asked:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as said:\n"
        "        assert main([*path, '--help']) == 0\n"
        "    assert 'Usage: ' + ' '.join(['napari-medsam', *path]) in said.getvalue(), path\n"
        "    loaded = unwanted & set(sys.modules)\n"
        "    assert not loaded, (path, loaded)\n"
        "assert len(asked) > 25, asked\n"
    )
    loaded_by(statement)


def test_floors_are_kept():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",  # it draws a banner that a plain locale cannot read
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_root_manifest_is_the_package_s():
    assert (PROJECT / "napari.yaml").read_text() == (
        PROJECT / "napari_medsam" / "napari.yaml"
    ).read_text()


def test_manifest_loads_and_its_names_exist():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # npe2's own, under new pydantic
        from npe2 import PluginManifest

        manifest = PluginManifest.from_file(PROJECT / "napari_medsam" / "napari.yaml")
        manifest.validate_imports()
    assert manifest.name == "napari-medsam"
    assert manifest.contributions.widgets[0].display_name == "Boxes"
    assert "synthetic" in manifest.contributions.sample_data[0].key


def test_installed_manifest_is_found():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from npe2 import PluginManager

        manager = PluginManager()
        manager.discover()
    if "napari-medsam" not in manager:
        pytest.skip("needs the package to be installed (script/test installs it)")
    assert manager.get_manifest("napari-medsam").contributions.widgets


def test_what_segment_imports_first_is_not_slow():
    """scipy.ndimage alone is a third of a second, and one label in a hundred needs it."""
    modules = ("headless.run", "cli.run_case", "engine.session")
    imports = "; ".join(f"import napari_medsam.{name}" for name in modules)
    check = f"import sys; {imports}; sys.exit('scipy.ndimage' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("napari_medsam", cache_dir=None)


@pytest.mark.parametrize("depth", [2, 3, 9], ids=["packages", "sub-packages", "modules"])
def test_imports_form_no_circle(depth: int, graph: grimp.ImportGraph):
    """At every level a package or module can be understood before those that import it."""
    arrows: dict[str, set[str]] = {}
    for module in graph.modules - {"napari_medsam"}:
        above = ".".join(module.split(".")[:depth])
        for imported in graph.find_modules_directly_imported_by(module) - {"napari_medsam"}:
            below = ".".join(imported.split(".")[:depth])
            if below != above:
                arrows.setdefault(above, set()).add(below)
    assert list(TopologicalSorter(arrows).static_order())
