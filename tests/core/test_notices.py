"""Notices: what a user must know of a run that is no failure, on the terminal, on the page and in notices.csv."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from nova_bench.core.notices import NAMED, Notice, labelled, of_samples

CLIP = Path(__file__).parents[1] / "data" / "vbench_clips" / "r8_small_120x112_8fps_4f.mp4"
STRANGER = "1 of 3 files left out"


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a cat-0", "a dog-0", "a cow-0"):
        shutil.copy(CLIP, folder / f"{name}.mp4")
    return folder


def _suite(name: str) -> dict:
    prompts = {"entries": ["a cat", "a dog"]}
    model = {"adapter": "files", "folder": "videos"}
    return {
        "name": name,
        "title": name,
        "model": model,
        "prompts": prompts,
        "scorers": ["remarks"],
        "report": {"figure_formats": ["svg"]},
    }


def _csv(page: Path) -> list[dict[str, str]]:
    with (page.parent / "notices.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _page(stdout: str) -> Path:
    return Path(next(line for line in stdout.splitlines() if line.startswith("report: ")).removeprefix("report: "))


def test_notices_are_in_terminal_page_and_file_and_stay_there(cli: Callable, tmp_path: Path) -> None:
    _folder(tmp_path)
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(_suite("noted")))
    first = cli("run", "suite.yaml", "-q")
    assert first.returncode == 0, first.stderr
    page = tmp_path / _page(first.stdout)
    assert first.stderr.count(STRANGER) == 1  # a warning when it was found, not once more at the end
    assert "note: the sound is gone: 2 samples ('a cat-0.mp4', 'a dog-0.mp4')" in first.stderr
    text = page.read_text()
    assert STRANGER in text
    assert "the sound is gone: 2 samples" in text
    assert [line["samples"] for line in _csv(page) if line["notice"] == "the sound is gone"] == ["2", "2"]

    again = cli("run", "suite.yaml", "-q")
    assert again.stderr == first.stderr
    told = (page.read_text(), _csv(page))
    rebuilt = cli("report")
    assert f"note: videos: {STRANGER}" in rebuilt.stderr
    assert "note: the sound is gone: 2 samples" in rebuilt.stderr
    assert (page.read_text(), _csv(page)) == told


def test_what_is_gone_is_noticed_no_more(cli: Callable, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    suite = {**_suite("noted"), "scorers": ["brightness"]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    page = tmp_path / _page(cli("run", "suite.yaml", "-q").stdout)
    assert _csv(page)
    (folder / "a cow-0.mp4").unlink()
    again = cli("run", "suite.yaml", "-q")
    assert STRANGER not in again.stderr + page.read_text()
    assert not (page.parent / "notices.csv").exists()


def test_studies_and_collections_tell_what_their_parts_notice(cli: Callable, tmp_path: Path) -> None:
    _folder(tmp_path)
    arms = [{"label": "one"}, {"label": "two", "set": {"seed": 7}}]
    study = {"kind": "study", "name": "study", "title": "Study", "base": _suite("noted"), "arms": arms}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    parts = [{"title": "Part", "suite": "study.yaml"}]
    (tmp_path / "all.yaml").write_text(
        yaml.safe_dump({"kind": "collection", "name": "all", "title": "All", "parts": parts})
    )
    result = cli("run", "all.yaml", "-q")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count(STRANGER) == 1
    assert "note: Part, one, two: the sound is gone: 2 samples" in result.stderr
    page = tmp_path / _page(result.stdout)
    assert f"Part, one, two: videos: {STRANGER}" in page.read_text()
    assert {line["part"] for line in _csv(page)} == {"Part, one, two"}


def test_a_store_without_a_table_of_notices_is_read_and_gets_one(cli: Callable, write_suite: Callable) -> None:
    import sqlite3

    suite = write_suite()
    assert cli("run", suite).returncode == 0
    database = Path(suite).parent / "runs" / "store.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE notices")
    connection.close()
    rebuilt = cli("report")
    assert (rebuilt.returncode, "note:" in rebuilt.stderr) == (0, False), rebuilt.stderr
    assert cli("run", suite).returncode == 0


def test_a_line_names_a_few_and_counts_all() -> None:
    (notice,) = of_samples({"cut": [f"{index}.mp4" for index in range(NAMED + 2)]})
    assert notice.line == f"cut: {NAMED + 2} samples ('0.mp4', '1.mp4', '2.mp4', ...)"
    assert Notice("3 files left out", ("a", "b", "c")).line == "3 files left out"


def test_equal_notices_of_several_parts_are_one() -> None:
    both, alone = Notice("x"), Notice("y", ("name",), 1)
    assert [notice.line for notice in labelled({"a": [both], "b": [both, alone]})] == [
        "a, b: x",
        "b: y: 1 sample ('name')",
    ]
