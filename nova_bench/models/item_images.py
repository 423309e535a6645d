"""The `item_images` adapter: images named after their prompts' ids, as 2x2 grids or one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nova_bench.config import ranges
from nova_bench.config.metadata import ITEM, Metadata
from nova_bench.config.paths import SuitePath, locate
from nova_bench.config.suite import ModelSpec, PromptEntry
from nova_bench.config.units import ExistingSample, Unit
from nova_bench.core.errors import MediaError, UserError
from nova_bench.core.identity import digest
from nova_bench.core.notices import listed
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.prompts.reading import suite_prompts
from nova_bench.video import read_clip
from nova_bench.video.folder import list_media
from nova_bench.video.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from torch import Tensor

_TILES = 4
"""Places of a grid: top left, top right, bottom left, bottom right."""
_FAULTS = "dpg_faults"
_ITEM_AND_INDEX = re.compile(r"(?P<item>.+)[-_](?P<index>[0-9]+)", re.DOTALL)


class ItemImagesSpec(ModelSpec):
    """Images named after their prompts' ids, as DPG-Bench's own script expects them."""

    adapter: Literal["item_images"] = "item_images"
    """`item_images`"""
    folder: SuitePath
    """Folder that is searched for images, including sub-folders."""
    layout: Literal["grids", "single"] = "grids"
    """`grids`: a file holds a prompt's images as 2x2 tiles, and its name up to the first dot is the id (`cats.png`);
    `single`: a file holds one image, `ID-INDEX.png` or `ID_INDEX.png` with an index from 0."""
    side: int | None = Field(default=None, ge=1, le=ranges.SIDE)
    """Pixels of a tile's side, which the official script is told as `--resolution`. Default: half of the grid's."""
    wrong_size: Literal["fail", "pad"] = "fail"
    """A grid of another size than two tiles by two fails; with `pad` it is cut as the official script cuts it, and what
    lies outside the grid is black."""


class ItemImages:
    """Cuts grids into images when they are needed; single images stay where they are.

    A file that is named after no prompt's id is a sample that fails. A second grid of a prompt counts as four more
    images, as the official script counts it; the prompt is marked as faulty, and `dpg_bench_corrected` fails it.
    """

    def __init__(self, options: ItemImagesSpec, context: AdapterContext):
        self._options, self._suite, self._warn = options, context.suite, context.warn

    def digest(self) -> str:
        """How images are cut; each unit's identity covers its file's content."""
        options = self._options
        return digest("item_images", [options.layout, options.side, options.wrong_size])

    def existing(self) -> Sequence[ExistingSample]:
        """The images of each prompt, without a path where a file is missing. UserError if there are none at all."""
        folder = locate(self._options.folder)
        entries = suite_prompts(self._suite, notice=self._warn)
        items = {str(item): entry for entry in entries if (item := entry.metadata.values().get(ITEM))}
        if not items:
            raise UserError(
                f"suite {self._suite.name}: its prompts have no ids, after which files could be named",
                f"give them metadata {ITEM}, or use the `files` model",
            )
        found: dict[tuple[str, int], list[Path]] = {}
        strangers = []
        for path in self._files(folder):
            key = self._key(path)
            if key[0] in items and key[1] < (items[key[0]].samples or 1):
                found.setdefault(key, []).append(path)
            else:
                strangers.append(_stranger(path, folder))
        if not found:
            raise UserError(f"{folder}: no image is named after an id, such as {next(iter(items))!r}", "rename them")
        samples = [sample for item, entry in items.items() for sample in self._samples(item, entry, found)]
        if missing := [item for item in items if not any(key[0] == item for key in found)]:
            self._warn(f"{folder}: {len(missing)} of {len(items)} prompts have no file: {listed(missing)}", missing)
        return [*samples, *strangers]

    def _files(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder", "correct model.folder")
        listing = list_media(folder, IMAGE_SUFFIXES)
        if listing.left_out:
            self._warn(f"{folder}: {listing.sentence('are not scored')}", listing.reasons())
        return [folder / path for path in listing.files]

    def _key(self, path: Path) -> tuple[str, int]:
        """The id and the index in a file's name; a grid has index 0, a file without an index one that none asks for."""
        if self._options.layout == "grids":
            return path.name.partition(".")[0], 0
        match = _ITEM_AND_INDEX.fullmatch(path.stem)
        return (match["item"], int(match["index"])) if match else (path.stem, _NO_INDEX)

    def _samples(
        self, item: str, entry: PromptEntry, found: dict[tuple[str, int], list[Path]]
    ) -> Iterator[ExistingSample]:
        count = entry.samples or 1
        keys = [(item, index) for index in (range(count) if self._options.layout == "single" else (0,))]
        twice = [path.name for key in keys for path in found.get(key, []) if len(found[key]) > 1]
        metadata = entry.metadata
        if twice:
            values = metadata.values()
            fault = f"several files for one image: {', '.join(twice)}"
            metadata = Metadata.of({**values, _FAULTS: [*values.get(_FAULTS, []), fault]})
        for key in keys:
            for number, path in enumerate(found.get(key, [None])):
                indices = range(count) if self._options.layout == "grids" else (key[1],)
                for index in indices:
                    yield ExistingSample(
                        str(path) if path else None,
                        entry.text,
                        number * _TILES + index,
                        tags=entry.tags,
                        metadata=metadata,
                        model_text=entry.model_text,
                    )

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Cut grids; a file that is missing, can't be read or has another size is that unit's error."""
        read = lru_cache(maxsize=1)(self._grid)  # its images come one after the other
        for unit in units:
            if unit.source is None:
                yield Output(unit, error="no file for this prompt and image")
            elif ITEM not in unit.metadata.values():
                yield Output(unit, error=f"{unit.source}: no prompt has the id that the file is named after")
            elif not unit.content_digest:
                yield Output(unit, error=f"{unit.source}: couldn't be read when the run was planned")
            elif self._options.layout == "single":
                yield Output(unit, path=Path(unit.source))
            else:
                yield self._tile(unit, Path(unit.source), read)

    def _grid(self, path: Path) -> Tensor:
        """A grid, uint8 [H, W, 3]."""
        return read_clip(path, limits=self._suite.media).frames[0]

    def _tile(self, unit: Unit, path: Path, read: Callable[[Path], Tensor]) -> Output:
        try:
            return Output(unit, self._cut(read(path), unit.sample_index % _TILES, path)[None])
        except MediaError as error:
            return Output(unit, error=error)

    def _cut(self, grid: Tensor, place: int, path: Path) -> Tensor:
        """One tile of a grid, uint8 [H, W, 3] -> [side, side, 3]."""
        height, width = grid.shape[:2]
        side = self._options.side or width // 2
        if (height, width) != (2 * side, 2 * side) and self._options.wrong_size == "fail":
            raise MediaError(
                f"{path}: {width}x{height} pixels, expected {2 * side}x{2 * side}: two tiles of {side} by two",
                "correct model.side, or cut the images yourself (model.layout: single)",
            )
        top, left = place // 2 * side, place % 2 * side
        tile = grid.new_zeros(side, side, 3)
        inside = grid[top : top + side, left : left + side]
        tile[: inside.shape[0], : inside.shape[1]] = inside
        return tile


def _stranger(path: Path, folder: Path) -> ExistingSample:
    """A file that no prompt asks for: a sample that fails."""
    return ExistingSample(str(path), str(path.relative_to(folder)), metadata=Metadata.of({"dpg_questions": []}))


_NO_INDEX = ranges.SAMPLES + 1
INFO = AdapterInfo(
    name="item_images",
    summary="images of any model, named after their prompts' ids: 2x2 grids as DPG-Bench's script expects, or single",
    options=ItemImagesSpec,
    factory=f"{__name__}:ItemImages",
)
