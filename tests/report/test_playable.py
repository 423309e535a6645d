"""What a page shows lies beside it: copies of files, encoded again where browsers can't play them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nova_bench.core.identity import file_digest
from nova_bench.report.playable import PlayableCopies
from nova_bench.video import probe, read_clip, write_lossless, write_mp4
from nova_bench.video.limits import MediaLimits


@pytest.fixture
def frames() -> np.ndarray:
    """Three frames with odd sides."""
    return np.random.default_rng(0).integers(0, 255, (3, 33, 51, 3), dtype=np.uint8)


def test_a_lossless_run_shows_copies(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    sampling = {"num_frames": 3, "height": 16, "width": 16, "lossless": True}
    assert cli("run", write_suite(sampling=sampling, report={"embed_megabytes": 0})).returncode == 0
    (report,) = tmp_path.glob("runs/smoke-*/report")
    text = (report / "index.html").read_text()
    items = json.loads(text.split('id="gallery-data">')[1].split("</script>")[0])["items"]
    assert {item["media"]["kind"] for item in items} == {"video"}
    copies = {report / item["media"]["href"] for item in items}
    assert all(copy.parent == report / "./media" and copy.is_file() for copy in copies)
    info = probe(next(iter(copies)))
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")
    before = {copy: copy.stat().st_mtime_ns for copy in copies}
    assert cli("report").returncode == 0
    assert {copy: copy.stat().st_mtime_ns for copy in copies} == before


def test_what_browsers_show_is_copied_as_it_is(frames: np.ndarray, tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", frames)
    Image.fromarray(frames[0]).save(tmp_path / "b.PNG")
    copies = PlayableCopies(tmp_path / "report", MediaLimits())
    for name, copied in (("a.mp4", "a" * 16 + ".mp4"), ("b.PNG", "b" * 16 + ".png")):
        copy = copies.of(tmp_path / name, name[0] * 64)
        assert copy == tmp_path / "report" / "media" / copied
        assert copy.read_bytes() == (tmp_path / name).read_bytes()


def test_a_large_file_is_linked_where_it_is(tmp_path: Path) -> None:
    large = tmp_path / "a.png"
    with large.open("wb") as stream:
        stream.truncate(2**25 + 1)
    assert PlayableCopies(tmp_path / "report", MediaLimits()).of(large, "a" * 64) == large


def test_a_copy_starts_fast_and_has_even_sides(frames: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_lossless(path, frames, 10)
    copy = PlayableCopies(tmp_path / "report", MediaLimits()).of(path, file_digest(path))
    clip = read_clip(copy)
    assert tuple(clip.frames.shape) == (3, 34, 52, 3)
    assert clip.fps == 10
    content = copy.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_no_more_copies_than_asked_for_and_none_of_a_broken_file(frames: np.ndarray, tmp_path: Path) -> None:
    copies = PlayableCopies(tmp_path / "report", MediaLimits(), most=1)
    for name in ("a.mkv", "b.mkv"):
        write_lossless(tmp_path / name, frames)
    (tmp_path / "c.mkv").write_bytes(b"no video")
    shown = [copies.of(tmp_path / name, name[0] * 64).suffix for name in ("c.mkv", "a.mkv", "b.mkv")]
    assert shown == [".mkv", ".mp4", ".mkv"]
