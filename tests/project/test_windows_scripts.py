"""The scripts for Windows, which cannot run here: each is parsed, and known traps looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_batch
import tree_sitter_powershell

from napari_medsam import offline_kit
from napari_medsam.offline_kit.build import SCRIPTS
from tests.conftest import PROJECT

POWERSHELL = ("setup.ps1", "run.ps1", "test.ps1")
BATCH = Path(offline_kit.__file__).parent / "files" / "install.bat"


def faults(data: bytes, grammar: object) -> list[tuple[int, str]]:
    """Line and text of what a grammar cannot parse."""
    tree = tree_sitter.Parser(tree_sitter.Language(grammar)).parse(data)

    def walk(node: tree_sitter.Node) -> Iterator[tuple[int, str]]:
        if node.is_error or node.is_missing:
            yield node.start_point[0] + 1, (node.text or b"").decode(errors="replace")[:60]
        for child in node.children:
            yield from walk(child)

    return list(walk(tree.root_node))


def in_powershell(data: bytes) -> list[tuple[int, str]]:
    return faults(data, tree_sitter_powershell.language())


def in_batch(data: bytes) -> list[tuple[int, str]]:
    return faults(data, tree_sitter_batch.language())


def source(name: str) -> str:
    return (PROJECT / "script" / name).read_text(encoding="ascii")


def code(name: str) -> str:
    """A script without its comments."""
    lines = source(name).splitlines()
    return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in lines)


# --- PowerShell --------------------------------------------------------------------------


@pytest.mark.parametrize("name", POWERSHELL)
def test_powershell_script_parses(name: str) -> None:
    assert in_powershell(source(name).encode()) == []


@pytest.mark.parametrize(
    "broken", [b"if ($a { }", b"$a = @(1, 2", b'$x = "abc', b"function f {", b"$a = $b ?? 1"]
)
def test_parser_sees_what_is_broken(broken: bytes) -> None:
    assert in_powershell(broken)


@pytest.mark.parametrize("name", POWERSHELL)
def test_cut_script_does_not_parse(name: str) -> None:
    """Each brace counts: without the last one something is reported."""
    data = source(name).encode()
    assert in_powershell(data[: data.rindex(b"}")] + data[data.rindex(b"}") + 1 :])


@pytest.mark.parametrize("name", POWERSHELL)
def test_script_runs_on_powershell_5(name: str) -> None:
    """Which reads a file without a mark as a code page, and knows less."""
    text = code(name)
    assert not re.search(r"&&|\|\||\?\?|\?\.|-Parallel|ternary|\$IsWindows", text)
    # A double quote inside an argument of a program is dropped.
    assert not re.search(r"-c '[^']*\"", text)
    assert "Encoding UTF8" in text or "Content" not in text


def test_paths_may_hold_spaces_and_brackets() -> None:
    text = code("setup.ps1")
    for command in ("Test-Path", "Get-FileHash", "Get-Content", "Set-Content"):
        for use in re.findall(rf"{command} (\S+)", text):
            assert use == "-LiteralPath"
    assert '"$root[$extra]"' in text


def test_every_program_s_exit_code_is_looked_at() -> None:
    text = "\n".join(map(code, POWERSHELL))
    programs = [line for line in text.splitlines() if re.search(r"^\s*&|= & ", line)]
    assert len(programs) >= 7
    assert text.count("$LASTEXITCODE") >= len(programs)


def test_installation_is_the_one_of_linux() -> None:
    linux = (PROJECT / "script" / "setup").read_text(encoding="utf-8")
    windows = code("setup.ps1")
    for option in ("--no-input", "--prefer-binary", "--constraint", "--editable"):
        assert option in linux
        assert option in windows
    for name in ("run", "test"):
        [extra] = re.findall(
            r"^extra=(\S+)$", (PROJECT / "script" / name).read_text("utf-8"), re.MULTILINE
        )
        assert f"$extra = '{extra}'" in code(f"{name}.ps1")
    assert windows.count("constraints.txt") == 1  # one line decides which


@pytest.mark.parametrize("name", POWERSHELL)
def test_no_registry_s_address_is_written_down(name: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", source(name))


# --- cmd ---------------------------------------------------------------------------------


def test_batch_file_parses() -> None:
    text = BATCH.read_text(encoding="ascii")
    assert in_batch(text.replace("\n", SCRIPTS["install.bat"]).encode()) == []


@pytest.mark.parametrize("broken", [b"if exist a (\r\necho b\r\n", b"for %%x in (a b do echo\r\n"])
def test_batch_parser_sees_what_is_broken(broken: bytes) -> None:
    assert in_batch(broken)


def test_batch_file_avoids_the_traps_of_cmd() -> None:
    lines = BATCH.read_text(encoding="ascii").splitlines()
    text = "\n".join(line for line in lines if not line.lower().startswith("rem "))
    # "!" in a folder's name would vanish.
    assert "EnableDelayedExpansion" not in text
    assert "!" not in text
    # A value in a block is that of before the block, so none is set and used in one.
    # Folders have spaces: each use of a path is in quotes.
    for line in text.splitlines():
        outside = "".join(line.split('"')[::2])
        assert not re.search(r"%~?(dp0|KIT|INTO|LOCALAPPDATA)", outside), line
    # `errorlevel` of pip and of each import ends the installation.
    assert len(re.findall(r"if errorlevel 1 goto :failed", text)) == 3
    assert text.rstrip().endswith("exit /b 0")
    assert SCRIPTS["install.bat"] == "\r\n"


def test_names_of_files_go_through_no_code_page() -> None:
    """What `dir` writes and what `echo` puts into a file lack the letters it has not."""
    code = [one for one in BATCH.read_text("ascii").splitlines() if not one.startswith("rem ")]
    # `for /f` reads what a program writes: the number of the Python alone.
    [program] = [one for one in code if "for /f" in one]
    assert "sys.version_info" in program
    [weights] = [one for one in code if "for /r" in one]
    assert '"%KIT%weights" %%F in (*)' in weights
    [launcher] = [one for one in code if one.startswith(">")]
    assert launcher.endswith(r'echo @"%%~dp0env\Scripts\napari-medsam.exe" %%*')


def test_python_in_program_files_is_found() -> None:
    """A command with several quotes loses its first and last one to cmd."""
    [line] = [one for one in BATCH.read_text("ascii").splitlines() if "sys.version_info" in one]
    assert """('^""%~1" %~2 -c""" in line
    assert """2^>nul^"')""" in line
