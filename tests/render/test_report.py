"""The HTML report read back by a parser: foreign text stays text, embedded data come back, files are found."""

import base64
import hashlib
import io
import json
import math
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nova_bench.core.visible_text import visible
from nova_bench.render.figure_spec import BarStack, Interval, MetricIntervals, Part
from nova_bench.render.grid import clean_text
from nova_bench.render.html.gallery import GalleryItem, GalleryMetric, thinned
from nova_bench.render.html.media import MediaShelf, poster_jpeg
from nova_bench.render.html.report import Report, render_report, write_report
from nova_bench.render.table import Cell, Column, Row, Table

HOSTILE = "<img src=x onerror=alert(1)> </script><!-- <script> ]]> \u2028 \" ' & ${x} {{ y }}"


class Page(HTMLParser):
    """Elements, attributes and texts of a page; script contents by id."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.texts, self.scripts, self.stack = [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style", "title"):
            self.stack = [tag, dict(attrs).get("id") or tag]

    def handle_endtag(self, tag):
        if self.stack and tag == self.stack[0]:
            self.stack = []

    def handle_data(self, data):
        if self.stack and self.stack[0] != "title":
            self.scripts[self.stack[1]] = self.scripts.get(self.stack[1], "") + data
        else:
            self.texts.append(data)

    def gallery(self):
        return json.loads(self.scripts["gallery-data"])

    def tags(self):
        return {tag for tag, _ in self.elements}


def full_report(text: str) -> Report:
    table = Table("t", text, (Column("m", text, "label"), Column("v", "V")), [Row({"m": Cell(text), "v": Cell(None)})])
    figure = MetricIntervals(id="f", title=text, caption=text, intervals=(Interval(text, 1.0),))
    item = GalleryItem(text, 3, "failed", text, {text: None}, labels=(text,))
    return Report(
        text,
        text,
        facts=((text, text),),
        summary=(text,),
        protocol=((text, text),),
        warnings=(text,) * 6,
        notices=(text,),
        tables=(table, table),
        reading=(text,),
        figures=(figure,),
        gallery=(item,),
        provenance={text: {text: text}},
    )


def text_of(report: Report, path: Path = Path("report.html")) -> str:
    return render_report(report, path, MediaShelf(path))


def page_of(report: Report) -> Page:
    return Page(text_of(report))


def plain_tags() -> set[str]:
    return page_of(full_report("plain_text")).tags()


@given(st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_text_survives_as_text_and_adds_no_element(text):
    page = page_of(full_report(text))
    (item,) = page.gallery()["items"]
    assert (item["prompt"], item.get("error", ""), item["labels"]) == (visible(text), visible(text), [visible(text)])
    assert page.gallery()["metrics"][0]["title"] == visible(text)
    if clean_text(text):
        assert clean_text(text) in page.texts
    assert page.tags() <= plain_tags()


def test_hostile_text_stays_inert():
    text = text_of(full_report(HOSTILE))
    assert "<img" not in text
    assert "<!--" not in text
    assert text.count("</script") == text.count("<script") == 2
    page = Page(text)
    assert page.gallery()["items"][0]["prompt"] == visible(HOSTILE)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_policy_allows_only_this_pages_own_style_and_script():
    page = page_of(full_report("x"))
    (policy,) = [a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.scripts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [tag for tag, attributes in page.elements if "style" in attributes]  # would be blocked


def test_page_asks_for_nothing_from_outside(tmp_path):
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"0" * 300)
    text = text_of(replace(full_report("x"), gallery=(GalleryItem("p", media=clip),)), tmp_path / "r.html")
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not places
    assert not re.search(r"@import|url\((?!#)", text)


def test_media_are_embedded_within_the_budget_and_linked_beyond(tmp_path):
    folder = tmp_path / "artifacts #1 & ä"
    folder.mkdir()
    small, large, odd = folder / "a.mp4", folder / "b?.mp4", folder / "c.mkv"
    small.write_bytes(b"s" * 1000)
    large.write_bytes(b"l" * 50_000)
    odd.write_bytes(b"m" * 10)
    items = tuple(GalleryItem(p.name, media=p) for p in (small, large, odd, small, folder / "gone.mp4"))
    target = tmp_path / "site" / "report.html"
    page = Page(write_report(Report("r", gallery=items), target, media_budget=10_000).read_text())
    shown = [item["media"] for item in page.gallery()["items"]]
    assert [entry["kind"] for entry in shown] == ["video", "video", "file", "video", "missing"]
    assert shown[0] == shown[3]
    uri = page.scripts[f"blob-{shown[0]['blob']}"]
    assert base64.b64decode(uri.removeprefix("data:video/mp4;base64,")) == small.read_bytes()
    for entry, path in zip(shown[:3], (small, large, odd), strict=True):
        assert os.path.samefile(target.parent / unquote(entry["href"]), path)
        assert not re.search(r"[#?& ]", entry["href"])
    assert "blob" not in shown[1]
    assert any("2 media files linked by relative path" in text for text in page.texts)


def test_posters_beyond_their_share_lie_beside_the_page(tmp_path):
    posters = [poster_jpeg(np.full((48, 64, 3), n, np.uint8)) for n in range(10)]
    items = tuple(GalleryItem(str(n), poster=poster) for n, poster in enumerate(posters))
    path = write_report(Report("r", gallery=items), tmp_path / "index.html", media_budget=4 * len(posters[0]))
    page = Page(path.read_text())
    shown = [item["poster"] for item in page.gallery()["items"]]
    embedded = [base64.b64decode(page.scripts[f"blob-{at}"].partition(",")[2]) for at in shown if isinstance(at, int)]
    beside = [(tmp_path / at).read_bytes() for at in shown if isinstance(at, str)]
    assert 0 < len(embedded) < 10
    assert embedded + beside == posters
    assert {path.parent for path in tmp_path.rglob("*.jpg")} == {tmp_path / "media"}


def test_gallery_scores_are_scaled_and_missing_stays_missing():
    metrics = (GalleryMetric("a", "A", "%", True, 1, 100.0), GalleryMetric("b", higher_is_better=False))
    items = (
        GalleryItem(
            "p",
            scores={"a": 0.5, "b": math.inf, "c": 3.0},
            details={"a": [0.1, math.nan, None]},
            limits={"a": 0.25},
            notes={"b": "why b", "c": ""},
        ),
        GalleryItem("q", scores={"a": math.nan}),
    )
    data = page_of(Report("r", gallery=items, metrics=metrics)).gallery()
    assert [metric["title"] for metric in data["metrics"]] == ["A", "b", "c"]
    assert [metric["higher"] for metric in data["metrics"]] == [True, False, None]
    assert [item["scores"] for item in data["items"]] == [[50.0, "Infinity", 3.0], [None, None, None]]
    assert data["items"][0]["details"] == {"0": [10.0, None, None]}
    assert (data["items"][0]["limits"], data["items"][0]["notes"]) == ({"0": 25.0}, {"1": "why b"})


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=400))
def test_thinned_series_keep_both_ends(values):
    short = thinned(values)
    assert len(short) == min(len(values), 64)
    if values:
        ends = [None if v is None else pytest.approx(v, rel=1e-3) for v in (values[0], values[-1])]
        assert [short[0], short[-1]] == ends


@pytest.mark.slow
def test_a_full_benchmark_stays_small(tmp_path):
    scores = {f"metric_{n}": 0.123456 for n in range(10)}
    details = {"metric_0": [0.5] * 32, "metric_1": [0.25] * 32}
    items = tuple(
        GalleryItem(
            f"a prompt of usual length, number {n}, cinematic",
            n,
            scores=scores,
            details=details,
            media=tmp_path / "media" / f"{n:016}.mp4",
            poster=b"a small picture of a frame" * 200 + n.to_bytes(2),
            labels=("subject_consistency", "motion_smoothness"),
            key=f"{n:012}",
        )
        for n in range(6200)
    )
    path = write_report(Report("big", gallery=items), tmp_path / "r.html", media_budget=2**20)
    assert path.stat().st_size < 5 * 10**6
    page = Page(path.read_text())
    assert len(page.gallery()["items"]) == 6200
    assert len([*(tmp_path / "media").iterdir()]) > 6000
    assert "video" not in page.tags()  # cards are built on demand


def test_figures_keep_their_ids_apart_and_show_their_data():
    bars = BarStack(id="a", title="A", x_label="s", bars=("x", "y"), parts=(Part("p", (1, 2)), Part("q", (3, 4))))
    page = page_of(Report("r", figures=(bars, replace(bars, id="b"))))
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    used = {
        a[k].partition("#")[2].rstrip(")")
        for _, a in page.elements
        for k in ("href", "fill", "clip-path")
        if "#f" in a.get(k, "")
    }
    assert used
    assert {name for name in used if "-" in name} <= set(ids)
    assert ("svg", "img") in [(tag, attributes.get("role")) for tag, attributes in page.elements]
    assert [text for text in page.texts if text == "q"]


def test_same_report_same_bytes(tmp_path):
    report = full_report("x")
    assert (
        write_report(report, tmp_path / "a.html").read_bytes() == write_report(report, tmp_path / "b.html").read_bytes()
    )


def test_an_empty_report_is_a_page_without_empty_sections():
    page = page_of(Report("nothing"))
    assert "section" not in page.tags()
    assert "nothing" in page.texts


def test_unknown_status_is_refused():
    with pytest.raises(ValueError, match="fine"):
        GalleryItem("p", status="fine")


def test_a_poster_has_the_stated_size():
    with Image.open(io.BytesIO(poster_jpeg(np.zeros((40, 80, 3), np.uint8), max_side=20))) as image:
        assert (image.format, image.size) == ("JPEG", (20, 10))


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_frame_of_another_kind_is_refused(bad):
    with pytest.raises(ValueError, match="expected uint8 RGB"):
        poster_jpeg(bad)
