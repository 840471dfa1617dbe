"""Checkpoints of others are recognized by their tensors, reduced to them, and recorded."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medsam.models import import_model, install
from napari_medsam.models.checkpoints import identify, safe_unpickle
from napari_medsam.models.checkpoints.read import read_checkpoint, write_safetensors
from napari_medsam.models.install import install_model
from napari_medsam.models.loading import open_model
from napari_medsam.models.specs.errors import CheckpointError, StoreError, UnknownWeights
from napari_medsam.models.specs.model_spec import UrlSource
from napari_medsam.models.store import store
from napari_medsam.storage import user_folders
from tests.models.checkpoint_files import (
    pickle_dict,
    pickle_global,
    pickle_int,
    pickle_tensor,
    pickle_text,
    pickle_tuple,
    write_torch_zip,
)

SaveState = Callable[..., Path]
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    real = request.getfixturevalue("weights_path") if "real" in request.fixturenames else None
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return real or tmp_path / "home"


@pytest.fixture
def real(home: Path) -> Path:
    """The real LiteMedSAM file; the store itself is empty."""
    return home


def of_shapes(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """Arrays that take no memory."""
    return {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}


# -- by keys and shapes --------------------------------------------------------------------------

BASES = {
    "litemedsam": ("litemedsam",),
    "repmedsam": ("repmedsam",),
    "daft": ("medficientsam-l0", "efficientvit-sam-l0", "daft-general"),
    "medficientsam_l0": ("medficientsam-l0", "efficientvit-sam-l0", "daft-general"),
    "medficientsam_l1": ("medficientsam-l1", "efficientvit-sam-l1"),
    "medficientsam_l2": ("medficientsam-l2", "efficientvit-sam-l2"),
    "efficientsam_vitt": ("efficientsam-ti",),
    "efficientsam_vits": ("efficientsam-s",),
    "sammed2d": ("sam-med2d",),
    "mobilesam": ("mobilesam",),
}


@pytest.mark.shared
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("family", BASES)
def test_state_dict_is_recognized_by_its_keys(shared_dir: Path, family: str, prefix: str) -> None:
    manifest = json.loads((shared_dir / "reference" / family / "manifest.json").read_text())
    shapes = {f"{prefix}{key}": tuple(shape) for key, shape, _dtype in manifest["tensors"]}
    names, evidence = identify.identify_state_dict(identify.plain_keys(of_shapes(shapes)))
    assert names == BASES[family]
    assert evidence


@pytest.mark.parametrize(
    ("shapes", "names"),
    [
        ({"image_encoder.pos_embed": (1, 16, 16, 768)}, ("sam-med2d-plain",)),
        ({"image_encoder.pos_embed": (1, 64, 64, 768)}, ("sam-vit-b", "medsam-vit-b")),
    ],
)
def test_plain_vits_are_told_by_their_tokens(
    shapes: dict[str, tuple[int, ...]], names: tuple[str, ...]
) -> None:
    assert identify.identify_state_dict(of_shapes(shapes))[0] == names


def test_other_networks_are_refused_with_the_reason() -> None:
    with pytest.raises(UnknownWeights, match=r"width 1280 with 64 x 64 tokens; only ViT-B"):
        identify.identify_state_dict(of_shapes({"image_encoder.pos_embed": (1, 64, 64, 1280)}))
    with pytest.raises(UnknownWeights, match=r"2 tensors belong to no network.*first: a, b"):
        identify.identify_state_dict(of_shapes({"a": (1,), "b": (2,)}))
    key = "image_encoder.backbone.stages.3.op_list.0.main.x"
    with pytest.raises(UnknownWeights, match="EfficientViT with 1 blocks"):
        identify.identify_state_dict(of_shapes({key: (1,)}))


def test_students_encoder_is_taken_and_the_teachers_left() -> None:
    shapes = {"student_encoder.neck.x": (1,), "teacher_encoder.neck.x": (2,)}
    assert identify.plain_keys(of_shapes(shapes)).keys() == {"image_encoder.neck.x"}


# -- training checkpoints ------------------------------------------------------------------------


def evil(canary: Path) -> bytes:
    command = pickle_tuple(pickle_text(f"touch {canary}"))
    return pickle_global("os", "system") + command + b"R"


def optimizer() -> bytes:
    """An optimizer's pickled object: an instance with state, a default dict, a set of numbers."""
    instance = pickle_global("torch.optim.adam", "Adam") + b")\x81" + pickle_dict({"lr": b"K\x01"})
    groups = pickle_global("collections", "defaultdict")
    groups += pickle_tuple(pickle_global("builtins", "list")) + b"R"
    groups += pickle_text("a") + b"]" + pickle_int(1) + b"as"
    return pickle_tuple(instance + b"b", groups, b"\x8f(" + pickle_int(3) + b"\x90")


ATTACKS: dict[str, Callable[[Path], bytes]] = {
    "called": evil,
    "made": lambda c: pickle_global("subprocess", "Popen") + pickle_tuple(b"K\x01") + b"\x81",
    "by_stack": lambda c: (
        pickle_text("os")
        + pickle_text("system")
        + b"\x93"
        + pickle_tuple(pickle_text(f"touch {c}"))
        + b"R"
    ),
    "dotted": lambda c: (
        pickle_text("builtins")
        + pickle_text("eval.__call__")
        + b"\x93"
        + pickle_tuple(pickle_text(f"open({str(c)!r}, 'w')"))
        + b"R"
    ),
    "result_called_again": lambda c: evil(c) + pickle_tuple(pickle_text("x")) + b"R",
    "with_state": lambda c: evil(c) + pickle_dict({"__class__": pickle_text("x")}) + b"b",
    "with_items": lambda c: evil(c) + b"(" + pickle_text("k") + evil(c) + b"u",
    "reconstructed": lambda c: (
        pickle_global("copyreg", "_reconstructor")
        + pickle_tuple(pickle_global("os", "system"), pickle_global("builtins", "object"), b"N")
        + b"R"
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_code_beside_the_tensors_is_refused_or_inert(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    state = pickle_dict({"w": pickle_tensor("0", (1,))})
    body = pickle_dict({"state_dict": state, "callbacks": ATTACKS[name](canary)})
    path = write_torch_zip(tmp_path / "best.ckpt", body, {"0": np.float32([7]).tobytes()})
    with pytest.raises(CheckpointError, match=r"asks to run|opcode"):
        read_checkpoint(path)
    arrays = read_checkpoint(path, training=True).arrays
    assert arrays["w"].tolist() == [7]
    assert arrays.keys() == {"w"}
    assert not canary.exists()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda c: pickle_dict({"state_dict": evil(c)}), id="as_the_state_dict"),
        pytest.param(
            lambda c: pickle_dict({"state_dict": pickle_dict({"w": evil(c)})}), id="as_a_tensor"
        ),
        pytest.param(
            lambda c: (
                pickle_global("torch._utils", "_rebuild_tensor_v2")
                + pickle_tuple(evil(c), b"K\x00", b")", b")")
                + b"R"
            ),
            id="as_a_storage",
        ),
        pytest.param(
            lambda c: pickle_global("os", "system") + pickle_dict({"x": evil(c)}) + b"b",
            id="state_for_the_placeholder_itself",
        ),
        pytest.param(lambda c: b"(" + pickle_text(f"touch {c}") + b"ios\nsystem\n", id="inst"),
        pytest.param(
            lambda c: b"(" + pickle_global("os", "system") + pickle_text(f"touch {c}") + b"o",
            id="obj",
        ),
        pytest.param(lambda c: b"\x82\x01", id="extension_registry"),
    ],
)
def test_code_in_the_tensors_place_is_refused_in_every_mode(
    tmp_path: Path, body: Callable[[Path], bytes]
) -> None:
    canary = tmp_path / "canary"
    path = write_torch_zip(tmp_path / "best.ckpt", body(canary), {"0": bytes(4)})
    for training in (False, True):
        with pytest.raises(CheckpointError):
            read_checkpoint(path, training=training)
    assert not canary.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_python_pickles_of_callables_never_run(tmp_path: Path, protocol: int) -> None:
    class Evil:
        def __init__(self, command: str) -> None:
            self.command = command

        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (self.command,)

    canary = tmp_path / "canary"
    data = pickle.dumps({"x": Evil(f"touch {canary}"), "y": {1, 2}, "z": b"raw"}, protocol)
    try:
        loaded = safe_unpickle.load(data, training=True)
        assert isinstance(loaded["x"], safe_unpickle.IgnoredObject)
    except CheckpointError:
        assert protocol < 2  # the oldest opcodes are on no list
    assert not canary.exists()


def test_whole_pickled_model_is_refused_with_what_to_use(tmp_path: Path) -> None:
    module = pickle_global("src.models.medsam", "MedSAM") + b")\x81"
    body = module + pickle_dict({"_parameters": pickle_dict({"w": pickle_tensor("0", (1,))})})
    path = write_torch_zip(tmp_path / "model.pth", body + b"b", {"0": bytes(4)})
    with pytest.raises(CheckpointError, match=r"whole pickled model.*use the authors' best\.ckpt"):
        import_model.import_path(path)


def as_training_checkpoint(path: Path, arrays: Arrays, prefix: str = "model.") -> Path:
    items, storages = {}, {}
    for index, (key, array) in enumerate(arrays.items()):
        kind = "LongStorage" if array.dtype.kind == "i" else "FloatStorage"
        items[f"{prefix}{key}"] = pickle_tensor(str(index), array.shape, storage=kind)
        storages[str(index)] = np.ascontiguousarray(array).tobytes()
    body = {"state_dict": pickle_dict(items), "optimizer_states": optimizer()}
    return write_torch_zip(path, pickle_dict(body), storages)


@pytest.mark.slow
@pytest.mark.weights
def test_training_checkpoint_is_reduced_to_its_tensors(real: Path, tmp_path: Path) -> None:
    """The real weights, wrapped as Lightning does, with an optimizer next to them."""
    brought = as_training_checkpoint(tmp_path / "best.ckpt", read_checkpoint(real).arrays)
    (taken,) = import_model.import_path(brought, name="mine", modality="US")
    assert taken.record is not None
    assert taken.record.base == "litemedsam"
    assert list(taken.record.files) == ["lite_medsam.safetensors"]
    assert "best.ckpt, SHA-256" in taken.record.source
    assert next(iter(taken.record.tried.values())) > 0.9
    model = open_model("mine")
    box = [[60, 60, 150, 150]]
    embedding = model.encode(np.zeros((3, 256, 256), np.float32))
    expected = open_model(weights=real)
    np.testing.assert_array_equal(
        model.decode(embedding, box).logits, expected.decode(embedding, box).logits
    )
    assert store.model_spec("mine").modalities == ("US",)
    assert [one.spec.name for one in store.installed()] == ["mine"]
    assert store.verify_model("mine")
    assert store.remove_model("mine")
    assert store.installed() == []


@pytest.mark.weights
def test_encoder_alone_takes_its_decoder_from_another_file(
    real: Path, tmp_path: Path, save_state: SaveState
) -> None:
    arrays = read_checkpoint(real).arrays
    student = {
        key.replace("image_encoder", "student_encoder"): array
        for key, array in arrays.items()
        if key.startswith("image_encoder.")
    }
    path = save_state(tmp_path / "step_400000.ckpt", student)
    with pytest.raises(UnknownWeights, match=r"only an encoder.*--decoder FILE"):
        import_model.import_path(path)
    (taken,) = import_model.import_path(path, decoder=real)
    assert taken.spec.name == "litemedsam"
    assert taken.record is not None
    assert next(iter(taken.record.tried.values())) > 0.9


@pytest.mark.weights
def test_published_file_is_known_by_its_hash(real: Path) -> None:
    (taken,) = import_model.import_path(real)
    assert taken.record is None
    assert taken.report() == ["LiteMedSAM: the published file (SHA-256 as in the catalogue)."]


@pytest.mark.slow
@pytest.mark.weights
def test_altered_file_is_found_by_verify(real: Path) -> None:
    import_model.import_path(real, name="mine")
    path = store.weights_path(store.model_spec("mine"))
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"lite_medsam\.pth is damaged or altered"):
        store.verify_model("mine")


@pytest.mark.slow
@pytest.mark.weights
def test_zip_with_a_checkpoint_in_it_is_opened(real: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(real, "somewhere/lite.pth")
        archive.writestr("README.md", "weights")
    (taken,) = import_model.import_path(path, name="zipped")
    assert taken.spec.family == "litemedsam"
    assert [p.name for p in user_folders.home().iterdir()] == ["models"]


def test_zip_that_climbs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside.pth", b"x")
    with pytest.raises(CheckpointError, match="points outside it"):
        import_model.import_path(path)
    assert not list(tmp_path.rglob("outside.pth"))


def test_folder_without_weights_says_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UnknownWeights, match=r"no \.pth, \.pt, \.ckpt"):
        import_model.import_path(tmp_path)


@pytest.mark.parametrize("name", ["../x", "A B", "auto", "", "a" * 65])
def test_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid model name"):
        import_model.import_path(tmp_path, name=name)


def test_safetensors_written_are_read_back(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "b": np.array(3, np.int64),
        "c": np.array([1, 2], np.float16),
    }
    write_safetensors(tmp_path / "x.safetensors", arrays)
    found = read_checkpoint(tmp_path / "x.safetensors").arrays
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype


def test_damaged_record_says_so(home: Path) -> None:
    folder = home / "models" / "mine"
    folder.mkdir(parents=True)
    for text in ("{", "[]", '{"version": 1, "name": "mine"}'):
        (folder / "model.json").write_text(text)
        with pytest.raises(StoreError, match=r"model\.json is damaged.*import the model again"):
            store.model_spec("mine")


@pytest.mark.slow
@pytest.mark.weights
def test_model_at_a_plain_address_is_fetched_and_taken_in(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(
        store.model_spec("litemedsam"), source=UrlSource("https://example.org/lite.pth")
    )

    def fetch(url: str, into: Path, *_how: object) -> Path:
        return Path(shutil.copy(real, into / Path(url).name))

    monkeypatch.setattr(install, "download_url", fetch)
    path = install_model(model)
    assert path.read_bytes() == real.read_bytes()
    assert install_model(model) == path
    assert sorted(p.name for p in path.parent.parent.iterdir() if p.is_dir()) == ["litemedsam"]
