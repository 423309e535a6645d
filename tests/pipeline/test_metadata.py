"""Metadata of prompts: part of the scores that read it and of nothing else, and asked for before anything runs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import model_validator

from nova_bench.config.fields import ScorerSettings
from nova_bench.config.metadata import Metadata, MetadataSchema
from nova_bench.config.units import Unit
from nova_bench.core.errors import SuiteError
from nova_bench.pipeline.metadata import check_metadata
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.pipeline.record import plan_of
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Store

CLIPS = Path(__file__).parents[1] / "data" / "vbench_clips"
CAT = {"text": "a cat", "metadata": {"color": "grey", "share": 0.25, "author": "me"}}
DOG = {"text": "a dog", "metadata": {"color": "brown"}}
LACKS = "prompt 'a cat' lacks metadata 'color', which scorer tinted reads"


@pytest.fixture
def suite(write_suite: Callable) -> Callable[..., Path]:
    """Write a suite of two prompts with one sample each; keyword arguments replace its keys."""

    def write(*entries: object, **keys: object) -> Path:
        return write_suite(**{"prompts": {"entries": [*entries]}, "scorers": ["brightness", "tinted"], **keys})

    return write


def scores(report: Path) -> dict[tuple[str, str], float]:
    """(prompt, metric) -> value."""
    with (report / "samples.csv").open() as stream:
        return {(row["prompt"], row["metric"]): float(row["value"]) for row in csv.DictReader(stream)}


def runs(tmp_path: Path) -> list[Path]:
    """Reports of all runs, the oldest first."""
    return sorted(tmp_path.glob("runs/*/report"), key=lambda path: path.stat().st_ctime_ns)


def missing(cli: Callable, path: Path) -> dict[str, int]:
    """How many rows of each scorer a plan misses."""
    lines = [line.split() for line in cli("plan", path).stdout.splitlines()]
    return {line[0]: int(line[2]) for line in lines if line and line[0] in ("brightness", "tinted")}


def test_only_scores_that_read_it_are_made_again(cli: Callable, suite: Callable, tmp_path: Path) -> None:
    first = cli("run", suite(CAT, DOG))
    assert first.returncode == 0, first.stderr
    (report,) = runs(tmp_path)
    assert scores(report)["a cat", "tinted"] == 0.25
    assert scores(report)["a dog", "tinted"] == 0.5  # the schema's default

    unread = suite({**CAT, "metadata": {**CAT["metadata"], "author": "you"}}, DOG)
    assert missing(cli, unread) == {"brightness": 0, "tinted": 0}
    assert report.parent.name in cli("plan", unread).stdout

    changed = suite({**CAT, "metadata": {"color": "grey", "share": 0.75}}, DOG)
    assert missing(cli, changed) == {"brightness": 0, "tinted": 1}
    again = cli("run", changed)
    assert "2 samples were there already" in again.stderr
    assert "3 scores were there already" in again.stderr
    before, after = runs(tmp_path)
    assert scores(after) == {**scores(before), ("a cat", "tinted"): 0.75}
    with Store.reader(tmp_path / "runs") as store:
        cat, dog = plan_of(store.run(before.parent.name)).units
    assert (cat.metadata.values(), dog.metadata.values()) == (CAT["metadata"], DOG["metadata"])


def test_equal_files_of_one_prompt_may_differ_in_it(cli: Callable, suite: Callable, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(CLIPS / "r8_small_120x112_8fps_4f.mp4", tmp_path / name)
    (tmp_path / "m.csv").write_text(
        "path,prompt,sample_index,metadata.color,metadata.share\na.mp4,p,0,red,0.1\nb.mp4,p,1,red,0.3\n"
    )
    path = suite(model={"adapter": "files", "manifest": "m.csv"}, prompts=None, sampling={}, scorers=["tinted"])
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    table = json.loads((runs(tmp_path)[0] / "tables" / "metrics.json").read_text())
    assert table["rows"][0]["cells"]["value"]["value"] == pytest.approx(0.2)


def refusal(cli: Callable, path: Path) -> str:
    """What `plan` and `run` say of a suite that they refuse; nothing has run."""
    planned, run = cli("plan", path), cli("run", path)
    assert (planned.returncode, run.returncode) == (2, 2), run.stderr
    assert planned.stderr == run.stderr
    assert not list(path.parent.glob("runs/*/run.log"))
    return run.stderr


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_yaml_names_the_line_of_the_prompt_or_of_the_value(cli: Callable, suite: Callable) -> None:
    path = suite(DOG, "a cat")
    error, remedy = refusal(cli, path).splitlines()
    assert error == f"error: {path}:{line_of(path, '- a cat')}: {LACKS}"
    assert 'color: The colour\'s name, for example "red".' in remedy
    assert "YAML and JSONL: metadata: {color: ...}; CSV: a column metadata.color, text or JSON" in remedy

    path = suite({"text": "a cat", "metadata": {"share": "much", "color": 3}})
    lines = refusal(cli, path).splitlines()
    where = "prompt 'a cat': metadata {!r}, which scorer tinted reads: {}"
    assert lines[0].endswith(
        f":{line_of(path, 'color: 3')}: " + where.format("color", "expected text, in quotes (got 3)")
    )
    assert lines[1].endswith(f":{line_of(path, 'much')}: " + where.format("share", "expected a number (got 'much')"))


def test_only_prompts_that_the_scorer_scores_count(cli: Callable, suite: Callable) -> None:
    tagged = [{**CAT, "tags": ["t"]}, "a dog"]
    assert cli("plan", suite(*tagged, scorers=[{"name": "tinted", "tags": ["t"]}])).returncode == 0
    assert "'a dog' lacks metadata 'color'" in refusal(cli, suite(*tagged))


def test_many_are_counted_and_some_named(cli: Callable, suite: Callable) -> None:
    lines = refusal(cli, suite(*(f"prompt {number}" for number in range(9)))).splitlines()
    assert len(lines) == 7
    assert "prompt 4" in lines[4]
    assert lines[5].endswith("... and 4 more")


CSV = 'text,metadata.color,metadata.places\na dog,red,"[""left"", ""top""]"\na cat,{color},{places}\n'
JSONL = '{{"text": "a dog", "metadata": {{"color": "red"}}}}\n\n{{"text": "a cat", "metadata": {metadata}}}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", CSV.format(color="", places=""), f"p.csv:3: {LACKS}"),
        ("p.csv", CSV.format(color="7", places=""), "p.csv:3: prompt 'a cat': metadata 'color', which scorer tinted"),
        (
            "p.csv",
            CSV.format(color="red", places="left"),
            "metadata 'places', which scorer tinted reads: expected a list",
        ),
        ("p.csv", "text,metadata\na cat,red\n", "p.csv:2: metadata: expected a mapping (got 'red')"),
        ("p.csv", "text,metadata,metadata.color\na cat,x,red\n", "p.csv:2: metadata: expected a mapping (got 'x')"),
        ("p.jsonl", JSONL.format(metadata="{}"), f"p.jsonl:3: {LACKS}"),
        (
            "p.jsonl",
            JSONL.format(metadata='{"color": ["red"]}'),
            "metadata 'color', which scorer tinted reads: expected text",
        ),
        ("p.jsonl", JSONL.format(metadata='["red"]'), "p.jsonl:3: metadata: expected a mapping"),
        ("p.txt", "\na cat\n", f"p.txt:2: {LACKS}"),
    ],
)
def test_files_of_prompts(
    cli: Callable, suite: Callable, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    path = suite(prompts={"file": name})
    result = cli("plan", path)
    assert result.returncode == 2
    assert message in result.stderr


def test_cells_that_are_json_count_as_their_values(cli: Callable, suite: Callable, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(CSV.format(color='"""7"""', places="[]"))
    assert cli("plan", suite(prompts={"file": "p.csv"})).returncode == 0
    (tmp_path / "p.csv").write_text(CSV.format(color="NaN", places=""))  # Python's JSON knows it, JSON doesn't
    assert cli("plan", suite(prompts={"file": "p.csv"})).returncode == 0


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with a video of a cat and one of a dog."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a cat-0.mp4", "a dog-0.mp4"):
        shutil.copy(CLIPS / "r8_small_120x112_8fps_4f.mp4", folder / name)
    return folder


def refusal_of_plan(cli: Callable, path: Path) -> str:
    result = cli("plan", path)
    assert result.returncode == 2
    return result.stderr


def test_videos_of_other_models_take_it_from_the_prompts(cli: Callable, suite: Callable, videos: Path) -> None:
    files = {"model": {"adapter": "files", "folder": str(videos)}, "sampling": {}, "scorers": ["tinted"]}
    assert cli("plan", suite(CAT, DOG, **files)).returncode == 0
    assert LACKS in refusal_of_plan(cli, suite({"text": "a cat"}, DOG, **files))
    error = refusal_of_plan(cli, suite(prompts=None, **files))
    assert f"{videos}/a cat-0.mp4: prompt 'a cat-0' lacks metadata 'color'" in error


def test_a_manifest_of_clips_states_it(cli: Callable, suite: Callable, videos: Path, tmp_path: Path) -> None:
    path = suite(prompts={"clips": {"manifest": "clips.csv"}}, scorers=["tinted"])
    for color in ("", "grey"):
        (tmp_path / "clips.csv").write_text(f"path,prompt,metadata.color\nvideos/a cat-0.mp4,a cat,{color}\n")
        result = cli("plan", path)
        assert (result.returncode, f"clips.csv:2: {LACKS}" in result.stderr) == ((0, False) if color else (2, True))


def test_a_manifest_may_add_to_it_but_not_say_otherwise(
    cli: Callable, suite: Callable, videos: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "m.jsonl"
    files = {"model": {"adapter": "files", "manifest": "m.jsonl"}, "sampling": {}, "scorers": ["tinted"]}

    def write(metadata: dict) -> None:
        manifest.write_text(json.dumps({"path": "videos/a cat-0.mp4", "prompt": "a cat", "metadata": metadata}))

    write({"color": "grey", "places": ["left"]})
    assert cli("plan", suite(CAT, **files)).returncode == 0
    assert cli("plan", suite(prompts=None, **files)).returncode == 0
    write({"places": ["left"]})
    assert f"m.jsonl:1: {LACKS}" in refusal_of_plan(cli, suite(prompts=None, **files))
    write({"color": "black"})
    path = suite(CAT, **files)
    assert (
        f"m.jsonl:1: prompt 'a cat': metadata 'color' is 'black', but 'grey' at {path}:{line_of(path, 'color: grey')}"
    ) in refusal_of_plan(cli, path)


def test_a_list_of_another_package(cli: Callable, suite: Callable) -> None:
    cats = suite(prompts={"source": "animals", "tags": ["brightness"]}, scorers=["tinted"])
    assert (
        "prompt source animals: prompt 'a dog' lacks metadata 'color', which scorer tinted reads"
    ) in refusal_of_plan(cli, cats)


def test_repeated_entries_join_theirs_unless_they_contradict(cli: Callable, suite: Callable) -> None:
    more = {"text": "a cat", "metadata": {"places": ["left"], "color": "grey"}}
    assert cli("plan", suite(CAT, more)).returncode == 0
    path = suite(CAT, {"text": "a cat", "metadata": {"color": "black"}})
    assert (
        f"{path}:{line_of(path, 'black')}: prompt 'a cat': metadata 'color' is 'black', but 'grey' at "
        f"{path}:{line_of(path, 'grey')}"
    ) in refusal_of_plan(cli, path)
    wrong = suite({"text": "a cat"}, {"text": "a cat", "metadata": {"color": 3}})
    assert f"{wrong}:{line_of(wrong, 'color: 3')}: prompt 'a cat'" in refusal_of_plan(cli, wrong)


def test_the_command_line_is_named_as_a_place(cli: Callable, suite: Callable) -> None:
    result = cli("plan", suite(CAT), "--set", "prompts.entries.0.metadata.color=7")
    assert result.returncode == 2
    assert "error: --set prompts.entries.0.metadata.color=7: prompt 'a cat': metadata 'color'" in result.stderr


def test_what_a_scorer_reads_is_documented(cli: Callable) -> None:
    listed = cli("list", "--fields").stdout
    assert "Metadata that the scorer tinted reads:" in listed
    assert 'prompts.entries.N.metadata.color (text, required): The colour\'s name, for example "red".' in listed


def test_yaml_keeps_types(cli: Callable, suite: Callable, tmp_path: Path) -> None:
    path = suite(CAT)
    text = yaml.safe_load(path.read_text())
    text["prompts"]["entries"] = [{"text": "x", "metadata": {"color": "red", "made": yaml.safe_load("2024-01-01")}}]
    path.write_text(yaml.safe_dump(text))
    assert "prompts.entries.0.metadata.made: expected text (a date in quotes)" in refusal_of_plan(cli, path)


class Pair(MetadataSchema):
    """Two different objects."""

    objects: tuple[str, str]
    """Their names."""

    @model_validator(mode="after")
    def _differ(self) -> Pair:
        if self.objects[0] == self.objects[1]:
            raise ValueError("expected two different objects")
        return self


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (["cat", "cat"], "metadata, which scorer pair reads: expected two different objects (it reads objects)"),
        (
            ["cat", "dog", "cow"],
            "metadata 'objects', which scorer pair reads: expected at most 2 (objects: Their names.",
        ),
        (["cat"], "lacks metadata 'objects.1', which scorer pair reads"),
    ],
)
def test_a_schema_may_ask_for_more_than_types(objects: list[str], message: str) -> None:
    info = ScorerInfo("pair", "", "1", "", (None, None), True, "", "nowhere:Nothing", reads=Pair)
    scorer = PlannedScorer(info, ScorerSettings(), frozenset(), "pair")
    unit = Unit("d", "p", "two", "two", 0, 0, metadata=Metadata.of({"objects": objects}))
    with pytest.raises(SuiteError) as caught:
        check_metadata([unit], [scorer], "pairs")
    assert str(caught.value).startswith("suite pairs: prompt 'two'")
    assert message in str(caught.value)


def test_a_stream_carries_none() -> None:
    with pytest.raises(ValueError, match="a stream of frames carries no metadata"):
        ScorerInfo("pair", "", "1", "", (None, None), True, "", "nowhere:Nothing", streams=True, reads=Pair)
