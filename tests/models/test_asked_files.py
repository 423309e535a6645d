"""A folder for a suite's prompts: what is missing, extra or named alike is listed before anything is scored."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

PROMPTS = {
    "samples_per_prompt": 2,
    "entries": [
        {"text": "a fantasy landscape", "tags": ["scene"]},
        {"text": "A fantasy landscape", "tags": ["style", "scene"]},
        {"text": "a red car", "tags": ["color"]},
        "a dog",
    ],
}
STATIC = [
    {"name": "brightness", "tags": ["still"], "keep": {"scorer": "even", "first": 3}},
    {"name": "even", "tags": ["still"]},
    {"name": "roughness", "tags": ["scene"]},
]
CANDIDATES = {
    "entries": [
        {"text": "a lake", "tags": ["still"], "samples": 12},
        {"text": "a hill", "tags": ["still"], "samples": 12},
        {"text": "a street", "tags": ["scene"], "samples": 2},
    ]
}


@pytest.fixture
def planned(cli: Callable, write_suite: Callable, tmp_path: Path) -> Callable[..., tuple[str, list[list[str]]]]:
    """A function: names of files -> standard error of `plan`, and the rows of the notices it writes."""

    def plan(*names: str, **keys: object) -> tuple[str, list[list[str]]]:
        folder = tmp_path / "videos"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / f"{name}.mp4").touch()
        suite = write_suite(model={"adapter": "files", "folder": "videos"}, **{"prompts": PROMPTS, **keys})
        result = cli("plan", suite, "--notices", "notices.csv")
        assert "Traceback" not in result.stderr
        with (tmp_path / "notices.csv").open(newline="") as stream:
            return result.stderr.replace(str(folder), "videos"), list(csv.reader(stream))[1:]

    return plan


def test_missing_extra_and_colliding_files_are_listed(planned: Callable) -> None:
    told, listed = planned("a fantasy landscape-0", "a fantasy landscape-1", "a dog-0", "a dog-2", "A RED CAR-0", "x-0")
    assert (
        "videos: 5 of 8 files are missing: all 2 of style, all 2 of color, 2 of scene, 1 of prompts without a tag"
        in told
    )
    assert "videos: 3 of 6 files left out: they are not samples that the suite asks for" in told
    assert "videos: 3 missing files differ only in case from one that is there ('A fantasy landscape-0 like" in told
    names = [row[2].partition("videos/")[2] or row[2] for row in listed]
    assert names == [
        "style; scene: A fantasy landscape-0",
        "style; scene: A fantasy landscape-1",
        "color: a red car-0",
        "color: a red car-1",
        "prompts without a tag: a dog-1",
        "A RED CAR-0.mp4: nearly the prompt 'a red car'",
        "a dog-2.mp4: the suite asks for the samples 0 to 1 of this prompt",
        "x-0.mp4",
        "A fantasy landscape-0 like a fantasy landscape-0.mp4",
        "A fantasy landscape-1 like a fantasy landscape-1.mp4",
        "a red car-0 like A RED CAR-0.mp4",
    ]


def test_a_whole_folder_has_nothing_to_list(planned: Callable) -> None:
    told, listed = planned(
        *(f"{text}-{i}" for text in ("a lake", "a dog") for i in range(2)),
        prompts={"samples_per_prompt": 2, "entries": ["a lake", "a dog"]},
    )
    assert (told, listed) == ("", [])


def test_a_folder_that_a_filter_has_been_through_misses_no_candidates(planned: Callable, cli: Callable) -> None:
    """As VBench's static filter leaves them: the first samples of each prompt, or fewer."""
    told, listed = planned("a lake-0", "a lake-1", "a lake-2", "a hill-0", prompts=CANDIDATES, scorers=STATIC)
    assert "videos: 2 of 6 files are missing: all 2 of scene" in told
    assert [row[2] for row in listed] == ["scene: a street-0", "scene: a street-1", "a lake", "a hill"]
    assert "samples: 6, prompts: 3" in cli("plan", "suite.yaml").stdout


def test_a_folder_with_candidates_must_have_all(planned: Callable) -> None:
    told, _ = planned("a lake-0", "a lake-7", prompts=CANDIDATES, scorers=STATIC)
    assert "videos: 24 of 26 files are missing: all 2 of scene, 22 of still" in told
