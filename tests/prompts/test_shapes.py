"""`prompts.shapes`: the shapes world as a source of prompts, in any size."""

from __future__ import annotations

import numpy as np
import pytest

from nova_bench.config.suite import SamplingSpec, ShapesPromptsSpec
from nova_bench.core.progress import Progress
from nova_bench.prompts.shapes import ShapesPrompts, filled
from nova_bench.scorers.dpg.questions import Questions
from nova_bench.shapes.world import ShapesWorld


def source(height=None, width=None, **keys):
    sampling = SamplingSpec(num_frames=5, height=height, width=width)
    return ShapesPrompts(ShapesPromptsSpec(count=4, **keys), sampling)


def test_files_are_what_the_world_draws():
    from pathlib import Path

    from nova_bench.video import read_clip

    prompts = source()
    entries = prompts.entries()
    Path(entries[0].image).parent.mkdir(parents=True)
    prompts.make([entries[1].image, entries[1].reference], Progress(quiet=True))
    truth = ShapesWorld("test", num_frames=5)[1]
    assert entries[1].text == truth.dense_caption
    assert np.array_equal(read_clip(entries[1].reference).frames, truth.frames)
    assert np.array_equal(read_clip(entries[1].image).frames[0], truth.frames[0])
    assert not Path(entries[0].image).exists()


def test_a_recipe_names_everything_that_changes_the_pixels():
    first = source().entries()[0]
    assert source(captions="short").entries()[0].image == first.image
    others = [source(seed=1), source(split="val"), source(height=32), source(width=96)]
    assert first.image not in {other.entries()[0].image for other in others}
    longer = source(num_frames=9).entries()[0]
    assert longer.image == first.image
    assert longer.reference != first.reference


def test_only_moving_clips_on_request():
    world = ShapesWorld("test", length=40)
    still = {clip.dense_caption for clip in world if all(t.motion.kind == "static" for t in clip.scene.objects)}
    spec = ShapesPromptsSpec(count=20, moving=True)
    texts = [entry.text for entry in ShapesPrompts(spec, SamplingSpec()).entries()]
    assert still
    assert still.isdisjoint(texts)
    assert len(set(texts)) == 20


def test_prompts_without_images():
    assert all(entry.image is None and entry.reference is None for entry in source(images=False).entries())


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (64, 64), (48, 80), (63, 65)])
def test_a_picture_is_filled_with_its_own_edges(size):
    frames = ShapesWorld("test", num_frames=3)[0].frames
    found = filled(frames, size)
    assert found.shape == (3, *size, 3)
    height, width = (min(64, side) for side in size)
    top, left = ((side - part) // 2 for side, part in zip(size, (height, width), strict=True))
    cut_top, cut_left = (64 - height) // 2, (64 - width) // 2
    middle = frames[:, cut_top : cut_top + height, cut_left : cut_left + width]
    assert np.array_equal(found[:, top : top + height, left : left + width], middle)


def test_dpg_bench_can_ask_about_every_prompt():
    entries = ShapesPrompts(ShapesPromptsSpec(count=40, images=False), SamplingSpec()).entries()
    asked = [entry.metadata.read(Questions) for entry in entries]
    for questions in asked:
        numbers = {0, *(question.number for question in questions.dpg_questions)}
        assert all(numbers.issuperset(question.parents) for question in questions.dpg_questions)
