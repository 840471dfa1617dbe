"""The machines a kit can be built for, as pip's platform tags and as marker environments.

pip evaluates a dependency's marker (``colorama; sys_platform == "win32"``) for the machine it
runs on, even when it downloads for another one. We therefore evaluate markers ourselves
(`resolve_wheels`), with the environment given here.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import NamedTuple

from napari_medsam.offline_kit.tested_versions import PYTHONS

# Older systems first, since their wheels also run on newer ones; the newest glibc is last.
_GLIBC = (28, 27, 26, 24, 17, 12, 5, 31, 34, 35)
_LINUX_TAGS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"),
)


class Platform(NamedTuple):
    """pip's platform tags, the preferred first, and the platform's values of markers."""

    tags: tuple[str, ...]
    os_name: str
    sys_platform: str
    platform_system: str
    platform_machine: str


PLATFORMS = {
    "win_amd64": Platform(("win_amd64",), "nt", "win32", "Windows", "AMD64"),
    "linux_x86_64": Platform(_LINUX_TAGS, "posix", "linux", "Linux", "x86_64"),
    "macosx_arm64": Platform(("macosx_14_0_arm64",), "posix", "darwin", "Darwin", "arm64"),
}


@dataclass(frozen=True)
class Target:
    """A platform of `PLATFORMS` and a Python of `PYTHONS`.

    Raises
    ------
    ValueError
        If either is unknown; the message names the known ones.
    """

    platform: str
    python: str

    def __post_init__(self) -> None:
        """Refuse a target for which no wheels can be found."""
        if self.platform not in PLATFORMS:
            known = ", ".join(PLATFORMS)
            raise ValueError(f"{self.platform!r} is not a known platform; choose one of {known}.")
        if self.python not in PYTHONS:
            raise ValueError(
                f"Python {self.python!r} is not supported; choose {', '.join(PYTHONS)}."
            )

    def __str__(self) -> str:
        return f"{self.platform}-cp{self.python.replace('.', '')}"

    @property
    def pip_arguments(self) -> list[str]:
        """The arguments that make pip look for this target's wheels."""
        tags = PLATFORMS[self.platform].tags
        platforms = [word for tag in tags for word in ("--platform", tag)]
        return [*platforms, "--python-version", self.python, "--implementation", "cp"]

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which dependency markers are evaluated."""
        here = PLATFORMS[self.platform]
        return {
            "os_name": here.os_name,
            "sys_platform": here.sys_platform,
            "platform_system": here.platform_system,
            "platform_machine": here.platform_machine,
            "python_version": self.python,
            "python_full_version": f"{self.python}.9",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.9",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }


def target_here() -> Target:
    """The current machine and its Python; ValueError if no kit can be built for it."""
    names = {(one.sys_platform, one.platform_machine): name for name, one in PLATFORMS.items()}
    here = (sys.platform, platform.machine())
    return Target(
        names.get(here, "-".join(here)), f"{sys.version_info.major}.{sys.version_info.minor}"
    )
