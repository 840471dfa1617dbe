"""Build a kit: wheels for each target, weights, install scripts, and the hashes of all files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_medsam import __version__
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store import store
from napari_medsam.offline_kit.checksums import write_sums
from napari_medsam.offline_kit.own_wheel import write_own_wheel
from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.resolve_wheels import Fetch, gather, pip_fetch
from napari_medsam.offline_kit.tested_versions import constraints_file
from napari_medsam.offline_kit.wheel_file import WheelFile, read_wheel
from napari_medsam.storage.hashing import file_sha256
from napari_medsam.storage.temporary_folder import temporary_folder

Report = Callable[[str], None]
EXTRAS = ("pyqt6", "pyside6")
WHEELS, WEIGHTS, ABOUT = "wheels", "weights", "kit.json"
SCRIPTS = {"install.sh": "\n", "install.bat": "\r\n", "README.txt": "\r\n"}
"""Text files of a kit, with their line endings: Windows' editor and shell need both bytes."""


def require_binding(name: str) -> None:
    """Refuse an unknown Qt binding; ValueError names the known ones."""
    if name not in EXTRAS:
        raise ValueError(f"{name!r} is not a known Qt binding; choose {' or '.join(EXTRAS)}.")


def build_kit(
    folder: Path,
    targets: Sequence[Target],
    *,
    models: Sequence[str] = ("litemedsam",),
    qt: str = "pyqt6",
    report: Report = lambda sentence: None,
    fetcher: Callable[[Target, Path], Fetch] = pip_fetch,
) -> Path:
    """Build a kit in an empty or new folder.

    Parameters
    ----------
    folder
        The folder of the kit; about 350 MB per target.
    targets
        The machines that it is for.
    models
        Models of the catalogue to include; weights that are not installed are downloaded.
    qt
        The Qt binding: "pyqt6" (GPL) or "pyside6" (LGPL).
    report
        Called with a sentence for each step.
    fetcher
        Returns a function that downloads wheels for a target under constraints; tests replace it.

    Returns
    -------
    The path of the list of hashes.

    Raises
    ------
    ValueError
        If the folder is not empty, or a target, model or binding is unknown.
    StoreError
        If wheels or weights cannot be obtained.
    """
    require_binding(qt)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; choose a new or empty folder for the kit.")
    specs = [store.model_spec(name) for name in models]
    (folder / WHEELS).mkdir(parents=True)
    for spec in specs:
        report(f"Weights of {spec.title}")
        _put_weights(spec.name, folder / WEIGHTS / spec.name)
    found = {}
    with temporary_folder("napari-medsam-") as own:
        wheel = write_own_wheel(own)
        for target in dict.fromkeys(targets):
            report(f"Wheels for {target}")
            first = read_wheel(Path(shutil.copy2(wheel, folder / WHEELS)))
            fetch = fetcher(target, constraints_file())
            wheels = gather(first, frozenset((qt, "dicom")), target, fetch, folder / WHEELS)
            found[target] = sorted(wheels.values(), key=lambda wheel_file: wheel_file.name)
    for target, needed in found.items():
        _write(folder / f"requirements-{target}.txt", _requirements(needed), "\n")
    _write(folder / ABOUT, json.dumps(_about(found, models, qt), indent=1), "\n")
    scripts = files("napari_medsam.offline_kit") / "files"
    for name, ending in SCRIPTS.items():
        text = scripts.joinpath(name).read_text(encoding="utf-8")
        _write(folder / name, text.replace("@VERSION@", __version__), ending)
    (folder / "install.sh").chmod(0o755)
    return write_sums(folder)


def _put_weights(name: str, into: Path) -> None:
    """Copy a model's published file, which its hash identifies on any machine."""
    from napari_medsam.models.install import install_model  # slow: it builds and runs networks

    model = store.model_spec(name)
    if store.model_record(name) is not None or model.file.sha256 is None:
        raise StoreError(
            f"The weights of {model.title} have no published SHA-256, so a kit cannot include"
            " them. Copy them to the machine and run: napari-medsam models import PATH."
        )
    path = store.verify_model(name) if store.is_installed(name) else install_model(model)
    into.mkdir(parents=True)
    shutil.copyfile(path, into / path.name)


def _requirements(wheels: Sequence[WheelFile]) -> str:
    """The file for ``pip install --require-hashes``, which allows only these wheels."""
    return "".join(
        f"{wheel.name}=={wheel.version} --hash=sha256:{file_sha256(wheel.path)}\n"
        for wheel in wheels
    )


def _about(found: dict[Target, list[WheelFile]], models: Sequence[str], qt: str) -> dict[str, Any]:
    """The content of kit.json: the targets, and the packages and models with their licences."""
    every = {wheel_file.path.name: wheel_file for wheels in found.values() for wheel_file in wheels}
    return {
        "napari_medsam": __version__,
        "for": "research use only",
        "qt": qt,
        "targets": [{"platform": target.platform, "python": target.python} for target in found],
        "models": {name: store.model_spec(name).licence for name in models},
        "packages": [
            {
                "name": wheel_file.name,
                "version": str(wheel_file.version),
                "licence": wheel_file.licence,
                "file": file,
            }
            for file, wheel_file in sorted(every.items())
        ],
    }


def _write(path: Path, text: str, ending: str) -> None:
    path.write_text(text, encoding="utf-8", newline=ending)
