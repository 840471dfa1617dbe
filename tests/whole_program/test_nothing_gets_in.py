"""The package never runs a file it reads: it contains nothing that could."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.whole_program.source_code import MODULES, PACKAGE, calls, imported, nodes, relative

EXECUTING_MODULES = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("yaml", "code", "codeop", "runpy", "imp", "xmlrpc"),
}
"""Modules that execute, or can execute, the content of a file."""
EXECUTING_NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
EXECUTING_CALLS = {
    *("os.system", "os.popen", "pd.eval", "pandas.eval", "pd.read_pickle", "torch.load"),
    *("np.fromregex", "tarfile.open", "shutil.unpack_archive", "subprocess.getoutput"),
}
PICKLE_READER = "models/checkpoints/safe_unpickle.py"
"""The only reader of pickles.

It accepts a fixed list of names (`tests/models/checkpoints/test_safe_unpickle.py`).
"""
IMPORTS_BY_NAME = {
    "formats/common/optional_libraries.py",
    "formats/labels/label_formats.py",
    "__init__.py",
}
"""Modules that import libraries, or modules of the package, by names written in the package."""


def keywords(call: ast.Call) -> dict[str, str]:
    return {each.arg: ast.unparse(each.value) for each in call.keywords if each.arg}


def test_every_module_is_checked():
    assert len(MODULES) > 150
    assert PICKLE_READER in {relative(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_cannot_execute_a_file(path: Path):
    allowed = {"pickle"} if relative(path) == PICKLE_READER else set()
    assert imported(path) & EXECUTING_MODULES <= allowed
    for name, call in calls(path):
        assert name not in EXECUTING_NAMES, f"line {call.lineno}"
        assert name not in EXECUTING_CALLS, f"line {call.lineno}"
        assert not name.endswith("import_module") or relative(path) in IMPORTS_BY_NAME
        arguments = keywords(call)
        assert arguments.get("shell", "False") == "False", f"line {call.lineno}"
        assert arguments.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        if name in ("np.load", "numpy.load", "np.lib.format.read_array"):
            assert arguments["allow_pickle"] == "False", f"line {call.lineno}: pass it"


def test_pickle_reader_uses_only_the_restricted_unpickler():
    used = {
        ast.unparse(node)
        for node in nodes(PACKAGE / PICKLE_READER)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("pickle.")
    }
    assert used == {"pickle.Unpickler", "pickle.UnpicklingError"}


def test_search_finds_a_dangerous_module(tmp_path: Path):
    """This shows that the tests above can fail."""
    path = tmp_path / "evil.py"
    path.write_text("import pickle as p\nfrom yaml import load\nnp.load(f, allow_pickle=True)\n")
    assert imported(path) == {"pickle", "yaml"}
    ((name, call),) = calls(path)
    assert (name, keywords(call)) == ("np.load", {"allow_pickle": "True"})
