"""Exports the shapes world as files for suites: prompts, first frames, reference clips, questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.core.notices import unheard
from nova_bench.shapes.parsing import parse_caption
from nova_bench.shapes.questions import write_rows
from nova_bench.shapes.scene import CAPTION_FRAMES, FPS, SIDE
from nova_bench.shapes.world import ShapesClip, ShapesWorld
from nova_bench.video import write_image, write_lossless

Wording = Literal["dense", "short"]

_SEARCHED = 50  # scenes examined per requested prompt before giving up: short captions run out


def tags(text: str) -> tuple[str, ...]:
    """A prompt's tags: the shapes scorers that can measure it (without ``shapes/``), then its composition."""
    said = parse_caption(text)
    measured = ["object_class", "color", "count"]
    if len(said.things) > 1:
        measured.append("multiple_objects")
    if said.relation:
        measured.append("spatial_relationship")
    motions = dict.fromkeys(thing.motion.kind for thing in said.things if thing.motion)
    if motions:
        measured.append("motion")
    made = "group" if said.count > 1 else "pair" if len(said.things) > 1 else "single"
    return (*measured, "all", made, *motions)


def export(
    folder: str | PathLike[str],
    split: str = "test",
    count: int = 200,
    seed: int = 0,
    num_frames: int = CAPTION_FRAMES,
    wording: Wording = "dense",
    notice: Callable[..., None] = unheard,
) -> Path:
    """Write a benchmark's files under ``folder`` and return it.

    prompts.jsonl: text-to-video. image_prompts.jsonl: the same prompts with first frame and reference clip,
    image-to-video. questions.csv: DPG-Bench's columns, items named like the frames and clips.
    frames/NAME.png, clips/NAME.mkv (FFV1, lossless, 12 fps, ``num_frames`` frames). ``notice(text, names)`` is called
    with what was left out.
    """
    folder = Path(folder)
    for name in ("frames", "clips"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    chosen = list(different_clips(split, count, seed, wording, num_frames, notice=notice))
    entries, named = [], []
    for index, clip in chosen:
        name = f"shapes-{index:06}"
        image, reference = f"frames/{name}.png", f"clips/{name}.mkv"
        write_image(folder / image, clip.frames[0])
        write_lossless(folder / reference, clip.frames, FPS)
        entries.append({**_entry(index, clip, wording), "image": image, "reference": reference})
        named.append((name, entries[-1]["text"]))
    _write_lines(folder / "prompts.jsonl", [_entry(index, clip, wording) for index, clip in chosen])
    _write_lines(folder / "image_prompts.jsonl", entries)
    write_rows(named, folder / "questions.csv")
    return folder


def different_clips(
    split: str,
    count: int,
    seed: int,
    wording: Wording,
    num_frames: int = CAPTION_FRAMES,
    size: int = int(SIDE),
    moving: bool = False,
    scenes: str | None = None,
    notice: Callable[..., None] = unheard,
) -> Iterator[tuple[int, ShapesClip]]:
    """(index, clip) of the first ``count`` clips whose captions differ from all before.

    With ``moving``, only clips in which something moves or changes size; with ``scenes``, of that kind. Raises
    UserError if the split has fewer different captions of this wording. ``notice`` is called with the number of clips
    that were skipped.
    """
    world = ShapesWorld(split, seed, num_frames, size, length=_SEARCHED * count, scenes=scenes)
    found: dict[str, tuple[int, ShapesClip]] = {}
    still = seen = 0
    for index in range(len(world)):
        clip, seen = world[index], seen + 1
        if moving and all(thing.motion.kind == "static" for thing in clip.scene.objects):
            still += 1
            continue
        found.setdefault(_text(clip, wording), (index, clip))
        if len(found) == count:
            break
    if len(found) < count:
        raise UserError(
            f"{split} has only {len(found)} different {wording} captions among {len(world)} videos",
            "request fewer, or use dense captions",
        )
    passed_over = {"show no motion": still, "have a caption that another one has": seen - still - len(found)}
    for why, number in passed_over.items():
        if number:
            notice(f"shapes: of the first {seen} clips {number} are left out as they {why}", asked=True)
    return islice(found.values(), count)


def _entry(index: int, clip: ShapesClip, wording: Wording) -> dict[str, Any]:
    text = _text(clip, wording)
    return {"text": text, "tags": list(tags(text)), "x_index": index, "x_scene": json.loads(clip.scene.to_json())}


def _text(clip: ShapesClip, wording: Wording) -> str:
    return clip.caption if wording == "short" else clip.dense_caption


def _write_lines(path: Path, entries: list[dict[str, Any]]) -> None:
    write_atomic(path, "".join(json.dumps(entry) + "\n" for entry in entries).encode())
