"""A folder of numbered pictures as one video."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.core.errors import MediaError
from nova_bench.core.identity import file_digest
from nova_bench.video import MediaLimits, read_clip
from nova_bench.video.decoder import decode_ahead
from nova_bench.video.frame_folder import folder_digest, in_order, like_frames, numbering_notes

AT_12 = MediaLimits(folder_fps=12)


def put(folder: Path, *names: str, size: tuple[int, int] = (6, 8)) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True, parents=True)
    for index, name in enumerate(names):
        Image.fromarray(np.full((*size, 3), 10 * index, np.uint8)).save(folder / name)


def test_frames_come_in_the_order_of_their_numbers_with_times(tmp_path: Path) -> None:
    put(tmp_path / "v", "f1.png", "f2.png", "f10.png")
    clip = read_clip(tmp_path / "v", limits=AT_12)
    assert [int(frame[0, 0, 0]) for frame in clip.frames] == [0, 10, 20]
    assert (clip.fps, clip.times) == (12, (0, Fraction(1, 12), Fraction(1, 6)))
    assert clip.notes == ("frames' numbers have gaps: 7 missing",)
    ((_, decoded),) = decode_ahead([tmp_path / "v"], limits=AT_12)  # in a process of its own
    assert decoded.frames.equal(clip.frames)
    assert (decoded.times, decoded.notes, decoded.fps) == (clip.times, clip.notes, clip.fps)


def test_without_leave_a_folder_is_no_video(tmp_path: Path) -> None:
    put(tmp_path / "v", "1.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_clip(tmp_path / "v")


def test_sizes_that_differ_and_damage_are_the_folders_error(tmp_path: Path) -> None:
    put(tmp_path / "sizes", "1.png")
    put(tmp_path / "sizes", "2.png", size=(8, 8))
    with pytest.raises(MediaError, match="size changes from 8x6 to 8x8 at frame 1"):
        read_clip(tmp_path / "sizes", limits=AT_12)
    put(tmp_path / "cut", "1.png", "2.png")
    (tmp_path / "cut/2.png").write_bytes((tmp_path / "cut/1.png").read_bytes()[:-20])
    with pytest.raises(MediaError, match=r"2\.png"):
        read_clip(tmp_path / "cut", limits=AT_12)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no pictures"):
        read_clip(tmp_path / "empty", limits=AT_12)


def test_the_digest_is_of_contents_order_and_rate(tmp_path: Path) -> None:
    put(tmp_path / "a", "1.png", "2.png")
    put(tmp_path / "renamed", "x07.png", "x08.png")
    put(tmp_path / "turned", "2.png", "1.png")
    digests = {name: folder_digest(tmp_path / name, Fraction(12), file_digest) for name in ("a", "renamed", "turned")}
    assert digests["a"] == digests["renamed"] != digests["turned"]
    assert folder_digest(tmp_path / "a", Fraction(24), file_digest) != digests["a"]


def test_odd_numbers_are_noted() -> None:
    assert numbering_notes([Path("1.png"), Path("1.jpg"), Path("4.png"), Path("x.png")]) == [
        "frames without a number in their names",
        "frames' numbers have gaps: 2 missing",
        "frames' numbers repeat: 1 twice or more",
    ]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["frame_0001.png", "frame_0002.png", "frame_0003.png"], True),
        (["9.png", "10.png", "11.png"], True),
        (["frame_1.png", "frame_2.png"], False),
        (["frame_1.png", "frame_2.png", "frame_4.png"], False),
        (["frame_1.png", "frame_2.png", "title.png"], False),
        (["a_1.png", "a_2.png", "b_3.png"], False),
        (["clip_1.mp4", "clip_2.mp4", "clip_3.mp4"], False),
    ],
)
def test_names_like_those_of_frames(names: list[str], found: bool) -> None:
    assert bool(like_frames([Path(name) for name in names])) == found


@given(st.lists(st.integers(0, 10**6), unique=True), st.integers(0, 8), st.randoms(use_true_random=False))
def test_numbers_decide_the_order(numbers: list[int], width: int, shuffle: random.Random) -> None:
    paths = [Path(f"f{number:0{width}}.png") for number in numbers]
    shuffle.shuffle(paths)
    assert in_order(paths) == [Path(f"f{number:0{width}}.png") for number in sorted(numbers)]
