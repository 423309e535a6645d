"""The page of a comparison, read back by a parser: the verdict first, foreign text as text, and both videos."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nova_bench.core.visible_text import visible
from nova_bench.gate.outputs.page import SHOWN, render_verdict_page, write_page
from nova_bench.gate.verdict_file import VerdictFile
from nova_bench.render.html.media import DEFAULT_BUDGET
from tests.gate.outputs.files import HOSTILE, hostile, large, loss, metric, ordinary, verdict_file

SENTENCE = "the baseline's videos are not here: --baseline-store DIR shows them"


class Page(HTMLParser):
    """Elements with their attributes, all text outside of scripts and styles, and the scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.code: dict[str, str] = {}
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[self._inside] = self.code.get(self._inside, "") + data
        else:
            self.text += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.elements
            if name == tag and all(value in (found.get(key) or "").split() for key, value in attributes.items())
        ]


def page_of(file: VerdictFile, tmp_path: Path, media=None, budget: int = DEFAULT_BUDGET) -> Page:
    return Page(write_page(file, tmp_path / "page.html", media, budget=budget).read_text(encoding="utf-8"))


def test_the_parts_come_in_order(tmp_path: Path) -> None:
    file = ordinary()
    text = " ".join(page_of(file, tmp_path).text.split())
    first = ["✕ Regressed", file.summary.removeprefix("regressed: "), "✕ 1 regressed", "1 · regression"]
    first += [
        "B: 1 of 72 samples failed",
        "Each metric against its margin",
        "What differs besides",
        "Prompts that lost",
    ]
    first += [
        "a red circle that moves left",
        "Preplanned looks",
        "Drift since the first baseline",
        "9999",
        "torch 2.9.1",
    ]
    places = [text.index(part) for part in first]
    assert places == sorted(places)


def strip_of(page: Page, name: str) -> list[tuple[str, dict[str, str | None]]]:
    """The shapes of one metric's plot."""
    starts = [at for at, (tag, found) in enumerate(page.elements) if tag == "svg" and found.get("role") == "img"]
    (start,) = (at for at in starts if f": {name} " in (page.elements[at][1]["aria-label"] or ""))
    end = next(at for at in range(start, len(page.elements)) if page.elements[at][0] == "p")
    return page.elements[start:end]


def position(shapes: list[tuple[str, dict[str, str | None]]], kind: str, attribute: str = "x1") -> float:
    (found,) = (found for _, found in shapes if found.get("class") == kind)
    return float((found[attribute] or "").removesuffix("%"))


def test_intervals_are_drawn_to_scale_in_margins(tmp_path: Path) -> None:
    page = page_of(ordinary(), tmp_path)
    shapes = strip_of(page, "shapes/color")
    zero, margin = position(shapes, "zero"), position(shapes, "margin")
    unit = (zero - margin) / 0.02
    assert position(shapes, "reach") == pytest.approx(zero - 0.062 * unit, abs=0.01)
    assert position(shapes, "reach", "x2") == pytest.approx(zero - 0.02 * unit, abs=0.01)
    assert position(shapes, "point", "x") == pytest.approx(zero - 0.041 * unit, abs=0.01)
    assert position(shapes, "noise", "x") == pytest.approx(zero - 0.01 * unit, abs=0.01)
    other = strip_of(page, "shapes/all")
    assert (position(other, "zero"), position(other, "margin")) == (zero, margin)  # one scale for all metrics


def test_an_interval_beyond_the_scale_ends_in_an_arrow(tmp_path: Path) -> None:
    far = metric("far", "regressed", difference=-3.0, low=-90.0, high=-0.5)
    shapes = strip_of(page_of(verdict_file(far, metric("near")), tmp_path), "far")
    paths = [str(found["d"]) for tag, found in shapes if tag == "path"]
    assert [path.count("L") for path in paths[:2]] == [2, 0]  # a triangle, then a bar
    assert position(shapes, "reach") == 0
    assert position(shapes, "margin") > 50


def test_a_verdict_is_never_told_by_colour_alone(tmp_path: Path) -> None:
    page = page_of(ordinary(), tmp_path)
    labels = [found["aria-label"] or "" for found in page.all("svg", role="img")]
    assert [label.split(": ")[0] for label in labels] == [
        *("regressed", "inconclusive", "pass", "improved", "pass"),
    ]
    shapes = {strip_of(page, name)[-1][1]["d"] for name in ("shapes/color", "shapes/count", "shapes/motion")}
    assert len(shapes) == 3


@pytest.fixture
def videos(tmp_path: Path) -> tuple[Path, Path]:
    paths = (tmp_path / "media" / "new é.mp4", tmp_path / "media" / "old.mp4")
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(path.name.encode() * 10)
    return paths


def test_both_videos_are_embedded_side_by_side(tmp_path: Path, videos: tuple[Path, Path]) -> None:
    file = verdict_file(metric("a", "regressed", losses=(loss("a cat", prompt_id="p7", indices=(3, 0)),)))
    asked = []

    def media(prompt: str, index: int) -> tuple[Path, Path]:
        asked.append((prompt, index))
        return videos

    page = page_of(file, tmp_path, media)
    assert asked == [("p7", 3)]
    found = [base64.b64decode((video["src"] or "").partition(",")[2]) for video in page.all("video")]
    assert found == [path.read_bytes() for path in videos]
    assert len(page.all("button", type="button")) == len(page.all("input", type="range")) == 1
    assert "sample 3" in page.text


def test_videos_beyond_the_budget_are_linked(tmp_path: Path, videos: tuple[Path, Path]) -> None:
    page = page_of(ordinary(), tmp_path, lambda *_: videos, budget=0)
    assert {video["src"] for video in page.all("video")} == {"./media/new%20%C3%A9.mp4", "./media/old.mp4"}
    assert "2 of 2 files are linked" in page.text


def test_a_missing_video_says_why(tmp_path: Path, videos: tuple[Path, Path]) -> None:
    answers = iter([(videos[0], SENTENCE), (None, tmp_path / "gone.mp4"), (tmp_path / "page.html", "<i>failed</i>")])
    page = page_of(ordinary(), tmp_path, lambda *_: next(answers))
    assert len(page.all("video")) == 1
    for words in (SENTENCE, "No video was given", "File not found: gone.mp4", "<i>failed</i>"):
        assert words in page.text
    assert page_of(ordinary(), tmp_path).text.count("No video was given") == 6


def test_a_prompt_is_shown_once_with_all_that_it_lost(tmp_path: Path) -> None:
    page = page_of(large(), tmp_path)
    assert len(page.all("li", **{"class": "card"})) == SHOWN
    assert f"{SHOWN} of 944 listed prompts" in page.text
    assert page.text.count("12 more metrics") == SHOWN


def test_foreign_text_is_text_and_the_policy_allows_nothing_else(tmp_path: Path) -> None:
    page = page_of(hostile(), tmp_path)
    assert {tag for tag, _ in page.elements}.isdisjoint({"iframe", "object", "form"})
    assert len(page.all("script")) == 1
    assert " ".join(visible(HOSTILE.replace("\r\n", " ")).split()) in " ".join(page.text.split())
    assert not {"\u202e", "\x00", "\x1b"} & set(page.text)
    assert "word " * 900 in page.text  # the whole prompt can be unfolded
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    for kind, code in page.code.items():
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in (policy["content"] or "")
    assert not [found for _, found in page.elements if "style" in found or any(key.startswith("on") for key in found)]


def test_nothing_on_the_page_comes_from_elsewhere(tmp_path: Path) -> None:
    text = render_verdict_page(ordinary(), tmp_path / "page.html", budget=0)
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*", text) == []


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (verdict_file(verdict="not comparable", exit_code=3), ["no metric decides", "Nothing was measured"]),
        (verdict_file(metric("a", "not comparable"), verdict="not comparable", exit_code=3), ["– 1 not comparable"]),
        (verdict_file(metric("a", gating=False), verdict="not comparable", exit_code=3), ["No metric decides."]),
        (verdict_file(metric("a")), ["No prompt lost in any metric.", "the same protocol card", "0 · pass"]),
    ],
    ids=["nothing", "not comparable", "information only", "no losses"],
)
def test_what_is_empty_says_so(tmp_path: Path, file: VerdictFile, words: list[str]) -> None:
    page = page_of(file, tmp_path)
    assert [word for word in words if word not in page.text] == []
