"""Only storage/ handles differences between Windows, macOS and Linux; the source is searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "napari_medsam"
STORAGE = "storage/"

MOVES = {"replace", "rename", "renames", "unlink", "remove", "link", "truncate", "kill", "killpg"}
"""Functions of os that Windows refuses for open files, or that end a process there."""
PATH_MOVES = {"replace", "rename", "unlink"}
SYSTEM_MODULES = {
    "fcntl",
    "msvcrt",
    "resource",
    "pwd",
    "grp",
    "termios",
    "winreg",
    "_winapi",
    "ctypes",
}
SYSTEM_NAMES = {
    "getuid", "geteuid", "getgid", "fork", "forkpty", "statvfs", "sched_getaffinity",
    "sched_setaffinity", "uname", "getloadavg", "mkfifo", "setsid", "name", "O_BINARY",
}  # fmt: skip
"""Names of os that another system lacks, or that identify the system."""

ALLOWED = {
    # Into a folder that no other process uses, or that is later moved into place as a whole.
    ("formats/raster/coco.py", "write"): "the temporary file of write_labels",
    ("offline_kit/build.py", "write"): "a kit's files; SHA256SUMS shows that it is complete",
    ("models/store/store.py", "write"): "into .incoming, moved into place by move_into_place",
    ("models/checkpoints/read.py", "write"): "into .incoming, moved into place by move_into_place",
    (
        "models/store/url_download.py",
        "write",
    ): "into .incoming, moved into place by move_into_place",
    ("models/store/pip_download.py", "write"): "pip's log, in .incoming",
    # Into the temporary file that `replacing` returns.
    ("engine/inference/embedding_disk_cache.py", "write"): "in replacing",
    # Guarded: the code first checks whether it exists.
    ("diagnostics/machine.py", "/proc"): "is_file first",
    ("ui/napari_support/release_memory.py", "ctypes"): "glibc's, only on Linux",
    ("ui/napari_support/release_memory.py", "sys.platform"): "glibc's, only on Linux",
    ("diagnostics/display_probe.py", "sys.platform"): "an X server is searched for only on Linux",
    ("offline_kit/platforms.py", "sys.platform"): "which wheels fit this machine",
}
"""Exceptions with their reasons; an exception that is no longer needed is an error too."""


def system_uses() -> set[tuple[str, str]]:
    """File and kind of every use of something that differs between systems."""
    return {
        (name, kind)
        for path in sorted(PACKAGE.rglob("*.py"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(STORAGE)
        for kind in kinds(ast.parse(path.read_text(encoding="utf-8")))
    }


def kinds(tree: ast.AST) -> Iterator[str]:
    """The kinds of use in a module that belong into storage/."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (a.name for a in names if a.name.split(".")[0] in SYSTEM_MODULES)
            case ast.ImportFrom(module="os", names=names):
                yield from (f"os.{alias.name}" for alias in names if alias.name != "PathLike")
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in SYSTEM_MODULES:
                yield module
            case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr in MOVES | SYSTEM_NAMES:
                yield f"os.{attr}"
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                yield "sys.platform"
            case ast.Constant(value=str(text)) if text.startswith("/proc"):
                yield "/proc"
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)) as call:
                yield from kinds_of_call(call, owner, attr)
            case ast.Call(func=ast.Name(id="open")) as call:
                yield from kinds_of_open(call, call.args[1:])


def kinds_of_call(call: ast.Call, owner: ast.expr, attr: str) -> Iterator[str]:
    keywords = {keyword.arg for keyword in call.keywords}
    module = owner.id if isinstance(owner, ast.Name) else ""
    if module in ("os", "dataclasses"):
        return
    # str.replace has two arguments, Path.replace one.
    is_short = len(call.args) + len(keywords - {"missing_ok"}) < 2
    if attr in PATH_MOVES and is_short and not (attr == "replace" and keywords):
        yield f"Path.{attr}"
    if attr in ("write_text", "write_bytes"):
        yield "write"
    if attr in ("read_text", "write_text") and "encoding" not in keywords:
        yield "no encoding"
    if attr in ("Popen", "run") and module == "subprocess":
        if keywords & {"text", "universal_newlines"} and "encoding" not in keywords:
            yield "no encoding"
        if "creationflags" not in keywords:
            yield "a console window"
    if attr in ("Process", "Pool") and module == "multiprocessing":
        yield "no spawn"
    if attr == "get_context" and [ast.literal_eval(argument) for argument in call.args] != [
        "spawn"
    ]:
        yield "no spawn"
    if attr == "TemporaryDirectory":
        yield "TemporaryDirectory"
    if attr == "open" and module not in ("gzip", "zipfile", "Image", "archive", "tarfile", "case"):
        yield from kinds_of_open(call, call.args)


def kinds_of_open(call: ast.Call, modes: list[ast.expr]) -> Iterator[str]:
    values = [node.value for node in modes if isinstance(node, ast.Constant)]
    mode = next((value for value in values if isinstance(value, str)), "r")
    if None in values:
        return
    if set(mode) <= set("rwxab+t"):
        if set(mode) & set("wxa+"):
            yield "write"
        if "b" not in mode and values and not any(k.arg == "encoding" for k in call.keywords):
            yield "no encoding"


def test_only_storage_handles_differences_between_systems() -> None:
    unknown = system_uses() - ALLOWED.keys()
    assert not unknown, "use napari_medsam.storage, or add an exception with its reason to ALLOWED"


def test_every_exception_is_still_needed() -> None:
    assert not ALLOWED.keys() - system_uses()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import os; os.replace(a, b)", "os.replace"),
        ("from os import rename", "os.rename"),
        ("path.replace(target)", "Path.replace"),
        ("path.rename(target)", "Path.rename"),
        ("path.unlink(missing_ok=True)", "Path.unlink"),
        ("path.open('w', encoding='utf-8')", "write"),
        ("open(path, 'ab')", "write"),
        ("path.write_text(t, encoding='utf-8')", "write"),
        ("path.read_text()", "no encoding"),
        ("open(path, 'r')", "no encoding"),
        ("import fcntl", "fcntl"),
        ("import os; os.kill(1, 0)", "os.kill"),
        ("import os; os.getuid()", "os.getuid"),
        ("import os; x = os.name == 'nt'", "os.name"),
        ("Path('/proc/cpuinfo')", "/proc"),
        ("subprocess.run(a, text=True, creationflags=0)", "no encoding"),
        ("subprocess.Popen(a)", "a console window"),
        ("multiprocessing.Process()", "no spawn"),
        ("multiprocessing.get_context('fork')", "no spawn"),
    ],
)
def test_each_difference_is_found(source: str, kind: str) -> None:
    assert kind in set(kinds(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "text.replace('a', 'b')",
        "replace(found, files=1)",
        "dataclasses.replace(found, files=1)",
        "path.open('rb')",
        "path.read_text(encoding='utf-8')",
        "multiprocessing.get_context('spawn')",
    ],
)
def test_code_without_differences_is_accepted(source: str) -> None:
    assert not set(kinds(ast.parse(source)))


def test_spawned_workers_can_import_what_they_run() -> None:
    """A spawned worker imports `napari_medsam.__main__` again, which must not start the program."""
    text = (Path(PACKAGE) / "__main__.py").read_text(encoding="utf-8")
    assert 'if __name__ == "__main__":' in text
