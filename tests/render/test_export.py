"""Each table format read back by a reader of that format."""

import csv
import io
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import UserError
from nova_bench.core.visible_text import visible
from nova_bench.render.export import FORMATS, render_table, write_tables
from nova_bench.render.files import safe_name
from nova_bench.render.grid import clean_text
from nova_bench.render.latex import escape_latex
from nova_bench.render.table import Cell, Column, Row, Table, metric_columns
from nova_bench.render.terminal import plain_text

NASTY = r"100% of $x_1$ & {a} #1 ~ ^ \cmd | <b>&amp; `q` *s* [l](u) -- '' " + '"Käse" 雨 🎬 č ł αβ'
NOTE = "not computed: needs raft-things.pth (nova_bench assets fetch raft-things)"


def sample_table(name: str = NASTY) -> Table:
    def row(label, value, group, **published):
        return Row({"metric": Cell(label), "value": value, **published}, group)

    return Table(
        "vbench_main",
        f"Results: {name}",
        metric_columns(published={"nova": ("NOVA 0.6B", "arXiv 2412.14169, App. E")}),
        [
            row("dynamic_degree", Cell(None, n_requested=5, n_ok=0, n_skipped=5, note=NOTE), "Motion"),
            row(name, Cell(0.96, (0.9, 0.97), 5, 4, 1, highlight=True), name, nova=Cell(0.92)),
            row("psnr", Cell(math.inf, (-0.5, math.inf), 5, 5, unit="dB"), "Fidelity"),
        ],
        caption=name,
        notes=[name],
    )


class Cells(HTMLParser):
    """Texts of table cells, and every tag seen."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.open = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.cells[-1] += data


def read_html(text: str) -> Cells:
    reader = Cells()
    reader.feed(text)
    reader.close()
    return reader


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_format_carries_the_reason_and_the_counts(format):
    text = render_table(sample_table("plain"), format).decode()
    assert "needs raft-things.pth" in text
    counts = {"csv": ",5,4,1,", "json": '"n_failed": 1'}.get(format, "4/5 ok, 1 failed")
    assert counts in text
    assert re.search(r"published", text, re.IGNORECASE)


def test_unknown_format_names_the_known_ones():
    with pytest.raises(UserError, match="markdown"):
        render_table(sample_table(), "docx")


@given(st.text(max_size=40))
@settings(max_examples=80, deadline=None)
def test_html_shows_any_text_as_text(name):
    reader = read_html(render_table(sample_table(name), "html").decode())
    assert clean_text(name) in reader.cells
    known = {"figure", "figcaption", "strong", "span", "div", "table", "thead", "tbody", "tr", "th", "td"}
    assert reader.tags <= known | {"abbr", "sup", "small", "ul", "li", "wbr"}


@given(st.text(max_size=40))
@settings(max_examples=80, deadline=None)
def test_markdown_keeps_its_columns_and_unescapes_to_the_text(name):
    lines = render_table(sample_table(name), "markdown").decode().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    split = [re.split(r"(?<!\\)(?:\\\\)*\|", row)[1:-1] for row in rows]
    assert {len(parts) for parts in split} == {7}
    label = re.sub(r"\\(.)", r"\1", rows[5].split(" | ")[0].removeprefix("| ")) if "|" not in name else None
    assert label is None or label.strip() == clean_text(name).strip()
    assert not re.search(r"(?<!\\)<(?!/?sup>)", "\n".join(lines).replace("\\\\", ""))


@given(st.text(max_size=40), st.floats(), st.sampled_from([1.0, 100.0]))
@settings(max_examples=80, deadline=None)
def test_csv_reads_back(name, value, scale):
    name = name.replace("\r", "\n")
    columns = (Column("m", "M", "label"), Column("v", "V", unit="%", scale=scale))
    table = Table("t", "T", columns, [Row({"m": Cell(name), "v": Cell(value, (value, value), note=name)}, name)])
    text = render_table(table, "csv").decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    name = visible(name)
    assert (row["label:m"], row["group"], row["note"]) == (name, name, name or table.rows[0].cells["v"].note)
    if math.isnan(value):
        assert (row["value"], row["ci_low"], row["ci_high"]) == ("", "", "")
    else:
        assert float(row["value"]) == float(row["ci_low"]) == float(row["ci_high"]) == value * scale
    assert row["unit"] == "%"


def test_terminal_text_is_plain_without_a_terminal():
    text = render_table(sample_table("\x1b[31mred\x07 [bold]x[/bold]"), "text").decode()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]x[/bold]" in text
    assert all(len(line) <= 160 for line in text.splitlines())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_no_terminal_is_too_narrow_for_a_number(width):
    text = plain_text(sample_table("a prompt of several words"), width)
    for shown in ("0.9600", "[0.9000,", "0.9700]", "4/5 ok,", "0.9200", "[-0.5000,", "dB", "raft-things.pth"):
        assert shown.split()[0] in text
    assert max(map(len, text.splitlines())) <= width


def test_terminal_styles_come_only_from_us():
    text = render_table(sample_table("\x1b[31mred"), "ansi").decode()
    assert "\x1b[1m" in text
    assert "\x1b[31m" not in text


def test_latex_escapes():
    assert escape_latex("a_b %&#{}$") == r"a\_b \%\&\#\{\}\$"
    assert escape_latex("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert escape_latex("é č 雨") == r"\'{e} \v{c} \texttt{U+96E8}"
    assert escape_latex("a--b") == "a-{}-b"


@given(st.text(max_size=40))
def test_latex_escape_leaves_no_active_character(text):
    escaped = escape_latex(text)
    assert escaped.isascii()
    assert not re.search(r"(?<!\\)[%&#_~]", escaped)
    braces = re.sub(r"\\[{}]", "", escaped)
    assert braces.count("{") == braces.count("}")


def compiled(folder: Path, *tables: Table) -> str:
    """What pdflatex says about a document with these tables, which it accepts."""
    body = "".join(render_table(table, "latex").decode() for table in tables)
    packages = "booktabs,graphicx,longtable"
    source = f"\\documentclass{{article}}\\usepackage{{{packages}}}\\begin{{document}}{body}\\end{{document}}"
    (folder / "t.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
    assert (folder / "t.pdf").read_bytes().startswith(b"%PDF")
    return run.stdout


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    extremes = Table(
        "x", "".join(map(chr, range(32, 0x250))), (Column("a", "A", "label"),), [Row({"a": Cell("é" * 50)})]
    )
    tall = replace(sample_table(), rows=sample_table().rows * 40, label="vbench-1a2b3c:e. vbench:metrics")
    assert "multiply defined" not in compiled(tmp_path, sample_table(), extremes, tall)
    assert "(3 pages" not in compiled(tmp_path, sample_table())
    assert "longtable" in render_table(tall, "latex").decode().split("\n", 1)[1]


def test_latex_labels_tell_runs_apart():
    text = render_table(replace(sample_table(), label="run-1:part a:metrics"), "latex").decode()
    assert r"\label{tab:run-1:part-a:metrics}" in text
    assert r"\label{tab:vbench_main}" in render_table(sample_table(), "latex").decode()


@pytest.mark.parametrize(
    ("value", "ci", "shown"),
    [
        (11.97, (11.4, 12.6), "11.97"),
        (11.97, (5.0, 19.0), "12.0"),
        (1234.5, (1000.0, 1500.0), "1234"),
        (2.5, None, "2.5000"),
    ],
)
def test_latex_shows_as_many_places_as_the_interval_bears(value, ci, shown):
    table = Table("t", "T", metric_columns(), [Row({"metric": Cell("m"), "value": Cell(value, ci)})])
    assert f" {shown} &" in render_table(table, "latex").decode()
    assert f"{value:.4f}" in render_table(table, "text").decode()


def test_write_tables_names_files_by_id_and_leaves_nothing_else(tmp_path):
    tables = [sample_table(), Table("../../Etc/x y", "T", (Column("a", "A"),)), Table("A:b", "T", (Column("a", "A"),))]
    tables.append(Table("a/B", "T", (Column("a", "A"),)))
    paths = write_tables(tables, tmp_path / "out", formats=("markdown", "json"))
    assert len(set(paths)) == 8
    assert {path.parent for path in paths} == {tmp_path / "out"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    assert "vbench_main.md" in {path.name for path in paths}
    assert Table.from_json(paths[1].read_bytes()) == tables[0]


@given(st.text())
def test_safe_names_are_plain_file_names(text):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", name)
    assert name.strip(".-") == name
