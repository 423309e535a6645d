"""Prompts from a folder or manifest of clips: caption, first frame, and the clip as reference, cut to one format."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.config.metadata import Metadata
from nova_bench.config.paths import locate
from nova_bench.config.suite import ClipPromptsSpec, PromptEntry, SamplingSpec
from nova_bench.config.units import ExistingSample
from nova_bench.core.errors import MediaError, UserError
from nova_bench.core.notices import listed, unheard
from nova_bench.core.progress import Progress
from nova_bench.core.regular_files import read_text, why_unread
from nova_bench.prompts.media_manifest import read_manifest
from nova_bench.prompts.recipes import made_file
from nova_bench.video import probe, read_clip, write_image, write_lossless
from nova_bench.video.folder import list_media
from nova_bench.video.formats import VIDEO_SUFFIXES

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.video.clip import MediaInfo

VERSION = "1"
"""Changes whenever the same clip and format would give different pixels."""


class ClipPrompts:
    """The prompts that a suite's ``prompts.clips`` stands for."""

    def __init__(
        self,
        spec: ClipPromptsSpec,
        sampling: SamplingSpec,
        file_digest: Callable[[Path], str],
        notice: Callable[..., None] = unheard,
    ):
        self._spec, self._sampling, self._digest, self._notice = spec, sampling, file_digest, notice

    def entries(self) -> list[PromptEntry]:
        """Return one prompt per clip. UserError if there are none, or if some are too short."""
        known = list(self._listed())
        infos = [probe(path) for _, path in known]
        self._refuse_short(infos)
        self._notice_cuts(infos)
        return [entry for entry, _ in known]

    def _listed(self) -> Iterator[tuple[PromptEntry, Path]]:
        for sample in self._samples():
            path = sample.there
            recipe = self._recipe(path)
            entry = PromptEntry(
                text=sample.prompt,
                tags=sample.tags,
                image=made_file(recipe, ".png"),
                reference=made_file([*recipe, self._frames], ".mkv"),
                metadata=sample.metadata,
            )
            yield entry, path

    def _recipe(self, path: Path) -> list[Any]:
        try:
            content = self._digest(path)
        except OSError as error:
            raise UserError(f"{path}: can't be read: {error.strerror or error}", "correct prompts.clips") from error
        return ["clip", content, VERSION, self._sampling.height, self._sampling.width, self._spec.every]

    @property
    def _frames(self) -> int:
        frames = self._spec.num_frames or self._sampling.num_frames
        if frames is None:
            raise UserError("prompts.clips: the number of frames is not set", "set sampling.num_frames")
        return frames

    @property
    def _needed(self) -> int:
        return 1 + (self._frames - 1) * self._spec.every

    def _samples(self) -> list[ExistingSample]:
        if self._spec.manifest is not None:
            where = locate(self._spec.manifest)
            samples = read_manifest(where, self._notice)
            if unused := [sample.path for sample in samples if sample.path and sample.reference]:
                self._notice(
                    f"{where}: {len(unused)} references are not used, because each clip is its own: {listed(unused)}",
                    unused,
                )
        else:
            assert self._spec.folder is not None, "ClipPromptsSpec requires one of the two"
            where = locate(self._spec.folder)
            if not where.is_dir():
                raise UserError(f"{where}: no such folder", "correct prompts.clips.folder")
            samples = self._scan(where)
        if not samples:
            raise UserError(f"{where}: no clips", f"known types: {' '.join(sorted(VIDEO_SUFFIXES))}")
        chosen = samples[: self._spec.count]
        if len(chosen) < len(samples):
            self._notice(f"{where}: the first {len(chosen)} of {len(samples)} clips (prompts.clips.count)", asked=True)
        return chosen

    def _scan(self, folder: Path) -> list[ExistingSample]:
        found = list_media(folder, VIDEO_SUFFIXES)
        captions = {path.with_suffix(".txt") for path in found.files}
        found.left_out = {path: reason for path, reason in found.left_out.items() if path not in captions}
        if found.left_out:
            self._notice(f"{folder}: {found.sentence('are not clips')}", found.reasons())
        texts = {path: _caption(folder / path) for path in found.files}
        unnamed = [str(path) for path, text in texts.items() if not text]
        if 0 < len(unnamed) < len(texts):
            self._notice(
                f"{folder}: {len(unnamed)} of {len(texts)} clips have no caption file, so their names are their "
                f"prompts: {listed(unnamed)}",
                unnamed,
            )
        return [
            ExistingSample(str(folder / path), text or path.stem, metadata=Metadata().placed(str(folder / path)))
            for path, text in texts.items()
        ]

    def _refuse_short(self, infos: Collection[MediaInfo]) -> None:
        short = [(info.path, info.frames) for info in infos if info.frames is not None and info.frames < self._needed]
        if short:
            raise self._too_short(*short[0], f"{len(short)} of {len(infos)} clips are too short: ")

    def _notice_cuts(self, infos: Collection[MediaInfo]) -> None:
        """Report what is not used of the clips: later frames and other frame rates."""
        longer = [info for info in infos if info.frames is not None and info.frames > self._needed]
        if longer:
            self._notice(
                f"prompts.clips: of {len(longer)} of {len(infos)} clips only the first {self._needed} frames are used",
                [f"{info.path}: {info.frames} frames" for info in longer],
                asked=True,
            )
        fps = self._sampling.fps
        rates = [(info.path, float(info.fps / self._spec.every)) for info in infos if info.fps]
        if others := [f"{path}: {rate:g} fps" for path, rate in rates if abs(rate - fps) > 0.01 * fps]:
            every = f" with every: {self._spec.every}" if self._spec.every > 1 else ""
            self._notice(
                f"prompts.clips: {len(others)} of {len(infos)} clips have another frame rate{every} than sampling.fps "
                f"{fps}, at which their references are written: {listed(others)}",
                others,
            )

    def _too_short(self, path: Path, frames: int, before: str = "") -> UserError:
        every = f" (every {self._spec.every} frames, {self._frames} times)" if self._spec.every > 1 else ""
        return UserError(
            f"{before}{path} has {frames} frames, {self._needed} are needed{every}",
            "leave such clips out, or set a smaller sampling.num_frames",
        )

    def make(self, wanted: Collection[str], progress: Progress) -> None:
        """Decode, cut and write those files that are in ``wanted``. UserError for a clip that is too short."""
        left = set(wanted)
        with progress.stage("prompts", len(left)) as advance:
            for entry, path in self._listed():
                mine = left & {entry.image, entry.reference}
                if not mine:
                    continue
                clip = read_clip(path, max_frames=self._needed, allow_truncated=True)
                if clip.frame_count < self._needed:
                    raise self._too_short(path, clip.frame_count)
                if made_file(self._recipe(path), ".png") != entry.image:
                    break
                frames = cut(clip.frames.numpy()[:: self._spec.every], self._sampling.height, self._sampling.width)
                if entry.image in mine:
                    write_image(entry.image, frames[0])
                if entry.reference in mine:
                    write_lossless(entry.reference, frames, self._sampling.fps)
                left -= mine
                advance(len(mine))
        if left:
            raise UserError(
                "prompts.clips: clips changed after the run was planned", "run the command again when they are complete"
            )


def _caption(path: Path) -> str:
    """The text of ``NAME.txt`` beside ``NAME.mp4``; empty if there is none."""
    beside = path.with_suffix(".txt")
    try:
        return " ".join(read_text(beside).split()) if beside.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(
            f"{beside}: can't be read: {why_unread(error)}", "a UTF-8 text file with the clip's caption"
        ) from error


def cut(frames: np.ndarray, height: int | None, width: int | None) -> np.ndarray:
    """Resize frames [T, H, W, 3]: crop the largest central part of the new shape, then resample it.

    Shrinking averages areas; enlarging interpolates cubically. A side that is None keeps its size.
    """
    import cv2
    import numpy as np

    have = frames.shape[1:3]
    want = (height or have[0], width or have[1])
    if want == have:
        return frames
    scale = max(want[0] / have[0], want[1] / have[1])
    sides = [min(side, round(part / scale)) for side, part in zip(have, want, strict=True)]
    top, left = ((side - part) // 2 for side, part in zip(have, sides, strict=True))
    middle = frames[:, top : top + sides[0], left : left + sides[1]]
    method = cv2.INTER_AREA if scale <= 1 else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (want[1], want[0]), interpolation=method) for frame in middle])
