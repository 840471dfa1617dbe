"""The metadata of a wheel: name, version, requirements and licence.

Core metadata: packaging.python.org, "Core metadata specifications"; a wheel stores them in
``<name>-<version>.dist-info/METADATA``.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

MOST_METADATA = 2**22
LONGEST_LICENCE = 60


@dataclass(frozen=True)
class WheelFile:
    """A wheel on disk; `name` is in the canonical form."""

    path: Path
    name: str
    version: Version
    requires: tuple[Requirement, ...]
    licence: str

    def needs(self, markers: dict[str, str], extras: frozenset[str]) -> list[Requirement]:
        """The requirements in a marker environment, for some of its extras."""
        chosen = extras | {""}
        return [
            requirement
            for requirement in self.requires
            if requirement.marker is None
            or any(requirement.marker.evaluate({**markers, "extra": extra}) for extra in chosen)
        ]


def read_wheel(path: Path) -> WheelFile:
    """Read a wheel's metadata.

    Raises
    ------
    ValueError
        If it is not a wheel, or its metadata are invalid.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (entry,) = [
                info
                for info in archive.infolist()
                if info.filename.count("/") == 1 and info.filename.endswith(".dist-info/METADATA")
            ]
            with archive.open(entry) as member:
                about = BytesHeaderParser().parsebytes(member.read(MOST_METADATA))
        return WheelFile(
            path,
            canonicalize_name(str(about["Name"])),
            Version(str(about["Version"])),
            tuple(Requirement(str(text)) for text in about.get_all("Requires-Dist", [])),
            licence_of(about),
        )
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path.name} is not a readable wheel ({error}).") from error


def licence_of(about: Message) -> str:
    """The licence in a few words: the SPDX expression, the field, or the classifiers."""
    for field in ("License-Expression", "License"):
        text = str(about.get(field) or "").strip()
        # Some packages put the full text of the licence here.
        if text and text != "UNKNOWN" and "\n" not in text and len(text) <= LONGEST_LICENCE:
            return text
    classifiers = [str(text).split(" :: ") for text in about.get_all("Classifier", [])]
    named = [words[-1] for words in classifiers if words[0] == "License" and len(words) > 1]
    return "; ".join(named) or "see its files"
