"""Models are imported from, kept in and opened from folders of any name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.models import import_model
from napari_medsam.models.loading import open_model
from napari_medsam.models.specs.errors import CheckpointError
from napari_medsam.models.store import store
from tests.any_names import NAMES, every_name, under
from tests.models import released_graphs as released
from tests.models.released_graphs import encoder, point_decoder, unit_box_decoder

ODDEST = ("umlaut", "latin-1 byte", "only bytes", "spaces at both ends", "line break", "backslash")


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of OpenVINO graphs, each with its .bin."""
    folder = tmp_path_factory.mktemp("release") / "release"
    folder.mkdir()
    encoder("hwc", 256).save(folder / "encoder.xml")
    unit_box_decoder(256).save(folder / "decoder.xml")
    return folder


@pytest.fixture(scope="module")
def onnx_with_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of ONNX graphs; the tensors of the encoder are in a file beside it."""
    folder = tmp_path_factory.mktemp("release") / "release"
    folder.mkdir()
    encoder("nchw", 256).save(folder / "encoder.onnx")
    point_decoder(n_masks=1, frame=256.0).save(folder / "decoder.onnx")
    model = released.onnx.load(folder / "encoder.onnx")
    released.onnx.save(
        model,
        folder / "encoder.onnx",
        save_as_external_data=True,
        location="encoder.data",
        size_threshold=0,
    )
    return folder


@pytest.mark.parametrize("release", ["ir", "onnx_with_data"])
@pytest.mark.parametrize(
    "name", [NAMES[k] for k in ODDEST if k in NAMES], ids=[k for k in ODDEST if k in NAMES]
)
def test_a_model_is_imported_kept_and_opened(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    name: bytes,
) -> None:
    home = under(tmp_path, name)
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(home))
    folder = under(tmp_path, name + b" release")
    folder.mkdir()
    for path in request.getfixturevalue(release).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (taken,) = import_model.import_path(folder)
    model = open_model(taken.spec.name)
    side = model.contract.side
    assert model.encode(np.zeros((3, side, side), np.float32)).shape == (256, 64, 64)
    assert store.verify_model(taken.spec.name)
    assert list((home / "models").iterdir())


@every_name
def test_what_is_no_model_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    """OpenVINO's own message about such a name raised UnicodeDecodeError."""
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    path = under(tmp_path, name + b".xml")
    path.write_bytes(b"<net/>")
    under(tmp_path, name + b".bin").write_bytes(b"")
    with pytest.raises(CheckpointError) as refused:
        import_model.import_path(path)
    assert "links-" not in str(refused.value)
