"""benchmarks/sizes.py counts every package of an installation once."""

from __future__ import annotations

import sys
from importlib.metadata import distribution

import pytest

from tests.conftest import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))
import sizes


@pytest.mark.parametrize("extras", [[], ["dicom"]])
def test_each_installed_package_is_in_one_part(extras: list[str]):
    parts = sizes.parts(extras)
    counted = [name for names in parts.values() for name in names]
    required = sizes.required_packages(sizes.OWN, frozenset(extras))
    installed = {name for name in required if sizes.is_installed(name)}
    assert sorted(counted) == sorted({sizes.OWN, *installed})
    assert parts["OpenVINO"][0] == "openvino"
    assert ("the extra `dicom`" in parts) == bool(extras)


def test_rows_add_up_to_the_last_one():
    packages = {"ours": [sizes.OWN], "others": ["packaging", "numpy"]}
    download_sizes = {sizes.OWN: 0.5, "packaging": 0.25, "numpy": 20.0}
    *_, ours, others, everything = sizes.table(packages, download_sizes).splitlines()
    assert [line.split(" | ")[1:3] for line in (ours, others, everything)] == [
        ["1", "0.5"],
        ["2", "20.2"],
        ["3", "20.8"],
    ]
    installed = sizes.megabytes(distribution("numpy")) + sizes.megabytes(distribution("packaging"))
    assert others.endswith(f"| {installed:.1f} |")


def test_columns_without_a_measurement_are_empty():
    assert sizes.table({"ours": [sizes.OWN]}, {}).splitlines()[2].startswith("| ours | 1 | | ")
