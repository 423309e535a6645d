"""The report in a real browser, from a file: its script runs under its own policy and shows prompts as text."""

import base64
import hashlib
import re
import subprocess
from html.parser import HTMLParser

import pytest

from nova_bench.render.html.gallery import GalleryItem, GalleryMetric
from nova_bench.render.html.report import Report, write_report
from nova_bench.render.html.trees import GivenAnswer, QuestionTree, TreeImage, TreeQuestion
from nova_bench.render.table import Cell, Row, Table, metric_columns
from tests.browser import CHROMIUM, FLAGS

PROMPT = "<img src=x onerror=\"document.title='owned'\"> </script><script>document.title='owned'</script>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with")


class Dom(HTMLParser):
    """Prompts, card classes and sort buttons of the page after its script ran."""

    def __init__(self, text):
        super().__init__()
        self.cards, self.prompts, self.buttons, self.title, self.images, self.inside = [], [], 0, "", 0, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        names = (dict(attrs).get("class") or "").split()
        if "card" in names:
            self.cards.append(names[1])
        if "prompt" in names:
            self.prompts.append("")
        self.inside = "prompt" if "prompt" in names else tag if tag == "title" else None
        self.buttons += tag == "button" and dict(attrs).get("title") == "Sort by this column"
        self.images += tag == "img"

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "prompt":
            self.prompts[-1] += data
        elif self.inside == "title":
            self.title += data


def test_cards_are_built_and_prompts_are_text(tmp_path):
    table = Table("t", "T", metric_columns(), [Row({"metric": Cell(str(n)), "value": Cell(n / 7)}) for n in range(3)])
    items = tuple(
        GalleryItem(
            PROMPT,
            n,
            "failed" if n == 2 else "ok",
            scores={"m": n / 10, "other": None if n else 1.0},
            details={"m": [0.1, 0.2]},
            limits={"m": 0.15},
            notes={"m": PROMPT},
        )
        for n in range(60)
    )
    page = write_report(
        Report("the title", tables=(table,), gallery=items, metrics=(GalleryMetric("m", higher_is_better=True),)),
        tmp_path / "report.html",
    )
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True)
    dom = Dom(result.stdout)
    assert len(dom.cards) == 12
    assert dom.cards[:4] == ["ok", "ok", "failed", "ok"]
    assert set(dom.prompts) == {PROMPT}
    assert result.stdout.count('class="limit"') == 2 * 11  # on the card, and below "All scores"
    assert result.stdout.count('class="why"') == 11
    assert dom.title == "the title"
    assert dom.images == 0
    assert dom.buttons == len(metric_columns()) - 1  # without units, their column is left out


def test_an_opened_prompt_shows_its_tree_as_text(tmp_path):
    hostile = "</script><img src=x onerror=\"document.title='owned'\">"
    tree = QuestionTree(
        prompt=hostile,
        name="item1",
        judge="mplug",
        notes=("dpg_bench: 50.00 %",),
        images=(TreeImage(("seed 1",)), TreeImage(("seed 2",))),
        questions=(
            TreeQuestion(1, (0,), "entity - whole", "Is there a cat?", (GivenAnswer("yes"), GivenAnswer("no"))),
            TreeQuestion(
                2,
                (1,),
                "attribute - color",
                f"Is it {hostile}?",
                (GivenAnswer("two"), GivenAnswer("yes", 0.75, {"corrected": 1, "official": 1})),
            ),
        ),
    )
    page = write_report(Report("R", trees=(tree,), trees_note="All 1 prompts."), tmp_path / "index.html")
    # The toggle event of a details element that is open from the start is the one of opening it.
    text = page.read_text().replace('make("details", "tree")', 'Object.assign(make("details", "tree"), {open: true})')
    start, end = text.rindex("<script>") + 8, text.rindex("</script>")
    digest = base64.b64encode(hashlib.sha256(text[start:end].encode()).digest()).decode()
    page.write_text(re.sub("script-src &#39;sha256-[^&]*&#39;", f"script-src 'sha256-{digest}'", text))
    shown = subprocess.run([CHROMIUM, *FLAGS, page.as_uri()], capture_output=True, text=True, check=True).stdout
    dom = shown[shown.index("<main") : shown.index("</main>")]
    assert "<title>R</title>" in shown
    assert "<img" not in dom
    assert dom.count('<ul class="tree-list">') == 2
    words = re.sub("<[^>]*>", "|", dom)
    words = re.sub(r"\|+", "|", words)
    assert "|1|✓|yes|2|✕|no|" in words
    assert "|1|?|two|2|⊘|yes (0.75), zeroed by 1|" in words
