"""`predict_cases`: all forms of the challenge's files, and runs that stop halfway."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medsam.batch.challenge.predict import predict_cases
from napari_medsam.cli import main
from tests.tiny_model import TinyMedSam


def volume(n: int = 8) -> np.ndarray:
    """A bright block: rows 10..19, columns 8..15, slices 2..5."""
    voxels = np.zeros((n, 32, 32), np.uint8)
    voxels[2:6, 10:20, 8:16] = 200
    return voxels


def picture() -> np.ndarray:
    return np.repeat(volume()[3][..., None], 3, axis=2)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "in").mkdir()
    return tmp_path / "in", tmp_path / "out"


def put(folder: Path, name: str, imgs: np.ndarray, boxes: np.ndarray) -> None:
    np.savez_compressed(folder / name, imgs=imgs, boxes=boxes, spacing=np.array([1.0, 1.0, 3.0]))


def run(folders: tuple[Path, Path], tiny: TinyMedSam, **options):
    return list(predict_cases(*folders, open_one=lambda name: tiny, **options))


def segs(folders: tuple[Path, Path], name: str) -> np.ndarray:
    with np.load(folders[1] / name) as stored:
        assert stored.files == ["segs"]
        return stored["segs"]


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("compat", [False, True])
def test_boxes_of_any_number_type_give_the_same_volume(folders, tiny_model, kind, compat):
    put(folders[0], "3DBox_CT_1.npz", volume(), np.array([[6, 8, 0, 18, 22, 7]], kind))
    [outcome] = run(folders, tiny_model, compat=compat)
    assert outcome.status == "done"
    found = segs(folders, "3DBox_CT_1.npz")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found == 1, volume() > 0)


@pytest.mark.parametrize("imgs", [picture(), volume()[3]], ids=["rgb", "grey"])
def test_pictures_come_back_flat(folders, tiny_model, imgs):
    put(folders[0], "2DBox_US_1.npz", imgs, np.array([[6, 8, 18, 22]]))
    run(folders, tiny_model)
    np.testing.assert_array_equal(segs(folders, "2DBox_US_1.npz"), volume()[3] > 0)


def test_label_is_the_box_s_number_beyond_255(folders, tiny_model):
    boxes = np.tile([0, 0, 2, 2], (300, 1))
    boxes[299] = [6, 8, 18, 22]
    put(folders[0], "2DBox_US_1.npz", picture(), boxes)
    run(folders, tiny_model)
    assert set(np.unique(segs(folders, "2DBox_US_1.npz"))) == {0, 300}


def test_box_beyond_the_border_is_clipped(folders, tiny_model):
    put(folders[0], "3DBox_MR_1.npz", volume(), np.array([[-4, -1, -3, 40, 32, 8]]))
    run(folders, tiny_model)
    np.testing.assert_array_equal(segs(folders, "3DBox_MR_1.npz"), volume() > 0)


@pytest.mark.parametrize("n_slices", [1, 8])
@pytest.mark.parametrize("compat", [False, True])
def test_object_of_a_single_slice_is_segmented(folders, tiny_model, n_slices, compat):
    voxels = volume()[3:4] if n_slices == 1 else volume()
    z = 0 if n_slices == 1 else 3
    put(folders[0], "3DBox_MR_1.npz", voxels, np.array([[6, 8, z, 18, 22, z]], np.uint8))
    [outcome] = run(folders, tiny_model, compat=compat)
    assert outcome.status == "done", outcome.why
    found = segs(folders, "3DBox_MR_1.npz")
    assert found.shape == voxels.shape
    np.testing.assert_array_equal(found[z], volume()[3] > 0)
    assert np.count_nonzero(found) == 80


def test_case_without_boxes_gives_background(folders, tiny_model):
    put(folders[0], "3DBox_MR_1.npz", volume(), np.zeros((0, 6)))
    run(folders, tiny_model)
    assert not segs(folders, "3DBox_MR_1.npz").any()


def test_overlap_goes_to_the_last_box_in_compat_else_to_the_first(folders, tiny_model):
    put(folders[0], "2DBox_US_1.npz", picture(), np.tile([6, 8, 18, 22], (2, 1)))
    for compat, label in ((True, 2), (False, 1)):
        run(folders, tiny_model, compat=compat, again=True)
        assert segs(folders, "2DBox_US_1.npz").max() == label


def test_second_run_does_only_what_is_missing(folders, tiny_model):
    for n in range(3):
        put(folders[0], f"2DBox_US_{n}.npz", picture(), np.array([[6, 8, 18, 22]]))
    run(folders, tiny_model)
    (folders[1] / "2DBox_US_1.npz").unlink()
    n_encoded = tiny_model.n_encoded
    statuses = [outcome.status for outcome in run(folders, tiny_model)]
    assert statuses == ["there", "done", "there"]
    assert tiny_model.n_encoded <= n_encoded * 4 // 3


def test_nothing_partial_is_left_if_writing_fails(folders, tiny_model, monkeypatch):
    def fail(path: Path, **arrays: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    put(folders[0], "2DBox_US_1.npz", picture(), np.array([[6, 8, 18, 22]]))
    monkeypatch.setattr(np, "savez_compressed", fail)
    [outcome] = run(folders, tiny_model)
    assert (outcome.status, list(folders[1].iterdir())) == ("failed", [])


def broken(folder: Path) -> None:
    put(folder, "2DBox_US_1.npz", picture(), np.array([[6, 8, 18, 22]]))
    (folder / "2DBox_US_0.npz").write_bytes(b"not a zip")
    np.savez(folder / "2DBox_US_2.npz", imgs=picture())
    put(folder, "2DBox_US_3.npz", picture(), np.array([[np.nan, 8, 18, 22]]))
    put(folder, "2DBox_US_4.npz", picture(), np.array([[90, 90, 99, 99]]))
    put(folder, "2DBox_US_5.npz", picture(), np.array([[6, 8, 0, 18, 22, 3]]))
    put(folder, "2DBox_US_6.npz", picture(), np.array(["a", "b", "c", "d"]))


def test_broken_cases_are_reported_and_the_others_done(folders, tiny_model):
    broken(folders[0])
    outcomes = run(folders, tiny_model)
    assert [one.status for one in outcomes] == ["failed", "done", *["failed"] * 5]
    assert all(one.case in one.why for one in outcomes if one.status == "failed")


def test_command_exits_1_if_a_case_was_broken(folders, tiny_model, monkeypatch, capsys):
    broken(folders[0])
    monkeypatch.setitem(predict_cases.__kwdefaults__, "open_one", lambda name: tiny_model)
    assert main(["predict", *map(str, folders), "--efficiency", str(folders[0] / "t.csv")]) == 1
    told = capsys.readouterr()
    assert len([line for line in told.err.splitlines() if line]) == 6
    assert "1 done, 6 failed" in told.out
    assert (folders[0] / "t.csv").read_text().splitlines()[0] == "case,time"


def test_table_of_seconds_keeps_rows_of_an_earlier_run(folders, tiny_model, tmp_path):
    for n in range(2):
        put(folders[0], f"2DBox_US_{n}.npz", picture(), np.array([[6, 8, 18, 22]]))
        run(folders, tiny_model, efficiency=tmp_path / "efficiency.csv")
    cases = [line.split(",")[0] for line in (tmp_path / "efficiency.csv").read_text().splitlines()]
    assert cases == ["case", "2DBox_US_0.npz", "2DBox_US_1.npz"]


def test_auto_takes_the_model_of_the_modality(folders, tiny_model, monkeypatch):
    from napari_medsam.models.specs.catalogue import spec
    from napari_medsam.models.store.store import StoredModel

    here = [StoredModel(spec(n), Path(n), 1) for n in ("litemedsam", "daft-us", "daft-3d")]
    monkeypatch.setattr("napari_medsam.models.store.store.installed", lambda: here)
    put(folders[0], "2DBox_US_1.npz", picture(), np.array([[6, 8, 18, 22]]))
    put(folders[0], "2DBox_Fundus_1.npz", picture(), np.array([[6, 8, 18, 22]]))
    put(folders[0], "3DBox_PET_1.npz", volume(), np.array([[6, 8, 0, 18, 22, 7]]))
    used = {one.case.split("_")[1]: one.model for one in run(folders, tiny_model, model="auto")}
    assert used == {"US": "daft-us", "Fundus": "litemedsam", "PET": "daft-3d"}


@pytest.mark.parametrize("target", ["in", "in/out"])
def test_folder_that_is_read_is_never_written_to(folders, tiny_model, target):
    put(folders[0], "2DBox_US_1.npz", picture(), np.array([[6, 8, 18, 22]]))
    with pytest.raises(ValueError, match="is the input folder or inside it"):
        run((folders[0], folders[0].parent / target), tiny_model)


def test_folder_of_nifti_with_a_table_of_boxes(folders, tiny_model, tmp_path):
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    nib.save(nib.Nifti1Image(volume().T, affine), folders[0] / "scan.nii.gz")
    table = tmp_path / "boxes.csv"
    table.write_text("case,label,axis,first,last,x0,y0,x1,y1\nscan.nii.gz,liver,z,0,7,6,8,18,22\n")
    [outcome] = run(folders, tiny_model, boxes=table)
    assert outcome.status == "done", outcome.why
    saved = nib.load(folders[1] / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(saved.dataobj).T, volume() > 0)
    np.testing.assert_array_equal(saved.affine, affine)


@pytest.mark.parametrize("suffix", ["npz", "nii.gz"])
@pytest.mark.parametrize(("modality", "votes"), [("PET", True), ("CT", False)])
def test_compat_votes_where_the_model_s_authors_do(
    folders, tiny_model, tmp_path, suffix, modality, votes
):
    case, table = f"3DBox_{modality}_1.{suffix}", None
    if suffix == "npz":
        put(folders[0], case, volume(), np.array([[6, 8, 2, 18, 22, 5]]))
    else:
        nib.save(nib.Nifti1Image(volume().T, np.diag([-2.0, -2.0, 3.0, 1.0])), folders[0] / case)
        table = tmp_path / "boxes.csv"
        table.write_text(f"case,label,axis,first,last,x0,y0,x1,y1\n{case},1,z,2,5,6,8,18,22\n")
    [outcome] = run(folders, tiny_model, boxes=table, compat=True, model="hawken50-litemedsam")
    assert outcome.status == "done", outcome.why
    assert (tiny_model.n_encoded > 4) == votes  # the range has four slices


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.shared
@pytest.mark.parametrize(
    "case",
    [
        "2DBox_Microscope_coins",
        "2DBox_Fundus_microaneurysms",
        "2DBox_Fundus_retina",
        "3DBox_CT_synthetic",
    ],
)
def test_compat_writes_what_the_original_script_wrote(folders, weights_path, shared_dir, case):
    recorded = np.load(shared_dir / "reference" / "litemedsam" / "pipeline" / f"{case}.npz")
    imgs = recorded["imgs"] if "imgs" in recorded.files else made_volume(shared_dir)
    put(folders[0], f"{case}.npz", imgs, recorded["boxes"])
    [outcome] = list(predict_cases(*folders, compat=True))
    assert outcome.status == "done", outcome.why
    assert (segs(folders, f"{case}.npz") != recorded["segs"]).sum() == 0


def made_volume(shared_dir: Path) -> np.ndarray:
    path = shared_dir / "reference" / "fill.py"
    module_spec = importlib.util.spec_from_file_location("reference_fill", path)
    fill = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(fill)
    return fill.make_volume(1, 24, 160, 208)


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.shared
def test_mammography_demo_of_the_challenge_has_its_four_objects(folders, weights_path, shared_dir):
    demo = shared_dir / "data" / "readers" / "npz_challenge" / "2DBox_Mammography_demo.npz"
    (folders[0] / demo.name).write_bytes(demo.read_bytes())
    assert [one.status for one in predict_cases(*folders, compat=True)] == ["done"]
    found = segs(folders, demo.name)
    assert found.shape == np.load(demo)["imgs"].shape[:2]
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}
