"""VBench's prompt list: counts as published, what a suite makes of it, and where it is read from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.assets import get_asset
from nova_bench.config.loading import load_suite
from nova_bench.config.suite import PromptEntry
from nova_bench.core.notices import unheard
from nova_bench.prompts.reading import suite_prompts
from nova_bench.protocols.vbench import prompts

# Prompts of each dimension, as the paper's Table and the repository's prompt folder have them.
COUNTS = {
    "subject_consistency": 72,
    "background_consistency": 86,
    "temporal_flickering": 75,
    "motion_smoothness": 72,
    "dynamic_degree": 72,
    "aesthetic_quality": 93,
    "imaging_quality": 93,
    "object_class": 79,
    "multiple_objects": 82,
    "human_action": 100,
    "color": 85,
    "spatial_relationship": 84,
    "scene": 86,
    "temporal_style": 100,
    "appearance_style": 90,
    "overall_consistency": 93,
}


def test_every_dimension_has_its_published_number_of_prompts(official_prompts: list[PromptEntry]) -> None:
    assert len(official_prompts) == 946
    assert Counter(tag for entry in official_prompts for tag in entry.tags) == COUNTS
    assert len({entry.text for entry in official_prompts}) == 944
    assert {"a fantasy landscape", "A fantasy landscape"} <= {entry.text for entry in official_prompts}


def test_shared_prompts_are_generated_once(official_prompts: list[PromptEntry]) -> None:
    entries = suite_prompts(load_suite("vbench"))
    by_text = {entry.text: entry for entry in entries}
    assert len(by_text) == len(entries) == 944
    assert Counter(tag for entry in entries for tag in entry.tags) == COUNTS
    assert by_text["The bund Shanghai, oil painting"].tags == (
        "appearance_style",
        "overall_consistency",
        "aesthetic_quality",
        "imaging_quality",
    )
    for entry in entries:
        assert entry.samples == (25 if "temporal_flickering" in entry.tags else 5)
    assert sum(entry.samples for entry in entries) == 944 * 5 + 75 * 20


def test_a_suite_may_ask_for_fewer_samples_and_fewer_dimensions(official_prompts: list[PromptEntry]) -> None:
    few = suite_prompts(load_suite("vbench", ["prompts.samples_per_prompt=1", "prompts.tags=[scene, color]"]))
    assert len(few) == 86 + 85
    assert {entry.samples for entry in few} == {1}


def test_every_prompt_has_an_official_file_name_and_no_two_share_one(official_prompts: list[PromptEntry]) -> None:
    from nova_bench.protocols.vbench.file_names import file_name

    entries = suite_prompts(load_suite("vbench"))
    names = [file_name(entry.text, index, ".mp4") for entry in entries for index in range(entry.samples)]
    assert len(set(names)) == len(names)


RECORDS = st.lists(
    st.tuples(st.sampled_from(["a cat", "A cat", "a dog", "x"]), st.sets(st.sampled_from([*COUNTS]), min_size=1)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(RECORDS, st.randoms())
def test_merging_keeps_every_use_whatever_the_order(records, random) -> None:
    """A prompt has all tags that any of its entries has, and the most samples that any asks for."""
    import tempfile

    from nova_bench.prompts.reading import _merged

    def merged(of: list) -> dict[str, tuple[set[str], int]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list.json"
            path.write_text(json.dumps([{"prompt_en": text, "dimension": sorted(tags)} for text, tags in of]))
            listed = _merged(prompts.read(lambda name: path, unheard), lambda *_, **__: None)
            return {entry.text: (set(entry.tags), entry.samples) for entry in listed}

    expected: dict[str, set[str]] = {}
    for text, tags in records:
        expected.setdefault(text, set()).update(tags)
    found = merged(records)
    assert found == {text: (tags, 25 if "temporal_flickering" in tags else 5) for text, tags in expected.items()}
    shuffled = list(records)
    random.shuffle(shuffled)
    assert merged(shuffled) == found


def test_a_missing_list_is_one_line_with_the_command(fresh_cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty" / "vbench").mkdir(parents=True)
    (tmp_path / "empty" / "vbench" / "__init__.py").touch()  # hides an installed package that has the list
    import os

    from tests.conftest import PLUGIN, ROOT

    path = os.pathsep.join([str(tmp_path / "empty"), str(ROOT), str(PLUGIN)])
    result = fresh_cli("plan", "vbench", PYTHONPATH=path)
    assert result.returncode == 3
    assert result.stderr.splitlines()[0] == (
        "error: needs VBench_full_info.json (VBench's 946 prompts with their dimensions, 0.2 MB)"
    )
    assert "python -m nova_bench assets fetch vbench-prompts" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_the_installed_package_serves_only_the_published_list(
    official_prompts: list[PromptEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nova_bench.assets.cache import installed_folder

    asset = get_asset("vbench-prompts")
    assert installed_folder(asset.source, asset.files) is not None
    (tmp_path / "vbench").mkdir()
    (tmp_path / "vbench" / "__init__.py").touch()
    (tmp_path / "vbench" / "VBench_full_info.json").write_text("[]")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_folder(asset.source, asset.files) is None
