"""Damaged or wrong weights and word lists: one line each, and the other dimensions are scored."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from nova_bench.assets import ASSETS
from nova_bench.assets.cache import asset_folder
from nova_bench.cli import app
from tests.scorers.conftest import VBENCH_CLIPS

VOCABULARY = gzip.decompress((Path(__file__).parents[2] / "data" / "bert_vocab.txt.gz").read_bytes())
SOURCE = ASSETS["grit-b"].source  # whose files lie in the folder that each test has of its own
SUITE = """
name: objects
title: Objects
model: {adapter: files, label: clips, manifest: clips.csv}
scorers: [SCORER, temporal_flickering]
"""


def offer(name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a file where an asset belongs, with no digest that could fail."""
    (file,) = ASSETS[name].files
    anywhere = replace(ASSETS[name], source=SOURCE, files=(replace(file, sha256=None, approximate=True),))
    monkeypatch.setitem(ASSETS, name, anywhere)
    folder = asset_folder(anywhere)
    folder.mkdir(parents=True)
    (folder / file.path).write_bytes(content)


def archive(content: object, path: Path) -> bytes:
    torch.save(content, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("scorer", "damaged", "problem"),
    [
        ("object_class", "grit-b", "grit_b_densecap_objectdet.pth: can't be read as weights"),
        ("object_class", "bert-vocab", "vocab.txt: has 30523 entries, expected 30522"),
        ("scene", "tag2text-swin-14m", "tag2text_swin_14m.pth: can't be read as weights"),
        ("scene", "tag2text-tags", "tag_class.py: its list has 3428 entries, expected 3429"),
    ],
)
def test_one_line_and_the_rest_is_scored(
    scorer: str, damaged: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = archive({"model": {"backbone.x": torch.zeros(3)}}, tmp_path / "w.pth")[:-200]
    words = VOCABULARY + b"one more\n" if damaged == "bert-vocab" else VOCABULARY
    tags = f"tra_array = {['tag'] * (3428 if damaged == 'tag2text-tags' else 3429)}"
    files = {"grit-b": weights, "tag2text-swin-14m": weights, "bert-vocab": words, "tag2text-tags": tags.encode()}
    for name, content in files.items():
        offer(name, content, monkeypatch)
    monkeypatch.chdir(tmp_path)
    clip = next(VBENCH_CLIPS.glob("r5_*"))
    Path("clips.csv").write_text(f"path,prompt,metadata.object,metadata.scene\n{clip},a car,car,alley\n")
    Path("suite.yaml").write_text(SUITE.replace("SCORER", scorer))
    result = CliRunner().invoke(app, ["run", "suite.yaml", "--device", "cpu", "-q"])
    assert result.exit_code == 3, result.output
    assert "Traceback" not in result.output
    [gap] = [line for line in result.output.splitlines() if line.startswith("incomplete: ")]
    assert gap.startswith(f"incomplete: {scorer}: not computed")
    assert problem in gap
    (samples,) = Path("runs").glob("objects-*/report/samples.csv")
    with samples.open(newline="") as stream:
        states = {row["metric"]: row["status"] for row in csv.DictReader(stream)}
    assert states["temporal_flickering"] == "ok"
