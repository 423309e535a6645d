"""suites/vbench.yaml with every network at full size, from files in the official layout to the quality score.

The weights are made by the rule, so the numbers mean nothing; what is compared is how they are put together.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nova_bench.assets import ASSETS, asset_path
from nova_bench.assets.cache import asset_folder
from nova_bench.cli import app
from nova_bench.pipeline.manifest import read_manifest
from nova_bench.protocols.vbench import prompts
from nova_bench.protocols.vbench.composite import QUALITY

from .conftest import NETWORKS

CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
# The static filter needs small flows, so that some clips count as static.
_OTHERS = ("umt_l16", "viclip_l14")  # of semantic dimensions
FILES = {name: network for name, network in NETWORKS.items() if network not in _OTHERS} | {"raft-things": "raft_static"}


@pytest.fixture
def weights_here(weight_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule's files where the official ones belong, with no digest to fail."""
    for name, network in FILES.items():
        (file,) = ASSETS[name].files
        monkeypatch.setitem(ASSETS, name, replace(ASSETS[name], files=(replace(file, sha256=None, approximate=True),)))
        asset_folder(ASSETS[name]).mkdir(parents=True)
        (asset_folder(ASSETS[name]) / file.path).symlink_to(weight_file(network))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(find_spec("vbench") is None, reason="vbench, which ships the prompt list, is not installed")
def test_the_quality_score_from_official_files(
    weights_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clips = [next(CLIPS.glob(f"{name}_*.mp4")) for name in ("r4", "r5")]  # ten frames and two: seconds per network
    Path("videos").mkdir()
    chosen = defaultdict(list)
    for entry in prompts.read(asset_path):
        for tag in entry.tags:
            if len(chosen[tag]) < 2:
                chosen[tag].append(entry.text)
    wanted = {text for part in QUALITY.parts for text in chosen[part.metric]}
    for number, text in enumerate(sorted(wanted)):
        for index in range(2):
            shutil.copy(clips[(number + index) % len(clips)], f"videos/{text}-{index}.mp4")
    result = CliRunner().invoke(app, ["run", "vbench", "--limit", "14", "--model", "videos", "--device", "cpu", "-q"])
    # The semantic dimensions lack their weights, and their prompts have no videos here.
    assert result.exit_code == 3, result.output
    gaps = [line for line in result.output.splitlines() if line.startswith("incomplete: ")]
    assert len(gaps) == 4
    assert all(": not computed: needs " in gap for gap in gaps[:3])
    assert "no file for this prompt and sample index" in gaps[3]

    (report,) = Path("runs").glob("vbench-*/report")
    invocation = read_manifest(report.parent)["invocations"][-1]
    assert invocation["device"]["products"] in ("PyTorch", "AMX (compiled here)")
    assert invocation["device"]["products"] in (report / "index.html").read_text()
    table = json.loads((report / "tables/metrics.json").read_text())
    cells = {row["cells"]["metric"]["value"]: row["cells"]["value"] for row in table["rows"]}
    with (report / "samples.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["status"] == "ok"]
    value = {(row["metric"], row["prompt"], row["sample_index"]): float(row["value"]) for row in rows}
    weight = {(row["metric"], row["prompt"], row["sample_index"]): float(row["weight"]) for row in rows}
    means = {}
    for part in QUALITY.parts:
        keys = [key for key in value if key[0] == part.metric]
        weights = [weight[key] if part.metric.endswith("consistency") else 1.0 for key in keys]
        means[part.metric] = sum(value[k] * w for k, w in zip(keys, weights, strict=True)) / sum(weights)
        assert cells[part.metric]["value"] == pytest.approx(means[part.metric], rel=1e-12)
    for metric, prompt, index in value:
        if metric == "temporal_flickering":
            assert value["static_filter", prompt, index] == 1
    norms = [(means[p.metric] - p.low) / (p.high - p.low) * p.weight for p in QUALITY.parts]
    assert cells["vbench_quality"]["value"] == pytest.approx(sum(norms) / 6.5)
    assert cells["vbench_total"].get("value") is None
    assert cells["vbench_total"]["note"].startswith("not computed: needs object_class, multiple_objects, human_action")
