"""The files behind a report: which are unchanged since scoring, and previews of those that are gone."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.config.units import Unit
from nova_bench.core.errors import MediaError
from nova_bench.core.identity import digest
from nova_bench.core.notices import Notice, of_samples
from nova_bench.core.regular_files import is_regular
from nova_bench.pipeline.places import Places
from nova_bench.prompts.recipes import made_folder
from nova_bench.render.contact_sheet import Picture, pictures_of
from nova_bench.render.html.media import poster_jpeg
from nova_bench.report.playable import PlayableCopies
from nova_bench.store import Artifact, FailedUnit, Store
from nova_bench.video import read_clip
from nova_bench.video.frame_folder import with_frame_folders
from nova_bench.video.limits import MediaLimits

if TYPE_CHECKING:
    import numpy as np


GONE = "the file is gone or was moved; its scores are unchanged"
CHANGED = "the file has changed since it was scored; its scores are unchanged"


Previewing = Callable[[Artifact, str, Callable[[Path], bytes]], bytes]
"""(artifact, kind of preview, its maker) -> the preview, stored or made now. MediaError if neither works."""


class Sources:
    """Files and previews of the artifacts in one store.

    A preview is made once from the content that was scored, and stored under that content's digest, so that a report
    shows the same pictures after the files were moved, deleted or changed.
    """

    def __init__(self, store: Store, limits: MediaLimits, places: Places | None = None):
        self._store, self._limits, self._places = store, limits, places or Places(store.root, ())
        self._copies: PlayableCopies | None = None
        self._problems: dict[tuple[Path, str], str] = {}

    def copy_into(self, report: Path) -> Sources:
        """From now on, show files by copies in a report's folder that every browser shows; returns these sources."""
        self._copies = PlayableCopies(report, self._limits)
        return self

    def problem(self, artifact: Artifact) -> str:
        """Why an artifact's file can't be shown as the scored one; empty if it can."""
        key = artifact.path, artifact.sha256
        if key not in self._problems:
            self._problems[key] = self._look(artifact)
        return self._problems[key]

    def _look(self, artifact: Artifact) -> str:
        path = artifact.path
        try:
            if not artifact.external:  # named by their digest; `store verify` rereads them
                return "" if path.stat().st_size == artifact.size else CHANGED
            if path.parent == made_folder():  # identified by their recipe
                return "" if is_regular(path) else GONE
            content = with_frame_folders(self._store.file_digest, self._limits)(path)
            return "" if content == artifact.sha256 else CHANGED
        except OSError:
            return GONE

    def file(self, artifact: Artifact | FailedUnit | None) -> Path | None:
        """The artifact's file, if it is unchanged since it was scored."""
        return artifact.path if isinstance(artifact, Artifact) and not self.problem(artifact) else None

    def shown(self, artifact: Artifact | FailedUnit | None) -> Path | None:
        """The artifact's file as a page shows it: a copy beside the page."""
        path = self.file(artifact)
        if path is None or self._copies is None or not isinstance(artifact, Artifact):
            return path
        return self._copies.of(path, artifact.sha256)

    def reference(self, unit: Unit) -> Artifact | None:
        """The unit's reference as an external artifact, so that its state can be queried; None without one."""
        if not unit.reference:
            return None
        return Artifact(unit.digest, unit.reference_digest, Path(unit.reference), 0, external=True)

    def notices(self, units: Iterable[Unit], artifacts: Mapping[str, Artifact | FailedUnit]) -> list[Notice]:
        """Files that are gone or changed since they were scored, with the samples' names."""
        texts: dict[str, list[str]] = {}
        for unit in units:
            artifact = artifacts.get(unit.digest)
            if isinstance(artifact, Artifact) and (problem := self.problem(artifact)):
                texts.setdefault(problem, []).append(Path(unit.source).name if unit.source else unit.prompt)
        return of_samples(texts)

    def poster(self, artifact: Artifact | FailedUnit | None) -> bytes | None:
        """The first frame as a small JPEG; None if it is no longer available or was never readable."""
        if not isinstance(artifact, Artifact):
            return None

        def make(path: Path) -> bytes:
            return poster_jpeg(
                read_clip(path, max_frames=1, allow_truncated=True, limits=self._limits).frames[0].numpy()
            )

        try:
            return self._preview(artifact, "poster", make)
        except MediaError:
            return None

    def pictures(self, artifact: Artifact) -> tuple[Picture, ...]:
        """Frames for a contact sheet. MediaError if they are not available."""

        def make(path: Path) -> bytes:
            made = pictures_of(read_clip(path, limits=self._limits).frames.numpy())
            return _packed([(p.frame, p.width, p.height, p.pixels) for p in made])

        return tuple(Picture(*fields) for fields in _unpacked(self._preview(artifact, "pictures", make)))

    def strip(self, artifact: Artifact | FailedUnit | None, side: int) -> Strip | None:
        """Single frames of a video, at most ``side`` pixels large; None if it is no longer available or readable."""
        strip = Strip(self._preview, artifact, side, self._limits) if isinstance(artifact, Artifact) else None
        return strip if strip and strip.length else None

    def _preview(self, artifact: Artifact, kind: str, make: Callable[[Path], bytes]) -> bytes:
        key = digest("preview", [artifact.sha256, kind])
        if (kept := self._store.preview(key)) is not None:
            return kept
        if problem := self.problem(artifact):
            raise MediaError(problem)
        try:
            made = make(artifact.path)
        except MediaError as error:
            raise MediaError(self._places.text(error.message), error.remedy) from error
        self._store.keep_preview(key, made)
        return made


class Strip:
    """Single frames of one video, which is decoded at most once, and only for a frame without a stored preview."""

    def __init__(self, preview: Previewing, artifact: Artifact, side: int, limits: MediaLimits):
        self._preview, self._artifact, self._side, self._limits = preview, artifact, side, limits

    @cached_property
    def length(self) -> int:
        """Number of frames; 0 if the video is not available or readable."""
        try:
            return int(self._preview(self._artifact, "length", lambda path: str(len(self._frames)).encode()))
        except MediaError:
            return 0

    def picture(self, index: int) -> np.ndarray | None:
        """One frame, uint8 [h, w, 3]; None if there is no such frame."""
        import numpy as np

        if index >= self.length:
            return None

        def make(path: Path) -> bytes:
            frame = _smaller(self._frames[index], self._side)
            return _packed([(index, frame.shape[1], frame.shape[0], frame.tobytes())])

        try:
            content = self._preview(self._artifact, f"frame {index} at {self._side}", make)
        except MediaError:
            return None
        ((_, width, height, pixels),) = _unpacked(content)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    @cached_property
    def _frames(self) -> np.ndarray:
        return read_clip(self._artifact.path, allow_truncated=True, limits=self._limits).frames.numpy()


def _smaller(frame: np.ndarray, side: int) -> np.ndarray:
    """A frame, uint8 [H, W, 3], at most ``side`` pixels a side; never enlarged."""
    import cv2

    height, width = frame.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return frame
    return cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _packed(pictures: list[tuple[int, int, int, bytes]]) -> bytes:
    """(number, width, height, RGB bytes) of each picture -> JSON with lossless PNGs."""
    from PIL import Image

    entries = []
    for number, width, height, pixels in pictures:
        stream = io.BytesIO()
        Image.frombytes("RGB", (width, height), pixels).save(stream, "PNG")
        entries.append([number, base64.b64encode(stream.getvalue()).decode()])
    return json.dumps(entries).encode()


def _unpacked(content: bytes) -> list[tuple[int, int, int, bytes]]:
    from PIL import Image

    pictures = []
    for number, encoded in json.loads(content):
        image = Image.open(io.BytesIO(base64.b64decode(encoded)), formats=["PNG"])
        pictures.append((number, image.width, image.height, image.tobytes()))
    return pictures
