"""Where prompts come from: a benchmark's own list, tags, numbers of samples, dense texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import PromptEntry
from nova_bench.core.errors import UserError
from nova_bench.prompts.reading import suite_prompts


@pytest.fixture
def prompts(tmp_path: Path) -> Callable[..., list[PromptEntry]]:
    """The prompts of a suite with this `prompts` section."""

    def prompts(**section: object) -> list[PromptEntry]:
        suite = {
            "name": "p",
            "title": "P",
            "model": {"adapter": "drift"},
            "scorers": ["brightness"],
            "prompts": section,
        }
        (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
        return suite_prompts(load_suite(str(tmp_path / "suite.yaml")))

    return prompts


def brief(entries: list[PromptEntry]) -> list[tuple]:
    return [(entry.text, entry.tags, entry.samples) for entry in entries]


def test_a_list_of_another_package_is_merged_and_keeps_its_numbers_of_samples(prompts: Callable) -> None:
    assert brief(prompts(source="animals")) == [
        ("a cat", ("brightness", "roughness"), 12),
        ("a dog", ("brightness",), 3),
        ("a cow", ("roughness",), 12),
    ]


def test_a_suite_may_ask_for_other_numbers_and_for_some_tags(prompts: Callable) -> None:
    assert brief(prompts(source="animals", samples_per_prompt=1, tags=["roughness"])) == [
        ("a cat", ("brightness", "roughness"), 1),
        ("a cow", ("roughness",), 1),
    ]
    own = prompts(entries=[{"text": "x", "tags": ["t"], "samples": 4}, {"text": "y", "tags": ["t"]}, "z"], tags=["t"])
    assert brief(own) == [("x", ("t",), 4), ("y", ("t",), 1)]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"source": "animals", "entries": ["a"]}, "prompts.entries and prompts.source at once"),
        ({"source": "animal"}, "unknown prompt source 'animal'; did you mean 'animals'?"),
        ({"source": "animals", "tags": ["brightnes"]}, "no prompt has the tag 'brightnes'; did you mean 'brightness'?"),
        ({"source": "animals", "dense": "gone.json"}, "gone.json: can't be read: No such file"),
    ],
)
def test_mistakes_are_told(prompts: Callable, section: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        prompts(**section)
    assert message in caught.value.message


DENSE = [
    {"id": 0, "prompt": "a cat", "dense_prompt": "a cat, in great detail", "tag": "x"},
    {"id": 1, "prompt": "a cat", "dense_prompt": "another cat", "tag": "y"},
    {"prompt": "a dog", "dense_prompt": "a dog, in great detail"},
    {"prompt": "a cow", "dense_prompt": "a cow, in great detail"},
]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "txt"])
def test_the_model_is_given_the_dense_text_and_scorers_keep_the_benchmarks(
    prompts: Callable, tmp_path: Path, suffix: str
) -> None:
    texts = {
        "json": json.dumps(DENSE),
        "jsonl": "\n".join(map(json.dumps, DENSE)),
        "txt": "a cat, in great detail\na dog, in great detail\na cow, in great detail\nanother cat\n",
        "csv": "prompt,dense_prompt\n" + "\n".join(f'{d["prompt"]},"{d["dense_prompt"]}"' for d in DENSE),
    }
    (tmp_path / f"dense.{suffix}").write_text(texts[suffix])
    found = prompts(source="animals", dense=f"dense.{suffix}")
    assert [(entry.text, entry.model_text) for entry in found] == [
        (text, f"{text}, in great detail") for text in ("a cat", "a dog", "a cow")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [("a\nb\nc\n", "dense.txt: 3 lines, but there are 4 prompts"), ("a\n\nc\nd", "dense.txt: line 2 is empty, but")],
)
def test_dense_lines_that_do_not_fit_are_told(prompts: Callable, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dense.txt").write_text(content)
    with pytest.raises(UserError) as caught:
        prompts(source="animals", dense="dense.txt")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DENSE[:2], "no dense prompt for 'a dog' and 1 more"),
        ({"a": 1}, "not a list"),
        ([{"prompt": "a cat"}], "record 1: dense_prompt: missing"),
        ([{"prompt": "a cat", "dense_prompt": ""}], "record 1: dense_prompt: expected some text"),
        (["a cat"], "record 1: expected a mapping"),
    ],
)
def test_a_dense_list_that_does_not_serve_is_told(
    prompts: Callable, tmp_path: Path, content: object, message: str
) -> None:
    (tmp_path / "dense.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        prompts(source="animals", dense="dense.json")
    assert message in caught.value.message
    assert "dense.json" in caught.value.message


def test_repeated_entries_are_reported_and_a_benchmarks_shared_prompts_are_not(
    cli: Callable, write_suite: Callable
) -> None:
    path = write_suite(prompts={"entries": ["a cat", "a dog", "a cat", "a cat"]}, scorers=["brightness"])
    result = cli("run", path, "-q")
    assert "warning: prompts: 2 of 4 entries repeat an earlier one and count once ('a cat')" in result.stderr
    (page,) = (Path(path).parent / "runs").glob("*/report/index.html")
    assert "2 of 4 entries repeat an earlier one" in page.read_text()
    listed = cli("run", write_suite(prompts={"source": "animals", "tags": ["brightness"]}, scorers=["brightness"]))
    assert "repeat" not in listed.stderr
    assert "prompts: 2 of 3, those with the tag brightness" in listed.stderr


def test_what_the_user_leaves_out_is_said_in_the_report(cli: Callable, write_suite: Callable) -> None:
    result = cli("run", write_suite(), "--limit", "2", "--dims", "brightness")
    assert "warning:" not in result.stderr
    (page,) = (Path(write_suite()).parent / "runs").glob("*/report/index.html")
    assert "limited to 2 of 6 samples (--limit)" in page.read_text()
    assert "1 of 2 scorers of the suite (--dims): brightness" in page.read_text()


def test_several_dense_texts_of_one_prompt_are_reported(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    records = [{"prompt": "a cat", "dense_prompt": text} for text in ("a grey cat", "a grey cat", "a red cat")]
    (tmp_path / "dense.json").write_text(json.dumps(records))
    suite = write_suite(prompts={"entries": ["a cat"], "dense": "dense.json"}, scorers=["brightness"])
    assert "1 prompts have several dense texts; the first one counts: 'a cat'" in cli("run", suite).stderr
