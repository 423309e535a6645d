"""The page in a real browser, from a file: its script runs under its own policy and joins the videos' controls."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np

from nova_bench.gate.outputs.page import write_page
from nova_bench.video.write import write_mp4
from tests.gate.outputs.files import HOSTILE, loss, metric, verdict_file
from tests.render.test_report_browser import CHROMIUM, FLAGS, pytestmark  # noqa: F401


def test_one_button_and_one_scrubber_for_both_videos(tmp_path: Path) -> None:
    video, broken = tmp_path / "a.mp4", tmp_path / "broken.mp4"
    write_mp4(video, np.zeros((12, 64, 64, 3), dtype=np.uint8), 8)
    broken.write_bytes(b"no video")
    losses = tuple(loss(f"{HOSTILE}{number}", -1 + number / 10, str(number)) for number in range(3))
    media = {"0": (video, video), "1": (video, "gone"), "2": (broken, "gone")}
    page = write_page(
        verdict_file(metric("a", "regressed", losses=losses), verdict="regressed", title="the title"),
        tmp_path / "page.html",
        lambda prompt, index: media[prompt],
    )
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cards = dom.split('<li class="card">')[1:]
    assert [card.count("<video") for card in cards] == [2, 1, 0]
    assert [bool(re.search(r'class="together" hidden', card)) for card in cards] == [False, False, True]
    assert [re.findall(r"<output>([^<]*)", card)[0] for card in cards[:2]] == ["0.00 / 1.50 s"] * 2
    assert "controls" not in "".join(re.findall(r"<video[^>]*>", dom))
    assert "This browser can't play the file." in cards[2]
    assert "Open broken.mp4" in cards[2]
    assert "<title>regressed: the title</title>" in dom
