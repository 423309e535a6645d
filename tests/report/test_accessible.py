"""Every page at three widths, light and dark, with all folds open: axe finds nothing, and the console is empty."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nova_bench.store import Store
from tests.browser import AXE, CHROMIUM, looked_at

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: .ci/run installs it"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core here: npm install --prefix build/npm axe-core@4"),
]
ROOT = Path(__file__).parents[2]
UNDECIDED = {
    "only non-text characters": "an arrow for which direction is better, with a title in words",
    "too short to determine": "a single digit, in the text's own colour",
    "captions are available": "generated videos have no sound",
    "obscured by another element": "a table's first column stays while the others scroll below it",
    "partially overlaps other elements": "a table's first column stays while the others scroll below it",
    "Unable to determine contrast ratio": "text of a table that is scrolled out of sight",
    "cells are missing or empty": "a column of units whose metrics have none",
    "overlapped by another element": "the navigation stays at the top while the page scrolls below it",
    "contains an image node": "text of a figure, whose ground is the page's own",
}
"""What axe leaves to people -> what people found."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The blessed output of `make run`, reported again, and other kinds of pages."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "runs").mkdir()
    shutil.copy(ROOT / "results/tiny/store.sqlite", folder / "runs")
    with sqlite3.connect(folder / "runs" / "store.sqlite") as database:  # the record is older than `headline`
        stated = "UPDATE runs SET suite = json_set(suite, '$.headline', 'E. What the model draws') WHERE name LIKE ?"
        database.execute(stated, ["tiny-%"])

    def nova_bench(*arguments: str) -> None:
        command = [sys.executable, "-m", "nova_bench", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1, 3), done.stderr

    nova_bench("score", str(ROOT / "tests/data/vbench_clips"))
    runs = {path.name.rpartition("-")[0]: path for path in folder.glob("runs/score-*")}
    nova_bench("compare", str(runs["score"]), str(runs["score"]), "--html", "verdict.html")
    tiny = next(name for name in _names(folder / "runs") if name.startswith("tiny-"))
    nova_bench("report", tiny)
    return {
        "score": runs["score"] / "report" / "index.html",
        "tiny": folder / "runs" / tiny / "report" / "index.html",
        "verdict": folder / "verdict.html",
        "runs": folder / "runs" / "index.html",
    }


def _names(root: Path) -> list[str]:
    with Store.reader(root) as store:
        return [name for name, *_ in store.run_names()]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("name", ["score", "tiny", "verdict", "runs"])
def test_a_page(name: str, width: int, dark: bool, pages: dict[str, Path], tmp_path: Path) -> None:
    found = looked_at(pages[name], width, dark, tmp_path / "profile")
    assert found["console"] == []
    assert found["dark"] == dark
    assert found["inner"] == width
    assert found["width"] <= width, "the page scrolls sideways"
    assert found["violations"] == []
    unknown = [entry for entry in found["undecided"] if not any(reason in entry[1] for reason in UNDECIDED)]
    assert unknown == []
    if name == "tiny" and width in (390, 1280):
        assert found["height"] <= (8000 if width == 390 else 5000)
