"""The model for a modality: the rules of the challenge teams as data, in one vocabulary.

A modality is a word of `CHALLENGE_MODALITIES`; it comes from a DICOM header, from the user, or
from the name of a challenge file. Other file names are not parsed: too many of them contain "US"
or "CT".

Rules: DAFT, ``PerfectMetaOpenVINO.py``; hawken50, ``cpp/src/main.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from napari_medsam.modality import CHALLENGE_SPELLINGS
from napari_medsam.models.specs.catalogue import (
    CATALOGUE,
    CHALLENGE_MODALITIES,
    DAFT_MODALITIES,
    DEFAULT,
)
from napari_medsam.models.specs.model_spec import ModelSpec

AUTO = "auto"

_CHALLENGE_NAME = re.compile(r"[23]dbox_([a-z]+(?:-[a-z]+)?)(?:[_.]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Route:
    """The model that a team uses for a modality, and the number of axes it segments along.

    ``views`` is 3 if every slice of all three axes is segmented and each voxel gets the most
    frequent label, the smallest of equally frequent ones (hawken50's rule for PET); ``only_3d``
    is True if the rule holds for volumes only.
    """

    team: str
    modality: str
    model: str
    views: Literal[1, 3] = 1
    only_3d: bool = False


DAFT_ROUTES: tuple[Route, ...] = (
    Route("DAFT", "CT", "daft-ct"),  # first release; the second uses "3D" instead
    *(
        Route("DAFT", word, f"daft-{name.lower()}")
        for name, modalities in DAFT_MODALITIES.items()
        if name not in ("general", "CT")
        for word in modalities
    ),
)
HAWKEN50_ROUTES: tuple[Route, ...] = (
    Route("hawken50", "Microscopy", "hawken50-efficientvit"),
    Route("hawken50", "X-Ray", "hawken50-efficientvit"),
    Route("hawken50", "PET", "hawken50-litemedsam", views=3, only_3d=True),
    *(Route("hawken50", word, "hawken50-litemedsam") for word in CHALLENGE_MODALITIES),
)
ROUTES = DAFT_ROUTES + HAWKEN50_ROUTES[:2]  # the last is LiteMedSAM under another name

# Models for any modality, best first, if no rule applies; the rest follow in the catalogue's
# order. The default comes first, since all measurements of this project used it.
GENERAL: tuple[str, ...] = (
    DEFAULT,
    "daft-general",
    "medficientsam-l1",
    "medficientsam-l0",
    "medficientsam-l2",
    "repmedsam",
)


def challenge_modality(path: str | PurePath) -> str:
    """The modality at the start of a challenge file's name, or "" for any other name.

    ``2DBox_Microscope_0001.npz`` is "Microscopy"; ``patient_US_7.npz`` is "".
    """
    match = _CHALLENGE_NAME.match(PurePath(path).name)
    return CHALLENGE_SPELLINGS.get(match.group(1).lower(), "") if match else ""


def route(team: Literal["DAFT", "hawken50"], modality: str, *, is_3d: bool) -> Route | None:
    """The team's own rule for a modality; None if it has none."""
    for rule in DAFT_ROUTES if team == "DAFT" else HAWKEN50_ROUTES:
        if rule.modality == modality and (is_3d or not rule.only_3d):
            return rule
    return None


def resolve(name: str, modality: str, installed: Sequence[ModelSpec]) -> tuple[ModelSpec, str]:
    """The model to use, and the reason as a sentence.

    Parameters
    ----------
    name
        A model's name, or ``"auto"``.
    modality
        A word of `CHALLENGE_MODALITIES`, or "" if it is not known.
    installed
        The installed models (`store.installed`); with ``"auto"`` one of them is chosen.

    Raises
    ------
    ValueError
        The model, or with ``"auto"`` any model, is not installed.
    """
    by_name = {model.name: model for model in installed}
    if name != AUTO:
        if name not in by_name:
            known = ", ".join(by_name) or "none"
            raise ValueError(f"{name} is not installed; installed models: {known}.")
        return by_name[name], f"{by_name[name].title} was requested."
    if not by_name:
        raise ValueError(
            "No model is installed, so none can be chosen. Run: napari-medsam models install"
            f" {DEFAULT}"
        )
    return (
        _routed(modality, by_name) or _imported(modality, installed) or _general(modality, by_name)
    )


def _routed(modality: str, by_name: dict[str, ModelSpec]) -> tuple[ModelSpec, str] | None:
    for route in ROUTES:
        model = by_name.get(route.model)
        if route.modality == modality and model and modality in model.modalities:
            return model, f"{model.title} is {route.team}'s model for {modality}."
    return None


def _imported(modality: str, installed: Sequence[ModelSpec]) -> tuple[ModelSpec, str] | None:
    """A model that the user imported for exactly this modality."""
    known = {model.name for model in CATALOGUE}
    for model in installed:
        if model.name not in known and model.modalities == (modality,):
            return model, f"{model.title} was imported for {modality}."
    return None


def _general(modality: str, by_name: dict[str, ModelSpec]) -> tuple[ModelSpec, str]:
    order = [*GENERAL, *by_name]
    fitting = [by_name[n] for n in order if n in by_name and _fits(by_name[n], modality)]
    model = (fitting or [by_name[n] for n in order if n in by_name])[0]
    reason = (
        f"no installed model is specific to {modality}" if modality else "the modality is unknown"
    )
    return model, f"{model.title} is used because {reason}."


def _fits(model: ModelSpec, modality: str) -> bool:
    needed: Collection[str] = (modality,) if modality else CHALLENGE_MODALITIES
    return set(needed) <= set(model.modalities)
