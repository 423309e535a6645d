"""Latency suites through the command line: measured once, reported again, continued after a kill."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from pathlib import Path

import pytest

from nova_bench.render.table import Table

PIPELINE = Path(__file__).parents[2] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
PUBLISHED = {"label": "NOVA 0.6B", "source": "a paper", "values": {"temporal": 0.03, "total": 12}}
CURVE = {
    "id": "frames",
    "vary": "num_frames",
    "values": [1, 5],
    "parts": ["temporal", "total"],
    "lines": [{"label": "with"}, {"label": "without", "setting": {"kv_cache": False}}],
}


def folder_of(root: Path) -> Path:
    (folder,) = root.glob("runs/times-*")
    return folder


def table(root: Path, name: str) -> Table:
    return Table.from_json((folder_of(root) / "report" / "tables" / f"{name}.json").read_bytes())


@pytest.mark.slow
def test_rows_curves_trace_and_the_report_again(cli, write_latency, tmp_path):
    suite = write_latency(
        rows=[{"label": "NOVA"}, {"label": "without TAM", "setting": {"temporal_autoregressive": False}}],
        curves=[CURVE],
        published=[PUBLISHED],
        measure={"warmup": 1, "repeats": 2, "overhead": {"blocks": 6}},
    )
    result = cli("run", suite, "--set", "trace.enabled=true", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "weights are random" in result.stdout
    report = folder_of(tmp_path) / "report"

    rows = {row.cells["label"].value: row.cells for row in table(tmp_path, "inference_time").rows}
    for name in ("NOVA", "without TAM"):
        parts = [rows[name][part].value for part in ("temporal", "spatial", "head", "text", "vae", "other")]
        assert min(parts[:5]) > 0
        low, high = rows[name]["total"].ci
        assert low <= rows[name]["total"].value <= high
    assert rows["NOVA 0.6B"]["total"].published
    assert "spatial" not in rows["NOVA 0.6B"]

    with (report / "calls.csv").open() as stream:
        calls = list(csv.DictReader(stream))
    # Two rows and four points of the curve, of which one is the first row: five measurements of two calls.
    observed = [call for call in calls if call["spatial"]]
    assert len(observed) == 5 * 2
    assert all(float(c["total"]) >= sum(float(c[p]) for p in ("text", "temporal", "spatial", "head", "vae"))
               for c in observed)  # fmt: skip

    compared = [call for call in calls if not call["spatial"]]
    assert [call["stopwatch"] for call in compared].count("without") == len(compared) / 2 == 6 * 2
    processor, wall = (row.cells for row in table(tmp_path, "overhead").rows)
    low, high = processor["cost"].ci
    assert low <= processor["cost"].value <= high
    assert processor["verdict"].value.startswith(("below 1%", "above 1%"))
    assert "verdict" not in wall

    figure = json.loads((report / "figures" / "scaling_frames.json").read_text())
    assert [curve["label"] for curve in figure["curves"]][:2] == ["with: temporal layers", "with: total"]
    assert all(None not in curve["y"] for curve in figure["curves"])
    trace = json.loads(gzip.decompress((report / "traces" / "NOVA.json.gz").read_bytes()))
    names = {event.get("name") for event in trace["traceEvents"]}
    assert {"nova: text", "nova: temporal", "nova: spatial", "nova: head", "nova: vae"} <= names

    manifest = json.loads((report.parent / "manifest.json").read_text())
    assert {"device", "torch", "threads"} <= manifest["machine"].keys()
    assert len(manifest["measurements"]) == 5
    assert "clocks" in manifest["measurements"][0]

    pages = {path: path.read_bytes() for path in (report / "tables").iterdir()}
    again = cli("report")
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in (report / "tables").iterdir()} == pages
    assert "traces/NOVA.json.gz" in (report / "index.html").read_text()

    again = cli("run", suite)
    assert "5 measurements, 0 to do" in again.stderr
    assert "overhead" not in again.stderr
    planned = cli("plan", suite)
    assert planned.returncode == 0, planned.stderr
    assert "measurements: 5" in planned.stdout

    with sqlite3.connect(tmp_path / "runs" / "store.sqlite") as rows:
        rows.execute("DELETE FROM rows WHERE artifact IN (SELECT artifact FROM rows LIMIT 2)")
    poorer = cli("report")
    assert poorer.returncode == 3, poorer.stderr
    assert "kept in " + folder_of(tmp_path).name + "/report, since it shows more (6 values" in poorer.stderr
    assert "the new one: 4 values" in poorer.stderr
    assert {path: path.read_bytes() for path in (report / "tables").iterdir()} == pages


@pytest.mark.slow
def test_timings_of_an_older_build_are_shown_as_such_and_never_reused(cli, write_latency, tmp_path):
    suite = write_latency()
    assert cli("run", suite, "--device", "cpu").returncode == 0
    before = table(tmp_path, "inference_time").rows[0].cells["total"].value
    with sqlite3.connect(tmp_path / "runs" / "store.sqlite") as store:  # as an older version left it
        (scorers,) = store.execute("SELECT scorers FROM runs").fetchone()
        (scorer,) = json.loads(scorers)
        del scorer["build"]
        store.execute("UPDATE runs SET scorers = ?", [json.dumps([{**scorer, "identity": "older"}])])
        store.execute("UPDATE rows SET identity = 'older' WHERE identity = ?", [scorer["identity"]])
    again = cli("report")
    assert again.returncode == 0, again.stderr
    assert "timed by an older build" in again.stderr
    assert "timed by an older build" in (folder_of(tmp_path) / "report" / "index.html").read_text()
    assert table(tmp_path, "inference_time").rows[0].cells["total"].value == before
    assert "measured before by this code, on any machine: 0" in cli("plan", suite).stdout


@pytest.mark.slow
def test_it_continues_and_a_failed_measurement_is_a_gap(cli, write_latency, tmp_path):
    """Of three settings one can't be; the other two are measured once, whatever was asked for in between."""
    suite = write_latency(
        rows=[
            {"label": "one", "setting": {"num_frames": 1}},
            {"label": "odd", "setting": {"num_frames": 6}},
            {"label": "five"},
        ]
    )
    first = cli("run", suite)
    assert first.returncode == 3
    assert "odd: not measured: num_frames 6" in first.stderr
    before = (folder_of(tmp_path) / "report" / "calls.csv").read_text()
    second = cli("run", suite)
    assert second.returncode == 3
    assert "3 measurements, 1 to do" in second.stderr
    assert (folder_of(tmp_path) / "report" / "calls.csv").read_text() == before
    note = table(tmp_path, "inference_time").rows[1].cells["total"].note
    assert note.startswith("not measured: num_frames 6: this model makes 1 + 4n frames")


@pytest.mark.slow
def test_with_too_little_time_nothing_begins_and_the_same_command_goes_on_later(cli, write_latency, tmp_path):
    suite = write_latency(rows=[{"label": "one", "setting": {"num_frames": 1}}, {"label": "five"},
                                {"label": "fast", "setting": {"mode": "compiled"}}])  # fmt: skip
    first = cli("run", suite, "--set", "execution.minutes=0.02")
    assert first.returncode == 3, first.stderr
    assert "mode compiled: not begun: " in first.stderr  # compiling alone takes longer than a second
    assert "fast: not measured yet: run the suite again to continue" in first.stderr
    again = cli("run", suite, "--limit", 2)
    assert again.returncode == 0, again.stderr
    never = cli("run", suite, "--set", "setting.num_inference_steps=3", "--set", "execution.minutes=0.0001")
    assert never.stderr.count("not begun: ") == 3
    assert "s are left" in never.stderr


def test_a_checkpoint_at_another_size(cli, write_latency, tmp_path):
    result = cli("run", write_latency(setting={"size": "128x64", "num_inference_steps": 2, "num_diffusion_steps": 2,
                                               "prompt_tokens": 4}), "--model", PIPELINE)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "random" not in result.stdout
    (row,) = json.loads((folder_of(tmp_path) / "manifest.json").read_text())["measurements"]
    assert row["setting"]["size"] == "128x64"
    assert (row["setting"]["latent_frames"], row["setting"]["decoded_frames"]) == (2, 5)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--set", "setting.num_frame=3"), "unknown key 'num_frame' in setting; did you mean 'num_frames'?"),
        (("--set", "rows.0.setting={kv_cash: false}"), "no setting 'kv_cash'; did you mean 'kv_cache'?"),
        (("--set", "setting.size=big"), "setting.size"),
        (("--set", "curves=[{id: a, vary: size, values: [1x1, x]}]"), "'a': size"),
        (("--set", "rows=[{label: a}, {label: a}]"), "'a' appears twice"),
        (("--set", "model.checkpoint=nova-9b"), "random_weights: `checkpoint` is one of"),
        (("--model", "nova-0.6b@random"), "did you mean 'nova-0.6b-t2v'?"),
        (("--model", "nova-0.6b-t2v"), "isn't on this machine"),
        (("--model", "."), "can't be timed part by part"),
        (("--set", "published=[{label: a, source: b, values: {spatail: 1}}]"), "unknown column 'spatail'"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(write_latency, tmp_path, monkeypatch, arguments, problem):
    from nova_bench.core.errors import UserError
    from nova_bench.core.progress import Progress
    from nova_bench.experiments.base import Request
    from nova_bench.experiments.registry import run_request

    monkeypatch.chdir(tmp_path)
    model = arguments[1] if arguments[0] == "--model" else None
    assignments = () if model else (arguments[1],)
    with pytest.raises(UserError) as raised:
        run_request(Request(str(write_latency()), tmp_path / "runs", model, assignments), Progress(quiet=True))
    assert problem in str(raised.value)
    assert raised.value.remedy
    assert len(raised.value.message.splitlines()) == 1


def test_dims_of_a_suite_without_scorers_are_refused(cli, write_latency, write_suite):
    unused = cli("plan", write_latency(), "--dims", "temporal")
    assert unused.returncode == 2
    assert "measures times and has no scorers\n  try: leave out --dims" in unused.stderr
    empty = cli("plan", write_suite(), "--dims", " , ")
    assert empty.returncode == 2
    assert "error: --dims ' , ' names no scorer" in empty.stderr


def test_random_weights_are_refused_where_there_are_scores(cli, write_suite):
    for arguments in (("run",), ("plan",)):
        result = cli(*arguments, write_suite(), "--model", "nova-0.6b-t2v@random")
        assert result.returncode == 2
        assert "its weights are random" in result.stderr
        assert "trained checkpoint" in result.stderr
        assert "Traceback" not in result.stderr
