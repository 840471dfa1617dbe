"""A killed program loses nothing that it acknowledged (a small run of benchmarks/faults.py)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "times"), [("journal", 6), ("save", 3), ("cache", 3), ("install", 2)]
)
def test_a_kill_loses_nothing(fault: str, times: int, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, str(PROJECT / "benchmarks" / "faults.py")),
            *("--only", fault, "--times", str(times), "--json", str(report)),
        ],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(report.read_text())
    assert (row["tried"], row["survived"], row["lost"]) == (times, times, [])
