"""Several trainings by one command, and the records they leave."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from nova_bench.core.errors import SuiteError
from nova_bench.train.load import load_training, load_trainings
from nova_bench.train.record import read_record
from nova_bench.train.sweep import train_all


@pytest.fixture
def sweep_file(tmp_path: Path, micro_file: Path):
    """A sweep of two tiny trainings with two seeds each, on an autoencoder that is given."""

    def write(autoencoder: Path | str = "vae", **keys: object) -> Path:
        for name, norm in (("one", "pre"), ("two", "post_after_residual")):
            training = {
                "extends": str(micro_file),
                "name": name,
                "autoencoder": {"pretrained": str(autoencoder), "optimization": None},
                "transformer": {
                    "config": {"norm_placement": norm},
                    "optimization": {"steps": 3, "activations_every": 2},
                },
            }
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(training))
        sweep = {"trainings": ["one.yaml", "two.yaml"], "seeds": [3, 4], **keys}
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump(sweep, sort_keys=False))
        return path

    return write


def test_every_file_with_every_seed(sweep_file) -> None:
    specs = load_trainings(str(sweep_file()), ["seeds=[7]", "transformer.optimization.steps=9"])
    assert [(spec.name, spec.seed) for spec in specs] == [("one-s7", 7), ("two-s7", 7)]
    assert {spec.transformer.optimization.steps for spec in specs} == {9}
    assert [spec.transformer.config["norm_placement"] for spec in specs] == ["pre", "post_after_residual"]


def test_files_beside_the_sweep_are_named_from_any_folder(sweep_file, tmp_path, monkeypatch) -> None:
    """As in the suites' `made_by`: python -m nova_bench train ablations --set 'trainings=[ablation_default.yaml]'."""
    path = sweep_file()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert {spec.name for spec in load_trainings(str(path), ["trainings=[two.yaml]"])} == {"two-s3", "two-s4"}
    assert {spec.name for spec in load_trainings("ablations", ["trainings=[ablation_default.yaml]", "seeds=[1]"])} == {
        "ablation-default-s1"
    }


def test_a_sweep_of_sweeps_keeps_their_seeds_unless_it_has_its_own(sweep_file, tmp_path) -> None:
    sweep_file()
    (tmp_path / "all.yaml").write_text("trainings: [sweep.yaml, rates.yaml]\n")
    (tmp_path / "rates.yaml").write_text(
        "trainings: [one.yaml]\nseeds: [1]\nlearning_rates: [0.001, 0.01]\nsuffix: -free\n"
        "set: {transformer.optimization.clip_norm: null}\n"
    )
    specs = load_trainings(str(tmp_path / "all.yaml"))
    assert [spec.name for spec in specs] == [
        *("one-s3", "one-s4", "two-s3", "two-s4"),
        *("one-free-lr0.001-s1", "one-free-lr0.01-s1"),
    ]
    assert [spec.transformer.optimization.learning_rate for spec in specs[-2:]] == [0.001, 0.01]
    assert [spec.transformer.optimization.clip_norm for spec in specs[-3:]] == [1.0, None, None]
    assert {spec.seed for spec in load_trainings(str(tmp_path / "all.yaml"), ["seeds=[9]"])} == {9}


@pytest.mark.parametrize(("precision", "products"), [("bf16", False), ("bf16", True), ("fp32", False)])
def test_slow_bfloat16_is_told(micro, tmp_path, monkeypatch, capsys, precision, products) -> None:
    monkeypatch.setattr("nova_bench.train.sweep.multiplies", lambda dtype: products)
    optimization = "transformer.optimization"
    spec = micro(f"{optimization}.precision={precision}", f"{optimization}.steps=1", "autoencoder.optimization.steps=1")
    train_all([spec], tmp_path / "runs", "cpu", workers=1, threads=1, quiet=False)
    told = "this CPU has no bfloat16 products: precision bf16 takes longer than fp32" in capsys.readouterr().err
    assert told == (precision == "bf16" and not products)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainings: [all.yaml]\n", r"all\.yaml:1: all\.yaml is part of itself"),
        ("trainings: [sweep.yaml, sweep.yaml]\n", r"all\.yaml:1: trainings: 'sweep.yaml' appears twice"),
        ("trainings: [sweep.yaml, one.yaml]\n", r"all\.yaml:1: a sweep of training files needs seeds"),
        ("seeds: [3]\ntrainings: [sweep.yaml, one.yaml]\n", "two trainings are called one-s3"),
        ("suffix: -b\ntrainings: [sweep.yaml]\n", r"all\.yaml:2: sweep.yaml is a sweep, which only `seeds` may change"),
        ("trainings: [bad.yaml]\n", r"bad\.yaml:3: unknown key 'learning_rat' in transformer.optimization"),
    ],
)
def test_mistakes_in_a_sweep_of_sweeps(sweep_file, tmp_path, text: str, message: str) -> None:
    sweep_file()
    (tmp_path / "bad.yaml").write_text(
        "trainings: [one.yaml]\nseeds: [1]\nset: {transformer.optimization.learning_rat: 1}\n"
    )
    (tmp_path / "all.yaml").write_text(text)
    with pytest.raises(SuiteError, match=message):
        load_trainings(str(tmp_path / "all.yaml"))


def test_one_command_trains_every_ablation() -> None:
    """Sec. A: four ranks; B: three placements, and each without clipping at five rates; E: two; mostly three seeds."""
    specs = load_trainings("ablations")
    assert len({spec.name for spec in specs}) == 3 * 4 + 3 * 3 + 3 * 5 + 3 * 2
    unclipped = [spec for spec in specs if spec.transformer.optimization.clip_norm is None]
    rates = sorted({spec.transformer.optimization.learning_rate for spec in unclipped})
    assert len(unclipped) == 3 * len(rates) == 15
    assert all(2.9 < high / low < 3.4 for low, high in pairwise(rates))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"trainings": ["ones.yaml"]}, r"sweep\.yaml:2: no file .*; did you mean 'one.yaml'"),
        ({"seeds": []}, r"sweep\.yaml:\d: a sweep of training files needs seeds"),
        ({"seeds": [1, 1]}, r"sweep\.yaml:\d: seeds.*1 appears twice"),
        ({"seed": 1}, r"sweep\.yaml:7: unknown key 'seed'; did you mean 'seeds'"),
    ],
)
def test_mistakes_in_a_sweep_name_its_line(sweep_file, keys, message) -> None:
    with pytest.raises(SuiteError, match=message):
        load_trainings(str(sweep_file(**keys)))


def test_one_training_is_not_a_sweep(sweep_file) -> None:
    with pytest.raises(SuiteError, match="holds 4 trainings"):
        load_training(str(sweep_file()))


def test_divergence_is_a_result_and_the_others_go_on(cli, sweep_file, trained: Path, tmp_path) -> None:
    path = sweep_file(
        trained / "checkpoint" / "vae",
        learning_rates=[1e30, 0.001],
        set={
            "transformer.optimization.may_diverge": True,
            "transformer.optimization.clip_norm": None,
            "transformer.optimization.warmup_steps": 0,
            "transformer.optimization.steps": 6,
        },
    )
    command = ("train", path, "--out", "out", "--records", "kept", "--device", "cpu", "--workers", 1)
    command = (*command, "--set", "seeds=[3]", "--set", "trainings=[one.yaml]")
    first = cli(*command)
    assert first.returncode == 0, first.stderr
    diverged, finished = first.stdout.splitlines()
    assert re.match(r"diverged: out/one-lr1e\+30-s3 \(step \d: the (loss is|gradient's norm is) (nan|inf)\)", diverged)
    assert finished == "checkpoint: out/one-lr0.001-s3/checkpoint"
    record = read_record(tmp_path / "kept" / "one-lr1e+30-s3.json")
    assert record.diverged is not None
    assert len(record.grad_norm) == record.diverged.step - 1
    assert record.learning_rate == 1e30
    assert not (tmp_path / "out" / "one-lr1e+30-s3" / "checkpoint").exists()
    again = cli(*command)
    assert again.stdout == first.stdout
    assert "all of them finished" in again.stderr
    refused = cli(*command, "--set", "transformer.optimization.may_diverge=false", "--out", "other")
    assert refused.returncode == 2
    assert re.search(r"error: transformer: the .* at step \d\n  try: lower the learning rate", refused.stderr)


@pytest.mark.slow
def test_a_sweep_trains_all_keeps_records_and_leaves_what_is_finished(cli, sweep_file, trained: Path, tmp_path) -> None:
    path = sweep_file(trained / "checkpoint" / "vae")
    command = ("train", path, "--out", "out", "--records", "kept", "--device", "cpu", "--set", "seeds=[3]")
    first = cli(*command, "--workers", 1)
    assert first.returncode == 0, first.stderr
    assert re.search(r"one-s3: trained \(1 of 2, about \d+ min left\)", first.stderr)
    assert "two-s3: trained (2 of 2)" in first.stderr
    before = {name: (tmp_path / "out" / name / "transformer.jsonl").read_bytes() for name in ("one-s3", "two-s3")}
    again = cli(*command)  # two at a time
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert "2 trainings, all of them finished" in again.stderr
    assert before == {name: (tmp_path / "out" / name / "transformer.jsonl").read_bytes() for name in before}
    record = read_record(tmp_path / "kept" / "two-s3.json")
    assert record == read_record(tmp_path / "out" / "two-s3")
    lines = [json.loads(line) for line in before["two-s3"].splitlines()]
    assert record.seed == 3
    assert record.transformer["norm_placement"] == "post_after_residual"
    assert record.losses["loss_i2i"] == pytest.approx([line["loss_i2i"] for line in lines], rel=1e-4)
    assert record.recorded_steps == (1, 3)
    largest = lines[2]["activations"]["image_encoder.blocks.1"]["max"]
    assert record.blocks["image_encoder.blocks.1"].max[1] == pytest.approx(largest, rel=1e-4)
