"""A large checkpoint is read in place, as a mapped file, without a copy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

MEGABYTE = 2**20
READ = """
import sys
from napari_medsam.models.checkpoints.read import read_checkpoint

def own_memory():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024

before = own_memory()
arrays = read_checkpoint(sys.argv[1]).arrays
total = sum(float(array.sum()) for array in arrays.values())
print(own_memory() - before, int(total))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells mapped from own memory")
@pytest.mark.parametrize("under", ["", "model"])
def test_large_checkpoint_is_read_without_a_second_copy(
    tmp_path: Path, save_state: Callable[..., Path], under: str
) -> None:
    """128 MB of tensors; each is summed, so that every page was touched."""
    tensor = np.ones((1024, 8 * 1024), np.float32)
    path = save_state(tmp_path / "large.pth", {f"t{n}": tensor for n in range(4)}, under=under)
    assert path.stat().st_size > 128 * MEGABYTE
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    own, total = map(int, done.stdout.split())
    assert total == 4 * tensor.size
    assert own < 8 * MEGABYTE
