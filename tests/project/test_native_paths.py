"""Libraries in C++ get every path from `storage.native_path`; the source is searched.

SimpleITK aborts the process for names that are no UTF-8, with all that was unsaved.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import PROJECT

PATHS: dict[str, slice] = {
    "SetFileName": slice(None),
    "SetFileNames": slice(None),
    "SetOutputFileName": slice(None),
    "GetGDCMSeriesFileNames": slice(1),
    "GetGDCMSeriesIDs": slice(None),
    "ReadImage": slice(1),
    "WriteImage": slice(1, 2),
    "ReadTransform": slice(1),
    "WriteTransform": slice(1, 2),
    "read_model": slice(None),
    "save_model": slice(1, 2),
    "serialize": slice(1, None),
    "import_model": slice(None),
    "add_extension": slice(None),
}
"""Functions of SimpleITK and OpenVINO, and which of their arguments are paths."""
KEYWORDS = {"fileName", "output_model", "xml_path", "bin_path", "weights", "model"}


def direct_paths(tree: ast.AST) -> Iterator[str]:
    """Lines at which a library gets a path that does not come from `native_path`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in PATHS:
                named = [keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS]
                for path in (*node.args[PATHS[name]], *named):
                    if not is_native(path):
                        yield f"{node.lineno}: {name}"
            case ast.Call(func=ast.Attribute(attr="save", value=ast.Call(func=maker))):
                # Pillow's encoder of compressed TIFF.
                is_picture = isinstance(maker, ast.Attribute) and maker.attr == "fromarray"
                if is_picture and not is_native(node.args[0]):
                    yield f"{node.lineno}: save"
            case ast.Constant(value="CACHE_DIR"):
                yield f"{node.lineno}: OpenVINO's cache folder"


def is_native(path: ast.expr) -> bool:
    return isinstance(path, ast.Call) and ast.unparse(path.func) == "native_path"


def test_every_path_for_a_library_is_one_that_it_can_bear() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path in sorted((PROJECT / "napari_medsam").rglob("*.py"))
        for line in direct_paths(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "give it storage.native_path.native_path(path)"


@pytest.mark.parametrize(
    "source",
    [
        "sitk.ReadImage(str(path))",
        "sitk.WriteImage(image, str(path))",
        "sitk.WriteImage(image, fileName=os.fspath(path))",
        "reader.SetFileName(str(path))",
        "core().read_model(path, native_path(weights))",
        "core().read_model(native_path(path), weights)",
        "core().set_property({'CACHE_DIR': folder})",
        "Image.fromarray(plane).save(path, compression='tiff_lzw')",
    ],
)
def test_a_direct_path_is_found(source: str) -> None:
    assert list(direct_paths(ast.parse(source)))


def test_a_native_path_is_accepted() -> None:
    source = "sitk.WriteImage(image, native_path(path)); core().read_model(native_path(folder / a))"
    assert not list(direct_paths(ast.parse(source)))
