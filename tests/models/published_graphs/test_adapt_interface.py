"""Every released form of graphs is recognized, adapted and finds a disc; others are refused."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from napari_medsam.models import import_model, install
from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.install import install_model
from napari_medsam.models.loading import build_networks, open_model
from napari_medsam.models.networks.layers import constant, reshape, transpose
from napari_medsam.models.published_graphs import adapt_interface
from napari_medsam.models.runtime.self_test import ENOUGH
from napari_medsam.models.specs.errors import CheckpointError, GraphError
from napari_medsam.models.store import store
from napari_medsam.storage.hashing import file_sha256
from tests.models import released_graphs as released
from tests.models.released_graphs import (
    daft_decoder,
    daft_prompt_encoder,
    encoder,
    point_decoder,
    position_code,
    unit_box_decoder,
)

IMAGE_NET = 1.15  # above any min-max value, below a disc of 200 in ImageNet's units


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    if "weights_path" in request.fixturenames:
        request.getfixturevalue("weights_path")  # find it before the data folder changes
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pair(
    folder: Path, suffix: str, before: released.Graph, behind: released.Graph, **how: bool
) -> Path:
    folder.mkdir(exist_ok=True)
    before.save(folder / f"encoder{suffix}", **how)
    behind.save(folder / f"decoder{suffix}", **how)
    return folder


def daft(folder: Path, names: tuple[str, ...] = ("3D",), shared: str = "prompt_encoder") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        encoder("nchw", 256).save(folder / f"{name}_image_encoder.xml")
        daft_decoder().save(folder / f"{name}_mask_decoder.xml")
    daft_prompt_encoder().save(folder / f"{shared}.xml")
    np.save(folder / "positional_encoding.npy", position_code())
    return folder


# Release -> (function that writes its pair, the model recognized, the rules chosen)
RELEASES: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "daft": (lambda f: daft(f), "daft-3d", "DAFT"),
    "daft_first_release": (
        lambda f: daft(f, ("CT",), "lite_medsam_prompt_encoder"),
        "daft-ct",
        "DAFT",
    ),
    "medficientsam_ir": (
        lambda f: pair(f, ".xml", encoder("hwc", 512), unit_box_decoder(512)),
        "medficientsam-l0",
        "min-max",
    ),
    "medficientsam_ir_without_names": (
        lambda f: pair(f, ".xml", encoder("hwc", 512), unit_box_decoder(512), nameless=True),
        "medficientsam-l0",
        "min-max",
    ),
    "medficientsam_embedded_preprocessing": (
        lambda f: pair(f, ".onnx", encoder("uint8", 512, fixed=False), unit_box_decoder(512)),
        "medficientsam-l0",
        "all preprocessing inside",
    ),
    "hawken50_litemedsam_ir": (
        lambda f: pair(f, ".xml", encoder("hwc", 256), unit_box_decoder(256), nameless=True),
        "hawken50-litemedsam",
        "min-max",
    ),
    "hawken50_efficientvit_ir": (
        lambda f: pair(f, ".xml", encoder("hwc", 512), unit_box_decoder(512, threshold=IMAGE_NET)),
        "hawken50-efficientvit",
        "ImageNet mean and deviation",
    ),
    "hawken50_onnx": (
        lambda f: pair(f, ".onnx", encoder("nchw", 256), point_decoder(frame=256.0, n_masks=1)),
        "hawken50-litemedsam",
        "LiteMedSAM's rules",
    ),
    "efficientsam_onnx": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("nchw", 1024, fixed=False),
            point_decoder(rank=4, n_masks=3),
        ),
        "efficientsam-ti",
        "values of 0 to 1, normalized inside",
    ),
    "sam_med2d_onnx": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("nchw", 256, map_side=16),
            point_decoder(map_side=16, frame=256.0, threshold=-0.3, with_mask=True),
        ),
        "sam-med2d",
        "BGR, nearest neighbour",
    ),
    "sam_med2d_onnx_with_preprocessing": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("hwc", 256, map_side=16, fixed=False),
            point_decoder(map_side=16, frame=256.0, threshold=105.0, with_mask=True),
        ),
        "sam-med2d",
        "BGR, nearest neighbour",
    ),
    "sam_onnx": (
        lambda f: pair(
            f, ".onnx", encoder("nchw", 1024), point_decoder(threshold=IMAGE_NET, with_mask=True)
        ),
        "mobilesam",
        "SAM's rules",
    ),
    "sam_onnx_of_open_size": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("nchw", 1024, fixed=False),
            point_decoder(threshold=IMAGE_NET, with_mask=True),
        ),
        "mobilesam",
        "SAM's rules",
    ),
    "sam_onnx_of_five_points": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("nchw", 1024),
            point_decoder(threshold=IMAGE_NET, with_mask=True, n_points=5, n_masks=1),
        ),
        "mobilesam",
        "SAM's rules",
    ),
    "samexporter": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("hwc", 1024, fixed=False),
            point_decoder(threshold=120.0, with_mask=True),
        ),
        "mobilesam",
        "SAM's rules",
    ),
    "efficientvit_sam": (
        lambda f: pair(
            f, ".onnx", encoder("nchw", 512), point_decoder(threshold=IMAGE_NET, with_size=False)
        ),
        "efficientvit-sam-l0",
        "prompts in a 1024 frame",
    ),
    "efficientvit_sam_in_its_own_frame": (
        lambda f: pair(
            f,
            ".onnx",
            encoder("nchw", 512),
            point_decoder(threshold=IMAGE_NET, with_size=False, frame=512.0),
        ),
        "efficientvit-sam-l0",
        "prompts in a 512 frame",
    ),
}


@pytest.mark.parametrize("release", RELEASES)
def test_released_pair_is_recognized_and_finds_the_disc(tmp_path: Path, release: str) -> None:
    write, wanted, rules = RELEASES[release]
    (taken,) = import_model.import_path(write(tmp_path / "release"))
    assert taken.spec.name == wanted
    assert taken.record is not None
    chosen, iou = next(iter(taken.record.tried.items()))
    assert chosen == rules
    assert iou > ENOUGH
    assert "passed" in " ".join(taken.report())
    model = open_model(wanted)
    side = model.contract.side
    embedding = model.encode(np.zeros((3, side, side), np.float32))
    nothing = model.decode(embedding, np.zeros((0, 4)))
    two = model.decode(embedding, np.ones((2, 4)) * [0, 0, 1, 1])
    assert nothing.logits.shape[1:] == two.logits.shape[1:]
    assert len(two.logits) == 2
    assert store.verify_model(wanted)


def test_points_and_masks_go_where_the_decoder_takes_them(tmp_path: Path) -> None:
    before, behind = encoder("nchw", 1024), point_decoder(threshold=IMAGE_NET, with_mask=True)
    import_model.import_path(pair(tmp_path / "sam", ".onnx", before, behind))
    model = open_model("mobilesam")
    embedding = model.encode(np.full((3, 1024, 1024), 2, np.float32))
    points, labels = np.array([[[100, 100], [900, 900]]]), np.array([[1, 1]])
    plain = model.decode_points(embedding, points, labels, masks="first")
    assert plain.logits.shape == (1, 1, 256, 256)
    assert model.decode_points(embedding, points, labels).logits.shape[1] == 3
    mask = np.full((1, 1, 256, 256), 5, np.float32)
    more = model.decode_points(embedding, points, labels, mask=mask, masks="first")
    np.testing.assert_allclose(more.logits, plain.logits + 5, atol=1e-4)


def test_box_only_release_says_so(tmp_path: Path) -> None:
    import_model.import_path(
        pair(tmp_path / "hawk", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    )
    model = open_model("hawken50-litemedsam")
    assert not model.contract.accepts_points
    with pytest.raises(ValueError, match="takes no points"):
        model.decode_points(np.zeros(model.embedding_shape, np.float32), [[[1, 1]]], [[1]])


def test_folder_of_daft_gives_each_of_its_models(tmp_path: Path) -> None:
    taken = import_model.import_path(daft(tmp_path / "openvinomodels", ("3D", "US", "general")))
    assert sorted(one.spec.name for one in taken) == ["daft-3d", "daft-general", "daft-us"]
    assert store.model_spec("daft-us").modalities == ("US",)


# -- odd names and places ------------------------------------------------------------------------


def test_quantized_copies_are_skipped_for_the_exact_graphs(tmp_path: Path) -> None:
    folder = pair(tmp_path / "e2", ".onnx", encoder("hwc", 512), unit_box_decoder(512))
    for kind in ("optimized", "quantized"):
        (folder / f"encoder.{kind}.onnx").write_bytes(b"of another runtime")
        (folder / f"decoder.{kind}.onnx").write_bytes(b"of another runtime")
    skipped: list[str] = []
    (taken,) = import_model.import_path(folder, report=skipped.append)
    assert taken.record is not None
    assert taken.record.files["encoder.onnx"] == file_sha256(folder / "encoder.onnx")
    assert skipped == []


def test_eight_bit_weights_are_flagged_as_not_validated(tmp_path: Path) -> None:
    folder = tmp_path / "EfficientSAM"
    folder.mkdir()
    graph = encoder("nchw", 256)
    weight = graph.initializers[-1]
    levels = released.numpy_helper.to_array(weight)
    small = np.clip(np.round(levels * 40), -127, 127).astype(np.int8)
    weight.CopyFrom(released.numpy_helper.from_array(small, weight.name))
    at = next(n for n, node in enumerate(graph.nodes) if weight.name in node.input)
    bigger = released.helper.make_node("Cast", [weight.name], ["as_float"], to=1)
    graph.nodes[at].input[1] = "as_float"
    graph.nodes.insert(at, bigger)
    graph.save(folder / "litemedsam_encoder.quant.onnx")
    point_decoder(frame=256.0, n_masks=1).save(folder / "litemedsam_decoder.onnx")
    (taken,) = import_model.import_path(folder)
    assert "quantized to 8 bits (not validated" in taken.report()[0]


def test_decoder_in_a_sibling_folder_is_found(tmp_path: Path) -> None:
    root = tmp_path / "release"
    for role, graph in (("encoders", encoder("hwc", 256)), ("decoders", unit_box_decoder(256))):
        (root / role).mkdir(parents=True)
        graph.save(root / role / "tiny.xml")
    (taken,) = import_model.import_path(root)
    assert taken.spec.name == "hawken50-litemedsam"


def test_files_without_any_word_for_their_role_are_told_by_content(tmp_path: Path) -> None:
    folder = tmp_path / "odd names"
    folder.mkdir()
    encoder("nchw", 256).save(folder / "Modell 1 (Kopie).xml", nameless=True)
    daft_decoder().save(folder / "Modell 2.xml", nameless=True)
    daft_prompt_encoder().save(folder / "Modell 3.xml", nameless=True)
    np.save(folder / "Modell 4.npy", position_code())
    (taken,) = import_model.import_path(folder)
    assert taken.spec.name == "daft-general"
    assert taken.record is not None
    assert next(iter(taken.record.tried.values())) > ENOUGH


def test_zip_of_nested_folders_gives_every_model(tmp_path: Path) -> None:
    """As hawken50's: one folder per model with the same file names; the third pair is unknown."""
    root = tmp_path / "openvino_models"
    pair_at = {"litemedsam": 256, "efficientvit": 512, "efficientsam": 320}
    for name, side in pair_at.items():
        (root / name).mkdir(parents=True)
        pair(root / name, ".xml", encoder("hwc", side), unit_box_decoder(side))
    archive = shutil.make_archive(str(tmp_path / "u8tny"), "zip", tmp_path, "openvino_models")
    skipped: list[str] = []
    taken = import_model.import_path(archive, report=skipped.append)
    assert [one.spec.name for one in taken] == ["medficientsam-l0", "hawken50-litemedsam"]
    (sentence,) = skipped
    assert re.search(r"Skipped: efficientsam: encoder\.xml takes pixels as hwc", sentence)


def test_model_is_installed_from_a_zip_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hawken50's address is a zip of both models; only one is requested at a time."""
    root = tmp_path / "openvino_models"
    for name, side in (("litemedsam", 256), ("efficientvit", 512)):
        (root / name).mkdir(parents=True)
        pair(root / name, ".xml", encoder("hwc", side), unit_box_decoder(side))
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "openvino_models")

    def fetch(_url: str, into: Path, *_how: object) -> Path:
        return Path(shutil.copy(archive, into / "66d16fafba93ac32fd8c90cc"))

    monkeypatch.setattr(install, "download_url", fetch)
    for name in ("hawken50-efficientvit", "hawken50-litemedsam"):
        assert store.model_spec(name).can_install
        install_model(store.model_spec(name))
        assert open_model(name).contract.original_3d is not None
    assert sorted(one.spec.name for one in store.installed()) == [
        "hawken50-efficientvit",
        "hawken50-litemedsam",
    ]


def test_encoder_without_its_decoder_does_not_cost_the_others(tmp_path: Path) -> None:
    folder = daft(tmp_path / "openvinomodels", ("3D", "US"))
    (folder / "US_mask_decoder.xml").unlink()
    (folder / "notes.xml").write_text("<notes>no graph</notes>")
    skipped: list[str] = []
    taken = import_model.import_path(folder, report=skipped.append)
    assert [one.spec.name for one in taken] == ["daft-3d"]
    assert len(skipped) == 2
    assert any("US_image_encoder.xml" in sentence for sentence in skipped)


def test_one_file_of_a_folder_brings_only_its_own_model(tmp_path: Path) -> None:
    folder = daft(tmp_path / "openvinomodels", ("3D", "US"))
    for name in ("US_image_encoder.xml", "US_mask_decoder.bin"):
        taken = import_model.import_path(folder / name)
        assert [one.spec.name for one in taken] == ["daft-us"]


def test_prompt_encoder_named_as_in_dafts_loader_is_preferred(tmp_path: Path) -> None:
    folder = daft(tmp_path / "first", ("CT",), "lite_medsam_prompt_encoder")
    daft_prompt_encoder().save(folder / "CT_prompt_encoder.xml")
    (taken,) = import_model.import_path(folder)
    assert taken.record is not None
    want = file_sha256(folder / "lite_medsam_prompt_encoder.xml")
    assert taken.record.files["prompt_encoder.xml"] == want


def test_litemedsam_in_dafts_form_is_not_called_daft(tmp_path: Path) -> None:
    folder = daft(tmp_path / "first", ("lite_medsam",), "lite_medsam_prompt_encoder")
    (taken,) = import_model.import_path(folder)
    assert taken.spec.family == "litemedsam"
    assert taken.spec.contract.original_3d is not None
    assert taken.spec.contract.original_3d.includes_last


def reordered(graph: released.Graph) -> released.Graph:
    graph.inputs.reverse()
    return graph


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
@pytest.mark.parametrize(
    ("before", "behind", "wanted"),
    [
        (("uint8", 512, False), lambda: unit_box_decoder(512), "medficientsam-l0"),
        (
            ("nchw", 1024, True),
            lambda: point_decoder(threshold=IMAGE_NET, with_mask=True),
            "mobilesam",
        ),
        (
            ("nchw", 1024, False),
            lambda: point_decoder(rank=4, n_masks=3),
            "efficientsam-ti",
        ),
    ],
)
def test_order_of_inputs_does_not_matter(
    tmp_path: Path,
    suffix: str,
    before: tuple[str, int, bool],
    behind: Callable[[], released.Graph],
    wanted: str,
) -> None:
    layout, side, fixed = before
    first = reordered(encoder(layout, side, fixed=fixed))
    folder = pair(tmp_path / "m", suffix, first, reordered(behind()), nameless=suffix == ".xml")
    (taken,) = import_model.import_path(folder)
    assert taken.spec.name == wanted
    assert taken.record is not None
    assert next(iter(taken.record.tried.values())) > ENOUGH


def test_users_choice_beats_the_self_test(tmp_path: Path) -> None:
    behind = unit_box_decoder(512, threshold=IMAGE_NET)
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 512), behind)
    (taken,) = import_model.import_path(folder, name="mine", as_model="medficientsam-l0")
    assert taken.record is not None
    assert taken.record.contract.mean is None
    assert "NOT passed" in " ".join(taken.report())


def test_hawken50s_file_is_taken_for_one_where_the_user_says_so(tmp_path: Path) -> None:
    """At 512 pixels and min-max it looks like MedficientSAM's; only the 3D rules differ."""
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 512), unit_box_decoder(512))
    (taken,) = import_model.import_path(folder, as_model="hawken50-efficientvit")
    assert taken.record is not None
    assert taken.record.contract.mean is None
    assert taken.record.contract.original_3d is not None
    assert taken.record.contract.original_3d.voted == ("PET",)


def test_what_macos_adds_to_a_zip_is_no_model(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    for name in ("._encoder.xml", "._encoder.bin", "._best.ckpt"):
        (folder / name).write_bytes(b"Mac OS X")
    skipped: list[str] = []
    (taken,) = import_model.import_path(folder, report=skipped.append)
    assert taken.spec.name == "hawken50-litemedsam"
    assert skipped == []


def test_rules_can_be_changed_afterwards(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 512), unit_box_decoder(512))
    import_model.import_path(folder)
    before = open_model("medficientsam-l0")
    import_model.set_contract("medficientsam-l0", interpolation="area")
    after = open_model("medficientsam-l0")
    assert after.contract == dataclasses.replace(before.contract, interpolation="area")
    assert after.identity != before.identity
    record = store.model_record("medficientsam-l0")
    assert record is not None
    assert next(iter(record.tried)) == "interpolation=area by choice"
    with pytest.raises(ValueError, match="no field 'colour'"):
        import_model.set_contract("medficientsam-l0", colour="rgb")
    with pytest.raises(ValueError, match="channels is rgb or bgr, not 'purple'"):
        import_model.set_contract("medficientsam-l0", channels="purple")
    with pytest.raises(GraphError, match="does not run with side=100 by choice"):
        import_model.set_contract("medficientsam-l0", side=100)
    assert open_model("medficientsam-l0").contract == after.contract


def test_rules_can_be_chosen_at_the_import(tmp_path: Path) -> None:
    behind = point_decoder(threshold=IMAGE_NET, with_size=False, frame=512.0)
    folder = pair(tmp_path / "m", ".onnx", encoder("nchw", 512), behind)
    (taken,) = import_model.import_path(folder, rules={"prompt_side": 512})
    assert taken.record is not None
    assert taken.record.contract.prompt_side == 512
    assert all("prompt_side=512 by choice" in label for label in taken.record.tried)
    assert next(iter(taken.record.tried.values())) > ENOUGH


@pytest.mark.slow
@pytest.mark.weights
def test_real_weights_in_hawken50s_form_give_the_same_masks(
    weights_path: Path, tmp_path: Path
) -> None:
    """LiteMedSAM with channels last and unit boxes, as hawken50 exported it."""
    networks = build_networks("litemedsam", read_checkpoint(weights_path).arrays, "lite.pth")
    pixels = ops.parameter([256, 256, 3], np.float32, "image")
    embedding = ops.parameter([1, 256, 64, 64], np.float32, "image_embeddings")
    box = ops.parameter([4], np.float32, "boxes")
    encoder, decoder = networks.encoder, networks.decoder("boxes", "first")
    adapt_interface._feed(encoder.inputs[0], transpose(reshape(pixels, 1, 256, 256, 3), 0, 3, 1, 2))
    adapt_interface._feed(decoder.inputs[0], transpose(embedding, 0, 2, 3, 1))
    in_pixels = ops.subtract(ops.multiply(box, constant(256.0)), constant(0.5))
    adapt_interface._feed(decoder.inputs[1], reshape(in_pixels, 1, 4))
    features = transpose(adapt_interface._source(encoder.outputs[0]), 0, 3, 1, 2)
    masks = adapt_interface._source(decoder.outputs[0])
    folder = tmp_path / "litemedsam"
    folder.mkdir()
    for name, graph in (
        ("encoder", openvino.Model([features], [pixels])),
        ("decoder", openvino.Model([masks], [embedding, box])),
    ):
        openvino.save_model(graph, folder / f"{name}.xml", compress_to_fp16=False)
    (taken,) = import_model.import_path(folder)
    assert taken.spec.name == "hawken50-litemedsam"
    assert taken.record is not None
    assert next(iter(taken.record.tried.values())) > 0.9
    ours, theirs = open_model(weights=weights_path), open_model("hawken50-litemedsam")
    image = np.random.default_rng(0).random((3, 256, 256)).astype(np.float32)
    boxes = np.array([[30, 40, 150, 160], [3, 4, 50, 60]])
    want = ours.decode(ours.encode(image), boxes)
    found = theirs.decode(theirs.encode(image), (boxes + 0.5) / 256)
    np.testing.assert_allclose(found.logits, want.logits, atol=1e-4)


# -- refusals ------------------------------------------------------------------------------------

MIS_SIGNED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "two_encoders": (
        lambda f: pair(f, ".xml", encoder("hwc", 256), encoder("hwc", 256)),
        r"There is no decoder of a known form: .*image f32 256x256x3",
    ),
    "two_decoders": (
        lambda f: pair(f, ".onnx", unit_box_decoder(256), unit_box_decoder(256)),
        r"There is no encoder of a known form: .*boxes f32 4",
    ),
    "other_channels": (
        lambda f: pair(f, ".xml", encoder("hwc", 256, channels=64), unit_box_decoder(256)),
        r"There is no encoder of a known form",
    ),
    "other_map": (
        lambda f: pair(f, ".xml", encoder("hwc", 256, map_side=16), unit_box_decoder(256)),
        r"returns 16 x 16 tokens but decoder\.xml takes 64 x 64",
    ),
    "unknown_side": (
        lambda f: pair(f, ".xml", encoder("hwc", 320), unit_box_decoder(320)),
        r"takes pixels as hwc \(320 pixels\).*no known release",
    ),
    "unit_boxes_behind_nchw": (
        lambda f: pair(f, ".onnx", encoder("nchw", 256), unit_box_decoder(256)),
        r"no known release has such a pair",
    ),
}


@pytest.mark.parametrize("case", MIS_SIGNED)
def test_mis_signed_pair_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    write, words = MIS_SIGNED[case]
    with pytest.raises(GraphError, match=words):
        import_model.import_path(write(tmp_path / "release"))
    assert store.installed() == []


def test_daft_without_its_shared_parts_is_refused(tmp_path: Path) -> None:
    folder = daft(tmp_path / "daft")
    (folder / "positional_encoding.npy").unlink()
    with pytest.raises(GraphError, match=r"needs prompt_encoder and positional_encoding\.npy"):
        import_model.import_path(folder)


def test_position_code_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = daft(tmp_path / "daft")
    np.save(folder / "positional_encoding.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(GraphError, match="not a plain numpy array"):
        import_model.import_path(folder)


def test_encoder_alone_says_that_its_decoder_is_missing(tmp_path: Path) -> None:
    path = encoder("hwc", 256).save(tmp_path / "encoder.xml")
    with pytest.raises(GraphError, match="There is no decoder"):
        import_model.import_path(path)


def test_ir_without_its_bin_is_refused(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    (folder / "encoder.bin").unlink()
    with pytest.raises(GraphError, match=r"needs encoder\.bin, which is missing from its folder"):
        import_model.import_path(folder)


def test_ir_that_reads_behind_its_bin_is_refused(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    whole = (folder / "encoder.bin").read_bytes()
    (folder / "encoder.bin").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GraphError, match=r"do not belong together, or one is cut off"):
        import_model.import_path(folder)


def test_ir_whose_bin_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    elsewhere = (folder / "encoder.bin").rename(tmp_path / "secret.bin")
    (folder / "encoder.bin").symlink_to(elsewhere)
    with pytest.raises(GraphError, match="outside its own folder"):
        import_model.import_path(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY x "y">]>'),
        (
            '<?xml version="1.0"?>',
            f'<?xml version="1.0"?><!--{" " * 9000}--><!DOCTYPE net SYSTEM "file:///x">',
        ),
        ("<layers>", '<weights_path value="../secret.bin" /><layers>'),
        ("<layers>", '<layers path="/etc/passwd">'),
    ],
)
def test_ir_that_names_other_files_is_refused(tmp_path: Path, old: str, new: str) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    text = (folder / "encoder.xml").read_text()
    assert old in text
    (folder / "encoder.xml").write_text(text.replace(old, new, 1))
    with pytest.raises(GraphError, match=r"entities|names another file"):
        import_model.import_path(folder)


def test_ir_in_another_encoding_cannot_hide_its_entities(tmp_path: Path) -> None:
    folder = pair(tmp_path / "m", ".xml", encoder("hwc", 256), unit_box_decoder(256))
    text = (folder / "encoder.xml").read_text()
    hidden = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE net [<!ENTITY x "y">]>'
    text = text.replace('<?xml version="1.0"?>', hidden, 1)
    (folder / "encoder.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(GraphError, match="declares XML entities"):
        import_model.import_path(folder)


@pytest.mark.parametrize("place", ["../secret.data", "/secret.data", "a/../../secret.data"])
def test_onnx_data_outside_its_folder_is_refused(tmp_path: Path, place: str) -> None:
    folder = pair(tmp_path / "m", ".onnx", encoder("nchw", 256), point_decoder(n_masks=1))
    onnx = released.onnx
    model = onnx.load(folder / "encoder.onnx")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "secret.data").write_bytes(bytes(10_000))
    with pytest.raises(GraphError, match="outside its own folder"):
        import_model.import_path(folder)


def test_onnx_data_beside_it_comes_along(tmp_path: Path) -> None:
    folder = pair(
        tmp_path / "m", ".onnx", encoder("nchw", 256), point_decoder(n_masks=1, frame=256.0)
    )
    onnx = released.onnx
    model = onnx.load(folder / "encoder.onnx")
    onnx.save(
        model,
        folder / "encoder.onnx",
        save_as_external_data=True,
        location="encoder.data",
        size_threshold=0,
    )
    (taken,) = import_model.import_path(folder)
    assert taken.record is not None
    assert "encoder.data" in taken.record.files
    assert open_model(taken.spec.name).embedding_shape == (256, 64, 64)


@pytest.mark.parametrize("name", ["encoder.xml", "encoder.onnx"])
def test_garbage_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x08\x07 nonsense" * 30)
    (tmp_path / "encoder.bin").write_bytes(b"")
    with pytest.raises(CheckpointError):
        import_model.import_path(tmp_path / name)
