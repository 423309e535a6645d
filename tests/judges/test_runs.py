"""Runs with judges from elsewhere: what they can't answer is counted and named, and two of them are compared."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.judges.tiny_models import make_vlm

PROMPTS = 9


def asked(prompt: int, ending: str = "?") -> list[Mapping[str, Any]]:
    return [
        {"number": 1, "text": f"Is there a {prompt}th cat?", "proposition": "entity - whole (cat)", "parents": [0]},
        {
            "number": 2,
            "text": f"Is the {prompt}th cat red{ending}",
            "proposition": "attribute - color (cat, red)",
            "parents": [1],
        },
        {
            "number": 3,
            "text": f"Is the {prompt}th one a painting?",
            "proposition": "global - (painting)",
            "parents": [0],
        },
    ]


@pytest.fixture
def suite(write_suite: Callable[..., Path]) -> Callable[..., Path]:
    """A suite of nine prompts with two images each; of the first, one question is answered in the judge's mood."""

    def write(*judges: str, **keys: object) -> Path:
        entries = [
            {"text": f"prompt {place}", "metadata": {"dpg_questions": asked(place, "?" if place else "?!")}}
            for place in range(PROMPTS)
        ]
        return write_suite(
            prompts={"samples_per_prompt": 2, "entries": entries},
            sampling={"num_frames": 1, "height": 32, "width": 32},
            scorers=[{"name": "dpg_bench_corrected", "settings": {"judge": judge}} for judge in judges],
            **keys,
        )

    return write


def table(tmp_path: Path, name: str) -> dict[str, dict[str, Any]]:
    """Rows of a table of the only run by their first cell."""
    (path,) = tmp_path.glob(f"runs/*/report/tables/{name}.json")
    content = json.loads(path.read_text())
    first = content["columns"][0]["key"]
    return {row["cells"][first]["value"]: row["cells"] for row in content["rows"]}


def test_what_a_judge_can_not_answer_is_counted_and_named(suite: Callable, cli: Callable, tmp_path: Path) -> None:
    result = cli("run", suite("moody:fail", "vlm:somebody/a-judge"))
    assert result.returncode == 3
    assert_first_prompt_failed(tmp_path, "moody:fail", "can't look at this")
    needed = "somebody/a-judge: python -m nova_bench assets fetch hub:somebody/a-judge"
    assert needed in result.stderr
    value = table(tmp_path, "metrics")["dpg_bench_corrected@vlm:somebody/a-judge"]["value"]
    assert value["note"] == f"not computed: needs {needed}"


@pytest.mark.slow  # starts two workers
def test_a_judge_whose_process_dies_answers_about_the_rest(suite: Callable, cli: Callable, tmp_path: Path) -> None:
    result = cli("run", suite("moody:die"), "--executor", "local", "--workers", "1")
    assert result.returncode == 3
    assert_first_prompt_failed(tmp_path, "moody:die", "SIGKILL")


def assert_first_prompt_failed(tmp_path: Path, judge: str, problem: str) -> None:
    value = table(tmp_path, "metrics")[f"dpg_bench_corrected@{judge}"]["value"]
    assert (value["n_ok"], value["n_failed"], value["n_requested"]) == (2 * PROMPTS - 2, 2, 2 * PROMPTS)
    (path,) = tmp_path.glob("runs/*/report/failures.csv")
    with path.open(newline="") as stream:
        failures = list(csv.DictReader(stream))
    assert {row["prompt"] for row in failures} == {"prompt 0"}
    assert all(problem in row["message"] for row in failures)


def test_two_judges_are_compared(suite: Callable, cli: Callable, tmp_path: Path) -> None:
    result = cli("run", suite("checksum", "moody:perhaps"))
    assert result.returncode == 3, result.stderr
    asked = "'prompt 0' [0], 'Is the 0th cat red?!': 'perhaps'"
    told = "2 of 54 answers are neither yes nor no and count as no: see report/unclear_answers.csv"
    assert f"moody:perhaps: {told} (the first: {asked})" in result.stderr
    (path,) = tmp_path.glob("runs/*/report/unclear_answers.csv")
    with path.open(newline="") as stream:
        unclear = [row for row in csv.DictReader(stream) if row["judge"] == "moody:perhaps"]
    assert [(row["prompt"], row["sample_index"], row["answer"]) for row in unclear] == [
        ("prompt 0", str(index), "perhaps") for index in range(2)
    ]
    (path,) = tmp_path.glob("runs/*/report/disagreements.csv")
    with path.open(newline="") as stream:
        differing = list(csv.DictReader(stream))
    assert all((row["answer_a"] == "yes") != (row["answer_b"] == "yes") for row in differing)
    assert "perhaps" in {row["answer_b"] for row in differing}
    rows = table(tmp_path, "disagreement")
    for name, count in (("all questions", 6), ("attribute - color", 2), ("global", 2)):
        assert rows[name]["answers"]["value"] == str(count * PROMPTS)
        different = sum(name in ("all questions", row["category"].removesuffix(" -")) for row in differing)
        assert rows[name]["share"]["value"] == pytest.approx(1 - different / (count * PROMPTS))
    assert len(table(tmp_path, "differing-questions")) > 0
    judges = table(tmp_path, "judges")
    assert [judges[name]["version"]["value"] for name in ("checksum", "moody:perhaps")] == ["1", "1"]


@pytest.mark.slow
def test_a_folder_of_a_vision_language_model_judges_a_run(suite: Callable, cli: Callable, tmp_path: Path) -> None:
    folder = make_vlm(tmp_path / "model", "qwen3_vl", seed=9)
    result = cli("run", suite(f"vlm:{folder}"))
    assert result.returncode == 3, result.stderr
    assert "answers are neither yes nor no and count as no" in result.stderr  # the weights are random
    assert str(folder) not in result.stdout + result.stderr
    value = table(tmp_path, "metrics")["dpg_bench_corrected@vlm:model"]["value"]
    assert value["n_ok"] == 2 * PROMPTS
    judge = table(tmp_path, "judges")["vlm:model"]
    assert judge["weights"]["value"].startswith("folder:model ")
    assert judge["asked"]["value"] == "{question} Answer with yes or no only."
    before = cli("plan", "suite.yaml").stdout
    make_vlm(folder, "qwen3_vl", seed=5)  # other weights are another judge
    assert cli("plan", "suite.yaml").stdout != before
