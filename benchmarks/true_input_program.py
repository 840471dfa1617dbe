"""Runs the program's commands for `true_input.py`, and reads what they wrote.

One child process imports the program of a tree and forks for every command, so that a crash ends
one command only and none of them waits for imports. Nothing of the program is imported here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SERVER = r"""
import json, os, sys
from napari_medsam.cli import main
import napari_medsam.headless.convert, napari_medsam.formats.images.read
import napari_medsam.formats.labels.read, numpy, nibabel, SimpleITK, pydicom
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        try:
            code = main(request["arguments"])
            sys.stdout.flush()
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 70
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
BAD_SENTENCE = re.compile(r"Traceback|Error:|Exception|0x[0-9a-f]{6}|None\b|nan\b|terminate called")
"""What no sentence to a clinician contains."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code (negative: the signal that killed it)."""

    code: int
    out: str
    err: str

    @property
    def is_sentence(self) -> bool:
        """Whether it is a refusal of the promised kind: a sentence or two, no trace of a crash."""
        said = self.err.strip()
        return self.code in (1, 2) and 10 < len(said) < 2500 and not BAD_SENTENCE.search(said)

    @property
    def short(self) -> str:
        lines = (self.err or self.out).strip().splitlines() or [""]
        line = lines[-1] if "Traceback" in self.err else lines[0]
        head = f"exit {self.code}: " if self.code not in (0, 1) else ""
        return head + (line if len(line) < 170 else line[:167] + "...")


@dataclass(frozen=True)
class Volume:
    """One converted volume, its slices in ascending order along the stack's normal (z of LPS)."""

    name: str
    frame: int | None
    voxels: NDArray[Any]  # [x, y, z] as nibabel gives them
    affine: NDArray[np.float64]  # RAS, as in the file
    notes: tuple[str, ...]

    def by_slice(self, of: Callable[..., Any] = np.median) -> tuple[float, ...]:
        """The median of every slice, from the feet up (in order of the file if not axial)."""
        flat = self.voxels.reshape(*self.voxels.shape[:2], -1)
        values = [float(of(flat[..., k])) for k in range(flat.shape[2])]
        return tuple(values if self.affine[2, 2] >= 0 else values[::-1])

    @property
    def step(self) -> float:
        return float(np.linalg.norm(self.affine[:3, 2]))

    @property
    def lowest_z(self) -> float:
        heights = [(self.affine @ (0, 0, k, 1))[2] for k in (0, self.voxels.shape[2] - 1)]
        return float(min(heights))


@dataclass
class Found:
    """All that the program says of a file or folder, and every volume that it gives."""

    refusal: Answer | None = None
    volumes: list[Volume] = field(default_factory=list)
    failures: list[Answer] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    """Every name, note, and message that lists the choices, in one text."""

    @property
    def notes(self) -> list[str]:
        listed = [note for image in self.images for note in image["notes"]]
        return listed + [note for volume in self.volumes for note in volume.notes]


class Program:
    """The program of one tree of sources."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._folder = folder
        self._environment = os.environ | {
            "PYTHONPATH": str(tree),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NAPARI_MEDSAM_CACHE": str(folder / "cache"),
            "HOME": str(folder),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=folder,
        )
        self._count = 0

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)

    def __call__(self, *arguments: object, environment: Mapping[str, str] | None = None) -> Answer:
        """Run a command; in a process of its own if the environment differs."""
        words = [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments]
        if environment is not None:
            ended = subprocess.run(
                [sys.executable, "-m", "napari_medsam", *words],
                capture_output=True,
                env=self._environment | environment,
                cwd=self._folder,
                timeout=120,
            )
            texts = (t.decode("utf-8", "backslashreplace") for t in (ended.stdout, ended.stderr))
            return Answer(ended.returncode, *texts)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        out, err = self._folder / "out.txt", self._folder / "err.txt"
        request = {"arguments": words, "out": str(out), "err": str(err)}
        print(json.dumps(request), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        texts = (path.read_text("utf-8", "backslashreplace") for path in (out, err))
        return Answer(code, *texts)

    def target(self, suffix: str = ".nii.gz") -> Path:
        """A path that no file has yet."""
        self._count += 1
        return self._folder / f"out{self._count}{suffix}"

    def folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))

    def found(self, path: Path, *options: str) -> Found:
        """Every volume that a file or folder gives, one by one, as a user would ask for them."""
        listed = self("info", path, "--json")
        if listed.code != 0:
            return Found(refusal=listed, said=listed.err)
        result = Found(images=json.loads(listed.out)["images"])
        result.said = listed.out.encode().decode("unicode_escape", "replace") + listed.out
        result.said += self("info", path).out
        for image in result.images:
            series = ["--series", image["series"]] if len(result.images) > 1 else []
            if image["n_frames"] > 1 or series:
                result.said += self("convert", path, self.target(), *series[: len(series)]).err
            for frame in range(image["n_frames"]) if image["n_frames"] > 1 else [None]:
                chosen = [] if frame is None else ["--frame", str(frame)]
                target = self.target()
                answer = self("convert", path, target, *series, *chosen, *options)
                if answer.code != 0:
                    result.failures.append(answer)
                    continue
                result.said += answer.err
                notes = re.findall(r"^Note: (.*)$", answer.err, re.MULTILINE)
                result.volumes.append(_volume(image["name"], frame, target, notes))
        return result


def _volume(name: str, frame: int | None, path: Path, notes: Sequence[str]) -> Volume:
    image = nib.load(path)
    voxels = np.asanyarray(image.dataobj)  # type: ignore[attr-defined]
    voxels = voxels.reshape(*voxels.shape[:3], -1)[..., 0] if voxels.ndim > 3 else voxels
    if voxels.ndim == 2:
        voxels = voxels[..., None]
    affine = np.asarray(image.affine)  # type: ignore[attr-defined]
    return Volume(name, frame, voxels, affine, tuple(notes))
