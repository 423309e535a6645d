"""Which files are written, and the schema of verdict.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from nova_bench.core.errors import UserError
from nova_bench.gate.outputs.verdict_json import verdict_json, verdict_schema_text
from nova_bench.gate.outputs.writing import write_outputs
from nova_bench.gate.verdict_file import VerdictFile
from tests.gate.outputs.files import HOSTILE, hostile, large, metric, ordinary, verdict_file

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "verdict.schema.json"


def test_the_committed_schema_is_current(cli: Callable) -> None:
    printed = cli("list", "--schema", "verdict")
    assert printed.stdout == verdict_schema_text()
    assert SCHEMA_FILE.read_text(encoding="utf-8") == verdict_schema_text(), (
        "python -m nova_bench list --schema verdict > docs/verdict.schema.json"
    )


def test_only_a_schema_is_asked_for_by_name(cli: Callable) -> None:
    result = cli("list", "verdict")
    assert result.returncode == 2
    assert "list --schema verdict" in result.stderr
    assert cli("list", "--schema", "suite").stdout == cli("list", "--schema").stdout


@pytest.mark.parametrize("file", [ordinary(), hostile(), verdict_file()], ids=["ordinary", "hostile", "empty"])
def test_a_file_is_valid_and_comes_back(file: VerdictFile) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    document = json.loads(verdict_json(file))
    validator.validate(document)
    assert VerdictFile.model_validate(document) == file
    assert not validator.is_valid({**document, "verdict": "good"})


def test_every_format_that_is_asked_for_is_written(tmp_path: Path) -> None:
    paths = {name: tmp_path / "new" / f"verdict.{name}" for name in ("json", "junit", "markdown", "html")}
    write_outputs(ordinary(), json=paths["json"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["verdict.json"]
    write_outputs(ordinary(), **paths)
    assert all(path.stat().st_size > 1000 for path in paths.values())


def test_a_format_that_cant_be_written_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bad = {"junit": tmp_path / "file" / "junit.xml", "html": tmp_path}
    with pytest.raises(UserError) as caught:
        write_outputs(ordinary(), json=tmp_path / "a.json", markdown=tmp_path / "a.md", **bad)
    assert f"--junit: {bad['junit']}" in caught.value.message
    assert f"--html: {tmp_path}" in caught.value.message
    assert json.loads((tmp_path / "a.json").read_text())["verdict"] == "regressed"
    assert (tmp_path / "a.md").exists()


def test_a_number_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_outputs(verdict_file(metric("a", difference=float("nan"))), json=tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_large_comparison_is_written_whole(tmp_path: Path) -> None:
    write_outputs(large(), json=tmp_path / "a.json")
    assert VerdictFile.model_validate_json((tmp_path / "a.json").read_bytes()) == large()
    assert HOSTILE not in (tmp_path / "a.json").read_text()
