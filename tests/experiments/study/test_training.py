"""What studies show of trainings, of generation times and of blocks: records in, tables and figures out."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from nova_bench.config.suite import ReportSpec, StatisticsSpec
from nova_bench.core.statistics import smallest_visible, student_interval
from nova_bench.experiments.study.conclusion import conclude
from nova_bench.experiments.study.record import ArmRecord, StudyRecord
from nova_bench.experiments.study.results import ArmResult, StudyResults
from nova_bench.experiments.study.spec import ConclusionSpec, StabilitySpec, TrainingSpec
from nova_bench.experiments.study.stability import stability_part
from nova_bench.experiments.study.training import training_part
from nova_bench.experiments.study.training_figures import in_bins
from nova_bench.experiments.study.training_measures import MEASURES, accumulated
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.train.record import DivergenceRecord, TrainingRecord

PIPELINE = Path(__file__).parents[2] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
STEPS = 40
LEVELS = (("low", 0.5), ("high", 0.7))
BASE = {
    "model": {"adapter": "drift"},
    "prompts": {"entries": ["a cat", "a dog", "a house"]},
    "sampling": {"num_frames": 3, "height": 16, "width": 16},
    "scorers": ["brightness"],
    "statistics": {"resamples": 200},
    "report": {"figure_formats": ["svg"]},
}


def record_of(name: str, seed: int, level: float) -> TrainingRecord:
    """A record whose final losses, norms and magnitudes are known: ``level``, and a little of the seed."""
    end = level + 0.01 * seed
    return TrainingRecord(
        name=f"{name}-s{seed}",
        title=name,
        seed=seed,
        transformer={"video_base_size": [2, 1, 1]},
        learning_rate=0.001,
        seconds=1.0,
        device="cpu",
        nova_bench="0",
        losses={
            "loss_t2i": tuple(2.0 if step < STEPS - 4 else end for step in range(STEPS)),
            "loss_i2i": tuple(3.0 if step < STEPS - 4 else 2 * end for step in range(STEPS)),
        },
        grad_norm=tuple(float(step) for step in range(1, STEPS + 1)),
        # Two clips, one ratio, three frames, two of them trained: error accumulates by ``level`` a frame.
        held_out={
            "clips": 2,
            "num_frames": 9,
            "mask_ratios": [1.0],
            "true_context": [[[end + clip] * 3] for clip in range(2)],
            "own_context": [[[end + clip + frame * level for frame in range(3)]] for clip in range(2)],
        },
        recorded_steps=(1, 21),
        blocks={
            f"{encoder}.blocks.{i}": {"rms": (1.0, level * (i + 1)), "max": (4.0, 8.0 * (i + 1))}
            for encoder, depth in (("video_encoder", 2), ("image_encoder", 3), ("image_decoder", 9))
            for i in range(depth)
        },
    )


@pytest.fixture
def write_study(tmp_path):
    """A study of two settings with three seeds each and records of all but one training."""

    def write(**keys):
        (tmp_path / "records").mkdir(exist_ok=True)
        for name, level in LEVELS:
            for seed in (1, 2, 3):
                if (name, seed) != ("high", 3):
                    text = record_of(name, seed, level).model_dump_json()
                    (tmp_path / "records" / f"{name}-{seed}.json").write_text(text)
        arms = [
            {
                "label": name,
                "seeds": [1, 2, 3],
                "training": f"records/{name}-{{seed}}.json",
                "set": {"model.checkpoint": f"{name}{{seed}}"},
            }
            for name in ("low", "high")
        ]
        study = {"kind": "study", "name": "pair", "title": "A pair", "base": BASE, "arms": arms, "training": {}, **keys}
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        return path

    return write


def report_of(tmp_path: Path) -> Path:
    (report,) = (tmp_path / "runs").glob("pair-??????/report")
    return report


def rows_of(tmp_path: Path, table: str) -> list[dict]:
    rows = json.loads((report_of(tmp_path) / "tables" / f"{table}.json").read_text())["rows"]
    return [row["cells"] for row in rows]


def results_of(arms: list[ArmRecord], **keys) -> StudyResults:
    """A study of arms without videos."""
    record = StudyRecord(
        name="pair",
        title="A pair",
        description="",
        reference=arms[0].setting,
        arms=tuple(arms),
        published=(),
        statistics=StatisticsSpec(),
        report=ReportSpec(),
        training=TrainingSpec(points=10),
        **keys,
    )
    return StudyResults(record, tuple(ArmResult(arm) for arm in arms))


def training_table(arms: list[ArmRecord]) -> tuple[dict[tuple[str, str], Cell], dict[str, FigureSpec]]:
    """(measure title, setting) -> cells of the training table, and the figures by id, of arms without videos."""
    results = results_of(arms)
    (table, *_), figures = training_part(results, results.record.training)
    assert Table.from_json(table.to_json()) == table
    return {(row.group, row.cells["setting"].value): row.cells for row in table.rows}, {
        figure.id: figure for figure in figures
    }


def arm(setting: str, seed: int, training: TrainingRecord | None, problem: str = "") -> ArmRecord:
    label = f"{setting}, seed {seed}"
    shared = {"run": "", "problem": "absent", "published": None, "training_problem": problem}
    return ArmRecord(label=label, setting=setting, seed=seed, training=training, **shared)


def test_numbers_of_trainings_are_means_over_seeds_with_paired_differences():
    arms = [arm(name, seed, record_of(name, seed, level)) for name, level in LEVELS for seed in (1, 2, 3)]
    arms[-1] = arm("high", 3, None, "needs the record")
    cells, _ = training_table(arms)
    low, high = cells["loss, first frames", "low"], cells["loss, first frames", "high"]
    assert low["value"].value == pytest.approx(0.52)
    reach = t.ppf(0.975, 2) * 0.01 / 3**0.5
    assert low["value"].ci == pytest.approx((0.52 - reach, 0.52 + reach))
    assert high["trainings"].value == "2 (seeds 1, 2)"
    # Paired: seeds 1 and 2 differ by 0.2 each, exactly.
    assert high["difference"].value == pytest.approx(0.2)
    assert (high["difference"].ci, high["difference"].ci_missing) == (None, "all 2 equal")
    assert cells["later minus first frames", "low"]["value"].value == pytest.approx(0.52)
    assert cells["gradient norm, median", "low"]["value"].value == pytest.approx((STEPS + 1) / 2)
    assert cells["largest block output", "low"]["value"].value == 24.0
    assert cells["growth over temporal blocks", "low"]["value"].value == pytest.approx(2.0)
    assert cells["growth over spatial blocks", "high"]["value"].value == pytest.approx(3.0)


def test_held_out_losses_within_the_training_length_and_beyond_it():
    arms = [arm(name, seed, record_of(name, seed, level)) for name, level in LEVELS for seed in (1, 2, 3)]
    cells, figures = training_table(arms)
    for what in ("held-out loss", "held-out loss beyond training"):
        assert cells[what, "low"]["value"].value == pytest.approx(0.5 + 0.02 + 0.5)
    assert cells["accumulated error", "high"]["value"].value == pytest.approx(0.7)
    assert cells["accumulated error beyond training", "high"]["value"].value == pytest.approx(1.4)
    assert [(mark.label, mark.at) for mark in figures["training_accumulated"].marks] == [("training length", 2.5)]


def test_tables_of_held_out_losses_have_intervals_over_clips_and_differences_over_the_same_ones():
    arms = [arm(name, seed, record_of(name, seed, level)) for name, level in LEVELS for seed in (1, 2, 3)]
    arms.append(arm("none", 1, record_of("none", 1, 0.5).model_copy(update={"held_out": None})))
    results = results_of(arms)
    (_, true, own), _ = training_part(results, results.record.training)
    assert (true.id, own.id) == ("held_out", "held_out_own")
    low, high, none = (row.cells for row in own.rows)
    assert low["all"].value == pytest.approx(0.52 + 0.5 + 0.5)  # level, seeds, clips and one level of accumulated error
    assert [low[f"f{frame}"].value for frame in (1, 2, 3)] == pytest.approx([1.02, 1.52, 2.02])
    assert low["m0"].value == low["all"].value
    assert low["difference"].value == "reference"
    apart = high["difference"].value
    assert apart == pytest.approx(0.4)
    # The clips differ by 1, but in both settings alike: that cancels out, and the spread of seeds is left.
    assert max(abs(end - apart) for end in high["difference"].ci) < 0.1
    assert max(abs(end - low["all"].value) for end in low["all"].ci) > 0.5
    assert (none["all"].value, none["all"].note) == (None, "not measured in these trainings")
    assert "2 unseen moving clips" in true.caption
    assert "after the first 2 are beyond the training length; their positions follow the rule 'extend'" in true.caption


def rates_of(name: str, ends: dict[float, float | DivergenceRecord]) -> tuple[TrainingRecord, ...]:
    """Records that end at these losses, or diverge."""
    made = []
    for rate, end in ends.items():
        record = record_of(name, 1, 0.5).model_copy(update={"learning_rate": rate})
        if isinstance(end, DivergenceRecord):
            record = record.model_copy(update={"diverged": end})
        else:
            losses = tuple(2.0 if step < 20 else end for step in range(STEPS))
            record = record.model_copy(update={"losses": {"loss_t2i": losses}})
        made.append(record)
    return tuple(made)


def test_stability_names_the_lowest_rate_that_diverges():
    gone = DivergenceRecord(step=7, what="loss is nan")
    arms = [
        arm("calm", 1, None).model_copy(update={"stability": rates_of("calm", {0.001: 0.4, 0.003: 0.3, 0.01: 1.9})}),
        arm("wild", 1, None).model_copy(update={"stability": rates_of("wild", {0.001: 0.4, 0.003: 2.1, 0.01: gone})}),
        arm("absent", 1, None).model_copy(update={"stability_problem": "needs the record"}),
    ]
    asked = StabilitySpec(rates=(0.001, 0.003, 0.01))
    (table,), (figure,) = stability_part(results_of(arms, stability=asked), asked)
    calm, wild, absent = (row.cells for row in table.rows)
    assert [calm[f"r{place}"].value for place in range(3)] == pytest.approx([0.4, 0.3, 1.9])
    assert calm["from"].value == "none of these, up to 0.01"
    assert wild["r1"].note == "diverged: above its start, 2"
    assert (wild["r2"].value, wild["r2"].note) == (None, "diverged at step 7: the loss is nan")
    assert wild["from"].value == "0.003"
    assert (absent["r0"].note, absent["from"].value) == ("not computed: needs the record", "")
    assert {curve.label: curve.y for curve in figure.curves}["wild"] == (pytest.approx(0.4), pytest.approx(2.1), None)


def test_a_study_reads_the_records_of_its_rates(cli, write_study, tmp_path):
    arms = [{"label": "low", "seeds": [1, 2], "stability": "records/low-lr{rate}.json"}, {"label": "high"}]
    path = write_study(arms=arms, stability={"rates": [0.001, 0.01]}, trainings_only=True)
    assert "no arm has a record of its training" in cli("run", path).stderr
    (record,) = rates_of("low", {0.01: 0.4})
    (tmp_path / "records" / "low-lr0.01.json").write_text(record.model_dump_json())
    (tmp_path / "records" / "high-1.json").rename(tmp_path / "records" / "high.json")
    arms[1]["training"] = "records/high.json"
    result = cli("run", write_study(arms=arms, stability={"rates": [0.001, 0.01]}, trainings_only=True))
    assert result.returncode == 3, result.stderr
    assert "low, seed 1: learning rates not shown: needs the record of a training" in result.stderr
    low, _ = rows_of(tmp_path, "stability")
    assert low["r1"]["value"] == pytest.approx(0.4)
    assert "low-lr0.001.json: no such file" in low["r0"]["note"]


def row_of(about: str, of: str, group: str = "", **cells) -> Table:
    named = {} if group else {"metric": Cell(about)}
    columns = [Column("setting", "Setting", "label"), Column("difference", "Minus A"), Column("visible", "Visible")]
    columns += [Column("metric", "Metric", "label")] if named else []
    return Table("t", "T", tuple(columns), (Row({"setting": Cell(of), **named, **cells}, group=group),))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            {"difference": Cell(0.0123, ci=(0.01, 0.02), digits=2)},
            "B against A: motion differs by +0.01 (0.01 to 0.02)",
        ),
        (
            {"difference": Cell(-3.0, ci=(-4.0, 1.0), digits=1, unit="dB"), "visible": Cell(3.5)},
            "B against A: no difference in motion was shown "
            "(-3.0 dB, -4.0 to 1.0; 3.5 would have been with 80 % power)",
        ),
        (
            {"difference": Cell(0.5, ci=(-0.1, 1.1), digits=1)},
            "B against A: no difference in motion was shown (+0.5, -0.1 to 1.1)",
        ),
        ({"difference": Cell(0.5, digits=1)}, "B against A: motion differs by +0.5; how surely isn't known"),
        ({"difference": Cell(None, note="not computed")}, ""),
    ],
)
@pytest.mark.parametrize("group", ["", "motion"])
def test_a_conclusion_is_a_difference_and_how_sure_it_is(cells, sentence, group):
    asked = ConclusionSpec(about="motion", of="B")
    others = [row_of("motion", "C", group, **cells), row_of("colour", "B", "colour", **cells)]
    assert conclude(asked, [*others, row_of("motion", "B", group, **cells)]) == sentence
    assert conclude(asked, others) == ""


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (0, "is not shown to be better than the still's at the first step"),
        (7, "is better than the still's until step 7 of 9"),
        (9, "is better than the still's at all 9 steps"),
    ],
)
def test_a_conclusion_may_be_how_long_something_is_better_than_a_baseline(last, words):
    keys = {"metric": "Metric", "setting": "Setting", "ahead": "Ahead", "of": "Of", "difference": "Minus still"}
    columns = tuple(Column(key, title, *(["label"] if key == "metric" else [])) for key, title in keys.items())
    cells = {"metric": Cell("psnr"), "setting": Cell("A"), "ahead": Cell(last), "of": Cell(9), "difference": Cell(0.5)}
    table = Table("steps_ahead", "T", columns, (Row(cells),))
    assert conclude(ConclusionSpec(about="psnr", of="A"), [table]) == f"A: psnr {words}"


def test_a_study_s_page_begins_with_its_conclusion(cli, write_study, tmp_path):
    path = write_study(trainings_only=True, conclusion={"about": "held-out loss", "of": "high"})
    assert cli("run", path).returncode == 3
    page = (report_of(tmp_path) / "index.html").read_text()
    assert "High against low: held-out loss differs by +0.2000; how surely isn&#39;t known." in page


def test_a_single_training_has_no_interval_and_none_says_why():
    arms = [arm("low", 1, record_of("low", 1, 0.5)), arm("high", 1, None, "needs the record: make it so")]
    cells, figures = training_table(arms)
    assert cells["loss, first frames", "low"]["value"].ci is None
    assert cells["loss, first frames", "high"]["value"].value is None
    assert cells["loss, first frames", "high"]["value"].note == "not computed: needs the record: make it so"
    assert [curve.label for curve in figures["training_loss_t2i"].curves] == ["low"]
    assert figures["training_loss_t2i"].curves[0].low is None


def test_curves_of_trainings_are_those_of_the_records():
    _, figures = training_table([arm("low", seed, record_of("low", seed, 0.5)) for seed in (1, 2)])
    assert set(figures) == {
        f"training_{name}"
        for name in ("loss_t2i", "loss_i2i", "drift", "grad_norm", "largest_output", "accumulated", "depth")
    }
    (loss,) = figures["training_loss_t2i"].curves
    assert loss.x == tuple(range(4, STEPS + 1, 4))
    assert loss.y == pytest.approx((*[2.0] * 9, 0.515))
    assert loss.low[-1] < 0.515 < loss.high[-1]
    (depth,) = figures["training_depth"].curves
    assert depth.x == (1, 2, 3, 4, 5)
    assert depth.y == pytest.approx([np.log2(8 * i) for i in (1, 2, 1, 2, 3)])
    assert figures["training_depth"].marks[0].at == 2.5
    (largest,) = figures["training_largest_output"].curves
    assert (largest.x, largest.y) == ((1, 21), pytest.approx((2.0, np.log2(24))))


def test_seeds_of_an_entry_are_arms_of_one_setting(cli, write_study, tmp_path):
    arms = [
        {
            "label": "low",
            "seeds": [1, 4],
            "training": "records/low-{seed}.json",
            "set": {"model.checkpoint": "low{seed}"},
        }
    ]
    result = cli("run", write_study(arms=arms))
    assert result.returncode == 3, result.stderr
    assert "low, seed 4: training not shown: needs the record of a training" in result.stderr
    manifests = [json.loads(path.read_text())["suite"] for path in (tmp_path / "runs").glob("pair-*-*/manifest.json")]
    assert {suite["name"]: suite["model"]["checkpoint"] for suite in manifests} == {
        "pair-low-seed-1": "low1",
        "pair-low-seed-4": "low4",
    }
    (row,) = rows_of(tmp_path, "study")
    assert row["value"]["n_ok"] == 6
    assert row["seeds"]["value"] == "2 (seeds 1, 4)"
    assert rows_of(tmp_path, "training")[0]["trainings"]["value"] == "1 (seed 1)"


def test_records_are_shown_without_checkpoints_and_outlive_their_files(cli, write_study, tmp_path):
    path = write_study(base={**BASE, "model": {"adapter": "nova", "folder": "no/such", "made_by": "make it so"}})
    text = path.read_text().replace("model.checkpoint", "model.label")
    path.write_text(text)
    result = cli("run", path)
    assert result.returncode == 3, result.stderr
    assert "no/such: no such folder (make it so)" in result.stderr
    assert "high-3.json: no such file (make it so)" in result.stderr
    before = [row["value"]["value"] for row in rows_of(tmp_path, "training") if "value" in row["value"]]
    assert before
    assert "missing: the checkpoint" in cli("plan", path).stdout
    for record in (tmp_path / "records").iterdir():
        record.unlink()
    table = report_of(tmp_path) / "tables" / "training.json"
    stored = table.read_bytes()
    table.unlink()
    assert cli("report").returncode == 3
    assert table.read_bytes() == stored


def test_without_checkpoints_and_records_the_first_error_is_told(cli, write_study, tmp_path):
    path = write_study(
        base={**BASE, "model": {"adapter": "nova", "folder": "none", "made_by": "make it so"}},
        arms=[{"label": "A", "training": "gone.json"}],
    )
    result = cli("run", path)
    assert result.returncode == 3
    assert "none: no such folder (make it so)" in result.stderr


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([{"label": "A", "seeds": [1], "seed": 2}], "give either `seed` or `seeds`"),
        ([{"label": "A", "seeds": [1]}, {"label": "A, seed 1"}], "two arms have the label 'A, seed 1'"),
        ([{"label": "A", "seeds": [1, 1]}], "two arms have the label 'A, seed 1'"),
    ],
)
def test_a_mistake_about_seeds_is_told(cli, write_study, arms, message):
    result = cli("run", write_study(arms=arms))
    assert result.returncode == 2
    assert message in result.stderr
    assert "study.yaml:" in result.stderr


def test_a_damaged_record_is_one_line(cli, write_study, tmp_path):
    path = write_study(arms=[{"label": "A", "training": "records/low-1.json"}])
    (tmp_path / "records" / "low-1.json").write_text('{"name": 3')
    result = cli("run", path)
    assert "low-1.json: not the record of a training" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_overview_has_a_row_per_setting_and_per_published_one(cli, write_study, tmp_path):
    columns = [{"metric": "brightness"}, {"metric": "seconds"}, {"metric": "vbench_total", "note": "not these prompts"}]
    published = {"label": "Paper", "source": "a paper, Table 2", "values": {"vbench_total": 0.75, "seconds": 12}}
    arms = [
        {"label": "slow", "set": {"model.seconds": 0.05}, "published": published},
        {"label": "fast", "set": {"model.checkpoint": "b"}},
        {"label": "once", "group": "uneven", "set": {"model.checkpoint": "c"}},
        {"label": "again", "group": "uneven", "set": {"model.checkpoint": "d", "model.seconds": 0.05}},
    ]
    path = write_study(arms=arms, training=None, overview={"title": "Table 2", "columns": columns})
    assert cli("run", path).returncode == 0
    slow, fast, uneven, paper = rows_of(tmp_path, "overview")
    metric = {row["setting"]["value"]: row["value"] for row in rows_of(tmp_path, "study")}
    assert slow["c0"]["value"] == metric["slow"]["value"]
    with contextlib.closing(sqlite3.connect(tmp_path / "runs" / "store.sqlite")) as database:
        seconds = dict(
            database.execute(
                "SELECT runs.name, avg(seconds) FROM runs JOIN run_units USING (run) JOIN artifacts USING (unit) "
                "GROUP BY run"
            )
        )
    measured = {name.rsplit("-", 1)[0]: value for name, value in seconds.items()}
    assert slow["c1"]["value"] == pytest.approx(measured["pair-slow"])
    assert fast["c1"]["value"] == pytest.approx(measured["pair-fast"])
    assert measured["pair-slow"] >= 0.05
    assert uneven["c1"]["ci"][0] == 0.0
    assert fast["c2"] == {"note": "not computed: not these prompts"}
    assert paper["setting"]["value"] == "Paper (published)"
    assert paper["c1"] == {"value": 12, "published": True, "source": "a paper, Table 2"}
    assert "c0" not in paper


def arch() -> list[str]:
    return json.loads((PIPELINE / "transformer" / "config.json").read_text())["arch"]


def test_block_outputs_are_shown_per_step_and_per_block(cli, write_study, tmp_path):
    base = {
        **BASE,
        "model": {"adapter": "nova", "folder": str(PIPELINE), "block_outputs": True},
        "sampling": {"num_frames": 5, "num_inference_steps": 2, "num_diffusion_steps": 2},
        "scorers": ["temporal_flickering"],
    }
    arms = [{"label": "A"}, {"label": "no blocks", "model": {"adapter": "drift"}}]
    path = write_study(base=base, arms=arms, training=None, block_outputs={})
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    (row,) = rows_of(tmp_path, "generation_block_outputs")
    assert row["growth"]["value"] > 0
    assert row["growth"]["ci"][0] <= row["growth"]["value"] <= row["growth"]["ci"][1]
    curve = (report_of(tmp_path) / "figures" / "generation_largest_output.csv").read_text().splitlines()[1:]
    levels = [2 ** float(line.split(",")[3]) for line in curve]
    assert levels == pytest.approx([row["first"]["value"], row["last"]["value"]])
    depth = json.loads((report_of(tmp_path) / "figures" / "generation_depth.json").read_text())
    (blocks,) = depth["curves"]
    temporal, spatial = (int(re.search(r"_d(\d+)", name)[1]) for name in arch()[:2])
    assert len(blocks["y"]) == temporal + spatial
    assert depth["marks"] == [{"label": "spatial encoder", "at": temporal + 0.5}]
    assert None not in blocks["y"]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 80))
def test_bins_hold_every_step_once(steps, points):
    ends, sums = in_bins(np.arange(1, steps + 1), points, np.sum)
    assert ends[-1] == steps
    assert len(ends) == min(points, steps)
    assert sums.sum() == steps * (steps + 1) // 2


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_students_interval_is_that_of_scipy(values):
    mean, low, high = (float(x) for x in student_interval(np.array(values), 0.9))
    spread = np.std(values, ddof=1) / len(values) ** 0.5
    assert mean == pytest.approx(np.mean(values), abs=1e-9)
    if len(set(values)) == 1:
        assert np.isnan([low, high]).all()
        return
    expected = t.interval(0.9, len(values) - 1, loc=np.mean(values), scale=spread) if spread else (mean, mean)
    assert (low, high) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(student_interval(np.array(values[:1]), 0.9)[1])


def test_the_smallest_visible_difference_is_seen_in_80_percent_of_cases() -> None:
    draw = np.random.default_rng(0)
    for count in (3, 5):
        shift = smallest_visible(1.0, count, 0.95)
        _, low, high = student_interval(shift + draw.standard_normal((count, 20_000)), 0.95)
        assert np.mean((low > 0) | (high < 0)) == pytest.approx(0.8, abs=0.01)
        assert smallest_visible(2.5, count, 0.95) == pytest.approx(2.5 * shift)
    assert np.isnan(smallest_visible(1.0, 1, 0.95))


def test_error_that_accumulates_is_own_minus_true_context_over_the_later_frames() -> None:
    record = record_of("low", 1, 0.5)
    found = {measure.id: measure.of(record) for measure in MEASURES}
    assert found["held_out"] == pytest.approx(1.01)
    assert found["accumulated"] == pytest.approx(0.5)
    assert found["accumulated_beyond"] == pytest.approx(1.0)
    assert accumulated(record) == pytest.approx([0.0, 0.5, 1.0])
    without = record.model_copy(update={"held_out": record.held_out.model_copy(update={"own_context": ()})})
    assert accumulated(without) is None
    assert accumulated(record.model_copy(update={"held_out": None})) is None


def test_trainings_that_were_not_measured_on_held_out_clips_say_so() -> None:
    arms = [arm(name, seed, record_of(name, seed, level)) for name, level in LEVELS for seed in (1, 2)]
    other = [record_of("other", seed, 0.9).model_copy(update={"held_out": None}) for seed in (1, 2)]
    cells, figures = training_table([*arms, *(arm("other", record.seed, record) for record in other)])
    assert cells["held-out loss", "high"]["difference"].value == pytest.approx(0.2)
    assert cells["held-out loss", "other"]["value"].note == "not measured in these trainings"
    assert cells["held-out loss", "other"]["difference"].note == "not computed: no seed has it in both"
    assert cells["held-out loss", "other"]["visible"].note == "not known: needs two seeds in both"
    assert [curve.label for curve in figures["training_accumulated"].curves] == ["low", "high"]
