"""The workflow and the job in docs/ci: they load, and the commands in them are valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nova_bench.core.errors import ExitCode

DOCS = Path(__file__).parents[2] / "docs"
FILES = sorted((DOCS / "ci").glob("*.yml"))


def texts(value: Any) -> Iterator[str]:
    """Every text in a YAML document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_check_is_a_valid_command(path: Path, cli: Callable) -> None:
    commands = [text for text in texts(yaml.safe_load(path.read_text())) if "nova_bench check" in text]
    assert len(commands) == 1
    words = shlex.split(commands[0].partition("-m nova_bench ")[2])
    given = {"$SUITE": "shapes", "$MODEL": "nova-tiny", "$BASELINE": "no-such-baseline.json"}
    result = cli(*(given.get(word, word) for word in words))
    assert result.returncode == ExitCode.USAGE
    assert "no-such-baseline.json" in result.stderr
    assert {"--json", "--junit", "--html"} <= set(words)


def test_what_a_job_keeps_is_what_the_check_writes() -> None:
    github, gitlab = (yaml.safe_load((DOCS / "ci" / f"{name}.yml").read_text()) for name in ("github", "gitlab"))
    steps = github["jobs"]["check"]["steps"]
    (kept,) = (step for step in steps if step.get("uses", "").startswith("actions/upload-artifact"))
    assert kept["if"] == "always()"
    assert kept["with"]["path"] == "verdict.*"
    job = gitlab["nova_bench"]
    written = set(re.findall(r"verdict\.\w+", " ".join(job["script"])))
    assert {*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]} == written
    assert job["allow_failure"]["exit_codes"] == [ExitCode.INCONCLUSIVE]
    assert job["retry"]["exit_codes"] == [ExitCode.INCOMPLETE]


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "ci.md").read_text(), re.MULTILINE)
    assert {int(code) for code in rows} == set(ExitCode) - {ExitCode.READER_GONE}
