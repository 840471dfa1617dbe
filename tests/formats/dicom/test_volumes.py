"""What separates the volumes of one series; headers only, so no file is read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam.formats.dicom.header.distinctions import Value
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.volumes import copies
from napari_medsam.formats.dicom.volumes.series import stacks_of
from napari_medsam.formats.dicom.volumes.stack import Stack

Fields = dict[str, Value]
MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"


def a_slice(
    volume: int,
    place: int,
    z: float,
    fields: Fields | None = None,
    *,
    number: int = 0,
    modality: str = "CT",
    thickness: float | None = 5.0,
    xy: tuple[float, float] = (0.0, 0.0),
    uid: str | None = None,
    frame: int | None = None,
) -> SliceHeader:
    """A header; its window says which slice of which volume it truly is."""
    return SliceHeader(
        path=Path(f"{volume}_{place}"),
        series_uid="1.2",
        description="series",
        modality=modality,
        rows=4,
        columns=4,
        frames=1,
        components=1,
        position=np.array([*xy, z]),
        row=np.array([1.0, 0, 0]),
        column=np.array([0, 1.0, 0]),
        pixel_spacing=(1.0, 1.0),
        thickness=thickness,
        window=(float(volume), float(place)),
        body_part="",
        photometric="MONOCHROME2",
        image_type=("ORIGINAL",),
        sop_class=CT,
        instance_uid=f"1.{volume}.{place}" if uid is None else uid,
        instance_number=number,
        transfer_syntax=b"",
        distinctions=tuple((fields or {}).items()),
        frame=frame,
    )


def truth(stack: Stack) -> list[list[tuple[int, int] | None]]:
    """(volume, place) of each slice of each frame, None where it is missing."""
    return [
        [None if h is None or h.window is None else (int(h.window[0]), int(h.window[1])) for h in f]
        for f in stack.slices
    ]


def opened(stacks: Sequence[Stack]) -> list[list[tuple[int, int] | None]]:
    return [frame for stack in stacks if not stack.problem for frame in truth(stack)]


def volumes_in(stacks: Sequence[Stack]) -> list[int]:
    """The true volume of each frame; fails if a frame mixes two."""
    found = []
    for frame in opened(stacks):
        (volume,) = {one[0] for one in frame if one is not None}
        found.append(volume)
    return found


def shuffled(headers: Sequence[SliceHeader], seed: int) -> list[SliceHeader]:
    """In another order, under other names."""
    from dataclasses import replace

    order = list(headers)
    random.Random(seed).shuffle(order)
    names = random.Random(seed + 1).sample(range(100_000), len(order))
    return [replace(h, path=Path(f"{name}.dcm")) for h, name in zip(order, names, strict=True)]


def grid(
    n_volumes: int,
    n_places: int,
    fields: Callable[[int, int], Fields],
    *,
    offset: float = 0.0,
    shift: int = 0,
    number: Callable[[int, int], int] = lambda v, k: 0,
    step: float = 5.0,
    **keywords: object,
) -> list[SliceHeader]:
    """Volumes of which each is `offset` mm and `shift` slices further than the one before."""
    return [
        a_slice(
            v, k, step * (k + v * shift) + v * offset, fields(v, k), number=number(v, k), **keywords
        )  # type: ignore[arg-type]
        for v in range(n_volumes)
        for k in range(n_places)
    ]


CONTRASTS: dict[str, Callable[[int, int], Fields]] = {
    "echo time": lambda v, k: {"echo time": 10.0 * (v + 1)},
    "echo number": lambda v, k: {"echo": v + 1.0},
    "time point": lambda v, k: {"time point": v + 1.0, "acquired": 60.0 * v + k},
    "b-value": lambda v, k: {"b-value": 500.0 * v},
    "direction": lambda v, k: {"b-value": 1000.0, "direction": f"({v}, 0, 0)"},
    "image type": lambda v, k: {"image type": f"ORIGINAL\\PRIMARY\\{'MPRI'[v]}"},
    "kernel": lambda v, k: {"kernel": f"B{v}0f"},
    "acquisition": lambda v, k: {"acquisition": v + 1.0},
    "acquisition of each slice": lambda v, k: {"acquisition": 100.0 * v + k},
    "trigger time": lambda v, k: {"trigger": 40.0 * v + (k * 7 % 5)},
    "trigger time that drifts": lambda v, k: {"trigger": 40.0 * v + 25.0 * k},
    "time of a pass": lambda v, k: {"acquired": 3600.0 + 30 * v},
    "time of each slice": lambda v, k: {"acquired": 3600.0 + 100 * v + k},
    "time of each slice, place by place": lambda v, k: {"acquired": 3600.0 + v + 10 * k},
    "echo and a noisy trigger time": lambda v, k: {
        "echo time": 5.0 + v, "trigger": float((v * 31 + k * 17) % 23)
    },
    "jittered echo time": lambda v, k: {"echo time": 10.0 * (v + 1) + 0.01 * (k % 3)},
    "dimension": lambda v, k: {"dimension phase": v + 1.0},
}  # fmt: skip


@pytest.mark.parametrize("what", CONTRASTS)
@given(
    n_volumes=st.integers(2, 4),
    n_places=st.integers(3, 9),
    seed=st.integers(0, 10**6),
    numbered=st.sampled_from(("no", "restarting", "random")),
)
@settings(max_examples=8, deadline=None)
def test_volumes_of_one_grid_become_frames_whatever_the_files_are_called(
    what: str, n_volumes: int, n_places: int, seed: int, numbered: str
) -> None:
    chance = random.Random(seed)
    numbers = chance.sample(range(1000), n_volumes * n_places)
    number = {
        "no": lambda v, k: 0,
        "restarting": lambda v, k: k + 1,
        "random": lambda v, k: numbers[v * n_places + k],
    }[numbered]
    headers = grid(n_volumes, n_places, CONTRASTS[what], number=number)
    (stack,) = stacks_of(shuffled(headers, seed))
    assert not stack.problem
    found = truth(stack)
    assert sorted(volumes_in([stack])) == list(range(n_volumes))
    assert all([k for _, k in frame] == list(range(n_places)) for frame in found)  # type: ignore
    if what not in ("direction", "image type", "b-value", "kernel"):
        assert volumes_in([stack]) == list(range(n_volumes))
    assert len(set(stack.frame_words)) == n_volumes


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(lambda v, k: 100 + 8 * v + k, id="volume by volume"),
        pytest.param(lambda v, k: 1 + 3 * k + v, id="place by place"),
        pytest.param(lambda v, k: 1 + 8 * v + (k * 5) % 8, id="slices by turns"),
        pytest.param(lambda v, k: 1000 * v + 7 - k, id="downwards, with jumps"),
    ],
)
def test_image_numbers_separate_if_nothing_else_does(number: Callable[[int, int], int]) -> None:
    headers = grid(3, 8, lambda v, k: {}, number=number)
    (stack,) = stacks_of(shuffled(headers, 5))
    assert truth(stack) == [[(v, k) for k in range(8)] for v in range(3)]
    assert stack.frame_words[1] == "volume 2 of 3 by image number"


@pytest.mark.parametrize("numbered", ["no", "restarting", "random"])
def test_volumes_that_nothing_tells_apart_are_listed_and_not_opened(numbered: str) -> None:
    numbers = random.Random(3).sample(range(1000), 16)
    number = {
        "no": lambda v, k: 0,
        "restarting": lambda v, k: k + 1,
        "random": lambda v, k: numbers[8 * v + k],
    }[numbered]
    (stack,) = stacks_of(shuffled(grid(2, 8, lambda v, k: {}, number=number), 1))
    assert "nothing in the headers says" in stack.problem


@pytest.mark.parametrize(
    "what", ["echo time", "acquisition", "time of a pass", "kernel", "b-value"]
)
@pytest.mark.parametrize("offset", [0.02, 0.5, 1.3, 2.5, 4.9])
@given(n_places=st.integers(3, 12), seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_passes_between_each_other_are_two_volumes(
    what: str, offset: float, n_places: int, seed: int
) -> None:
    headers = grid(2, n_places, CONTRASTS[what], offset=offset)
    stacks = stacks_of(shuffled(headers, seed))
    assert sorted(volumes_in(stacks)) == [0, 1]
    assert [len(stack.slices[0]) for stack in stacks] == [n_places] * 2
    assert all(stack.geometry.spacing_xyz[2] == pytest.approx(5) for stack in stacks)
    assert not any(stack.notes for stack in stacks)
    assert [truth(stack)[0][0] for stack in stacks] == [(0, 0), (1, 0)]
    assert len({stack.words for stack in stacks}) == 2


@pytest.mark.parametrize("what", ["echo time", "acquisition", "acquisition of each slice"])
@pytest.mark.parametrize("offset", [0.0, 2.5, 1.3])
@given(shift=st.integers(1, 7), n_volumes=st.integers(2, 3), seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_passes_that_overlap_in_part_are_never_mixed(
    what: str, offset: float, shift: int, n_volumes: int, seed: int
) -> None:
    headers = grid(n_volumes, 8, CONTRASTS[what], offset=offset, shift=shift)
    stacks = stacks_of(shuffled(headers, seed))
    if what == "acquisition of each slice" and any(stack.problem for stack in stacks):
        return
    assert sorted(volumes_in(stacks)) == list(range(n_volumes))
    assert [len(frame) for frame in opened(stacks)] == [8] * n_volumes


@pytest.mark.parametrize("offset", [0.02, 1.3])
def test_passes_without_a_field_are_told_apart_by_their_heights(offset: float) -> None:
    stacks = stacks_of(shuffled(grid(2, 8, lambda v, k: {}, offset=offset), 2))
    assert sorted(volumes_in(stacks)) == [0, 1]


@pytest.mark.parametrize("number", [lambda v, k: 8 * v + k, lambda v, k: 8 * v + 7 - k])
def test_ct_passes_are_told_apart_by_the_way_their_numbers_run(
    number: Callable[[int, int], int],
) -> None:
    stacks = stacks_of(shuffled(grid(2, 8, lambda v, k: {}, offset=2.5, number=number), 2))
    assert sorted(volumes_in(stacks)) == [0, 1]


ONE_VOLUME: dict[str, Callable[[int], Fields]] = {
    "plain": lambda k: {},
    "two blocks": lambda k: {"acquisition": 1.0 + (k > 5)},
    "each its own acquisition": lambda k: {"acquisition": float(k), "acquired": 1.0 * k},
    "four slices a turn": lambda k: {"acquisition": float(k // 4), "acquired": 2.0 * (k // 4)},
    "trigger by turns": lambda k: {"trigger": 100.0 * (k % 2)},
    "times anyhow": lambda k: {"acquired": float(k * 7 % 12)},
    "b-values rounded": lambda k: {"b-value": 1000.0 + k % 3 * (k > 4)},
    "inversion by turns": lambda k: {"inversion": 100.0 + k % 2},
    "echo times rounded by turns": lambda k: {"echo time": (10.0, 10.0000001, 9.9999999)[k % 3]},
    "an echo time for each slice": lambda k: {"echo time": 10.0 + 0.013 * (k * 7 % 5)},
    "one blank": lambda k: {"echo time": 10.0} if k != 4 else {},
}


@pytest.mark.parametrize("what", ONE_VOLUME)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_fields_that_run_through_one_volume_do_not_split_it(what: str, seed: int) -> None:
    headers = [a_slice(0, k, 5.0 * k, ONE_VOLUME[what](k)) for k in range(12)]
    (stack,) = stacks_of(shuffled(headers, seed))
    assert truth(stack) == [[(0, k) for k in range(12)]]
    assert stack.words == ""
    assert stack.notes == ()


@pytest.mark.parametrize("name", ["acquisition", "acquired"])
def test_mr_slices_measured_by_turns_stay_one_volume_unless_they_overlap(name: str) -> None:
    def series(thickness: float) -> list[Stack]:
        return stacks_of(
            a_slice(0, k, 5.0 * k, {name: k % 2 + 1.0}, modality="MR", thickness=thickness)
            for k in range(12)
        )

    assert len(series(4.0)) == 1
    assert len(series(10.0)) == 2


@pytest.mark.parametrize("what", CONTRASTS)
@given(
    lost=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=3),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=8, deadline=None)
def test_a_lost_slice_never_mixes_volumes_and_loses_none(
    what: str, lost: set[tuple[int, int]], seed: int
) -> None:
    headers = [
        h
        for h in grid(4, 10, CONTRASTS[what])
        if h.window is not None and (int(h.window[0]), int(h.window[1])) not in lost
    ]
    stacks = stacks_of(shuffled(headers, seed))
    assert len(volumes_in(stacks)) in (0, 4)
    n_slices = sum(one is not None for stack in stacks for frame in truth(stack) for one in frame)
    assert n_slices == len(headers)


@pytest.mark.parametrize("what", ["time point", "echo time", "acquisition", "trigger time"])
@pytest.mark.parametrize("lost", [(1, 0), (1, 4), (1, 9), (3, 9), (0, 0)])
def test_the_time_point_of_a_lost_slice_says_so(what: str, lost: tuple[int, int]) -> None:
    headers = [h for h in grid(4, 10, CONTRASTS[what]) if h.window != lost]
    (stack,) = stacks_of(shuffled(headers, 4))
    assert stack.n_frames == 4
    assert truth(stack)[lost[0]][lost[1]] is None
    noted = [bool(notes) for notes in stack.frame_notes]
    assert noted == [v == lost[0] for v in range(4)]
    assert f"(slice {lost[1]}, counted from 0)" in stack.frame_notes[lost[0]][0]


@pytest.mark.parametrize("lost", [(1, 0), (1, 4), (2, 9), (0, 0)])
@pytest.mark.parametrize("number", [lambda v, k: 1 + 10 * v + k, lambda v, k: 1 + 4 * k + v])
def test_a_slice_lost_from_a_numbered_time_series(
    lost: tuple[int, int], number: Callable[[int, int], int]
) -> None:
    headers = [h for h in grid(4, 10, lambda v, k: {}, number=number) if h.window != lost]
    (stack,) = stacks_of(shuffled(headers, 4))
    assert volumes_in([stack]) == [0, 1, 2, 3]
    assert truth(stack)[lost[0]][lost[1]] is None


Series = Sequence[tuple[int, float, int, Fields]]
"""Volume, height, number and fields of each slice."""


def of(volume: int, heights: Sequence[float], numbers: Sequence[int], *fields: Fields) -> Series:
    own = fields * len(heights) if len(fields) == 1 else fields
    return [(volume, *rest) for rest in zip(heights, numbers, own, strict=True)]


ECHO_10, ECHO_22, BLANK = {"echo time": 10.0}, {"echo time": 22.5}, {}
UNCLEAR: dict[str, list[Series]] = {
    "acquisitions that overlap in part, or trigger times that do": [
        of(v, [0.6 * (v + k) for k in places], [3 * v + 3 - k for k in places],
           *({"acquisition": v + 1.0, "trigger": 35.0 * k} for k in places))
        for v, places in enumerate((range(3), range(3), (2,), range(3)))
    ],
    "a second slice among three kernels is no stray": [
        of(0, (2.5, 5), (4, 1), {"kernel": "B30f"}),
        of(1, (7.5, 10), (5, 2), {"kernel": "B40f"}),
        of(2, (10, 12.5, 15), (9, 6, 3), {"kernel": "B50f"}),
    ],
    "one slice of another kernel on a grid with gaps": [
        of(0, (2,), (3,), {"kernel": "B30f"}),
        of(1, (0.5, 1.5, 2.5), (1, 2, 3), {"kernel": "B40f"}),
    ],
    "trigger times of slices make grids by chance across the voltages": [
        of(v, [2.604 * v + 0.6 * k for k in places], [4 * k + v + 1 for k in places],
           *({"voltage": 80.0 + 20 * v, "trigger": 35.0 * k} for k in places))
        for v, places in enumerate(((0, 1, 4, 5), range(6), range(6), range(6)))
    ],
    "acquisitions that come back on what is an even grid by chance, one blank": [
        of(0, (0, 0.6, 1.2), (7, 5, 12), {"acquisition": 1.0}),
        of(1, (0.8, 1.4, 2.0), (8, 2, 9), BLANK, {"acquisition": 2.0}, {"acquisition": 2.0}),
        of(2, (1.6, 2.2, 2.8), (11, 10, 4), {"acquisition": 3.0}),
    ],
    "two kernels whose lost slices complete each other": [
        of(0, (0, 3, 9), (7, 5, 1), {"kernel": "B30f"}),
        of(1, (6, 12, 15), (8, 4, 2), {"kernel": "B40f"}),
    ],
    "one slice that is left of a pass without a time": [
        of(0, (1.2,), (0,), {}),
        of(1, (0.804, 1.404, 2.004), (0, 0, 0), {"acquired": 60.0}),
    ],
    "one slice that is left of a pass": [
        of(0, (10,), (1,), {"kernel": "B30f"}),
        of(1, (6.7, 11.7, 16.7), (6, 4, 2), {"kernel": "B40f"}),
    ],
    "passes by turns on one grid, a slice lost and a kernel blank": [
        of(0, (0, 0.6), (0, 0), {"kernel": "B30f"}),
        of(1, (0.2, 0.8, 1.4), (0, 0, 0), {}, {"kernel": "B40f"}, {"kernel": "B40f"}),
        of(2, (0.4, 1.0, 1.6), (0, 0, 0), {"kernel": "B50f"}),
    ],
    "a lost slice looks like a stray": [of(0, (3, 6), (2, 3), {}), of(1, (0, 3), (4, 5), {})],
    "one slice with a blank echo time": [
        of(0, (0, 5, 10), (2, 6, 4), ECHO_10),
        of(1, (0, 5, 10), (5, 1, 3), ECHO_22, ECHO_22, BLANK),
    ],
    "times of storing and numbers in any order": [
        of(0, (0, 1, 2, 3), (4, 7, 1, 6), {}),
        of(1, (0, 1, 2, 3), (8, 2, 5, 3), {}),
    ],
    "numbers of volumes of which slices are lost": [
        of(0, (0, 2.5, 5), (1, 2, 3), {}),
        of(1, (0, 5), (4, 6), {}),
        of(2, (0, 2.5), (7, 8), {}),
    ],
    "a time for each pass and a number for each slice, as many as passes": [
        of(v, [6.7 * v + 5 * k for k in range(3)], (0, 0, 0),
           *({"acquisition": k + 1.0, "acquired": 60.0 * v} for k in range(3)))
        for v in range(3)
    ],
    "passes by turns, a slice lost and a voltage blank": [
        of(0, (0, 3, 9, 12, 15, 18), [0] * 6, {"voltage": 80.0}),
        of(1, (7.02, 10.02, 13.02, 16.02, 19.02), [0] * 5,
           *({} if k == 2 else {"voltage": 100.0} for k in range(5))),
    ],
    "passes between each other with a time blank": [
        of(0, [3.0 * k for k in range(7)], [0] * 7, {"acquired": 0.0}),
        of(1, [1.5 + 3.0 * k for k in range(7)], [0] * 7,
           *({} if k == 1 else {"acquired": 60.0} for k in range(7))),
    ],
}  # fmt: skip


def made(series: Sequence[Series]) -> list[SliceHeader]:
    return [
        a_slice(v, k, z, fields, number=number)
        for one in series
        for k, (v, z, number, fields) in enumerate(one)
    ]


@pytest.mark.parametrize("what", UNCLEAR)
def test_unclear_evidence_is_refused(what: str) -> None:
    stacks = stacks_of(shuffled(made(UNCLEAR[what]), 1))
    assert all("nothing in the headers says" in stack.problem for stack in stacks)


CLEAR: dict[str, list[Series]] = {
    "the second time lost its last slice": [
        of(0, range(5), range(1, 6), {}),
        of(1, range(4), range(6, 10), {}),
    ],
    "a time for each pass and a number for each slice": [
        of(v, [3.35 * v + 2.5 * k for k in range(6)], range(6),
           *({"acquisition": k + 1.0, "acquired": 60.0 * v} for k in range(6)))
        for v in range(2)
    ],
    "blocks with their own kernels that follow each other off the grid": [
        of(0, (0, 5, 15), (1, 2, 3), {"kernel": "B30f"}),
        of(1, (16.7, 21.7, 26.7), (4, 5, 6), {"kernel": "B60f"}),
    ],
    "echo times that differ a little from slice to slice, and numbers": [
        of(v, range(6), range(v + 1, 13, 2),
           *({"echo time": 10.0 * (v + 1) + 0.3 * (k % 3)} for k in range(6)))
        for v in range(2)
    ],
    "a blank number of the echo, whose time is known": [
        of(0, (0, 5, 10), (0, 0, 0), {"echo": 1.0, "echo time": 10.0}),
        of(1, (0, 5, 10), (0, 0, 0),
           *({"echo time": 20.0} | ({} if k == 1 else {"echo": 2.0}) for k in range(3))),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", CLEAR)
def test_clear_evidence_separates(what: str) -> None:
    stacks = stacks_of(shuffled(made(CLEAR[what]), 1))
    assert sorted(volumes_in(stacks)) == list(range(len(CLEAR[what])))


def test_thousands_of_slices_take_seconds() -> None:
    chance = random.Random(2)

    def noisy(v: int, k: int) -> Fields:
        names = ("echo", "b-value", "inversion", "repetition", "kernel", "voltage", "diameter")
        noise = {name: chance.choice((1.0, 2.0, 3.0, 4.5)) for name in names}
        return {**noise, "trigger": chance.random(), "acquired": chance.random()}

    began = time.perf_counter()
    (refused,) = stacks_of(grid(4, 500, noisy))
    (frames,) = stacks_of(grid(300, 36, lambda v, k: {"acquired": 2.0 * v + k / 36}))
    assert refused.problem
    assert frames.n_frames == 300
    assert time.perf_counter() - began < 20  # 2 s on a machine that does nothing else


def test_echo_and_time_are_combined_and_told() -> None:
    def fields(v: int, k: int) -> Fields:
        return {"echo": v % 2 + 1.0, "echo time": 10.0 * (v % 2 + 1), "time point": v // 2 + 1.0}

    (stack,) = stacks_of(shuffled(grid(6, 5, fields), 7))
    assert sorted(volumes_in([stack])) == list(range(6))
    assert stack.frame_words[0] == "echo 1 of 2, TE 10 ms, time point 1 of 3"


def test_a_cine_of_single_files_at_one_position_has_all_its_frames() -> None:
    headers = [a_slice(t, 0, 12.0, {"trigger": 40.0 * t}) for t in range(5)]
    (stack,) = stacks_of(shuffled(headers, 1))
    assert stack.n_frames == 5
    assert volumes_in([stack]) == [0, 1, 2, 3, 4]
    assert stack.frame_words[2] == "80 ms after the trigger"


def test_a_stray_second_slice_is_left_out_with_a_note() -> None:
    headers = [a_slice(0, k, 5.0 * k, number=k + 1) for k in range(12)]
    stray = a_slice(1, 3, 15.0, number=99)
    (stack,) = stacks_of(shuffled([*headers, stray], 1))
    assert volumes_in([stack]) == [0]
    assert "more than one slice" in stack.notes[0]


def test_stacks_side_by_side_are_two_volumes() -> None:
    headers = [a_slice(v, k, 5.0 * k, xy=(80.0 * v, 0)) for v in range(2) for k in range(6)]
    stacks = stacks_of(shuffled(headers, 3))
    assert sorted(volumes_in(stacks)) == [0, 1]
    assert [stack.geometry.origin_xyz[0] for stack in stacks] == [0, 80]


def test_a_slice_shifted_in_its_plane_is_not_put_in_the_wrong_place() -> None:
    headers = [a_slice(0, k, 5.0 * k, xy=(30.0 * (k == 3), 0)) for k in range(6)]
    (stack,) = stacks_of(headers)
    assert "shifted in their plane" in stack.problem


def test_an_image_in_two_files_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_same_bytes", lambda *_: True)
    headers = [a_slice(0, k, 5.0 * k, number=k) for k in range(6)]
    (stack,) = stacks_of(shuffled([*headers, *headers], 2))
    assert truth(stack) == [[(0, k) for k in range(6)]]
    assert stack.notes == ()


def test_one_identifier_for_all_slices_makes_no_copies_of_them() -> None:
    headers = [a_slice(0, k, 5.0 * k, number=k, uid="1.2.3") for k in range(6)]
    (stack,) = stacks_of(shuffled(headers, 2))
    assert truth(stack) == [[(0, k) for k in range(6)]]


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=50, deadline=None)
def test_names_and_order_of_files_change_nothing(seed: int, data: st.DataObject) -> None:
    """Any series at all: the same stacks, in the same order, with the same names and words."""
    value = st.sampled_from((None, 1.0, 2.0, 3.0))
    names = ("echo", "time point", "acquisition", "trigger", "acquired")
    headers = []
    for n in range(data.draw(st.integers(1, 14))):
        drawn = {name: data.draw(value) for name in names}
        fields = {name: number for name, number in drawn.items() if number is not None}
        z = data.draw(st.sampled_from((0.0, 5.0, 10.0, 12.5, 15.0)))
        headers.append(a_slice(0, n, z, fields, number=data.draw(st.integers(0, 3))))
    first, second = (stacks_of(shuffled(headers, seed + n)) for n in (0, 1))
    assert [(s.uid, truth(s), s.words, s.frame_words, s.problem, s.notes) for s in first] == [
        (s.uid, truth(s), s.words, s.frame_words, s.problem, s.notes) for s in second
    ]
