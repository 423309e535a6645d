"""Every script in benchmarks/ runs in miniature; the original implementations' side is a stub, or skipped in words."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
PARTS = {
    "checkpoint_tables.py",
    "damaged_checkpoints.py",
    "gate_figures.py",
    "gpu_rows.py",
    "nova_original.py",
    "null_parts.py",
    "sides.py",
    "simulated_pairs.py",
    "vbench_inputs.py",
    "vbench_official.py",
    "vbench_official_flops.py",
    "vbench_ours.py",
}
"""Imported by the scripts: no scripts themselves."""

STUB_VAE = """
from nova_bench.nova.vae import load_vae

class AutoencoderKLOpenSora:
    @classmethod
    def from_pretrained(cls, folder, torch_dtype):
        model = load_vae(folder, torch_dtype=torch_dtype, device="cpu")
        model.to = lambda device: model
        return model
"""
"""Stands for the original's video autoencoder in a checkout: ours under its name."""


def run(script: str, *arguments: object, code: int = 0, first: Path = ROOT) -> str:
    """Standard output of a script that must end with ``code``; ``first`` is where Python looks for packages first."""
    result = subprocess.run(
        [sys.executable, str(FOLDER / script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{first}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_every_script_has_a_miniature() -> None:
    scripts = {path.name for path in FOLDER.glob("*.py")}
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    ways = ('run("{}"', '"benchmarks" / "{}"')
    without = {name for name in scripts - PARTS if not any(way.format(name) in tests for way in ways)}
    assert not without, f"no miniature runs {', '.join(sorted(without))}"
    for name in PARTS:
        users = [path.name for path in FOLDER.glob("*.py") if name.removesuffix(".py") in path.read_text("utf-8")]
        assert set(users) - {name}, f"nothing imports {name}"


def test_store_scale() -> None:
    found = json.loads(run("store_scale.py", "--units", 40, "--scorers", 2, "--json"))
    assert found["resume, in all"] > 0
    assert found["MB of database"] > 0


def test_harness_overhead() -> None:
    found = json.loads(run("harness_overhead.py", "--units", 20, "--scorers", 2, "--json"))
    assert found["total"] == pytest.approx(sum(found["stages"].values()))
    assert found["floor"] > 0


def test_plan_speed() -> None:
    assert "miniature: 100 samples of 20 prompts: median" in run("plan_speed.py", "--miniature", "--repeat", 1)


def test_mlperf_rule(tmp_path: Path) -> None:
    assert "| same latents | 1.0% | " in run("mlperf_rule.py", "--miniature", "--out", tmp_path)
    with (tmp_path / "rule.csv").open() as stream:
        rows = {(row["submission"], row["loss"]): row for row in csv.DictReader(stream)}
    for row in rows.values():
        verdicts = sum(float(row[f"compare_{name}"]) for name in ("passes", "inconclusive", "regressed"))
        assert verdicts == pytest.approx(1)
    assert (
        float(rows["same latents", "0.0"]["mlperf_passes"]) > 0.9 > float(rows["same latents", "0.02"]["mlperf_passes"])
    )


def test_shapes_judge() -> None:
    head, _, clean = run("shapes_judge.py", "--videos", 1, "--condition", "clean").splitlines()
    assert head.startswith("| 2 videos | count |")
    shares = [float(share) for share in clean.split(" | ")[1:-2] if share]
    assert max(shares) == 100


@pytest.mark.slow
def test_vlm_judges() -> None:
    small = ("--pairs", 1, "--images", 1, "--questions", 3, "--size", 112, "--width", 32, "--layers", 2)
    for row in run("vlm_judges.py", *small).splitlines()[3:]:
        assert float(row.split(" | ")[-1].rstrip(" |")) < 1e-4


@pytest.mark.slow
def test_decode_once() -> None:
    names = ("temporal_flickering", "dynamic_degree_dis")
    out = run("decode_once.py", "--repeats", 1, *(word for name in names for word in ("--scorer", name)))
    decodes = {way: int(count) for way, count in re.findall(r"\| all 2 \| (\w+) \| (\d+) ", out)}
    assert decodes == {"shared": 1, "separate": 2}


@pytest.mark.slow
def test_interval_coverage(tmp_path: Path) -> None:
    """A miniature of the simulation: what the documentation promises, with four simulation errors of slack."""
    out = run("interval_coverage.py", "--miniature", "--out", tmp_path)
    assert "FAILS" not in out
    assert out.count("holds: ") == 14
    rows = list(csv.DictReader((tmp_path / "coverage.csv").open(encoding="utf-8")))
    small = next(row for row in rows if (row["scores"], row["layout"], row["prompts"]) == ("normal", "1 sample", "2"))
    assert float(small["coverage"]) > 0.88 > float(small["plain"])  # what two prompts' plain bootstrap was worth
    assert {row["method"] for row in rows} == {"cluster t", "cluster bootstrap", "Wilson", "Welch's t"}
    assert (tmp_path / "coverage.png").stat().st_size > 10_000


@pytest.mark.slow
def test_gate_errors(tmp_path: Path) -> None:
    """A miniature of the simulation: few comparisons of 72 prompts."""
    out = run("gate_errors.py", "--miniature", "--jobs", 1, "--out", tmp_path)
    assert "FAILS" not in out
    assert out.count("holds: ") == 7
    rows = list(csv.DictReader((tmp_path / "errors.csv").open(encoding="utf-8")))
    normal = next(row for row in rows if (row["scores"], row["metrics"], row["samples"]) == ("normal", "16", "5"))
    assert float(normal["uncorrected_significant"]) > 0.2 > float(normal["significant"])  # what correction is for
    assert (tmp_path / "errors.png").stat().st_size > 10_000


@pytest.mark.slow
def test_gate_checkpoints(tmp_path: Path) -> None:
    """A damaged copy and another seed, on four prompts: too few to decide."""
    out = run("gate_checkpoints.py", "--miniature", "--processes", 1, "--out", tmp_path, "--work", tmp_path / "work")
    assert "seeds 1337 to 1338" in out
    assert (tmp_path / "checkpoints.md").read_text(encoding="utf-8") in out
    rows = list(csv.DictReader((tmp_path / "checkpoints.csv").open(encoding="utf-8")))
    found = {(row["comparison"], row["case"], row["metric"]): row for row in rows}
    damage, metric = "block noised, strength 1", "temporal_flickering"
    worse, better = (found[kind, damage, metric] for kind in ("damaged", "repaired"))
    assert float(worse["difference"]) == pytest.approx(-float(better["difference"]))
    assert float(worse["difference"]) != 0
    assert found["neighbouring seeds", "1337 and 1338", metric]["prompts"] == "4"
    assert {case for kind, case, _ in found if kind == "early looks"} == {damage, "seed 1338"}


@pytest.mark.slow
def test_vbench() -> None:
    out = run("vbench.py", "--dimension", "temporal_flickering", "--threads", 1)
    assert "the official code is not compared: give --official-python" in out
    assert "| temporal_flickering | " in out
    assert "Our set: " in out


@pytest.mark.slow
def test_libraries() -> None:
    parts = ("--part", "psnr", "--part", "csv", "--part", "clip")
    out = run("libraries.py", *parts, "--size", "64x48", "--frames", 2, "--repeats", 1)
    differences = dict(re.findall(r"\| (\w+) \| [\d.]+ \([\d.]+ to [\d.]+\) \| 1 \| (\S+) \| \d+ / \d+ \|", out))
    assert float(differences["psnr"]) < 1e-4  # dB
    assert float(differences["csv"]) == 0  # the same bytes
    assert "clip" in differences or "skipped: clip: No module named 'open_clip'" in out


@pytest.mark.slow
def test_mplug_judge() -> None:
    out = run("mplug_judge.py", "--small", "--questions", 3)
    assert re.search(r"\| ours \| [\d.]+ \| [\d.]+ \|", out)
    assert "3 questions about an image" in out


@pytest.mark.slow
def test_vbench_descriptions() -> None:
    out = run("vbench_descriptions.py", "--network", "grit", "--size", "64x96", "--frames", 1, "--longest", 3)
    assert re.search(r"[|] GRiT, objects [|] .* boxes a frame", out)
    assert "| GRiT, no objects | 0 boxes a frame, texts of up to 0 words | - | " in out


@pytest.mark.slow
def test_vbench_flops() -> None:
    """The table that `plan` reads holds these counts."""
    out = run("vbench_flops.py", "--size", "480x768")
    table = json.loads((ROOT / "nova_bench" / "pipeline" / "operations.json").read_text())["scorers"]
    ours = dict(re.findall(r"[|] (\w+) [|] (\d+) [|]", out))
    assert float(ours["human_action"]) == pytest.approx(table["human_action"]["gflop"], abs=1)
    assert float(ours["aesthetic_quality"]) == pytest.approx(33 * table["aesthetic_quality"]["gflop"], abs=1)


@pytest.mark.slow
def test_vbench_memory() -> None:
    out = run("vbench_memory.py", "--dimension", "temporal_flickering", "--frames", 8, "--size", "64x48")
    assert re.search(r"\| temporal_flickering \| 8 \| 0 \| \d+ \|", out)


@pytest.mark.slow
def test_nova_generate() -> None:
    out = run("nova_generate.py", "--frames", 1, "--latents", "--repeats", 1, "--threads", 1)
    assert "comparison skipped: give --original PATH" in out
    assert re.search(r"latents: \d+\.\d\d s; their \d+ GFLOP", out)


@pytest.mark.slow
def test_vae_decode_against_a_stub(tmp_path: Path) -> None:
    package = tmp_path / "diffnext" / "models" / "autoencoders"
    package.mkdir(parents=True)
    (package / "autoencoder_kl_opensora.py").write_text(STUB_VAE, encoding="utf-8")
    out = run("vae_decode.py", "--original", tmp_path, "--case", "small", "--repeats", 1, "--threads", 1)
    assert re.match(r"small: original / ours = \d\.\d\d ", out)
    assert "outputs within 0e+00 of the peak" in out  # the stub is ours


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the GPU's machine lacks, without its wheels."""
    folder = tmp_path_factory.mktemp("gpu") / "kit"
    assert "60 MiB allowed" in run("gpu_kit.py", folder, "--without-wheels", "--small")
    return folder


BARE = """
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"av", "diffusers", "lpips", "open_clip", "typer"}:
            raise ImportError(f"{name} isn't on this machine")
sys.meta_path.insert(0, Bare())
"""
"""A sitecustomize that leaves out what an image for GPUs doesn't have."""


def rehearse(kit: Path, folder: Path, *more: object) -> dict[str, dict[str, Any]]:
    """The rows of a rehearsal on a GPU that isn't there, on a machine without some packages."""
    (folder / "sitecustomize.py").write_text(BARE)
    run("gpu.py", "--rehearse", "--kit", kit, "--out", folder, *more, first=folder)
    with zipfile.ZipFile(folder / "gpu.zip") as archive:
        rows = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("rows/")]
    return {row["row"]: row for row in rows}


@pytest.mark.slow
def test_gpu_rows_are_saved_one_by_one_and_a_failed_one_costs_nothing_else(kit: Path, tmp_path: Path) -> None:
    rows = rehearse(kit, tmp_path, "--rows", "original", "parity-vbench", "table-2-projected")
    assert rows["original"]["failed"].startswith("FileNotFoundError: give --original PATH")
    both = rows["parity-vbench/imaging_quality"]
    expected, found = ([clip["score"] for clip in both[side].values()] for side in ("expected", "found"))
    assert len(expected) == 3
    assert found == pytest.approx(expected, abs=1e-5)
    assert rows["table-2-projected"]["seconds per video"] > 0
    run("gpu_tables.py", tmp_path / "gpu.zip", "--out", tmp_path / "tables")
    page = (tmp_path / "tables" / "README.md").read_text(encoding="utf-8")
    assert "This was a rehearsal" in page
    assert "projected from runs of 8 and 16 of 16 steps" in page
    assert "| original | FileNotFoundError: give --original PATH" in page
    rows = rehearse(kit, tmp_path, "--rows", "table-1", "--minutes", 0.1)
    assert "NotEnoughTime" in rows["table-1"]["failed"] or "OutOfTime" in rows["table-1"]["failed"]


@pytest.mark.slow
def test_gpu_rehearsed_in_full(kit: Path, tmp_path: Path) -> None:
    rows = rehearse(kit, tmp_path)
    assert [name for name, row in rows.items() if "failed" in row] == ["original"]
    assert max(rows["parity-nova"]["found"].values()) < 1e-5
    assert rows["table-1"]["peak_memory"] > 2**20
    run("gpu_tables.py", tmp_path / "gpu.zip", "--out", tmp_path / "tables")
    table = (tmp_path / "tables" / "tables" / "inference_time.md").read_text(encoding="utf-8")
    assert "| float16, eager, without TAM " in table
    assert "| NOVA 0.6B, A100-40GB " in table
    assert "nothing here is a measurement" in table


@pytest.mark.slow
def test_scale() -> None:
    found = json.loads(run("scale.py", "workers", "--most", 2, "--each", 2, "--empty", 400, "--json"))
    assert [entry["workers"] for entry in found["sleeping"]] == [1, 2]
    assert all(0 < entry["efficiency"] <= 1 for entry in found["sleeping"])
    assert all(entry["units a second"] > 0 for entry in found["empty"])


@pytest.mark.slow
def test_decoding_ahead() -> None:
    found = json.loads(run("scale.py", "decoding", "--clips", 16, "--milliseconds", 1, "--size", 32, 48, "--json"))
    assert min(found["within chunks"], found["across chunks"]) > found["the device alone"] == 0.016


@pytest.mark.slow
def test_a_soak_of_many_units_while_workers_are_killed() -> None:
    """It fails if a unit is missing, memory grows, or a file, thread or process is left."""
    found = json.loads(
        run("scale.py", "soak", "--units", 1000, "--kills", 6, "--seconds", 0.02, "--pause", 0.4, "--json")
    )
    assert found["kills"] >= 6


@pytest.mark.slow
def test_training_speed() -> None:
    (row,) = run("training_speed.py", "--steps", 6, "--way", "1 thread").splitlines()[2:]
    assert row.startswith("| 1 thread | ")
    assert float(row.split(" | ")[1]) > 0


def test_cpu_layers() -> None:
    first, *rows = run("cpu_layers.py", "--calls", 1, "--part", "attention").splitlines()
    assert "times as fast as plain" in first
    assert len(rows) == 3
    for row in rows:
        for error in re.findall(r"\((\S+)\)", row):
            assert float(error) < 1e-5


@pytest.mark.slow
def test_cpu_layers_in_half_precision() -> None:
    rows = run("cpu_layers.py", "--calls", 1, "--part", "half").splitlines()[1:]
    assert [row.split(":")[0] for row in rows] == ["half, bfloat16", "half, float16"]
    for row in rows:
        for error in re.findall(r"\((\S+)\)", row):
            assert float(error) < 2**-8
