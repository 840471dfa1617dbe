"""Labels from a journal: bit for bit in the image's grid, and the prompts asked once more."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.cli import main
from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.session import Session
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_history
from napari_medsam.journal.image_header import image_header_of
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.replay import repeat_prompts, write_history
from tests.formats.dicom_files import write_slice
from tests.tiny_model import TinyMedSam

OBLIQUE = np.array(
    [[-0.62, -0.35, 0.4, 11], [0.31, -0.7, 0.2, -7], [0.1, 0.22, 2.4, 3], [0, 0, 0, 1]]
)
WHOLE = Window(0.0, 200.0)


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    """An oblique image whose header says things of its own, with a bright block in it."""
    voxels = np.zeros((24, 20, 6), np.int16)
    voxels[5:15, 4:14, 1:5] = 200
    image = nib.Nifti1Image(voxels, OBLIQUE)
    image.header["descrip"] = b"Erika Mustermann"
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "MUSTERMANN_erika.nii.gz")
    return tmp_path / "MUSTERMANN_erika.nii.gz"


def annotate(image: ImageFile, model: TinyMedSam) -> Annotation:
    """A box, a propagation, a stroke and an undo, written to the user's journal."""
    annotation = Annotation(image.volume.shape_zyx)
    path = journal_path(image.volume.fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    book = JournalDatabase(path, image_header_of(image), "me")
    annotation.stepped.connect(
        lambda step: book.append(JournalRow(step.kind, step.event, window=WHOLE))
    )
    annotation.add_label("liver")
    session = Session(image.volume, model, window=WHOLE)
    z, y, x = (n // 2 for n in image.volume.shape_zyx)
    prompt = box_prompt(
        SliceRef("z", z), (x - 8, y - 7, x + 8, y + 7), image.volume.slice_shape("z")
    )
    (mask,) = session.segment([prompt])
    annotation.apply_box(PlacedBox(1, 1, prompt), mask, model=model.identity, window="full range")
    with annotation.edit("propagate", model=model.identity, window="full range") as edit:
        for index in (z - 1, z + 1):
            (mask,) = session.segment([prompt.moved_to(index)])
            edit.paint(mask, 1, key=1)
    where = np.array([0, 0]), np.array([1, 2]), np.array([3, 3])
    old = annotation.labels[where].copy()
    annotation.labels[where] = 1
    annotation.record_painted(where, old, 1)
    annotation.add_label("by mistake")
    annotation.undo()
    book.close()
    return annotation


@pytest.fixture
def tiny(tiny_model: TinyMedSam) -> TinyMedSam:
    tiny_model.identity = "tiny:0123456789abcdef:f32:g1"
    return tiny_model


def test_labels_without_the_image_are_those_that_were_saved_with_it(nifti, tiny, tmp_path):
    image = read_image(nifti)
    annotation = annotate(image, tiny)
    assert annotation.labels.any()
    write_labels(tmp_path / "saved.nii.gz", annotation.labels, image.grid)
    assert main(["replay", image.volume.fingerprint[:8], "-o", str(tmp_path / "again.nii.gz")]) == 0
    saved, again = nib.load(tmp_path / "saved.nii.gz"), nib.load(tmp_path / "again.nii.gz")
    assert np.array_equal(np.asarray(saved.dataobj), np.asarray(again.dataobj))
    assert saved.header.binaryblock == again.header.binaryblock


def test_labels_go_to_other_formats_too(nifti, tiny, tmp_path):
    image = read_image(nifti)
    annotation = annotate(image, tiny)
    assert (
        main(
            [
                "replay",
                str(journal_path(image.volume.fingerprint)),
                "-o",
                str(tmp_path / "again.seg.nrrd"),
            ]
        )
        == 0
    )
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "again.seg.nrrd")))
    assert np.count_nonzero(again) == np.count_nonzero(annotation.labels)


def test_asking_again_gives_the_stored_masks(nifti, tiny):
    image = read_image(nifti)
    annotate(image, tiny)
    with JournalDatabase(journal_path(image.volume.fingerprint)) as book:
        history = read_history(book)
    asked = list(repeat_prompts(history, image.volume, lambda identity: tiny))
    assert [(one.kind, one.dice) for one in asked] == [("box", 1.0)] + [("propagate", 1.0)] * 2


def test_another_model_is_told_by_its_dice(nifti, tiny):
    image = read_image(nifti)
    annotate(image, tiny)
    with JournalDatabase(journal_path(image.volume.fingerprint)) as book:
        history = read_history(book)

    class Half(TinyMedSam):
        def decode(self, embedding, boxes):
            decoded = super().decode(embedding, boxes)
            decoded.logits[..., : decoded.logits.shape[-1] // 2] = -8
            return decoded

    asked = list(repeat_prompts(history, image.volume, lambda identity: Half()))
    assert all(one.dice < 0.9 for one in asked)


def test_prompts_on_the_command_line_report_dice(nifti, tiny, tmp_path, capsys, monkeypatch):
    image = read_image(nifti)
    annotate(image, tiny)
    monkeypatch.setattr("napari_medsam.models.open_recorded.open_recorded", lambda identity: tiny)
    arguments = ["replay", image.volume.fingerprint, "-o", str(tmp_path / "a.nii.gz"), "--prompts"]
    assert main(arguments) == 2
    assert main([*arguments, "--image", str(nifti)]) == 0
    assert "3 masks recomputed: Dice 1.0000 (lowest 1.0000)" in capsys.readouterr().out


def test_weights_that_are_not_here_are_a_sentence(nifti, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    image = read_image(nifti)
    annotate(image, tiny)
    arguments = ["replay", image.volume.fingerprint, "-o", str(tmp_path / "a.nii.gz")]
    assert main([*arguments, "--prompts", "--image", str(nifti)]) == 1
    assert "(tiny, weights 0123456789ab) is not installed;" in capsys.readouterr().err


def test_another_image_is_refused(nifti, tiny, tmp_path):
    image = read_image(nifti)
    annotate(image, tiny)
    other = nib.Nifti1Image(np.ones((24, 20, 6), np.int16), OBLIQUE)
    nib.save(other, tmp_path / "other.nii.gz")
    with JournalDatabase(journal_path(image.volume.fingerprint)) as book:
        history = read_history(book)
    with pytest.raises(JournalError, match="another image"):
        write_history(history, tmp_path / "a.nii.gz", read_image(tmp_path / "other.nii.gz"))
    assert not (tmp_path / "a.nii.gz").exists()


def test_the_journal_holds_nothing_of_the_patient(tiny, tmp_path):
    """Name, number, dates, UIDs, and the path: none is in the file, packed or not."""
    folder = tmp_path / "Patient DOE JOHN"
    folder.mkdir()
    for k in range(4):
        pixels = np.zeros((20, 24), np.int16)
        pixels[5:15, 6:16] = 200
        tags = {"0010|0020": "PID-4711-X", "0010|0030": "19610203", "0008|0080": "St. Elsewhere"}
        position = np.array([0.0, 0.0, 2.5 * k])
        write_slice(folder / f"{k}.dcm", pixels, position, number=k + 1, tags=tags)
    image = read_image(folder)
    annotate(image, tiny)
    path = journal_path(image.volume.fingerprint)
    with JournalDatabase(path) as book:
        assert read_history(book).annotation.labels.any()
        packed = [v for row in book._connection.execute("SELECT * FROM about") for v in row]
        packed += [v for row in book._connection.execute("SELECT * FROM steps") for v in row]
    plain = b"".join(zlib.decompress(v) for v in packed if isinstance(v, bytes))
    everything = path.read_bytes() + plain + path.name.encode()
    for secret in (
        *("DOE", "JOHN", "PID-4711", "19610203", "Elsewhere", "thorax test", str(tmp_path)),
        *("1.2.826.0.1.3680043.2.1125",),
    ):
        assert secret.encode() not in everything
        assert secret.encode("utf-16-le") not in everything


# --- the command line -------------------------------------------------------------------


def test_journals_are_listed_described_exported_and_pruned(nifti, tiny, tmp_path, capsys):
    image = read_image(nifti)
    annotation = annotate(image, tiny)
    name = image.volume.fingerprint
    assert main(["journal", "list"]) == 0
    assert name in capsys.readouterr().out
    assert main(["journal", "info", name[:6], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["labels"], found["boxes"], found["steps"]) == (1, 1, 6)
    assert found["models"] == [tiny.identity]
    assert found["is_saved"] is False
    assert main(["journal", "info", name[:6]]) == 0
    assert "is_saved:  no" in capsys.readouterr().out
    assert main(["journal", "export", name, "-o", str(tmp_path / "audit.json")]) == 0
    trail = json.loads((tmp_path / "audit.json").read_text())
    assert [step["kind"] for step in trail["steps"]] == ["event"] * 5 + ["undo"]
    box = trail["steps"][1]
    assert (box["did"], box["model"], box["window_limits"]) == ("box", tiny.identity, [0.0, 200.0])
    assert box["voxels_changed"] == annotation.log[1].masks[0].area
    assert box["boxes"][0]["corners"] == list(annotation.boxes[0].box.corners)
    assert main(["journal", "prune", "--days", "1"]) == 0
    assert journal_path(name).exists()
    assert main(["journal", "prune", "--days", "0"]) == 0
    assert not journal_path(name).exists()
    assert main(["journal", "info", name]) == 1
    assert "No journal begins with" in capsys.readouterr().err
