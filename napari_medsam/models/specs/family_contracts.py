"""The `InputContract` of each family.

Sources are the original repositories: LiteMedSAM ``CVPR24_LiteMedSAM_infer.py``, MedficientSAM
``src/utils/transforms.py`` and ``cpp/src/main.cpp``, EfficientSAM ``efficient_sam.py``,
SAM-Med2D ``segment_anything/predictor_sammed.py``, segment-anything ``utils/transforms.py``,
EfficientViT ``efficientvit/models/efficientvit/sam.py``.
"""

from __future__ import annotations

from dataclasses import replace

from napari_medsam.input_contract import InputContract, OriginalRules, Statistics

IMAGE_NET_MEAN: Statistics = (123.675, 116.28, 103.53)
IMAGE_NET_STD: Statistics = (58.395, 57.12, 57.375)
MANY_POINTS = 64  # among the families that take points, only EfficientSAM has a limit of its own

LITE = InputContract(
    side=256,
    resize="fit",
    interpolation="area",
    prompt_side=256.0,
    truncates_boxes=True,
    original_3d=OriginalRules(),
)
"""LiteMedSAM and Rep-MedSAM."""

DAFT = replace(LITE, original_3d=OriginalRules(includes_last=False))
"""As in DAFT's Python script; its C++ program takes the next box from the full-size mask."""

HAWKEN50_ONNX = replace(
    LITE, original_3d=OriginalRules(margin=7.0, followed=("CT", "MR"), voted=("PET",))
)
"""LiteMedSAM in hawken50's ONNX files, as in their Python script."""

_MEDFICIENT_3D = OriginalRules(includes_last=False, next_box="mask", margin=0.0)

MEDFICIENT = InputContract(
    side=512,
    resize="fit",
    interpolation="torch_uint8",
    prompt_side=512.0,
    truncates_boxes=True,
    enlarge="through_input",
    original_3d=_MEDFICIENT_3D,
)
"""MedficientSAM from its checkpoint, as in its Python script."""

UNIT_BOXES = replace(
    MEDFICIENT,
    interpolation="linear",
    prompt_side=1.0,
    truncates_boxes=False,
    enlarge="cropped",  # the decoder itself enlarges the logits to the input's size
)
"""MedficientSAM's OpenVINO and ONNX files: boxes in units of the long side, linear resize."""

HAWKEN50 = replace(UNIT_BOXES, original_3d=replace(_MEDFICIENT_3D, voted=("PET",)))
"""hawken50's OpenVINO files; their program is derived from MedficientSAM's."""

SAM = InputContract(
    side=1024,
    resize="fit",
    interpolation="antialias",
    prompt_side=1024.0,
    mean=IMAGE_NET_MEAN,
    std=IMAGE_NET_STD,
    prompt_scale="resized",
    enlarge="through_input",
    accepts_points=True,
    accepts_negative_points=True,
    max_points=MANY_POINTS,
    accepts_mask=True,
    point_masks="several",
)
"""SAM and MobileSAM; with only points, the best of three masks, as the authors advise."""

MEDSAM = InputContract(
    side=1024,
    resize="fit",
    interpolation="linear",
    prompt_side=1024.0,
    enlarge="through_input",
)
"""MedSAM ViT-B: SAM's network tuned with boxes only, on min-max normalized pictures."""

EFFICIENT_VIT_SAM = replace(SAM, side=512, accepts_mask=False)
"""EfficientViT-SAM L0 to L2 as released: 512-pixel input, but prompts in a 1024 frame."""

EFFICIENT_SAM = InputContract(
    side=1024,
    resize="stretch",
    interpolation="torch_float",
    prompt_side=1024.0,
    mean=IMAGE_NET_MEAN,
    std=IMAGE_NET_STD,
    enlarge="bicubic",
    accepts_points=True,
    max_points=6,
    box_masks="several",
    point_masks="several",
)

SAM_MED2D = replace(
    SAM,
    side=256,
    resize="stretch",
    interpolation="nearest",
    prompt_side=256.0,
    prompt_scale="long_side",
    channels="bgr",
    mask_prompt="sigmoid",
    box_masks="several",
)
"""SAM-Med2D's predictor: BGR pixels with RGB statistics, nearest neighbour, best of three."""
