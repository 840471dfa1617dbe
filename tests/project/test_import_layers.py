"""What each module imports, the rules of import-linter, and napari's manifest."""

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

NOT_NEEDED_FOR_HELP = (
    *("numpy", "scipy", "openvino", "SimpleITK", "nibabel", "pydicom", "PIL", "tifffile"),
    *("rich", "pydantic", "psutil", "napari", "npe2", "qtpy", "magicgui", "distributed"),
)
HEAVY = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "vispy", "torch", "cv2")


def loaded_by(statement: str) -> set[str]:
    """The top-level packages loaded in a fresh interpreter after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_help_loads_packages_it_does_not_need():
    """One process prints every command's help; a failure names the command and the packages."""
    statement = (
        "import contextlib, io, sys\n"
        "import typer\n"
        # typer may load rich itself
        f"unwanted = set({NOT_NEEDED_FOR_HELP!r}) - set(sys.modules)\n"
        "from typer.main import get_command\n"
        "from napari_medsam.cli import app, main\n"
        "def paths(command, path):\n"
        "    yield path\n"
        "    for name, inner in getattr(command, 'commands', {}).items():\n"
        "        yield from paths(inner, [*path, name])\n"
        "commands = list(paths(get_command(app), []))\n"
        "for path in commands:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as printed:\n"
        "        assert main([*path, '--help']) == 0\n"
        "    assert 'Usage: ' + ' '.join(['napari-medsam', *path]) in printed.getvalue(), path\n"
        "    loaded = unwanted & set(sys.modules)\n"
        "    assert not loaded, (path, loaded)\n"
        "assert len(commands) > 25, commands\n"
    )
    loaded_by(statement)


def test_import_rules_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",  # its banner has characters that an ASCII locale cannot decode
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_root_manifest_is_the_package_s():
    assert (PROJECT / "napari.yaml").read_text() == (
        PROJECT / "napari_medsam" / "napari.yaml"
    ).read_text()


def test_manifest_loads_and_its_names_exist():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # npe2 itself warns with new versions of pydantic
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


def test_imports_of_segment_do_not_load_scipy_ndimage():
    """scipy.ndimage takes a third of a second to load, and one label in a hundred needs it."""
    modules = ("headless.run", "cli.run_case", "engine.session")
    imports = "; ".join(f"import napari_medsam.{name}" for name in modules)
    check = f"import sys; {imports}; sys.exit('scipy.ndimage' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("napari_medsam", cache_dir=None)


@pytest.mark.parametrize("depth", [2, 3, 9], ids=["packages", "sub-packages", "modules"])
def test_imports_form_no_cycle(depth: int, graph: grimp.ImportGraph):
    """At every level a package or module can be understood before those that import it."""
    imports: dict[str, set[str]] = {}
    for module in graph.modules - {"napari_medsam"}:
        above = ".".join(module.split(".")[:depth])
        for imported in graph.find_modules_directly_imported_by(module) - {"napari_medsam"}:
            below = ".".join(imported.split(".")[:depth])
            if below != above:
                imports.setdefault(above, set()).add(below)
    assert list(TopologicalSorter(imports).static_order())
