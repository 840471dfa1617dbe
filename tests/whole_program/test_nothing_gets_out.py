"""No run of the program uses a network, unless the user asks for it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medsam.formats.images.write import write_image
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from tests import offline
from tests.whole_program.source_code import MODULES, calls, imported, relative

NETWORK_MODULES = {
    *("socket", "ssl", "urllib", "http", "ftplib", "smtplib", "telnetlib", "socketserver"),
    *("asyncio", "requests", "urllib3", "httpx", "aiohttp", "pooch", "xmlrpc", "webbrowser"),
    *("fsspec", "boto3", "huggingface_hub", "distributed"),
}
MAY_CONNECT = {
    "models/store/url_download.py": {
        "urllib"
    },  # weights at a plain address, during an installation of a model
    # `batch --scheduler`: the cluster that the user names
    "batch/cohort/dask_workers.py": {"distributed"},
    "diagnostics/display_probe.py": {"socket"},  # whether the X server answers
    "storage/paths.py": {"urllib"},  # only urllib.parse: a database's name as SQLite needs it
}
MAY_START_PROGRAMS = {
    "models/store/pip_download.py",  # pip, to install weights or to make a kit
    "diagnostics/display.py",  # this Python, to load Qt
}
"""All modules that could reach a network, with the reason; docs/security.md lists them."""

# --- modules that could connect ----------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_cannot_connect(path: Path):
    assert imported(path) & NETWORK_MODULES <= MAY_CONNECT.get(relative(path), set())
    starts = any(name.startswith(("subprocess.", "os.exec", "os.spawn")) for name, _ in calls(path))
    assert not starts or relative(path) in MAY_START_PROGRAMS


@pytest.mark.parametrize("name", ["url_download", "pip_download"])
def test_only_install_and_kit_import_downloads(name: str):
    """Other modules import at most a type from them."""
    users = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(name):
                users |= {(relative(path), alias.name) for alias in node.names}
    allowed = {
        "url_download": {("models/install.py", "download_url")},
        "pip_download": {
            ("models/install.py", "download_wheel"),
            ("offline_kit/resolve_wheels.py", "run_pip"),
        },
    }
    assert {user for user in users if user[1] != "Progress"} == allowed[name]


# --- runs without a network --------------------------------------------------------------


@pytest.mark.skipif(
    not offline.has_namespaces(),
    reason="this user may not create a network namespace: the runs below use only the hook",
)
def test_namespace_has_no_route_at_all(tmp_path: Path):
    program = "import socket; socket.create_connection(('127.0.0.1', 9), 2)"
    done, _ = offline.run(["-S", "-c", program], tmp_path)
    assert "Network is unreachable" in done.stderr


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    write_image(tmp_path / "scan.nii.gz", synthetic_abdomen().image)
    rows = "case,label,axis,first,last,x0,y0,x1,y1\nscan.nii.gz,liver,z,24,26,60,80,200,190\n"
    (tmp_path / "cases.csv").write_text(rows, encoding="utf-8")
    return tmp_path / "scan.nii.gz"


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize(
    "command",
    [
        "segment scan.nii.gz --box z:25:60,80,200,190 --propagate 22:27 -o labels.nii.gz",
        "batch cases.csv results",
        "demo --headless out",
        "doctor --json",
        "info scan.nii.gz --json",
        "convert scan.nii.gz scan.nrrd",
        "models list --json",
        "models verify",
        "cache info",
        "--help",
    ],
    ids=lambda command: command.split()[0],
)
def test_command_runs_without_a_network(
    command: str, scan: Path, weights_path: Path, tmp_path: Path
):
    arguments = ["-m", "napari_medsam", *command.split()]
    variables = {"DISPLAY": "", "NAPARI_MEDSAM_CACHE": str(tmp_path / "cache")}
    done, refused = offline.run(arguments, tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert refused == []


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.gui
def test_window_boxes_propagates_and_saves_without_a_network(
    scan: Path, weights_path: Path, tmp_path: Path
):
    labels = tmp_path / "labels.nii.gz"
    settings = {
        "NAPARI_MEDSAM_CACHE": str(tmp_path / "cache"),
        "NAPARI_CONFIG": str(tmp_path / "napari.yaml"),
    }
    arguments = ["-m", "tests.whole_program.window_run", str(scan), str(labels)]
    done, refused = offline.run(arguments, tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert refused == []
    assert "Saved and checked: labels.nii.gz, 1 label." in done.stdout
    saved = np.asarray(nib.load(labels).dataobj)
    assert np.count_nonzero(saved.any(axis=(0, 1))) > 10


def test_install_tries_to_connect_and_reports_the_failure(tmp_path: Path):
    """This shows that the guard of the tests above works: it refuses and records this run."""
    home = {"NAPARI_MEDSAM_HOME": str(tmp_path / "home"), "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    arguments = ["-m", "napari_medsam", "models", "install", "litemedsam"]
    done, refused = offline.run(arguments, tmp_path, **home)
    assert done.returncode == 1
    assert "pip could not download" in done.stderr
    assert any("getaddrinfo" in line or "connect" in line for line in refused)


def test_openvino_does_not_load_its_telemetry(tmp_path: Path):
    """A stand-in for its telemetry package is installed, and is never loaded."""
    stand_in = tmp_path / "openvino_telemetry"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text("open('loaded', 'w').close()\nclass Telemetry: ...\n")
    program = (
        "import sys, json; sys.path.insert(0, '.');"
        "import napari_medsam.models.loading, openvino, openvino.tools.ovc;"
        "print(json.dumps(sys.modules['openvino_telemetry'] is None))"
    )
    done, refused = offline.run(["-c", program], tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) is True
    assert not (tmp_path / "loaded").exists()
    assert refused == []
