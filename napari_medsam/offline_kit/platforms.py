"""The machines a kit can be built for, as pip's platform tags and as marker environments.

pip evaluates a dependency's marker (``colorama; sys_platform == "win32"``) for the machine it
runs on, even when it downloads for another one. We therefore evaluate markers ourselves
(`resolve_wheels`), with the environment given here.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from napari_medsam.offline_kit.tested_versions import PYTHONS

# Older systems first, since their wheels also run on newer ones; the newest glibc is last.
_GLIBC = (28, 27, 26, 24, 17, 12, 5, 31, 34, 35)
_LINUX_NAMES = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64")
PLATFORMS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "win_amd64": (
        ("win_amd64",),
        {
            "os_name": "nt",
            "sys_platform": "win32",
            "platform_system": "Windows",
            "platform_machine": "AMD64",
        },
    ),
    "linux_x86_64": (
        (*(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC), *_LINUX_NAMES),
        {
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
        },
    ),
    "macosx_arm64": (
        ("macosx_14_0_arm64",),
        {
            "os_name": "posix",
            "sys_platform": "darwin",
            "platform_system": "Darwin",
            "platform_machine": "arm64",
        },
    ),
}
"""By name: pip's platform tags, the preferred first, and the part of the marker environment."""


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
        tags, _ = PLATFORMS[self.platform]
        platforms = [word for tag in tags for word in ("--platform", tag)]
        return [*platforms, "--python-version", self.python, "--implementation", "cp"]

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which dependency markers are evaluated."""
        _, system = PLATFORMS[self.platform]
        return {
            **system,
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
    names = {("linux", "x86_64"): "linux_x86_64", ("win32", "AMD64"): "win_amd64"}
    names[("darwin", "arm64")] = "macosx_arm64"
    here = (sys.platform, platform.machine())
    return Target(
        names.get(here, "-".join(here)), f"{sys.version_info.major}.{sys.version_info.minor}"
    )
