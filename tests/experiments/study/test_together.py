"""Several runs in one report, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

BOARD = {"title": "Table 1", "columns": {"Bright": "brightness"}}


def test_runs_of_two_models_share_one_table_and_are_compared(cli, write_suite, tmp_path: Path) -> None:
    for label, darker in (("Light", 0), ("Dark", 90)):
        model = {"adapter": "drift", "label": label, "darker": darker}
        suite = write_suite(model=model, leaderboard=BOARD, scorers=["brightness"], report={"gallery": 4})
        made = cli("run", suite)
        assert made.returncode == 0, made.stderr
    names = sorted(path.name for path in (tmp_path / "runs").glob("smoke-*"))
    alone = cli("report", names[0], "--together")
    assert (alone.returncode, alone.stderr.splitlines()[0]) == (2, "error: --together needs two runs or more")
    twice = cli("report", names[0], names[0], "--together")
    assert "is named twice" in twice.stderr
    result = cli("report", *names, "--together", "--out", "both")
    assert result.returncode == 0, result.stderr
    tables = tmp_path / "both" / "report" / "tables"
    board = json.loads((tables / "leaderboard.json").read_text())
    cells = {row["cells"]["model"]["value"]: row["cells"] for row in board["rows"]}
    assert set(cells) == {"Light", "Dark"}
    assert cells["Light"]["c0"]["highlight"]
    assert cells["Dark"]["c0"]["second"]
    study = json.loads((tables / "study.json").read_text())
    assert any("ci" in row["cells"]["difference"] for row in study["rows"])
