"""How long a folder of three CT series takes to open, against an earlier version of the project.

    python benchmarks/open_folder.py [--against FOLDER] [--rounds 5]

Writes 3 series of 100 slices of 512x512 with pydicom, with noise and with the usual 60 or so header
fields, and opens all three as the window does: the list with a picture of each, then their layers.
`--against` names a checkout of another version; both are then measured in turns, each round in a
process of its own. Prints a markdown table: the median and the fastest of the rounds, in seconds,
and the median of the processor's seconds, which depend less on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

HERE = Path(__file__).parents[1]
N_SERIES, N_SLICES, SIDE = 3, 100, 512
CT = "1.2.840.10008.5.1.4.1.1.2"


def write_folder(folder: Path) -> None:
    rng = np.random.default_rng(19)
    planes = [rng.integers(-1024, 2000, (SIDE, SIDE)).astype(np.int16) for _ in range(8)]
    study, frame = generate_uid(), generate_uid()
    for series in range(N_SERIES):
        uid = generate_uid()
        for k in range(N_SLICES):
            dataset = header(series, k, study, uid, frame)
            dataset.PixelData = (planes[k % 8] + series).tobytes()
            pydicom.dcmwrite(folder / f"IM{series}{k:03d}", dataset, enforce_file_format=True)


def header(series: int, k: int, study: str, uid: str, frame: str) -> Dataset:
    """The fields of a slice that a scanner writes, without those that name a person."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = CT
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = (
        "20260101"
    )
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = "101500"
    dataset.Modality, dataset.Manufacturer = "CT", "Benchmark"
    dataset.SeriesDescription = f"series {series + 1}"
    dataset.BodyPartExamined, dataset.PatientPosition = "ABDOMEN", "HFS"
    dataset.SliceThickness, dataset.KVP = "2.5", "120"
    for number in range(30):
        dataset.add_new((0x0029, 0x1000 + number), "LO", f"private value {number}")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, uid
    dataset.SeriesNumber, dataset.InstanceNumber = series + 1, k + 1
    dataset.ImagePositionPatient = [-180, -180, 2.5 * k]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID = frame
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.PixelSpacing = [0.7, 0.7]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", "1"
    return dataset


class Everything:
    """A user who is shown the list and opens every series."""

    def series(self, name: str, found: Sequence[Any]) -> list[str]:
        assert all(one.thumbnail is not None for one in found)
        return [one.series for one in found]


def open_once(folder: Path) -> tuple[float, float]:
    """Seconds, and those of the processor, to open the folder with the version Python finds."""
    from napari_medsam.ui.actions.open_images import open_images
    from napari_medsam.ui.layers.image_layer import image_layer_data

    started, busy = time.perf_counter(), time.process_time()
    images = open_images(folder, Everything())  # type: ignore[arg-type]
    layers = [image_layer_data(image) for image in images]
    seconds = time.perf_counter() - started, time.process_time() - busy
    assert [data.shape for data, _, _ in layers] == [(N_SLICES, SIDE, SIDE)] * N_SERIES
    return seconds


def measured(folder: Path, version: Path) -> tuple[float, float]:
    command = [sys.executable, str(Path(__file__)), "--once", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(version)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, busy = (float(word) for word in run.stdout.split())
    return seconds, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="a checkout of another version")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once is not None:
        print(*open_once(options.once))
        return
    versions = {"this version": HERE}
    if options.against is not None:
        versions["the other"] = options.against.resolve()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in versions}
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder))
        for _ in range(options.rounds):
            for name, version in versions.items():
                times[name].append(measured(Path(folder), version))
    print("| version | median s | fastest s | median s of the processor |\n|---|---|---|---|")
    figures = []
    for name, rounds in times.items():
        seconds, busy = zip(*rounds, strict=True)
        figures.append((median(seconds), min(seconds), median(busy)))
        print(f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures[-1])} |")
    if options.against is not None:
        ratios = [other / this for this, other in zip(*figures, strict=True)]
        print(f"| ratio | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
