"""suites/vbench.yaml with every network at full size, from files in the official layout to the final scores.

The weights are made by the rule, so the numbers mean nothing; what is compared is how they are put together.
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nova_bench.assets import ASSETS, asset_path
from nova_bench.assets.cache import asset_folder
from nova_bench.cli import app
from nova_bench.core.notices import unheard
from nova_bench.pipeline.manifest import read_manifest
from nova_bench.protocols.vbench import composite, prompts
from nova_bench.protocols.vbench.composite import QUALITY

from . import test_grit, test_tag2text
from .conftest import MERGES, NETWORKS

CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"
WORDS = Path(__file__).parents[2] / "data" / "bert_vocab.txt.gz"
# The static filter needs small flows, so that some clips count as static.
FILES = NETWORKS | {"raft-things": "raft_static"}
DESCRIBED = ("object_class", "multiple_objects", "color", "spatial_relationship", "scene")
VIDEOS = ("human_action", "temporal_style", "overall_consistency")
SEMANTIC = {part.metric for part in composite.SEMANTIC.parts}


@pytest.fixture
def weights_here(weight_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The rule's files where the official ones belong, with no digest to fail."""
    words = tmp_path / "vocab.txt"
    words.write_bytes(gzip.decompress(WORDS.read_bytes()))
    files = {name: weight_file(network) for name, network in FILES.items()} | {
        "grit-b": test_grit.official_file(tmp_path / "grit.pth"),
        "tag2text-swin-14m": test_tag2text.official_file(tmp_path / "tag2text.pth"),
        "bert-vocab": words,
        "clip-bpe": MERGES,
    }
    anywhere = ASSETS["grit-b"].source  # whose files lie in the folder that each test has of its own
    for name, path in files.items():
        (file,) = ASSETS[name].files
        here = replace(ASSETS[name], source=anywhere, files=(replace(file, sha256=None, approximate=True),))
        monkeypatch.setitem(ASSETS, name, here)
        asset_folder(here).mkdir(parents=True)
        (asset_folder(here) / file.path).symlink_to(path)
    yield
    for path in tmp_path.glob("*.pth"):  # gigabytes, which pytest would keep
        path.unlink()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(find_spec("vbench") is None, reason="vbench, which ships the prompt list, is not installed")
def test_all_dimensions_from_official_files(
    weights_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clips = [next(CLIPS.glob(f"{name}_*.mp4")) for name in ("r4", "r5")]  # ten frames and two: seconds per network
    Path("videos").mkdir()
    chosen = defaultdict(list)
    for entry in prompts.read(asset_path, unheard):
        for tag in entry.tags:
            if len(chosen[tag]) < 2:
                chosen[tag].append(entry.text)
    wanted = {text for texts in chosen.values() for text in texts}
    for number, text in enumerate(sorted(wanted)):
        for index in range(2):
            shutil.copy(clips[(number + index) % len(clips)], f"videos/{text}-{index}.mp4")
    command = ["run", "vbench", "--limit", "22", "--model", "videos", "--device", "cpu", "-q"]
    # In three parts on one store, since all networks together take ten gigabytes.
    for part in (DESCRIBED, VIDEOS):
        CliRunner().invoke(app, [*command, "--dims", ",".join(part)])
    result = CliRunner().invoke(app, command)
    # Random words describe nothing in a colour.
    assert result.exit_code == 3, result.output
    [gap] = [line for line in result.output.splitlines() if line.startswith("incomplete: ")]
    assert gap == "incomplete: color: not measurable on these samples: in no frame is the object described in a colour"

    report = Path(result.output.split("report: ")[1].split("/index.html")[0])
    invocation = read_manifest(report.parent)["invocations"][-1]
    assert invocation["device"]["products"].startswith(("PyTorch", "AMX (compiled", "AVX", "oneDNN"))
    assert invocation["device"]["products"] in (report / "index.html").read_text()
    table = json.loads((report / "tables/metrics.json").read_text())
    cells = {row["cells"]["metric"]["value"]: row["cells"]["value"] for row in table["rows"]}
    with (report / "samples.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["status"] == "ok"]
    value = {(row["metric"], row["prompt"], row["sample_index"]): float(row["value"]) for row in rows}
    weight = {(row["metric"], row["prompt"], row["sample_index"]): float(row["weight"]) for row in rows}
    means = {}
    assert SEMANTIC - {metric for metric, _, _ in value} == {"color"}
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
    assert cells["vbench_total"]["note"] == "not computed: needs color"
