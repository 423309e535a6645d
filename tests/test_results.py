"""The blessed results follow from the rows that are stored beside them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from nova_bench.core.progress import Progress
from nova_bench.experiments.collection.earlier import read_earlier
from nova_bench.experiments.registry import report_run
from nova_bench.render import figures
from nova_bench.store import Store

ROOT = Path(__file__).parent.parent
BLESSED = ROOT / "results" / "tiny"
PICTURES = ("strips_", "contact_sheet", "settings_")
"""Figures of videos (which aren't kept) and of what is read from them."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The stored rows; files of the right size stand for the videos, which tables don't look into."""
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(BLESSED / "store.sqlite", folder)
    with sqlite3.connect(folder / "store.sqlite") as database:
        made = database.execute("SELECT sha256, suffix, size FROM artifacts WHERE sha256 <> ''").fetchall()
    for sha256, suffix, size in made:
        path = folder / "artifacts" / sha256[:2] / f"{sha256}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.truncate(size)
    return folder


@pytest.fixture
def name(store: Path) -> str:
    """The collection's run."""
    with sqlite3.connect(store / "store.sqlite") as database:
        ((name,),) = database.execute("SELECT name FROM runs WHERE name LIKE 'tiny-%'").fetchall()
    return name


def assert_equal(rebuilt: Path) -> None:
    compared = 0
    for part in ("tables", "figures"):
        for path in sorted((BLESSED / part).rglob("*.json")):
            if not path.name.startswith(PICTURES):
                assert json.loads((rebuilt / part / path.relative_to(BLESSED / part)).read_text()) == json.loads(
                    path.read_text()
                ), path
                compared += 1
    assert compared >= 20


def test_tables_and_figures_are_rebuilt_equal(store: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but drawing: 70 figures in three formats and in pages take most of a minute, and are what isn't compared."""
    monkeypatch.setattr(figures, "figure_bytes", lambda spec, format: b"<svg/>")
    with Store.reader(store) as opened:
        report_run(opened.run(name), opened, store / name, Progress(quiet=True))
    assert_equal(store / name / "report")


def test_earlier_results_of_the_miniature_are_here() -> None:
    parts = yaml.safe_load((ROOT / "suites" / "tiny.yaml").read_text())["parts"]
    folders = [ROOT / "suites" / part["results"] for part in parts if "results" in part]
    assert len(folders) >= 4
    for folder in folders:
        earlier = read_earlier(folder.resolve())
        assert earlier.about["date"]
        assert earlier.read_tables()
        assert list(earlier.read_figures())


@pytest.mark.slow
def test_the_command_line_rebuilds_and_draws_them(cli, store: Path, name: str) -> None:
    result = cli("report", name, "--store", store, "--quiet")
    assert result.returncode in (0, 3), result.stderr  # 3: pictures of the missing videos are gaps
    assert_equal(store / name / "report")
