"""A run's folder can be moved or sent: its page shows everything from where it is, and states no absolute path."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.browser import CHROMIUM, FLAGS


@pytest.fixture
def moved(cli: Callable, write_suite: Callable, tmp_path: Path) -> Path:
    """The report of a run that embeds nothing, elsewhere, with the store gone."""
    assert cli("run", write_suite(report={"embed_megabytes": 0, "figure_formats": ["svg"]})).returncode == 0
    (run,) = tmp_path.glob("runs/smoke-*")
    elsewhere = tmp_path / "sent by mail" / "run"
    shutil.copytree(run, elsewhere)
    shutil.rmtree(tmp_path / "runs")
    return elsewhere / "report"


def test_every_file_that_the_page_shows_lies_in_its_folder(moved: Path) -> None:
    text = (moved / "index.html").read_text()
    items = json.loads(text.split('id="gallery-data">')[1].split("</script>")[0])["items"]
    assert len(items) == 6
    for item in items:
        for address in (item["media"]["href"], item["poster"]):
            assert (moved / unquote(address)).resolve().is_relative_to(moved)
            assert (moved / unquote(address)).is_file()


def test_nothing_states_an_absolute_path(moved: Path, tmp_path: Path) -> None:
    files = [path for path in moved.rglob("*") if path.is_file() and path.suffix != ".mp4"]
    texts = {path: path.read_text(errors="replace") for path in files}
    assert len(texts) > 10
    assert [path for path, text in texts.items() if str(tmp_path) in text or str(Path.home()) in text] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with")
def test_a_browser_plays_the_videos_of_the_copy(moved: Path) -> None:
    page = moved / "index.html"
    # The page's own script may not be changed, so that a page beside it plays one of the files.
    (moved / "play.html").write_text(
        f"<video src='{next((moved / 'media').glob('*.mp4')).relative_to(moved)}' preload=auto muted></video>"
        "<script>const v = document.querySelector('video');"
        "v.onloadeddata = () => { document.title = 'plays ' + v.videoWidth };"
        "v.onerror = () => { document.title = 'fails' };</script>"
    )
    command = [str(CHROMIUM), *FLAGS, "--enable-logging=stderr"]
    shown = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=True)
    assert shown.stdout.count('class="card ok') == 6
    assert "CONSOLE" not in shown.stderr
    played = subprocess.run([*command, (moved / "play.html").as_uri()], capture_output=True, text=True, check=True)
    assert "<title>plays 16</title>" in played.stdout
