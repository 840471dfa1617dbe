"""All wheels that a target needs, found in rounds: fetch, read the requirements, fetch those.

Versions are the tested ones (constraints.txt) of the target.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store.pip_download import run_pip
from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.tested_versions import pins
from napari_medsam.offline_kit.wheel_file import WheelFile, read_wheel
from napari_medsam.storage.atomic_write import write_text
from napari_medsam.storage.temporary_folder import temporary_folder

Fetch = Callable[[list[str], Path], Iterable[Path]]
"""Download wheels for requirements, without their dependencies, into a folder."""


def gather(
    first: WheelFile, extras: frozenset[str], target: Target, fetch: Fetch, into: Path
) -> dict[str, WheelFile]:
    """The wheels that `first` needs on a target, itself included, by canonical name; all in `into`.

    Raises
    ------
    StoreError
        If a wheel cannot be obtained, or does not satisfy the requirement of another one.
    """
    found = {first.name: first}
    while True:
        missing, unfit = lacking(found, first.name, extras, target)
        if unfit:
            raise StoreError(f"The tested versions conflict on {target}: {unfit[0]}.")
        if not missing:
            return found
        for path in fetch([_plain(requirement) for requirement in missing], into):
            wheel = read_wheel(path)
            found[wheel.name] = wheel
        still = [
            requirement.name
            for requirement in missing
            if canonicalize_name(requirement.name) not in found
        ]
        if still:
            raise StoreError(f"pip found no wheel of {', '.join(still)} for {target}.")


def lacking(
    found: dict[str, WheelFile], first: str, extras: frozenset[str], target: Target
) -> tuple[list[Requirement], list[str]]:
    """Missing requirements, one per package; also wheels that do not satisfy a requirement."""
    missing: dict[str, Requirement] = {}
    unfit = []
    for wheel, requirement in _needed(found, first, extras, target):
        name = canonicalize_name(requirement.name)
        known_wheel = found.get(name)
        if known_wheel is None:
            known = missing.setdefault(name, Requirement(requirement.name))
            known.specifier &= requirement.specifier
        elif not requirement.specifier.contains(known_wheel.version, prereleases=True):
            unfit.append(f"{wheel.name} needs {_plain(requirement)}, not {known_wheel.version}")
    return list(missing.values()), unfit


def _needed(
    found: dict[str, WheelFile], first: str, extras: frozenset[str], target: Target
) -> list[tuple[WheelFile, Requirement]]:
    """(wheel, requirement) pairs, starting at `first`; later ones may add extras to a package."""
    extras_of: dict[str, frozenset[str]] = defaultdict(frozenset, {first: extras})
    done: dict[str, frozenset[str]] = {}
    needed = []
    while open_ := [
        name for name in extras_of if name in found and done.get(name) != extras_of[name]
    ]:
        name = open_[0]
        done[name] = extras_of[name]
        for requirement in found[name].needs(target.markers, extras_of[name]):
            needed.append((found[name], requirement))
            extras_of[canonicalize_name(requirement.name)] |= frozenset(requirement.extras)
    return needed


def _plain(requirement: Requirement) -> str:
    """The requirement without extras and marker: both were already evaluated."""
    return f"{requirement.name}{requirement.specifier}"


def pip_fetch(target: Target, constraints: Path) -> Fetch:
    """A function that downloads wheels with pip, also for another machine than this one."""

    def fetch(wanted: list[str], into: Path) -> list[Path]:
        with temporary_folder("fetching-", into.parent) as folder:
            scratch, fresh = Path(folder, "scratch"), Path(folder, "wheels")
            scratch.mkdir()
            tested = Path(folder, "tested.txt")
            write_text(tested, _tested_on(target, constraints))
            failure = run_pip(
                [
                    *target.pip_arguments,
                    *("--constraint", str(tested), "--dest", str(fresh)),
                    *wanted,
                ],
                scratch,
            )
            if failure:
                raise StoreError(f"pip could not fetch wheels for {target}: {failure}")
            wheels = sorted(fresh.glob("*.whl"))
            return [Path(shutil.move(path, into / path.name)) for path in wheels]

    return fetch


def _tested_on(target: Target, constraints: Path) -> str:
    """The tested versions of a target. Without markers: pip evaluates them for this machine."""
    tested = pins(constraints.read_text(encoding="utf-8"), target.markers)
    return "".join(f"{name}=={version}\n" for name, version in tested.items())
