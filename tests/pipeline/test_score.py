"""Scoring holds no more decoded video than it works on, whatever the length of a video."""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import nova_bench_testkit
import numpy as np
import pytest

from nova_bench.config.loading import load_suite
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.pipeline import decoding, run
from nova_bench.pipeline.decoding import Job
from nova_bench.pipeline.run import measure_suite
from nova_bench.pipeline.score import missing_jobs
from nova_bench.scorers.base import Sample, Score, ScorerInfo
from nova_bench.scorers.fidelity.ssim import SSIM
from nova_bench.store import Status, Store
from nova_bench.video import Clip
from nova_bench.video.decoder import Decoder


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_is_gone_before_the_next_large_video_is_decoded(
    size: int, write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: set[Path] = set()
    most: list[int] = []
    put, get = Decoder.put, Decoder.get

    def counting(decoder: Decoder, *args: object, **kwargs: object) -> None:
        most.append(len(alive))
        put(decoder, *args, **kwargs)

    def remembering(decoder: Decoder) -> Clip:
        clip = get(decoder)
        alive.add(clip.path)
        weakref.finalize(clip, alive.discard, clip.path)
        return clip

    monkeypatch.setattr(Decoder, "put", counting)
    monkeypatch.setattr(Decoder, "get", remembering)
    monkeypatch.setattr(decoding, "ALONE_BYTES", -1)
    suite = load_suite(str(write_suite()), [f"execution.batch_size={size}", "execution.device=cpu"])
    with Store.writer(tmp_path / "store") as store:
        measure_suite(suite, store, None, Progress(quiet=True))
    assert most == [index % size for index in range(6)]


@pytest.mark.parametrize(("size", "ahead"), [(1, 2), (8, 5)])
def test_the_next_job_s_videos_are_decoded_beside_the_present_ones(
    size: int, ahead: int, write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(str(write_suite()), ["execution.device=cpu"])
    with Store.writer(tmp_path / "store") as store:
        plan, _ = measure_suite(suite, store, None, Progress(quiet=True))
        jobs = missing_jobs(plan, [replace(scorer, identity="another") for scorer in plan.scorers], store)[0]
    infos = [scorer.info for scorer in plan.scorers]
    put: list[str] = []
    queue = Decoder.put

    def noting(decoder: Decoder, path: Path, **kwargs: object) -> None:
        put.append(str(path))
        queue(decoder, path, **kwargs)

    monkeypatch.setattr(Decoder, "put", noting)
    with closing(decoding.Decoding(suite.media)) as decodes:

        def decoded(now: list[Job], following: list[Job]) -> list[str]:
            decodes.expect(following)
            batches = decodes.batches(now, infos, size, 2**29)
            return [entry.job.path for batch in batches for entry in batch if not isinstance(entry.clip, Exception)]

        paths = [job.path for job in jobs]
        assert decoded(jobs[:1], jobs[1:]) == paths[:1]
        assert put == paths[: 1 + ahead]
        assert decoded(jobs[1:], []) == paths[1:], "as expected"
        assert put == paths, "each once"
        assert decoded(jobs[2:3], jobs[3:]) == paths[2:3]
        assert decoded(jobs[:1], []) == paths[:1], "others than were expected"
        assert decoded(jobs[1:], []) == paths[1:]


def encode(path: Path, count: int, height: int, width: int, fps: int = 24, shift: int = 1) -> Path:
    """A moving texture, in little time: MJPEG of a few pictures over and over."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    texture = noise.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        packets = []
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(np.roll(texture, shift * index, axis=1), format="rgb24")
            packets += [bytes(packet) for packet in stream.encode(frame)]
        packets += [bytes(packet) for packet in stream.encode(None)]
        for index in range(count):
            packet = av.Packet(packets[index % len(packets)])
            packet.stream, packet.pts, packet.dts, packet.duration = stream, index, index, 1
            packet.time_base, packet.is_keyframe = 1 / stream.codec_context.rate, True
            output.mux(packet)
    return path


def score(folder: Path, suite: str, *assignments: str) -> dict[str, tuple[Status, float | None, str, dict]]:
    """Scorer -> what its row says, of a suite with one sample."""
    loaded = load_suite(suite, [*assignments, "execution.device=cpu"])
    with Store.writer(folder) as store:
        plan, _ = measure_suite(loaded, store, None, Progress(quiet=True))
        rows = store.rows((scorer.identity for scorer in plan.scorers), details=True)
    return {row.scorer: (row.status, row.value, row.message, row.details) for row in rows.values()}


@pytest.fixture
def pair_suite(write_suite: Callable, tmp_path: Path) -> Callable[..., str]:
    """A suite with one video and its reference."""

    def write(video: Path, reference: Path, scorers: list) -> str:
        (tmp_path / "list.csv").write_text(f"path,reference\n{video},{reference}\n")
        model = {"adapter": "files", "manifest": str(tmp_path / "list.csv")}
        return str(write_suite(model=model, prompts=None, sampling={}, scorers=scorers))

    return write


STREAMING = ["temporal_flickering", "dynamic_degree_dis", "psnr", "ssim"]


@pytest.fixture
def long_pair(tmp_path: Path) -> tuple[Path, Path]:
    """96 and 192 frames of 24 KiB: with small slots, a stream."""
    return encode(tmp_path / "v.mkv", 96, 64, 128), encode(tmp_path / "r.mkv", 192, 64, 128, fps=48, shift=2)


@pytest.fixture
def small_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_bench.video.decoder.WHOLE_BYTES", 2**18)
    monkeypatch.setattr("nova_bench.video.decoder._CHUNK_BYTES", 2**17)


def test_streamed_scores_are_those_of_whole_clips(long_pair, pair_suite, small_slots, tmp_path, monkeypatch) -> None:
    suite = pair_suite(*long_pair, STREAMING)
    streamed = score(tmp_path / "streamed", suite)
    monkeypatch.undo()
    assert streamed == score(tmp_path / "whole", suite)
    assert {status for status, *_ in streamed.values()} == {Status.OK}
    assert streamed["psnr"][3]["notes"] == ["reference at 2x the video's frame rate: every second frame of it compared"]


def test_what_needs_all_frames_says_its_limit_and_the_others_are_scored(
    long_pair, pair_suite, small_slots, tmp_path
) -> None:
    rows = score(
        tmp_path / "store",
        pair_suite(*long_pair, ["brightness", *STREAMING]),
        "media.max_decoded_megabytes=1",
    )
    status, _, message, _ = rows.pop("brightness")
    assert status == Status.FAILED
    assert "--set media.max_decoded_megabytes=N" in message
    assert {status for status, *_ in rows.values()} == {Status.OK}


def test_one_decode_serves_whole_clips_and_streams(long_pair, pair_suite, small_slots, tmp_path, monkeypatch) -> None:
    asked: list[str] = []
    put = Decoder.put
    monkeypatch.setattr(Decoder, "put", lambda self, path, **how: asked.append(path.name) or put(self, path, **how))
    rows = score(tmp_path / "store", pair_suite(*long_pair, ["brightness", *STREAMING]))
    assert {status for status, *_ in rows.values()} == {Status.OK}
    assert asked == ["v.mkv", "r.mkv"]


@pytest.mark.parametrize("when", ["build", "begin"])
def test_a_scorer_that_cannot_be_used_costs_the_other_streamed_ones_nothing(
    long_pair, pair_suite, small_slots, tmp_path, monkeypatch, when
) -> None:
    def damaged(*args: object) -> None:
        raise UserError("a.pth: lacks conv.weight", "use the official file")

    if when == "build":
        build = ScorerInfo.build
        monkeypatch.setattr(
            ScorerInfo, "build", lambda info, *how: (damaged if info.name == "ssim" else build)(info, *how)
        )
    else:
        monkeypatch.setattr(SSIM, "begin", damaged)
    rows = score(tmp_path / "store", pair_suite(*long_pair, STREAMING))
    status, _, message, details = rows.pop("ssim")
    assert (status, details["remedy"]) == (Status.FAILED, "use the official file")
    assert message == "the scorer can't be used: a.pth: lacks conv.weight (use the official file)"
    assert {status for status, *_ in rows.values()} == {Status.OK}


@pytest.mark.parametrize("streamed", [True, False])
def test_a_reference_that_changed_after_planning_costs_the_others_nothing(
    long_pair, pair_suite, tmp_path, request, monkeypatch, streamed
) -> None:
    if streamed:
        request.getfixturevalue("small_slots")
    begin = run.score
    monkeypatch.setattr(run, "score", lambda *how: encode(long_pair[1], 192, 64, 128, fps=48, shift=3) and begin(*how))
    rows = score(tmp_path / "store", pair_suite(*long_pair, ["temporal_flickering", "psnr"]))
    assert rows["temporal_flickering"][0] == Status.OK
    status, _, message, details = rows["psnr"]
    assert (status, details["passing"]) == (Status.FAILED, True)
    assert "r.mkv: changed since it was planned" in message


@pytest.mark.parametrize("cut", ["v.mkv", "r.mkv"])
def test_a_cut_found_at_the_end_discards_what_was_scored(long_pair, pair_suite, small_slots, tmp_path, cut) -> None:
    broken = tmp_path / cut
    data = bytearray(broken.read_bytes())
    data[-len(data) // 4 :] = bytes(len(data) // 4 + 1)[: len(data) // 4 or None]
    broken.write_bytes(data)
    rows = score(tmp_path / "store", pair_suite(*long_pair, STREAMING))
    failed = {name for name, (status, *_) in rows.items() if status == Status.FAILED}
    assert failed == set(STREAMING if cut == "v.mkv" else ["psnr", "ssim"])


def test_a_scorer_gets_frames_of_the_size_that_it_wants(
    write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside scorers that see them as stored. Frames of one size share batches."""
    seen: list[tuple[str, int, set[tuple[int, ...]]]] = []

    def noting(name: str) -> Callable:
        def score(_: object, batch: list[Sample]) -> list[Score]:
            seen.append((name, len(batch), {tuple(sample.clip.frames.shape) for sample in batch}))
            return [Score(0.5) for _ in batch]

        return score

    monkeypatch.setattr("nova_bench_testkit.BRIGHTNESS", replace(nova_bench_testkit.BRIGHTNESS, decode_size=(6, 8)))
    monkeypatch.setattr("nova_bench_testkit.Brightness.score", noting("brightness"))
    monkeypatch.setattr("nova_bench_testkit.Roughness.score", noting("roughness"))
    suite = load_suite(str(write_suite()), ["execution.batch_size=4", "execution.device=cpu"])
    with Store.writer(tmp_path / "store") as store:
        measure_suite(suite, store, None, Progress(quiet=True))
    assert seen == [
        ("roughness", 4, {(3, 16, 16, 3)}),
        ("brightness", 2, {(3, 6, 8, 3)}),
        ("roughness", 2, {(3, 16, 16, 3)}),
        ("brightness", 4, {(3, 6, 8, 3)}),
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path, environment, write_suite) -> None:
    """82 and 330 MiB of frames, and the peak of all processes is the same to within a few chunks."""
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    peaks = []
    for count in (1500, 6000):
        folder = tmp_path / str(count)
        folder.mkdir()
        encode(folder / "v.mkv", count, 120, 160)
        done = subprocess.run([*command, str(count)], env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 60
    assert peaks[1] < 1000


_MEASURE = """
import resource, subprocess, sys
folder, count = sys.argv[1:]
done = subprocess.run([sys.executable, "-m", "nova_bench", "run", "clips", "-q", "--model", f"{folder}/{count}",
    "--store", f"{folder}/store{count}", "--set", "scorers=[temporal_flickering]"], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
