"""What `list` says: names, every key with its docstring, and the JSON Schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nova_bench.config.catalog import ADAPTERS, SCORERS
from nova_bench.config.reference import field_sections, fields_text, json_schema, json_schema_text
from nova_bench.config.suite_files import known_suites

SCHEMA_FILE = Path(__file__).parents[2] / "suites" / "suite.schema.json"
WHOLE = {
    "name": "whole",
    "title": "Whole",
    "model": {"adapter": "files", "folder": "videos"},
    "scorers": ["psnr", {"name": "ssim", "tags": ["a"], "settings": {}}],
    "prompts": {"entries": ["a cat", {"text": "a dog", "tags": ["animals"]}]},
    "published": [{"label": "NOVA", "source": "a paper", "values": {"psnr": 30.5}}],
}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema_text(), (
        "python -m nova_bench list --schema > suites/suite.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_schema_knows_plugins_on_request_only(cli: Callable) -> None:
    built_in, everything = cli("list", "--schema").stdout, cli("list", "--schema", "--plugins").stdout
    assert built_in == json_schema_text()
    assert "DriftSpec" not in built_in
    assert {"DriftSpec", "FilesSpec"} <= json.loads(everything)["$defs"].keys()


@pytest.mark.parametrize("name", sorted(known_suites()))
def test_the_schema_accepts_known_suites(validator: jsonschema.Draft202012Validator, name: str) -> None:
    path = known_suites()[name]
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=suite.schema.json\n")
    validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "suite",
    [
        WHOLE,
        {"extends": "base.yaml"},
        {"extends": "base.yaml", "model": {"label": "mine"}, "sampling": {"num_frames": 9}},
        {**WHOLE, "sampling": {"guidance_scale": None}},
    ],
)
def test_the_schema_accepts_what_a_suite_may_say(
    validator: jsonschema.Draft202012Validator, suite: dict[str, Any]
) -> None:
    validator.validate(suite)


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "x"},
        {"title": None},
        {"name": "No Name"},
        {"model": {"adapter": "drfit"}},
        {"model": {"folder": "videos"}},
        {"model": {"adapter": "files", "foldr": "videos"}},
        {"sampling": {"num_frames": "many"}},
        {"sampling": {"num_frames": 0}},
        {"sampling": {"num_frame": 3}},
        {"scorers": ["pnsr"]},
        {"scorers": [{"name": "psnr", "tag": ["x"]}]},
        {"scorers": [{"name": "psnr", "settings": {"no_such": 1}}]},
        {"execution": {"executor": "cluster"}},
        {"prompts": {"entries": [{"prompt": "a cat"}]}},
        {"published": [{"label": "NOVA", "values": {"psnr": 30.5}}]},
    ],
)
def test_the_schema_rejects_what_a_suite_may_not_say(
    validator: jsonschema.Draft202012Validator, change: dict[str, Any]
) -> None:
    assert not validator.is_valid({**WHOLE, **change})


@pytest.mark.parametrize("key", ["name", "title", "model"])
def test_the_schema_wants_what_is_required(validator: jsonschema.Draft202012Validator, key: str) -> None:
    assert not validator.is_valid({name: value for name, value in WHOLE.items() if name != key})


def test_every_key_is_documented() -> None:
    keys = [key for _, section in field_sections() for key in section]
    assert len(keys) > 40
    assert [key.key for key in keys if not key.text.endswith((".", ")", "`"))] == []
    names = {key.key for key in keys}
    assert {"extends", "sampling.num_frames", "prompts.entries.N.text", "model.folder", "published.N.values"} <= names


def test_fields_into_a_pipe_are_one_line_each(cli: Callable) -> None:
    result = cli("list", "--fields")
    assert result.stdout.strip() == fields_text()
    assert "  sampling.num_frames (integer, none): Frames of a video; 1 is an image.\n" in result.stdout
    assert '  execution.executor (inline | local | ray, "inline"): ' in result.stdout
    assert "\x1b" not in result.stdout


def test_list_names_everything(cli: Callable) -> None:
    result = cli("list")
    assert result.returncode == 0
    for name in [*ADAPTERS.all(), *SCORERS.all(), *known_suites()]:
        assert f"\n  {name} " in result.stdout


def test_list_survives_an_unreadable_suite(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "broken.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "suites" / "deep.yaml").write_text("[" * 10_000)
    result = cli("list")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("(can't be read)") == 2
