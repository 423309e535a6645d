"""Suites, manifests, prompt lists and questions with anything in them: a result or one UserError, no hang."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.config.suite import PromptEntry
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.core.tabular import read_records
from nova_bench.core.visible_text import visible
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import preview_request
from nova_bench.prompts.dense import read_dense_prompts
from nova_bench.prompts.media_manifest import read_manifest
from nova_bench.shapes.judge import see
from nova_bench.shapes.questions import answer, write_rows
from nova_bench.train.load import load_trainings

SUITES = Path(__file__).parents[2] / "suites"
VALID = {
    "whole.yaml": {
        "name": "whole",
        "title": "A whole suite",
        "seed": 3,
        "model": {"adapter": "drift", "label": "x", "checkpoint": "a"},
        "prompts": {
            "samples_per_prompt": 2,
            "entries": ["a cat", {"text": "a dog", "tags": ["animals"], "model_text": "b", "samples": 3}],
        },
        "sampling": {"num_frames": 3, "height": 16, "fps": 12, "guidance_scale": 5.0, "motion_flow": 5},
        "scorers": [
            "brightness",
            {"name": "roughness", "tags": ["animals"], "keep": {"scorer": "even", "first": 2}, "settings": {}},
            "even",
        ],
        "derived": ["overall"],
        "published": [{"label": "a", "source": "b", "values": {"brightness": 0.5}}],
        "statistics": {"confidence": 0.9, "resamples": 200, "seed": 1},
        "execution": {"device": "cpu", "batch_size": 2, "executor": "inline", "workers": 1},
        "report": {"gallery": 3, "embed_megabytes": 2, "contact_sheet": 3},
    },
    "shapes.yaml": {
        "name": "shapes",
        "title": "Shapes",
        "model": {"adapter": "repeat_first_frame"},
        "prompts": {"shapes": {"split": "test", "count": 3, "seed": 1, "captions": "dense", "num_frames": 5}},
        "scorers": ["psnr", "shapes/all"],
        "sampling": {"num_frames": 5, "height": 64, "width": 64},
    },
    **{f"{name}.yaml": None for name in ("ablation_norm", "latency", "appendix", "clips", "vbench")},
}
WRITTEN = [
    *("null", "true", "no", "0", "-1", "1", "3.5", "1e3", ".nan", "-.inf", "1:30", "0123", "0b1", "0x1F"),
    *("99999999999", "18446744073709551616", "18446744073709551615", "-9223372036854775808", "2024-01-01"),
    *("!!binary aGVsbG8=", "!!set {a}", "!!int x", "''", "[]", "{}", "[1]", "[[a]]", "{a: 1}", "{null: 1}", "&a [*a]"),
    *('"\\0"', '"\\ud800"', '"\\x1b[2J"', "../x", "~nosuchuser/x", "/dev/zero", "package:os/x", "package:", "x" * 3000),
    *("cuda:99", "meta", "nova", "files", "study", "latency", "vbench", "nova-tiny", "a/b", "a--b/c", "é/x", "psnr"),
]
OTHER_KEYS = ["x", "0", "extends", "kind", "model", "set", "clips", "file", "manifest", "dense"]
quick = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60
)
texts = st.one_of(st.text(max_size=30), st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl"]), max_size=5))
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def ends_well(work: Callable[[], object]) -> None:
    """Whatever ``work`` reads, it returns or raises a UserError that can be printed."""
    try:
        work()
    except UserError as error:
        problem = error
    else:
        return
    assert problem.message
    assert len(str(problem)) < 5000


def key_paths(data: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in items for path in [(*above, key), *key_paths(value, (*above, key))]]


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[tuple[Any, ...]]]:
    """Valid suites of every kind, and the key paths in each."""
    folder = tmp_path_factory.mktemp("suites")
    found = {}
    for name, data in VALID.items():
        path = folder / name if data else SUITES / name
        if data:
            path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        found[path] = key_paths(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def preview(suite: Path, assignments: list[str], folder: Path) -> None:
    preview_request(Request(str(suite), folder / "store", None, assignments, limit=2), Progress(quiet=True)).text()


@settings(quick, max_examples=80)
@given(data=st.data())
def test_any_value_of_any_key_of_a_suite(tmp_path: Path, suites: dict[Path, list[tuple[Any, ...]]], data) -> None:
    suite = data.draw(st.sampled_from(sorted(suites)), "suite")
    assignments = []
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(suites[suite]), "key")
        if data.draw(st.integers(0, 6)) == 0:
            path = (
                *path[:-1],
                data.draw(st.sampled_from(["x", "0", "extends", "kind", "model", "set", "clips", "file"])),
            )
        written = data.draw(st.sampled_from(WRITTEN) | values.map(json.dumps) | texts, "value")
        assignments.append(f"{'.'.join(map(str, path))}={written}")
    ends_well(lambda: preview(suite, assignments, tmp_path))


@settings(quick, max_examples=100)
@given(data=st.data())
def test_any_slip_in_the_text_of_a_suite(tmp_path: Path, suites: dict[Path, list[tuple[Any, ...]]], data) -> None:
    suite = data.draw(st.sampled_from(sorted(suites)), "suite")
    lines = suite.read_text(encoding="utf-8").replace("extends: ", f"extends: {suite.parent}/").split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1), "line")
        what = data.draw(st.sampled_from(["drop", "repeat", "insert", "value"]), "slip")
        if what == "drop":
            lines[at] = ""
        elif what == "repeat":
            lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
        elif what == "value":
            lines[at] = f"{lines[at].partition(':')[0]}: {data.draw(st.sampled_from(WRITTEN))}"
        else:
            column = data.draw(st.integers(0, len(lines[at])))
            mark = data.draw(st.sampled_from(list(":,[]{}#&*!|>'\"%@`-? \t\0\x1b\u2028\ufeff0")) | texts)
            lines[at] = lines[at][:column] + mark + lines[at][column:]
    slip = tmp_path / "slip.yaml"
    slip.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    ends_well(lambda: preview(slip, [], tmp_path))


@quick
@given(data=st.data())
def test_any_value_of_any_key_of_a_training(data) -> None:
    training = SUITES / "train" / data.draw(st.sampled_from(["tiny.yaml", "ablations.yaml"]))
    keys = key_paths(yaml.safe_load(training.read_text(encoding="utf-8")))
    path = ".".join(map(str, data.draw(st.sampled_from(keys), "key")))
    written = data.draw(st.sampled_from(WRITTEN) | values.map(json.dumps), "value")
    ends_well(lambda: load_trainings(str(training), [f"{path}={written}"]))


def table(rows: list[list[str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream)
    with suppress(csv.Error):
        writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogatepass")


COLUMN = st.sampled_from(["path", "prompt", "text", "sample_index", "samples", "tags", "reference", "image", "x_mine"])
names = st.lists(COLUMN | texts, min_size=1, max_size=4)
csv_files = names.flatmap(
    lambda header: st.lists(
        st.lists(texts | st.sampled_from(["033", "1:30", "9" * 5000, "-1", "nan"]), max_size=4)
    ).map(lambda rows: table([header, *rows]))
)
json_lines = st.lists(
    st.dictionaries(COLUMN | texts, values, max_size=4).map(json.dumps) | values.map(json.dumps) | texts, max_size=4
).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))
deep = st.sampled_from([b'{"text":' * 50_000, b"[" * 100_000, b'{"text": "a", "samples": ' + b"9" * 5000 + b"}"])
contents = {"csv": csv_files, "jsonl": json_lines | deep, "json": values.map(json.dumps).map(str.encode) | deep}


@quick
@given(data=st.data(), suffix=st.sampled_from(["csv", "jsonl"]))
def test_any_manifest(tmp_path: Path, data, suffix: str) -> None:
    path = tmp_path / f"manifest.{suffix}"
    path.write_bytes(data.draw(contents[suffix] | st.binary(max_size=80)))
    ends_well(lambda: read_manifest(path, lambda *_: None))
    suite = tmp_path / "suite.yaml"
    model = {"adapter": "files", "manifest": str(path)}
    suite.write_text(yaml.safe_dump({"name": "a", "title": "b", "model": model, "scorers": ["brightness"]}))
    ends_well(lambda: preview(suite, [], tmp_path))


@quick
@given(data=st.data(), suffix=st.sampled_from(["txt", "csv", "jsonl"]))
def test_any_list_of_prompts(tmp_path: Path, write_suite: Callable[..., Path], data, suffix: str) -> None:
    path = tmp_path / f"prompts.{suffix}"
    any_text = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    path.write_bytes(data.draw(contents.get(suffix, any_text) | st.binary(max_size=80)))
    if suffix != "txt":
        ends_well(lambda: read_records(path, PromptEntry))
    ends_well(lambda: preview(write_suite(prompts={"file": str(path)}), [], tmp_path))


@quick
@given(data=st.data(), suffix=st.sampled_from(["csv", "jsonl", "json"]))
def test_any_list_of_denser_prompts(tmp_path: Path, write_suite: Callable[..., Path], data, suffix: str) -> None:
    path = tmp_path / f"dense.{suffix}"
    record = {"prompt": "a cat", "dense_prompt": data.draw(texts)}
    whole = json.dumps([record] if suffix == "json" else record).encode()
    path.write_bytes(data.draw(contents[suffix] | st.just(whole) | st.binary(max_size=80)))
    ends_well(lambda: read_dense_prompts(path))
    ends_well(lambda: preview(write_suite(prompts={"entries": ["a cat"], "dense": str(path)}), [], tmp_path))


words = st.sampled_from(["attribute", "color", "entity", "state", "other", "count", "relation", "star", "==2"])


@quick
@given(item=texts, broad=words | texts, detailed=words | texts, arguments=st.lists(words | texts, max_size=3))
def test_any_question(tmp_path: Path, item: str, broad: str, detailed: str, arguments: list[str]) -> None:
    """Questions of any item read back as they were written; a tuple that none of them has is a ValueError."""
    item = visible(item).replace("\n", " ")
    write_rows([(item, "A large red star moves left.")], tmp_path / "questions.csv")
    with (tmp_path / "questions.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["item_id"] for row in rows] == [item] * len(rows)
    nothing = see(np.zeros((5, 64, 64, 3), np.uint8))
    assert not any(answer(row["tuple"], nothing) for row in rows)
    with suppress(ValueError):
        assert answer(f"{broad} - {detailed} ({', '.join(arguments)})", nothing) in (True, False)
