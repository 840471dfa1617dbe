"""Runs commands of the command line on files of any name, in one process, with a tiny model.

The arguments are a folder that exists, the file for the results (a JSON list of commands with their
exit codes) and names: each is the name of a folder and begins those of its files.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_medsam import cli
from napari_medsam.batch.challenge import predict as challenge
from napari_medsam.batch.cohort import run as cohort
from tests.batch.cohort.tiny_work import do_unseen
from tests.formats.dicom_files import REFERABLE, write_series
from tests.tiny_model import TinyMedSam

VOXELS = np.zeros((32, 32, 6), dtype=np.uint8)
VOXELS[8:16, 10:20, 1:5] = 200
BOX = "z:2:8,10,15,19:1"


class Opened:
    """Gives the tiny model at once, in place of an installed one."""

    def __init__(self, name: str, precision: str = "f32") -> None:
        self.name = name

    def model(self) -> TinyMedSam:
        return TinyMedSam()


def make_files(folder: Path, name: str) -> None:
    """scan.nii.gz, a file of the odd name, a series, and tables that name them."""
    image = nib.Nifti1Image(VOXELS, np.diag([-2.0, -2.0, 3.0, 1.0]))
    for path in (folder / "scan.nii.gz", folder / f"{name}.nii.gz"):
        nib.save(image, path)
    write_series(folder.parent / "series", VOXELS.T.astype(np.int16), tags=REFERABLE)
    os.rename(folder.parent / "series", folder / "series")
    np.savez(folder / f"{name}.npz", imgs=VOXELS.T, boxes=[[8, 10, 1, 16, 20, 5]])


def commands(folder: Path, name: str) -> list[list[str]]:
    own, out = f"{folder}/{name}", f"{folder}_out"
    image = f"{own}.nii.gz"
    labels = f"{own}_labels.nii.gz"
    boxes = f"{folder}/boxes.csv"
    return [
        ["info", image],
        ["info", image, "--json"],
        ["info", f"{folder}/series"],
        ["info", f"{folder}/{name}_missing.nii.gz"],
        ["info", f"{own}_damaged.nii.gz"],
        ["info", f"{own}_damaged.mha"],
        ["segment", image, "-o", labels, "--box", BOX, "--propagate", "1:4",
         "--report", f"{own}.json", "--overlay", f"{own}.png"],
        ["segment", f"{folder}/series", "-o", f"{own}.seg.nrrd", "--box", BOX],
        ["segment", image, "-o", f"{own}.mha", "--labels", labels, "--box", BOX],
        ["measure", labels, "--image", image, "--csv", f"{own}.csv", "--page", f"{own}.pdf"],
        ["measure", labels, "--image", image, "--page", f"{own}_page.png", "--json"],
        ["convert", image, f"{own}_converted.nrrd"],
        ["convert", labels, f"{own}_converted.mha", "--image", image],
        ["convert", f"{folder}/series", f"{own}_series.nii.gz"],
        ["predict", folder.as_posix(), out, "--boxes", boxes],
        ["predict", f"{folder}", f"{out}_npz", "--efficiency", f"{own}_seconds.csv"],
        ["evaluate", f"{out}_npz", f"{out}_npz", "--csv", f"{own}_scores.csv", "--json"],
        ["batch", boxes, f"{out}_batch", "--workers", "1"],
        ["journal", "list"],
        ["journal", "list", "--json"],
        ["journal", "info", f"{own}_missing.journal"],
        ["replay", f"{own}_missing.journal", "-o", labels],
        ["cache", "info"],
        ["cache", "info", "--json"],
        ["models", "list"],
        ["models", "list", "--json"],
        ["models", "import", f"{own}_damaged.onnx"],
        ["models", "import", f"{own}_damaged.zip"],
        ["models", "import", f"{own}_damaged.pth"],
        ["view", f"{folder}/{name}_missing.nii.gz"],
    ]  # fmt: skip


def main(parent: Path, results: Path, names: list[str]) -> None:
    substitute("napari_medsam.cli.run_case", "Opening", Opened)
    substitute("napari_medsam.cli.precision_option", "Opening", Opened)
    cohort.run_cohort.__kwdefaults__["work"] = do_unseen
    challenge.predict_cases.__kwdefaults__["open_one"] = lambda name: TinyMedSam()
    done = []
    for name in names:
        make_folder(parent, name)
        for arguments in commands(parent / name, name):
            done.append([arguments, cli.main(arguments)])
    results.write_text(json.dumps(done), encoding="ascii")


def make_folder(parent: Path, name: str) -> None:
    """The folder with all files, which is also the home of the program's own."""
    folder = parent / name
    folder.mkdir()
    for variable in ("HOME", "CACHE", "CONFIG", "JOURNALS", "SETTINGS"):
        os.environ[f"NAPARI_MEDSAM_{variable}"] = str(folder / variable.lower())
    make_files(folder, name)
    for ending in (".nii.gz", ".mha", ".onnx", ".zip", ".pth"):
        (folder / f"{name}_damaged{ending}").write_bytes(b"abc")
    with (folder / "boxes.csv").open("w", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["case", "label", "axis", "first", "last", "x0", "y0", "x1", "y1"])
        table.writerow(["scan.nii.gz", 1, "z", 1, 4, 8, 10, 15, 19])
        # As a person types it, or as a table of ours escapes it.
        typed = os.fsencode(name).decode("utf-8", "surrogateescape")
        table.writerow([f"{typed}.nii.gz", 1, "z", 1, 4, 8, 10, 15, 19])


def substitute(module: str, name: str, value: object) -> None:
    __import__(module)
    setattr(sys.modules[module], name, value)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
