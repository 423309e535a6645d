"""Figures 1 and 2 say what the configuration says, and nothing in them overlaps."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from nova_bench.experiments.study.block_diagrams import appendix_diagrams, norm_placement_diagram, scale_shift_diagram
from nova_bench.nova import NOVAConfig
from nova_bench.nova.config import NORM_PLACEMENTS
from nova_bench.nova.published import PUBLISHED, published
from nova_bench.render.diagram import Box, Diagram
from nova_bench.render.figures import draw, write_figure

VIDEO = published("nova-d48w1024-osp480").transformer


def texts(diagram: Diagram) -> list[str]:
    return [box.text for box in diagram.boxes]


def test_the_layer_has_the_models_own_sizes() -> None:
    found = texts(scale_shift_diagram(VIDEO))
    assert {"anchor\n360 × 1024", "Linear\n1024 → 24", "Linear\n24 → 2048", "×", "+"} <= set(found)
    full = texts(scale_shift_diagram(VIDEO.with_arrangement(video_mixer_rank=-1)))
    assert "Linear\n1024 → 2048" in full
    assert sum(text.startswith("Linear") for text in full) == 1


def test_without_the_layer_nothing_is_scaled() -> None:
    diagram = scale_shift_diagram(VIDEO.with_arrangement(video_mixer_rank=None))
    assert not {"×", "+", "SiLU"} & set(texts(diagram))
    assert diagram.title == "No scaling-and-shift layer"


@pytest.mark.parametrize(
    ("placement", "order"),
    [
        ("pre", ["LayerNorm", "f", "+"]),
        ("post_after_residual", ["f", "+", "LayerNorm"]),
        ("post_before_residual", ["f", "LayerNorm", "+"]),
    ],
)
def test_the_models_placement_stands_out_and_is_in_order(placement: str, order: list[str]) -> None:
    diagram = norm_placement_diagram(VIDEO.with_arrangement(norm_placement=placement))
    (chosen,) = [box for box in diagram.boxes if box.kind == "chosen"]
    inside = [
        box
        for box in diagram.boxes
        if box.kind in ("layer", "norm", "operation") and abs(box.at[0] - chosen.at[0]) < chosen.size[0] / 2
    ]
    inside.sort(key=lambda box: box.at[1])
    names = ["f" if box.text.startswith(("Attention", "MLP")) else box.text for box in inside]
    assert names == order * 2
    assert chosen.text.startswith("this model:")


def overlap(one: Box, other: Box) -> bool:
    return all(abs(one.at[axis] - other.at[axis]) < (one.size[axis] + other.size[axis]) / 2 for axis in (0, 1))


@given(
    name=st.sampled_from(sorted(PUBLISHED)),
    rank=st.sampled_from([None, -1, 4, 24, 128]),
    placement=st.sampled_from(NORM_PLACEMENTS),
)
def test_boxes_lie_on_the_sheet_and_apart(name: str, rank: int | None, placement: str) -> None:
    config = PUBLISHED[name].transformer.with_arrangement(video_mixer_rank=rank, norm_placement=placement)
    for diagram in appendix_diagrams(config):
        boxes = [box for box in diagram.boxes if box.kind not in ("group", "chosen")]
        assert [(a.text, b.text) for a, b in combinations(boxes, 2) if overlap(a, b)] == []
        for box in diagram.boxes:
            assert 0 < box.left[0] < box.right[0] < 6.8
            assert 0 < box.bottom[1] < box.top[1] < diagram.height


def wide(config: NOVAConfig) -> NOVAConfig:
    """The widest published model with the longest rank."""
    return config.with_arrangement(video_mixer_rank=128)


@pytest.mark.parametrize(
    "config", [VIDEO, wide(PUBLISHED["nova-d48w1536-sdxl1024"].transformer)], ids=["video", "wide"]
)
def test_texts_fit_into_their_boxes(config: NOVAConfig) -> None:
    for diagram in appendix_diagrams(config):
        figure = draw(diagram)
        renderer = FigureCanvasAgg(figure).get_renderer()
        (axes,) = figure.axes
        drawn = {text.get_text(): text.get_window_extent(renderer) for text in axes.texts}
        for box in diagram.boxes:
            if box.kind in ("layer", "norm", "data"):
                extent = drawn[box.text]
                assert extent.width < box.size[0] * figure.dpi, box.text
                assert extent.height < box.size[1] * figure.dpi, box.text


def test_files_are_those_of_every_figure(tmp_path: Path) -> None:
    for diagram in appendix_diagrams(VIDEO):
        written = {path.suffix for path in write_figure(diagram, tmp_path)}
        assert written == {".svg", ".png", ".pdf", ".csv", ".json"}
    assert "Linear" in (tmp_path / "scale_shift.csv").read_text()
