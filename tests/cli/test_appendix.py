"""The appendix command: which suite it runs, and that its report is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nova_bench.cli import app
from nova_bench.experiments.base import Request
from nova_bench.report.reported import Reported


@pytest.mark.parametrize(("options", "suite"), [([], "tiny"), (["--model", "nova-d48w768"], "appendix")])
def test_it_runs_the_suite_for_the_model_and_shows_the_report(
    monkeypatch: pytest.MonkeyPatch, options: list[str], suite: str
) -> None:
    asked: list[Request] = []

    def run_request(request: Request, progress: object) -> Reported:
        asked.append(request)
        return Reported("run", (), (), ("one metric",), Path("runs/page.html"))

    monkeypatch.setattr("nova_bench.cli.appendix.run_request", run_request)
    result = CliRunner().invoke(app, ["appendix", *options])
    assert (result.exit_code, result.stdout) == (3, "report: runs/page.html\n")
    assert "incomplete: one metric" in result.stderr
    assert asked[0].suite == suite
