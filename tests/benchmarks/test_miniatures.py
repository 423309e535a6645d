"""Every script in benchmarks/ runs in miniature; the original implementations' side is a stub, or skipped in words."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
PARTS = {
    "checkpoint_tables.py",
    "damaged_checkpoints.py",
    "gate_figures.py",
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


def run(script: str, *arguments: object, code: int = 0) -> str:
    """Standard output of a script that must end with ``code``."""
    result = subprocess.run(
        [sys.executable, str(FOLDER / script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
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


@pytest.mark.slow
def test_h200_rehearses_and_leaves_the_original_out_with_a_reason(tmp_path: Path) -> None:
    folders = ("--out", tmp_path / "results", "--store", tmp_path / "runs")
    out = run("h200.py", "--rehearse", "--minutes", 0.1, *folders, "--original", tmp_path, code=3)
    assert "comparison skipped: FileNotFoundError" in out
    assert "not a checkout of the original" in out
    assert "incomplete: " in out
    assert (tmp_path / "results" / "store.sqlite").is_file()
