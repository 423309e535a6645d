"""What VBench's prompts carry for the semantic dimensions, as its file and its scripts have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.assets import asset_path
from nova_bench.config.loading import load_suite
from nova_bench.config.suite import PromptEntry
from nova_bench.core.errors import UserError
from nova_bench.core.notices import unheard
from nova_bench.prompts.reading import suite_prompts
from nova_bench.protocols.vbench import prompts
from nova_bench.protocols.vbench.metadata import VBenchMetadata

READS = {
    "object_class": {"object"},
    "multiple_objects": {"objects"},
    "color": {"object", "color"},
    "spatial_relationship": {"spatial_relationship"},
    "scene": {"scene"},
    "appearance_style": {"appearance_style"},
    "human_action": {"action"},
}
"""Dimension -> the names that it reads; the others read none."""


def test_every_prompt_has_what_its_dimensions_read(official_prompts: list[PromptEntry]) -> None:
    for entry in suite_prompts(load_suite("vbench")):
        expected = set().union(*(READS.get(dimension, set()) for dimension in entry.tags))
        assert entry.metadata.values().keys() == expected, entry.text
        assert "" not in entry.metadata.values().values()
        entry.metadata.read(VBenchMetadata)


def test_it_says_what_the_official_file_says(official_prompts: list[PromptEntry]) -> None:
    records = json.loads(asset_path("vbench-prompts").read_text())
    for record, entry in zip(records, official_prompts, strict=True):
        stated, ours = record.get("auxiliary_info", {}), entry.metadata.values()
        for dimension, value in stated.items():
            match dimension:
                case "object_class":
                    assert ours["object"] == value["object"]
                case "multiple_objects":
                    assert " and ".join(ours["objects"]) == value["object"]
                case "scene":
                    assert ours["scene"] == value["scene"]["scene"]
                case _:
                    assert ours[dimension] == value[dimension]
        if "color" in stated:
            assert entry.text in (f"{article} {ours['color']} {ours['object']}" for article in ("a", "an"))
        if "human_action" in entry.tags:
            assert entry.text == f"A person is {ours['action']}"


def test_a_prompt_of_several_entries_has_the_metadata_of_all(official_prompts: list[PromptEntry]) -> None:
    by_text = {entry.text: entry for entry in suite_prompts(load_suite("vbench"))}
    assert by_text["The bund Shanghai, oil painting"].metadata.values() == {"appearance_style": "oil painting"}


def test_a_scorer_of_one_dimension_finds_it(
    cli: Callable, write_suite: Callable, official_prompts: list[PromptEntry]
) -> None:
    """The test kit's `tinted` reads `color`, as VBench's scorer of that name does."""
    scorers = [{"name": "tinted", "tags": ["color"]}]
    planned = cli("plan", write_suite(prompts={"source": "vbench"}, scorers=scorers))
    assert planned.returncode == 0, planned.stderr
    assert f"tinted        0        {85 * 5}" in planned.stdout
    scorers = [{"name": "tinted", "tags": ["scene"]}]
    refused = cli("plan", write_suite(prompts={"source": "vbench"}, scorers=scorers))
    assert refused.returncode == 2
    assert "prompt source vbench: prompt 'alley' lacks metadata 'color', which scorer tinted reads" in refused.stderr


@pytest.mark.parametrize(
    "stated",
    [
        {
            "spatial_relationship": {
                "spatial_relationship": {"object_a": "car", "object_b": "cat", "relationship": "near"}
            }
        },
        {"multiple_objects": {"object": "a bird"}},
        {"color": {}},
        {"scene": {"scene": "alley"}},
        ["color"],
    ],
)
def test_a_list_that_is_not_vbenchs_is_refused(tmp_path: Path, stated: object) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"prompt_en": "x", "dimension": ["color"], "auxiliary_info": stated}]))
    with pytest.raises(UserError, match="not a VBench prompt list"):
        prompts.read(lambda name: path, unheard)
