"""No file of strangers is ever run: what could run one is nowhere in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.whole_program.source_code import MODULES, PACKAGE, calls, imported, nodes, relative

RUNNING_MODULES = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("yaml", "code", "codeop", "runpy", "imp", "xmlrpc"),
}
"""They run, or can run, what a file says."""
RUNNING_NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
RUNNING_CALLS = {
    *("os.system", "os.popen", "pd.eval", "pandas.eval", "pd.read_pickle", "torch.load"),
    *("np.fromregex", "tarfile.open", "shutil.unpack_archive", "subprocess.getoutput"),
}
PICKLE_READER = "models/checkpoints/safe_unpickle.py"
"""The only reader of pickles.

Its names are sealed (`tests/models/checkpoints/test_safe_unpickle.py`).
"""
IMPORTS_BY_NAME = {
    "formats/common/optional_libraries.py",
    "formats/labels/label_formats.py",
    "__init__.py",
}
"""Import libraries, or modules of the package, by names that are written in the package."""


def keywords(call: ast.Call) -> dict[str, str]:
    return {one.arg: ast.unparse(one.value) for one in call.keywords if one.arg}


def test_every_module_is_looked_at():
    assert len(MODULES) > 150
    assert PICKLE_READER in {relative(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_has_no_means_to_run_a_file(path: Path):
    allowed = {"pickle"} if relative(path) == PICKLE_READER else set()
    assert imported(path) & RUNNING_MODULES <= allowed
    for name, call in calls(path):
        assert name not in RUNNING_NAMES, f"line {call.lineno}"
        assert name not in RUNNING_CALLS, f"line {call.lineno}"
        assert not name.endswith("import_module") or relative(path) in IMPORTS_BY_NAME
        given = keywords(call)
        assert given.get("shell", "False") == "False", f"line {call.lineno}"
        assert given.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        if name in ("np.load", "numpy.load", "np.lib.format.read_array"):
            assert given["allow_pickle"] == "False", f"line {call.lineno}: say it"


def test_pickle_reader_uses_nothing_of_pickle_but_the_sealed_unpickler():
    used = {
        ast.unparse(node)
        for node in nodes(PACKAGE / PICKLE_READER)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("pickle.")
    }
    assert used == {"pickle.Unpickler", "pickle.UnpicklingError"}


def test_look_finds_what_it_looks_for(tmp_path: Path):
    """The tests above can fail."""
    path = tmp_path / "evil.py"
    path.write_text("import pickle as p\nfrom yaml import load\nnp.load(f, allow_pickle=True)\n")
    assert imported(path) == {"pickle", "yaml"}
    ((name, call),) = calls(path)
    assert (name, keywords(call)) == ("np.load", {"allow_pickle": "True"})
