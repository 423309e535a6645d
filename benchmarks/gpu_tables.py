"""Turn what `benchmarks/gpu.py` measured into the appendix's rows: python benchmarks/gpu_tables.py gpu.zip

Measurements of whole videos go into a store as rows of suites/latency_paper.yaml, which draws the paper's tables with
them; what was projected, compared or timed in short calls gets tables of its own in FOLDER/README.md. A row that failed
is listed with its reason. A rehearsal's numbers show nothing, and its tables say so.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LABELS = {"table-1": "float16, eager", "table-2": "float16, eager, without TAM"}
"""Rows of the archive that are rows of the suite."""
WORDS = "This was a rehearsal with miniatures on a GPU that isn't there: nothing here is a measurement."
Rows = Mapping[str, dict[str, Any]]


def read(path: Path) -> tuple[dict[str, Any], Rows]:
    """What the archive says of the machine, and its rows by name."""
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("about.json"))
        found = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("rows/")]
    return about, {row.pop("row"): row for row in found}


def fill(about: dict[str, Any], rows: Rows, store_folder: Path, out: Path) -> None:
    """Write the suite's tables and figures with the measured rows, beside the paper's."""
    from nova_bench.core.identity import digest
    from nova_bench.experiments.base import Request
    from nova_bench.experiments.latency.load import load_latency
    from nova_bench.experiments.latency.plan import METHOD_VERSION, SCORER, make_latency_plan, point_of
    from nova_bench.experiments.latency.report import write_latency_report
    from nova_bench.experiments.latency.run import record_of
    from nova_bench.experiments.latency.spec import Setting
    from nova_bench.experiments.latency.summary import Times
    from nova_bench.store import Row, Status, Store

    measured = {name: rows[name] for name in LABELS if "asked" in rows.get(name, {})}
    if not measured:
        return
    asked = next(iter(measured.values()))["asked"]
    table = [{"label": LABELS[name], "setting": _changes(asked, row["asked"])} for name, row in measured.items()]
    assignments = [f"setting.{key}={json.dumps(value)}" for key, value in asked.items()]
    assignments.append(f"rows={json.dumps(table)}")
    if about["rehearsal"]:
        assignments += ["model.checkpoint=miniature", "title=Rehearsal of the times at full size"]
        assignments += ['model.label="rehearsal on no GPU"', f"description={json.dumps(WORDS)}"]
    suite = load_latency(Request(str(ROOT / "suites" / "latency_paper.yaml"), store_folder, None, assignments))
    with Store.writer(store_folder) as store:
        plan = make_latency_plan(suite, store.file_digest, digest("machine", about["machine"]))
        plan = replace(plan, build=about["build"])
        store.add_run(record_of(plan))
        for row in measured.values():
            point = point_of(Setting(), row["asked"])
            value = Times(row).total
            key = (point.digest, plan.identity, plan.machine, SCORER, METHOD_VERSION)
            store.add_rows([Row(*key, Status.OK, value, details=row)])
        write_latency_report(plan, store, store.run_folder(plan.run_name))
    collect = spec_from_file_location("collect", ROOT / "results" / "collect.py")
    module = module_from_spec(collect)
    collect.loader.exec_module(module)
    module.copy_report(store_folder, out, suite.name)
    machine = ", ".join(str(value) for value in about["machine"].values())
    measured_by = WORDS if about["rehearsal"] else "benchmarks/gpu.py"
    module.write_about(out, {"by": measured_by, "date": about["started"][:10], "device": machine})


def _changes(common: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if value != common[key]}


def page(about: dict[str, Any], rows: Rows) -> str:
    """All other rows as Markdown."""
    machine = ", ".join(f"{key} {value}" for key, value in about["machine"].items())
    parts = ["# Measured on one GPU", f"{machine}; Python {about['python']}; {about['started']}."]
    if about["rehearsal"]:
        parts.append(f"**{WORDS}**")
    parts += [*_projected(rows), *_parity(rows), *_modes(rows), *_dimensions(rows), *_original(rows), *_failed(rows)]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    from tabulate import tabulate

    return tabulate(lines, head, tablefmt="github", floatfmt=".4g")


def _of(rows: Rows, prefix: str) -> dict[str, dict[str, Any]]:
    """The parts of a row that didn't fail."""
    found = {name.partition("/")[2]: row for name, row in rows.items() if name.startswith(f"{prefix}/")}
    return {name: row for name, row in found.items() if "failed" not in row}


def _projected(rows: Rows) -> Iterator[str]:
    row = rows.get("table-2-projected", {})
    if "seconds per video" in row:
        yield "## Without TAM (Table 2), projected"
        yield f"**{row['seconds per video']:.3g} s** per video, {row['what']}; published for an A100-40GB: 39 s."


def _parity(rows: Rows) -> Iterator[str]:
    if "found" in (nova := rows.get("parity-nova", {})):
        yield "## NOVA against the original implementation on a CPU"
        yield f"{nova['what']}."
        yield _table(["model, case, mode", "difference"], [*nova["found"].items()])
    if scorers := _of(rows, "parity-vbench"):
        yield "## VBench's dimensions, this GPU against a CPU"
        yield "The same weights, made by a rule, and the same clips: scores and their details."
        head = ["dimension", "numbers", "largest difference", "other entries that differ"]
        yield _table(head, [[name, *_apart(row)] for name, row in scorers.items()])


def _apart(row: dict[str, Any]) -> tuple[int, float, int]:
    """Numbers compared, scores and details alike; their largest difference; and how many entries differ otherwise."""
    numbers, different = [], 0
    for one, other in _leaves(row["expected"], row["found"]):
        if isinstance(one, int | float) and isinstance(other, int | float) and not math.isnan(one):
            numbers.append(abs(one - other))
        else:
            different += one != other and not (one != one and other != other)
    return len(numbers), max(numbers, default=0.0), different


def _leaves(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Corresponding entries of two trees; where their shapes differ, the trees themselves."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _leaves(one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for a, b in zip(one, other, strict=True):
            yield from _leaves(a, b)
    else:
        yield one, other


def _modes(rows: Rows) -> Iterator[str]:
    if found := _of(rows, "modes"):
        yield "## One frame, few steps"
        lines = [[name, *_time(row), _gib(row)] for name, row in found.items()]
        yield _table(["mode", "seconds per video", "share of the product bound", "GiB"], lines)
    whole = {name: rows[name] for name in LABELS if "observed" in rows.get(name, {})}
    if whole:
        yield "## Whole videos"
        lines = [[LABELS[name], *_time(row), _gib(row)] for name, row in whole.items()]
        yield _table(["row", "seconds per video", "share of the product bound", "GiB"], lines)


def _time(row: dict[str, Any]) -> tuple[float, float]:
    """Seconds per video, and which share of them the matrix products alone would take."""
    from nova_bench.experiments.latency.summary import Times

    seconds = Times(row).total
    return seconds, sum(row["flops"].values()) / row["matmul"]["flops_per_second"] / seconds


def _gib(row: dict[str, Any]) -> float:
    return row["peak_memory"] / 2**30


def _dimensions(rows: Rows) -> Iterator[str]:
    if found := _of(rows, "vbench-seconds"):
        yield "## VBench, seconds for a video of 33 frames of 768x480"
        lines = [[name, median(row["seconds"]), row["first"], _gib(row)] for name, row in found.items()]
        yield _table(["dimension", "seconds", "first call", "GiB"], lines)


def _original(rows: Rows) -> Iterator[str]:
    if "ratio" in (row := rows.get("original", {})):
        yield "## The original implementation"
        yield f"Original / this, {row['what']}: **{row['ratio']:.3g}**."


def _failed(rows: Rows) -> Iterator[str]:
    if lines := [[name, row["failed"].splitlines()[0]] for name, row in rows.items() if "failed" in row]:
        yield "## Not measured"
        yield _table(["row", "reason"], lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "gpu")
    options = parser.parse_args()
    about, rows = read(options.archive)
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as store:
        fill(about, rows, Path(store) / "store", options.out)
    (options.out / "README.md").write_text(page(about, rows), encoding="utf-8")
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
