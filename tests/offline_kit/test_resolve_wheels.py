"""What a target needs is found out for that target, whatever machine this is."""

from __future__ import annotations

from collections.abc import Sequence
from email import message_from_string
from pathlib import Path

import pytest

from napari_medsam.models.specs.errors import StoreError
from napari_medsam.offline_kit import resolve_wheels
from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.resolve_wheels import gather, pip_fetch
from napari_medsam.offline_kit.wheel_file import licence_of, read_wheel
from tests.offline_kit.wheelhouse import LINUX, WINDOWS, Wheelhouse, write_wheel


def gathered(
    tmp_path: Path,
    needs: Sequence[str],
    house: Wheelhouse,
    target: Target = LINUX,
    extras: frozenset[str] = frozenset(),
) -> dict[str, str]:
    first = read_wheel(write_wheel(tmp_path, "first", needs=needs))
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("napari==1")
    found = gather(first, extras, target, house.fetcher(target, constraints), tmp_path)
    return {name: str(wheel.version) for name, wheel in found.items()}


def test_needs_of_needs_come_along_and_nothing_is_fetched_twice(tmp_path: Path) -> None:
    house = Wheelhouse({"a": ["b", "c>=2"], "b": ["c", "a"], "c": []})
    assert gathered(tmp_path, ["a"], house) == {"first": "1.0", "a": "1.0", "b": "1.0", "c": "2"}
    assert house.asked == [["a"], ["b", "c>=2"]]


@pytest.mark.parametrize(
    ("target", "also"),
    [(WINDOWS, "colorama"), (LINUX, "pexpect"), (Target("macosx_arm64", "3.12"), "appnope")],
)
def test_markers_are_those_of_the_target(tmp_path: Path, target: Target, also: str) -> None:
    needs = [
        'colorama; sys_platform == "win32"',
        'pexpect; platform_system == "Linux"',
        'appnope; platform_machine == "arm64" and python_version >= "3.12"',
        'never; extra == "docs"',
    ]
    assert set(gathered(tmp_path, needs, Wheelhouse(), target)) == {"first", also}


def test_extras_are_followed_to_where_they_lead(tmp_path: Path) -> None:
    house = Wheelhouse({"big": ['small[more]; extra == "all"'], "small": ['deep; extra == "more"']})
    needs = ['big[all]; extra == "dicom"', "small"]
    assert "deep" not in gathered(tmp_path, needs, house)
    assert "deep" in gathered(tmp_path, needs, house, extras=frozenset({"dicom"}))


def test_names_are_one_however_they_are_written(tmp_path: Path) -> None:
    house = Wheelhouse({"Typing_Extensions": []})
    found = gathered(tmp_path, ["Typing_Extensions", "typing.extensions>=1"], house)
    assert set(found) == {"first", "typing-extensions"}


def test_version_that_does_not_fit_is_said(tmp_path: Path) -> None:
    house = Wheelhouse({"a": ["b<2"], "b": []})
    with pytest.raises(StoreError, match=r"conflict on .* a needs b<2, not 3"):
        gathered(tmp_path, ["b>=3", "a"], house)


def test_wheel_that_pip_does_not_give_is_said(tmp_path: Path) -> None:
    house = Wheelhouse()
    house.fetcher = lambda target, constraints: lambda wanted, into: []  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="pip found no wheel of a for linux_x86_64-cp311"):
        gathered(tmp_path, ["a"], house)


@pytest.mark.parametrize(
    ("platform", "python", "words"),
    [("win32", "3.11", "choose one of win_amd64"), ("win_amd64", "3.9", "choose 3.11, 3.12, 3.13")],
)
def test_unknown_target_names_the_known(platform: str, python: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Target(platform, python)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"nonsense"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable wheel"):
        read_wheel(path)


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ("License-Expression: MIT\nLicense: other", "MIT"),
        ("License: BSD-3-Clause", "BSD-3-Clause"),
        ("License: ====\n        the whole text\nClassifier: License :: OSI :: BSD", "BSD"),
        ("License: UNKNOWN", "see its files"),
        ("Classifier: Topic :: Imaging", "see its files"),
    ],
)
def test_licence_is_a_few_words(about: str, licence: str) -> None:
    assert licence_of(message_from_string(about)) == licence


def test_pip_gets_the_tested_versions_of_the_target_not_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def run_pip(arguments: list[str], scratch: Path) -> str:
        given.append(Path(arguments[arguments.index("--constraint") + 1]).read_text())
        return ""

    monkeypatch.setattr(resolve_wheels, "run_pip", run_pip)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "napari==1\nshell==2 ; sys_platform == 'win32'\nshell==3 ; sys_platform == 'linux'\n"
        "old==4 ; python_version < '3.12'\n"
    )
    for target in (Target("win_amd64", "3.13"), Target("linux_x86_64", "3.11")):
        assert list(pip_fetch(target, constraints)(["shell"], tmp_path)) == []
    assert given == ["napari==1\nshell==2\n", "napari==1\nshell==3\nold==4\n"]
