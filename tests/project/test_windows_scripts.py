"""The scripts for Windows cannot run here: each is parsed and searched for known traps."""

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


def syntax_errors(data: bytes, grammar: object) -> list[tuple[int, str]]:
    """Line number and text of everything that a grammar cannot parse."""
    tree = tree_sitter.Parser(tree_sitter.Language(grammar)).parse(data)

    def walk(node: tree_sitter.Node) -> Iterator[tuple[int, str]]:
        if node.is_error or node.is_missing:
            yield node.start_point[0] + 1, (node.text or b"").decode(errors="replace")[:60]
        for child in node.children:
            yield from walk(child)

    return list(walk(tree.root_node))


def powershell_errors(data: bytes) -> list[tuple[int, str]]:
    return syntax_errors(data, tree_sitter_powershell.language())


def batch_errors(data: bytes) -> list[tuple[int, str]]:
    return syntax_errors(data, tree_sitter_batch.language())


def source(name: str) -> str:
    return (PROJECT / "script" / name).read_text(encoding="ascii")


def code(name: str) -> str:
    """A script without its comments."""
    lines = source(name).splitlines()
    return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in lines)


# --- PowerShell --------------------------------------------------------------------------


@pytest.mark.parametrize("name", POWERSHELL)
def test_powershell_script_parses(name: str) -> None:
    assert powershell_errors(source(name).encode()) == []


@pytest.mark.parametrize(
    "broken", [b"if ($a { }", b"$a = @(1, 2", b'$x = "abc', b"function f {", b"$a = $b ?? 1"]
)
def test_parser_finds_syntax_errors(broken: bytes) -> None:
    assert powershell_errors(broken)


@pytest.mark.parametrize("name", POWERSHELL)
def test_script_without_its_last_brace_does_not_parse(name: str) -> None:
    """The parser really checks the whole script."""
    data = source(name).encode()
    assert powershell_errors(data[: data.rindex(b"}")] + data[data.rindex(b"}") + 1 :])


@pytest.mark.parametrize("name", POWERSHELL)
def test_script_runs_on_powershell_5(name: str) -> None:
    """PowerShell 5 lacks newer syntax and reads a file without a byte order mark as a code page."""
    text = code(name)
    assert not re.search(r"&&|\|\||\?\?|\?\.|-Parallel|ternary|\$IsWindows", text)
    # PowerShell 5 drops double quotes inside a program's argument.
    assert not re.search(r"-c '[^']*\"", text)
    assert "Encoding UTF8" in text or "Content" not in text


def test_paths_may_hold_spaces_and_brackets() -> None:
    text = code("setup.ps1")
    for command in ("Test-Path", "Get-FileHash", "Get-Content", "Set-Content"):
        for use in re.findall(rf"{command} (\S+)", text):
            assert use == "-LiteralPath"
    assert '"$root[$extra]"' in text


def test_every_program_s_exit_code_is_checked() -> None:
    text = "\n".join(map(code, POWERSHELL))
    programs = [line for line in text.splitlines() if re.search(r"^\s*&|= & ", line)]
    assert len(programs) >= 7
    assert text.count("$LASTEXITCODE") >= len(programs)


def test_installation_is_that_of_linux() -> None:
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
    assert windows.count("constraints.txt") == 1  # it is defined once


@pytest.mark.parametrize("name", POWERSHELL)
def test_script_contains_no_address_of_a_package_index(name: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", source(name))


# --- cmd ---------------------------------------------------------------------------------


def test_batch_file_parses() -> None:
    text = BATCH.read_text(encoding="ascii")
    assert batch_errors(text.replace("\n", SCRIPTS["install.bat"]).encode()) == []


@pytest.mark.parametrize("broken", [b"if exist a (\r\necho b\r\n", b"for %%x in (a b do echo\r\n"])
def test_batch_parser_finds_syntax_errors(broken: bytes) -> None:
    assert batch_errors(broken)


def test_batch_file_avoids_the_traps_of_cmd() -> None:
    lines = BATCH.read_text(encoding="ascii").splitlines()
    text = "\n".join(line for line in lines if not line.lower().startswith("rem "))
    # Delayed expansion would remove "!" from a folder's name.
    assert "EnableDelayedExpansion" not in text
    assert "!" not in text
    # Folders can have spaces, so each use of a path is in quotes.
    for line in text.splitlines():
        outside = "".join(line.split('"')[::2])
        assert not re.search(r"%~?(dp0|KIT|INTO|LOCALAPPDATA)", outside), line
    # A failed pip or import ends the installation.
    assert len(re.findall(r"if errorlevel 1 goto :failed", text)) == 3
    assert text.rstrip().endswith("exit /b 0")
    assert SCRIPTS["install.bat"] == "\r\n"


def test_file_names_are_not_converted_to_a_code_page() -> None:
    """The output of `dir`, and a file written by `echo`, lose letters missing in the code page."""
    code = [line for line in BATCH.read_text("ascii").splitlines() if not line.startswith("rem ")]
    # `for /f` reads the output of a program: only the version of Python.
    [program] = [line for line in code if "for /f" in line]
    assert "sys.version_info" in program
    [weights] = [line for line in code if "for /r" in line]
    assert '"%KIT%weights" %%F in (*)' in weights
    [launcher] = [line for line in code if line.startswith(">")]
    assert launcher.endswith(r'echo @"%%~dp0env\Scripts\napari-medsam.exe" %%*')


def test_python_in_program_files_is_found() -> None:
    """cmd removes the first and the last quote of a command with several quotes."""
    lines = BATCH.read_text("ascii").splitlines()
    [line] = [line for line in lines if "sys.version_info" in line]
    assert """('^""%~1" %~2 -c""" in line
    assert """2^>nul^"')""" in line
