"""GitHub's step summary and annotations."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.gate.outputs.github import SUMMARY_BYTES, announce
from nova_bench.gate.outputs.markdown import verdict_markdown
from nova_bench.gate.verdict_file import VerdictFile
from tests.gate.outputs.files import hostile, metric, ordinary, side, verdict_file

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,]*)::(.*)")


def announced(file: VerdictFile, summary: Path | None = None) -> list[tuple[str, str, str]]:
    """(level, title, message) of each annotation; nothing else may be written."""
    stream = io.StringIO()
    environment = {"GITHUB_ACTIONS": "true"} | ({"GITHUB_STEP_SUMMARY": str(summary)} if summary else {})
    announce(file, environment, stream)
    lines = stream.getvalue().splitlines()
    found = [COMMAND.fullmatch(line) for line in lines]
    assert all(found), lines
    return [match.groups() for match in found if match]  # type: ignore[misc]


def test_each_verdict_has_its_level() -> None:
    found = announced(ordinary())
    assert [level for level, _, _ in found] == ["error"] * 3 + ["warning"] * 2 + ["notice"] * 2
    assert {title for _, title, _ in found} == {"nova_bench%3A shapes"}
    messages = [message for _, _, message in found]
    assert messages[0] == ordinary().summary
    assert messages[1] == "B: 1 failed and 0 missing of 72 samples"
    assert messages[2].startswith("regressed: shapes/color -0.0410 [-0.0620, -0.0200]")


def test_an_undecided_verdict_is_a_warning_and_an_error_under_strict() -> None:
    metrics = (metric("a", "inconclusive"),)
    levels = [level for level, _, _ in announced(verdict_file(*metrics, verdict="inconclusive"))]
    assert levels == ["warning", "warning"]
    strict = verdict_file(*metrics, verdict="inconclusive", strict=True, exit_code=4)
    assert [level for level, _, _ in announced(strict)] == ["error", "error"]


def test_at_most_ten_of_a_level_and_the_last_counts_the_rest() -> None:
    metrics = [metric(f"m{n}", "regressed") for n in range(16)] + [metric(f"p{n}") for n in range(10)]
    found = announced(verdict_file(*metrics, verdict="regressed"))
    levels = [level for level, _, _ in found]
    assert (levels.count("error"), levels.count("notice")) == (10, 10)
    assert found[9][2] == "8 more, in the step summary"  # 17 errors, nine shown


@settings(max_examples=50)
@given(st.text())
def test_no_text_begins_a_command_of_its_own(text: str) -> None:
    announced(verdict_file(metric(text, "regressed"), suite=text, summary=text, verdict="regressed"))


def test_the_summary_is_appended(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    announced(ordinary(), summary)
    assert summary.read_text(encoding="utf-8") == "# before\n" + verdict_markdown(ordinary())


@pytest.mark.parametrize("used", [0, SUMMARY_BYTES - 5000, SUMMARY_BYTES - 90, SUMMARY_BYTES - 5])
def test_the_summary_stays_under_its_limit(tmp_path: Path, used: int) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * used)
    many = verdict_file(*(metric(f"metric {n} " + "x" * 1600, "regressed") for n in range(700)), verdict="regressed")
    announced(many, summary)
    content = summary.read_bytes()
    assert used <= len(content) < SUMMARY_BYTES
    if used <= SUMMARY_BYTES - 5000:
        assert content.decode().endswith("verdict.json has everything.\n")


def test_a_summary_that_cant_be_written_is_a_warning(tmp_path: Path) -> None:
    found = announced(verdict_file(metric("a")), tmp_path / "no" / "such" / "folder.md")
    assert [level for level, _, _ in found] == ["notice", "notice", "warning"]
    assert "No such file or directory" in found[-1][2]


def test_nothing_happens_outside_of_github(tmp_path: Path) -> None:
    stream, summary = io.StringIO(), tmp_path / "summary.md"
    announce(ordinary(), {"GITHUB_STEP_SUMMARY": str(summary)}, stream)
    assert stream.getvalue() == ""
    assert not summary.exists()


def test_foreign_text_adds_no_markup_to_the_summary() -> None:
    text = verdict_markdown(hostile())
    assert "<script>" not in text.replace("\\<", "")
    assert text.count("\n## ") + text.startswith("## ") == 1
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table if "regressed" in line} == {11}
    assert max(map(len, text.splitlines())) < 12_000


def test_the_markdown_has_every_part() -> None:
    text = verdict_markdown(ordinary())
    parts = [
        "## ✕ What a small model draws: regressed",
        "Exit code 1; 1 regressed, 1 not comparable",
        "### What differs",
    ]
    parts += ["### Prompts that lost most", "a red circle that moves left", "### Preplanned looks", "### Drift since"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_comparison_of_nothing_is_still_shown() -> None:
    text = verdict_markdown(verdict_file(verdict="not comparable", exit_code=3, b=side(failed=72)))
    assert "Exit code 3; no metric decides." in text
