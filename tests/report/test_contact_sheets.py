"""A suite without scorers makes a gallery, and what could not be made is a gap all the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from nova_bench.config.loading import load_suite

SUITES = Path(__file__).parents[2] / "suites"


def sheets(root: Path) -> list[Path]:
    return sorted(root.glob("runs/*/report/figures/contact_sheet*.csv"))


def test_pictures_with_their_prompts_and_no_table(cli, write_suite, tmp_path):
    planned = cli("plan", write_suite(scorers=[]))
    assert "no scorer" not in planned.stdout
    result = cli("run", write_suite(scorers=[], report={}))
    assert result.returncode == 0, result.stderr
    (sheet,) = sheets(tmp_path)
    rows = list(csv.DictReader(sheet.open(newline="")))
    assert [row["caption"] for row in rows[::3]] == [f"a {x}{n}" for x in ("cat", "dog", "house") for n in ("", " [1]")]
    assert [row["frame"] for row in rows[:3]] == ["0", "1", "2"]
    assert len({row["sha256"] for row in rows}) > 1
    assert all(sheet.with_suffix(suffix).stat().st_size for suffix in (".svg", ".png", ".pdf"))
    report = sheet.parents[1]
    assert not list((report / "tables").glob("*"))
    page = (report / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 18
    gallery = json.loads(page.split('id="gallery-data">')[1].split("</script>")[0])
    assert [item["status"] for item in gallery["items"]] == ["ok"] * 6
    assert cli("report", report.parent).returncode == 0


def test_a_sample_that_failed_is_a_gap_and_a_blank(cli, write_suite, tmp_path):
    result = cli("run", write_suite(scorers=[], model={"adapter": "drift", "fail_on": "dog"}))
    assert result.returncode == 3
    assert "incomplete: samples: 4 of 6 made\n" in result.stderr
    assert "drift can't draw 'dog'" in result.stderr
    (sheet,) = sheets(tmp_path)
    notes = {row["caption"]: row["note"] for row in csv.DictReader(sheet.open(newline=""))}
    assert "drift can't draw 'dog'" in notes["a dog"]
    assert notes["a cat"] == ""
    gallery = json.loads((sheet.parents[1] / "index.html").read_text().split('id="gallery-data">')[1].split("</scr")[0])
    assert [item["status"] for item in gallery["items"]].count("failed") == 2


def test_a_file_that_cannot_be_read_is_a_gap(cli, tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "suite.yaml").write_text(
        "name: clips\ntitle: Clips\nmodel: {adapter: files, folder: clips}\nscorers: []\n"
    )
    result = cli("run", "suite.yaml")
    assert result.returncode == 3
    assert "broken: can't be shown" in result.stderr


def test_scored_suites_show_as_many_as_they_ask_for(cli, write_suite, tmp_path):
    assert cli("run", write_suite()).returncode == 0
    assert sheets(tmp_path) == []
    assert cli("run", write_suite(report={"contact_sheet": 2})).returncode == 0
    (sheet,) = sheets(tmp_path)
    assert {row["caption"] for row in csv.DictReader(sheet.open(newline=""))} == {"a cat", "a cat [1]"}


def test_more_than_a_dozen_samples_make_several_sheets(cli, write_suite, tmp_path):
    prompts = {"entries": [f"prompt {index}" for index in range(13)]}
    one_frame = {"num_frames": 1, "height": 16, "width": 16}
    assert cli("run", write_suite(scorers=[], prompts=prompts, sampling=one_frame)).returncode == 0
    assert [path.name for path in sheets(tmp_path)] == ["contact_sheet_1.csv", "contact_sheet_2.csv"]


@pytest.mark.parametrize(("name", "count", "frames"), [("gallery_images", 12, 1), ("gallery_video", 1, None)])
def test_the_papers_galleries(name: str, count: int, frames: int | None) -> None:
    suite = load_suite(str(SUITES / f"{name}.yaml"), ())
    assert len({entry.text for entry in suite.prompts.entries}) == count
    assert suite.scorers == ()
    assert suite.sampling.num_frames == frames
    assert (suite.sampling.height, suite.sampling.width) == (None, None)  # any checkpoint can draw it
