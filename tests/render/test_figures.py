"""Figures: every kind draws odd data, says what is missing, and gives the same file for the same data."""

import csv
import io
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.render.dot_plot import DotPlot, ModelScores, Radar
from nova_bench.render.figure_spec import (
    BarStack,
    Curve,
    CurveWithBand,
    Group,
    Interval,
    Line,
    MetricDistribution,
    MetricIntervals,
    Panel,
    Part,
    Points,
    Scatter,
)
from nova_bench.render.figures import draw, figure_bytes, figure_csv, figure_json, write_figure
from nova_bench.render.style import PAPER, WIDTHS, look

ODD = r"odd $x_1$ & <b> \frac{"
SPECS = {
    spec.id: spec
    for spec in (
        MetricDistribution(
            id="strip", title="T", panels=(Panel(ODD, (Group("a", (1.0, None, math.nan, 3.0)), Group("b", ())), "dB"),)
        ),
        MetricDistribution(
            id="ecdf", title="T", style="ecdf", panels=(Panel("m", (Group("a", (1.0, 2.0)), Group("b", (None,)))),)
        ),
        MetricIntervals(
            id="intervals",
            title="T",
            published_label="published: NOVA",
            intervals=(
                Interval("psnr", 28.25, (27.0, 29.0), 26.0, "dB", 2),
                Interval("dynamic_degree", None, published=60.1, note="not computed: needs raft-things.pth"),
                Interval("fvd", math.nan),
            ),
        ),
        DotPlot(
            id="dots",
            title="T",
            scores=(ODD, "b"),
            models=(
                ModelScores(ODD, (1.0, None), ((0.5, 1.5), None)),
                ModelScores("p", (2.0, math.nan), published=True),
            ),
        ),
        Radar(id="radar", title="T", scores=("a", "b", "c"), models=(ModelScores(ODD, (1.0, None, 3.0)),), unit="%"),
        CurveWithBand(
            id="curve",
            title="T",
            x_label="step",
            y_label=ODD,
            curves=(
                Curve(ODD, (1, 2, 3), (3.0, None, 1.0), (2.0, None, 0.0), (4.0, None, 2.0)),
                Curve("b", (1, 2), (1.0, 2.0)),
            ),
            levels=(Line("ceiling", 5.0),),
            marks=(Line("3x training length", 2),),
        ),
        BarStack(
            id="bars",
            title="T",
            x_label="time",
            unit="s",
            shares=True,
            bars=("one", "none"),
            parts=(Part("temporal", (1.0, 0.0)), Part("spatial", (3.0, None))),
        ),
        Scatter(
            id="scatter", title="T", x_label="x", y_label="y", diagonal=True, sets=(Points(ODD, (1, 2), (1, None)),)
        ),
    )
}


def svg_texts(spec) -> list[str]:
    root = ET.fromstring(figure_bytes(spec, "svg"))
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_the_same_data_gives_the_same_bytes(name, format):
    first = figure_bytes(SPECS[name], format)
    assert first.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[format])
    assert figure_bytes(SPECS[name], format) == first
    assert b"2026" not in first or format == "png"  # no date


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("strip", [f"{ODD}, a, n = 2 of 4", f"{ODD}, b, n = 0", "dB"]),
        ("ecdf", ["a, n = 2", "b, n = 0 of 1"]),
        ("intervals", ["published: NOVA", "28.25", "not computed: needs raft-things.pth", "not computed", "–"]),
        ("curve", [ODD, "ceiling", "3x training length", "step"]),
        ("bars", ["temporal", "spatial", "25", "75", "time (%)"]),
        ("scatter", [ODD, "y = x"]),
    ],
)
def test_labels_are_text_and_literal(name, texts):
    found = svg_texts(SPECS[name])
    assert [text for text in texts if text not in found] == []


def test_published_marks_are_hollow_and_a_missing_score_draws_none():
    spec = SPECS["dots"]
    first, second = draw(spec).axes[:2]
    faces = {line.get_marker(): line.get_markerfacecolor() for line in first.lines if line.get_marker() in "oD"}
    assert faces == {"o": look(0).color, "D": PAPER}
    assert not [line for line in second.lines if len(line.get_xdata())]
    records = list(spec.records())
    assert [(r["kind"], r["score"], r["value"], r["ci_low"]) for r in records[::2]] == [
        ("measured", ODD, 1.0, 0.5),
        ("published", ODD, 2.0, None),
    ]


def test_a_missing_mean_draws_no_marker():
    only_missing = MetricIntervals(id="i", title="T", intervals=(Interval("fvd", None),))
    (axes,) = draw(only_missing).axes
    assert not axes.lines
    assert not axes.containers


def test_intervals_share_an_axis_if_they_share_a_range():
    pair = Interval("a", 19.9, (18.8, 21.1)), Interval("b", 33.4, (32.6, 34.3)), Interval("c", None)
    apart, (together,) = (
        draw(MetricIntervals(id="i", title="T", intervals=pair, one_scale=one)).axes for one in (False, True)
    )
    assert apart[0].get_xlim() != apart[1].get_xlim()
    low, high = together.get_xlim()
    assert low < 18.8
    assert high > 34.3
    shares = [replace(item, value=0.5, ci=(0.4, 0.6), range=(0.0, 1.0)) for item in pair]
    first, second = draw(MetricIntervals(id="i", title="T", intervals=(*shares, pair[0]))).axes
    assert len(first.get_yticks()) == 3
    assert first.get_xlim() == (-0.02, 1.02)
    low, high = second.get_xlim()
    assert (21.1 - 18.8) / (high - low) < 0.5  # an interval that fills its axis would look as wide as any other


def test_many_curves_with_bands_have_a_panel_each():
    curves = tuple(Curve(name, (0, 1), (0.0, n), (0.0, n - 1), (0.0, n + 1)) for n, name in enumerate("abcde"))
    spec = CurveWithBand(id="m", title="T", x_label="x", y_label="y", curves=curves, width="page")
    assert len(draw(spec).axes) == 1
    panels = [axes for axes in draw(replace(spec, apart=True)).axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["b", "c", "d", "e"]
    assert all(len(axes.lines) == 2 for axes in panels)
    assert len(draw(replace(spec, apart=True, curves=curves[:3])).axes) == 1
    assert list(replace(spec, apart=True).records()) == list(spec.records())


@pytest.mark.parametrize(("near", "where"), [((1.0, 1.2, 9.0), "top"), ((9.0, 8.8, 1.0), "bottom")])
def test_the_name_of_a_mark_stands_where_no_curve_is(near, where):
    curves = (Curve("a", (0, 1, 9), near), Curve("b", (0, 1, 9), near))
    (axes,) = draw(
        CurveWithBand(id="m", title="T", x_label="x", y_label="y", curves=curves, marks=(Line("3x", 1),))
    ).axes
    (name,) = axes.texts
    assert name.get_verticalalignment() == where


def test_files_and_page_share_a_drawing(tmp_path, monkeypatch):
    from nova_bench.render import figures
    from nova_bench.render.html.svg import inline_svg

    drawn = []
    monkeypatch.setattr(figures, "figure_bytes", lambda spec, format: drawn.append(format) or b"<svg/>")
    spec = Scatter(id="s", title="T", x_label="x", y_label="y", sets=(Points("p", (1,), (2,)),))
    for part in ("a", "b"):
        write_figure(spec, tmp_path / part)
        inline_svg(spec, part)
    assert drawn == ["svg", "png", "pdf"]


def test_a_gap_in_a_curve_stays_a_gap():
    (axes,) = draw(SPECS["curve"]).axes
    drawn = axes.lines[0].get_ydata()
    assert drawn[0] == 3.0
    assert math.isnan(drawn[1])


def test_shares_fill_the_bar():
    (axes,) = draw(SPECS["bars"]).axes
    assert sum(container[0].get_width() for container in axes.containers) == pytest.approx(100)


@pytest.mark.parametrize("name", SPECS)
def test_width_is_the_papers(name):
    assert draw(SPECS[name]).get_figwidth() == WIDTHS[SPECS[name].width]


@pytest.mark.parametrize("name", SPECS)
def test_data_lie_beside_the_figure(name, tmp_path):
    paths = write_figure(SPECS[name], tmp_path, formats=("svg",))
    assert [path.name for path in paths] == [f"{name}.svg", f"{name}.csv", f"{name}.json"]
    rows = list(csv.DictReader(io.StringIO(paths[1].read_text())))
    assert len(rows) == len(list(SPECS[name].records()))
    document = json.loads(paths[2].read_text(), parse_constant=lambda text: pytest.fail(text))
    assert document["kind"] == type(SPECS[name]).__name__


def test_csv_holds_the_numbers_and_empty_gaps():
    rows = list(csv.DictReader(io.StringIO(figure_csv(SPECS["curve"]))))
    assert [row["y"] for row in rows] == ["3.0", "", "1.0", "1.0", "2.0", "5.0", ""]
    assert json.loads(figure_json(SPECS["strip"]))["panels"][0]["groups"][0]["values"] == [1.0, None, None, 3.0]


def test_series_differ_in_more_than_colour():
    looks = [look(index) for index in range(24)]
    assert len({(style.marker, str(style.dashes), style.color) for style in looks}) == 24
    assert all(a.marker != b.marker and a.dashes != b.dashes and a.hatch != b.hatch for a, b in pairwise(looks))


@given(st.lists(st.floats(), max_size=5), st.lists(st.floats(), max_size=5))
def test_series_of_different_length_are_refused(x, y):
    if len(x) == len(y):
        assert Curve("c", tuple(x), tuple(y)).y == tuple(y)
    else:
        with pytest.raises(ValueError, match="different lengths"):
            Curve("c", tuple(x), tuple(y))


def test_long_labels_are_cut_but_stay_apart():
    name = "a name that is much too long for an axis or a legend, seed "
    curves = tuple(Curve(f"{name}{seed}", (1, 2), (seed, seed)) for seed in range(3))
    spec = CurveWithBand(id="long", title="T", x_label=name, y_label=name, curves=curves, marks=(Line(name, 1.5),))
    legend = [text.get_text() for text in draw(spec).legends[0].get_texts()]
    assert len(set(legend)) == 3
    assert max(map(len, legend)) < 40
    assert f"{name}2" in figure_csv(spec)


def test_negative_part_and_half_a_band_are_refused():
    with pytest.raises(ValueError, match="negative"):
        BarStack(id="b", title="T", x_label="x", bars=("a",), parts=(Part("p", (-1.0,)),))
    with pytest.raises(ValueError, match="both edges"):
        Curve("c", (1,), (1,), low=(0,))


def test_drawing_leaves_the_users_matplotlib_alone():
    code = """
import sys, matplotlib
matplotlib.rcParams["font.size"] = 33
from nova_bench.render.figure_spec import Points, Scatter
from nova_bench.render.figures import figure_bytes
figure_bytes(Scatter(id="s", title="T", x_label="x", y_label="y", sets=(Points("p", (1, 2), (3, 4)),)), "svg")
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams["font.size"] == 33
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
