"""What differs between Windows, macOS and Linux is behind one function each; the source is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "napari_medsam"
STORAGE = "storage/"

MOVES = {"replace", "rename", "renames", "unlink", "remove", "link", "truncate", "kill", "killpg"}
"""Of the module os: what Windows refuses for open files, and what ends processes there."""
PATH_MOVES = {"replace", "rename", "unlink"}
UNIX = {"fcntl", "msvcrt", "resource", "pwd", "grp", "termios", "winreg", "_winapi", "ctypes"}
OF_OS = {
    "getuid", "geteuid", "getgid", "fork", "forkpty", "statvfs", "sched_getaffinity",
    "sched_setaffinity", "uname", "getloadavg", "mkfifo", "setsid", "name", "O_BINARY",
}  # fmt: skip
"""Of the module os: what another system lacks, and which system it is."""

ALLOWED = {
    # In a folder of its own, which nobody else has, or which is put in place as a whole later.
    ("formats/pictures/coco.py", "write"): "the temporary file of write_labels",
    ("offline_kit/build.py", "write"): "a kit's files; SHA256SUMS makes it whole",
    ("models/store/store.py", "write"): "into .incoming, moved into place by move_into_place",
    ("models/checkpoints/read.py", "write"): "into .incoming, moved into place by move_into_place",
    (
        "models/store/url_download.py",
        "write",
    ): "into .incoming, moved into place by move_into_place",
    ("models/store/pip_download.py", "write"): "pip's log, in .incoming",
    ("formats/dicom/input_files.py", "write"): "a zip's files, in a temporary folder",
    # The temporary file that `replacing` gives.
    ("batch/challenge/efficiency.py", "write"): "in replacing",
    ("batch/challenge/evaluate.py", "write"): "in replacing",
    ("batch/cohort/summary.py", "write"): "in replacing",
    ("engine/inference/embedding_disk_cache.py", "write"): "in replacing",
    ("formats/common/label_table.py", "write"): "in replacing",
    # Guarded: the code asks first whether it is there.
    ("diagnostics/machine.py", "/proc"): "is_file first",
    ("ui/napari_support/release_memory.py", "ctypes"): "glibc's, on Linux alone",
    ("ui/napari_support/release_memory.py", "sys.platform"): "glibc's, on Linux alone",
    ("diagnostics/display_probe.py", "sys.platform"): "an X server is asked about on Linux alone",
    ("offline_kit/platforms.py", "sys.platform"): "which wheels this machine takes",
}
"""Exceptions with their reasons; a reason that no longer holds is an error too."""


def found() -> set[tuple[str, str]]:
    """File and kind of every place that knows how a system behaves."""
    return {
        (name, kind)
        for path in sorted(PACKAGE.rglob("*.py"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(STORAGE)
        for kind in kinds(ast.parse(path.read_text(encoding="utf-8")))
    }


def kinds(tree: ast.AST) -> Iterator[str]:
    """What a module does that belongs into storage/."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.split(".")[0] in UNIX)
            case ast.ImportFrom(module="os", names=names):
                yield from (f"os.{one.name}" for one in names if one.name != "PathLike")
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in UNIX:
                yield module
            case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr in MOVES | OF_OS:
                yield f"os.{attr}"
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                yield "sys.platform"
            case ast.Constant(value=str(text)) if text.startswith("/proc"):
                yield "/proc"
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)) as call:
                yield from kinds_of_call(call, owner, attr)
            case ast.Call(func=ast.Name(id="open")) as call:
                yield from opened(call, call.args[1:])


def kinds_of_call(call: ast.Call, owner: ast.expr, attr: str) -> Iterator[str]:
    keywords = {one.arg for one in call.keywords}
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
    if attr == "get_context" and [ast.literal_eval(one) for one in call.args] != ["spawn"]:
        yield "no spawn"
    if attr == "TemporaryDirectory":
        yield "TemporaryDirectory"
    if attr == "open" and module not in ("gzip", "zipfile", "Image", "archive", "tarfile", "case"):
        yield from opened(call, call.args)


def opened(call: ast.Call, modes: list[ast.expr]) -> Iterator[str]:
    words = [one.value for one in modes if isinstance(one, ast.Constant)]
    mode = next((one for one in words if isinstance(one, str)), "r")
    if any(isinstance(one, ast.Constant) and one.value is None for one in modes):
        return
    if set(mode) <= set("rwxab+t"):
        if set(mode) & set("wxa+"):
            yield "write"
        if "b" not in mode and words and not any(k.arg == "encoding" for k in call.keywords):
            yield "no encoding"


def test_only_storage_knows_how_systems_differ() -> None:
    unknown = found() - ALLOWED.keys()
    assert not unknown, "use napari_medsam.storage, or say in ALLOWED why not"


def test_every_exception_still_has_its_reason() -> None:
    assert not ALLOWED.keys() - found()


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
def test_each_difference_is_seen(source: str, kind: str) -> None:
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
def test_what_every_system_does_alike_is_not_blamed(source: str) -> None:
    assert not set(kinds(ast.parse(source)))


def test_spawned_workers_can_import_what_they_run() -> None:
    """`python -m napari_medsam` starts again in every worker that is spawned."""
    text = (Path(PACKAGE) / "__main__.py").read_text(encoding="utf-8")
    assert 'if __name__ == "__main__":' in text
