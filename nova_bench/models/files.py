"""The `files` adapter: videos or images that any model made, from a folder or a manifest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from nova_bench.config.catalog import PROMPT_SOURCES
from nova_bench.config.metadata import ITEM, Metadata
from nova_bench.config.paths import SuitePath, locate
from nova_bench.config.suite import ModelSpec
from nova_bench.config.units import ExistingSample, Unit
from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.notices import listed
from nova_bench.models.asked_files import asked_files
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.prompts.file_names import Meaning, Naming, meaning, usual_naming
from nova_bench.prompts.media_manifest import read_manifest
from nova_bench.prompts.reading import suite_prompts
from nova_bench.video.folder import FolderListing, list_media
from nova_bench.video.formats import IMAGE_SUFFIXES, MEDIA_SUFFIXES
from nova_bench.video.frame_folder import FOLDER_FPS, has_pages, like_frames


class FilesSpec(ModelSpec):
    """Videos or images that exist already. Give one of `manifest`, `folder` and `file`.

    If the suite has prompts, each sample it asks for is looked up by prompt and sample index; a missing one counts as
    failed.
    """

    adapter: Literal["files"] = "files"
    """`files`"""
    manifest: SuitePath | None = None
    """CSV or JSONL with the columns path, prompt, sample_index, reference, tags (`;` between tags) and metadata (in CSV
    columns metadata.NAME); only path is required. Paths are relative to the manifest, or `package:NAME/...` for files
    that an installed package ships."""
    folder: SuitePath | None = None
    """Folder that is searched for videos and images, including sub-folders and links to folders. Hidden files and files
    of other types are left out and counted."""
    naming: Naming | None = None
    """What a file name in a folder says: `stem`, the prompt (`a cat.mp4`); `prompt-index`, prompt and sample index
    (`a cat-3.mp4`); or `path`, nothing: samples are named by their paths inside the folder (`run 7/0.mp4`).
    Default: `prompt-index` if the suite has prompts, or if all names end in an index and at least two prompts have
    several samples; else `stem`."""
    file: SuitePath | None = None
    """A single video or image."""
    references: SuitePath | None = None
    """Folder with a reference clip of the same relative path for each file of `folder`; for `file`, its reference."""
    layout: Literal["files", "frames"] = "files"
    """What a video is: a file, or with `frames` a folder of numbered pictures (PNG, JPEG, ...), in the order of their
    numbers; `folder` is then one such folder or holds several. References have the same layout."""
    fps: float | None = Field(default=None, gt=0, le=1000)
    """Frames per second of folders of frames; required with `layout: frames`."""

    @model_validator(mode="after")
    def _one_source(self) -> FilesSpec:
        if [self.manifest, self.folder, self.file].count(None) != 2:
            raise ValueError("give exactly one of `manifest`, `folder` and `file`")
        if self.references is not None and self.manifest is not None:
            raise ValueError("`references` goes with `folder` and `file`; a manifest has the column reference")
        if self.file is not None and self.layout == "frames":
            raise ValueError("`layout: frames` goes with `folder`")
        if (self.layout == "frames") != (self.fps is not None):
            raise ValueError("`layout: frames` and `fps` go together: a folder of pictures states no frame rate")
        return self

    @property
    def frame_folder_fps(self) -> float | None:
        """See ModelSpec."""
        return self.fps


class FilesAdapter:
    """Hands out files as they are; nothing is copied and nothing is loaded before scoring."""

    def __init__(self, options: FilesSpec, context: AdapterContext):
        self._options, self._suite, self._warn = options, context.suite, context.warn

    def digest(self) -> str:
        """Constant: each unit's identity already covers its file's content."""
        return "files"

    def existing(self) -> Sequence[ExistingSample]:
        """The samples in the order of prompts, manifest or paths. UserError if there are none, or two are the same."""
        if self._options.manifest is not None:
            where = locate(self._options.manifest)
            samples = read_manifest(where, self._warn)
            if not samples:
                raise UserError(f"{where}: no videos or images", "write one line per video below the column names")
        elif self._options.file is not None:
            where = locate(self._options.file)
            reference = str(locate(self._options.references)) if self._options.references else None
            place = Metadata().placed(str(where))
            samples = [ExistingSample(str(where), where.stem, 0, reference, metadata=place)]
        else:
            assert self._options.folder is not None, "FilesSpec requires one of the three"
            where = locate(self._options.folder)
            samples = self._scan(where)
        _refuse_same(samples, where)
        return samples if self._suite.prompts is None else self._asked_for(samples, where)

    def _scan(self, folder: Path) -> list[ExistingSample]:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder", "correct model.folder")
        references = locate(self._options.references) if self._options.references else None
        if references and not references.is_dir():
            raise UserError(f"{references}: no such folder", "correct model.references")
        found = self._listed(folder, without=None if references == folder else references)
        if not found.files:
            remedy = f"known types: {' '.join(sorted(self._suffixes))}"
            left_out = f" among {found.summary()}" if found.left_out else ""
            raise UserError(f"{folder}: no videos or images{left_out}", remedy)
        if found.left_out:
            self._warn(f"{folder}: {found.sentence('are not scored')}", found.reasons())
        items = self._items(folder, found)
        naming = self._naming(folder, items)
        partners = self._partners(folder, references, items) if references else {}
        samples = []
        for path in items:
            prompt, index = self._meaning(folder, path, naming)
            place = Metadata().placed(str(folder / path))
            samples.append(ExistingSample(str(folder / path), prompt, index, partners.get(path), metadata=place))
        return samples

    @property
    def _frames(self) -> bool:
        return self._options.layout == "frames"

    @property
    def _suffixes(self) -> frozenset[str]:
        return IMAGE_SUFFIXES if self._frames else MEDIA_SUFFIXES

    def _listed(self, folder: Path, without: Path | None) -> FolderListing:
        return list_media(folder, self._suffixes, without)

    def _items(self, folder: Path, found: FolderListing) -> list[Path]:
        """What counts as a sample: each file, or each folder that directly holds pictures, and each multi-page TIFF."""
        videos = [path for path in found.files if self._frames and has_pages(folder / path)]
        by_folder: dict[Path, list[Path]] = {}
        for path in found.files:
            if path not in videos:
                by_folder.setdefault(path.parent, []).append(path)
        if self._frames:
            return sorted((*by_folder, *videos))
        series = [frames for paths in by_folder.values() if (frames := like_frames(paths))]
        if series:
            first, last = shorten(str(series[0][0])), shorten(str(series[0][-1]))
            more = f", and in {len(series) - 1} more" if len(series) > 1 else ""
            self._warn(
                f"{folder}: pictures are named like frames of a video ({first} to {last}{more}), and each is scored on "
                "its own; if a folder is a video: --set model.layout=frames --set model.fps=N"
            )
        return found.files

    def _meaning(self, folder: Path, path: Path, naming: Naming) -> Meaning:
        suffixed = not self._frames or has_pages(folder / path)
        return meaning(Path(folder.name) if path == Path() else path, naming, suffixed)

    def _naming(self, folder: Path, items: Sequence[Path]) -> Naming:
        if self._options.naming is not None:
            return self._options.naming
        if self._suite.prompts is not None:
            return "prompt-index"
        naming, remark = usual_naming(items, suffixed=not self._frames)
        if remark:
            self._warn(f"{folder}: {remark}")
        return naming

    def _partners(self, folder: Path, references: Path, items: Sequence[Path]) -> dict[Path, str]:
        """Sample -> its reference, whether it exists or not; other files among the references are reported."""
        found = self._listed(references, without=None if references == folder else folder)
        there = sorted({path.parent for path in found.files}) if self._frames else found.files
        known = {_any_case(path): path for path in there}
        partners = {path: known.get(_any_case(path), path) for path in items}
        alone = sorted({*there}.difference(partners.values()))
        if alone or found.left_out:
            parts = [f"{len(alone)} without a sample ({listed([str(path) for path in alone])})"] if alone else []
            parts += [found.summary()] if found.left_out else []
            reasons = [*(f"{path}: reference without a sample" for path in alone), *found.reasons()]
            self._warn(f"{references}: not used as references: {', '.join(parts)}", reasons)
        return {path: str(references / partner) for path, partner in partners.items()}

    def _asked_for(self, samples: Sequence[ExistingSample], where: Path) -> list[ExistingSample]:
        """The sample of each prompt of the suite, with its tags, reference and metadata; without a path if it is
        missing."""
        entries = suite_prompts(self._suite, notice=self._warn)
        found = asked_files(entries, samples, self._suite.scorers)
        if len(found.strangers) == len(samples):
            raise self._no_file_asked_for(found.strangers[0], next(iter(found.asked.values())), where)
        found.report(str(where), self._warn)
        return list(found.asked.values())

    def _no_file_asked_for(self, file: ExistingSample, asked: ExistingSample, where: Path) -> UserError:
        """The error if no file is for a prompt of the suite; ``file`` and ``asked`` are examples."""
        source = self._suite.prompts.source if self._suite.prompts else None
        other = PROMPT_SOURCES.get(source).suite_for_other_videos if source else ""
        command = f"python -m nova_bench run {other} --model {shlex.quote(str(where))} (needs no prompts), or "
        rename = "name files PROMPT-INDEX.mp4 (index from 0), or write a manifest with prompt and sample_index"
        if item := asked.metadata.values().get(ITEM):
            rename = f"for images named after ids, such as {item}.png: --set model.adapter=item_images; else {rename}"
        return UserError(
            f"{where}: no file is a sample that the suite asks for, such as "
            f"'{asked.prompt}-{asked.sample_index}.mp4'; {file.there.name!r} is read as prompt {file.prompt!r}, "
            f"sample {file.sample_index}",
            command + rename if other else rename,
        )

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Return each file's path; a file that is missing or can't be read is that unit's error."""
        for unit in units:
            if unit.source is None:
                yield Output(unit, error="no file for this prompt and sample index")
            elif not self._is_video(unit.source):
                kind = "folder of frames" if self._frames else "regular file"
                problem = f"not a {kind}" if os.path.exists(unit.source) else "no such file"
                yield Output(unit, error=f"{unit.source}: {problem}")
            elif not unit.content_digest:
                yield Output(unit, error=f"{unit.source}: couldn't be read when the run was planned")
            else:
                details = {FOLDER_FPS: self._options.fps} if self._frames else {}
                yield Output(unit, path=Path(unit.source), details=details)

    def _is_video(self, source: str) -> bool:
        if self._frames:
            return os.path.isdir(source) or has_pages(Path(source))
        return os.path.isfile(source)


def _refuse_same(samples: Sequence[ExistingSample], where: Path) -> None:
    seen: dict[tuple[str, int], ExistingSample] = {}
    for sample in samples:
        first = seen.setdefault((sample.prompt, sample.sample_index), sample)
        if first is not sample:
            raise UserError(
                f"{where}: two files for prompt {shorten(sample.prompt)}, sample {sample.sample_index}: "
                f"{first.path}, {sample.path}",
                "in a manifest, give each its own sample_index; for a folder, --set model.naming=path (samples go "
                "by their paths) or --set model.naming=prompt-index (PROMPT-INDEX.mp4)",
            )


def _any_case(path: Path) -> Path:
    """A path that is equal for names whose suffixes differ only in case."""
    return path.with_name(path.stem + path.suffix.lower()) if path.name else path


INFO = AdapterInfo(
    name="files",
    summary="videos or images that any model made: a folder, or a CSV/JSONL manifest",
    options=FilesSpec,
    factory=f"{__name__}:FilesAdapter",
)
