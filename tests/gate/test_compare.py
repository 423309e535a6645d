"""`compare A B`: operands, pairing, protocol cards, missing samples, exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nova_bench.gate.card import IMPORTED, MetricCard, metric_differences
from tests.gate.conftest import PROMPTS, Gate, suite_keys


def test_a_run_equals_itself(gate: Gate) -> None:
    gate.run("a")
    found = gate.compare("a", "a")
    assert found.code == 0, found.done.stderr
    assert found.file["verdict"] == "pass"
    assert found.metric("brightness")["difference"] == 0
    assert found.metric("brightness")["method"] == "identical"
    assert found.metric("brightness")["prompts"] == len(PROMPTS)


def test_a_darker_model_regressed_and_the_swap_is_its_mirror(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--set", "model.darker=20")
    found, swapped = gate.compare("a", "b"), gate.compare("b", "a")
    assert (found.code, found.file["verdict"]) == (1, "regressed")
    bright = found.metric("brightness")
    assert bright["verdict"] == "regressed"
    assert bright["difference"] == pytest.approx(bright["b"] - bright["a"])
    assert bright["low"] <= bright["difference"] <= bright["high"] < 0
    # Clipping at black makes it less rough, and less is better: an improvement is positive.
    rough = found.metric("roughness")
    assert rough["b"] < rough["a"]
    assert rough["difference"] == pytest.approx(rough["a"] - rough["b"])
    assert rough["verdict"] == "improved"
    assert swapped.metric("brightness")["difference"] == pytest.approx(-bright["difference"])
    assert swapped.metric("brightness")["verdict"] == "improved"
    assert swapped.metric("brightness")["low"] == pytest.approx(-bright["high"])
    assert "brightness" in found.done.stdout.splitlines()[-1]
    assert [loss["difference"] for loss in bright["losses"]] == sorted(loss["difference"] for loss in bright["losses"])


def test_a_composite_follows_from_its_parts(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--set", "model.darker=20")
    found = gate.compare("a", "b")
    overall = found.metric("overall")
    bright, rough = found.metric("brightness"), found.metric("roughness")
    assert overall["composite"]
    assert not overall["gating"]
    # (3 * brightness + roughness / 255) / 4; roughness is oriented the other way round.
    assert overall["difference"] == pytest.approx((3 * bright["difference"] - rough["difference"] / 255) / 4)


def test_another_aggregate_is_another_metric(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--set", "scorers.0.aggregate=last_frame")
    found = gate.compare("a", "b")
    assert found.metric("brightness")["verdict"] == "not comparable"
    assert "scorer settings" in found.metric("brightness")["note"]


def test_of_imported_results_only_the_aggregate_is_compared() -> None:
    ours, theirs = MetricCard("a", "2", {"net": "0"}, {"precision": "float32"}), MetricCard("b", IMPORTED)
    assert metric_differences("m", ours, theirs) == metric_differences("m", theirs, MetricCard("c", IMPORTED)) == []
    (found,) = metric_differences("m", ours, replace(theirs, settings={"aggregate": "official_8_ranks"}))
    assert (found.field, found.effect) == ("m: aggregate", "refused")


def test_other_seeds_are_compared_by_prompt_means(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--set", "seed=5")
    found = gate.compare("a", "b")
    assert found.file["rule"]["pairing"] == "prompt means"
    assert {"field": "seed", "a": 1337, "b": 5, "effect": "listed", "waiver": None} in found.file["card"]
    assert found.metric("brightness")["p"] is not None
    assert found.file["verdict"] != "not comparable"


def test_a_single_prompt_decides_nothing(gate: Gate) -> None:
    found = gate.compare(gate.run("a", "--limit", "1"), gate.run("b", "--limit", "1", "--set", "model.darker=20"))
    assert (found.code, found.file["verdict"]) == (0, "inconclusive"), found.done.stderr
    assert found.metric("brightness")["detectable"] is None
    assert "no loss can be found with 80 % power" in found.done.stderr


@pytest.mark.parametrize(
    ("option", "field", "word"),
    [
        ("sampling.fps=8", "fps", "fps"),
        ("sampling.num_frames=3", "frames", "frames"),
        ("sampling.width=18", "size", "size"),
        ("sampling.guidance_scale=2", "sampler", "sampler"),
    ],
)
def test_a_difference_in_the_protocol_is_refused_and_can_be_waived(
    gate: Gate, option: str, field: str, word: str
) -> None:
    gate.run("a")
    gate.run("b", "--set", option)
    refused = gate.compare("a", "b")
    assert (refused.code, refused.file["verdict"]) == (3, "not comparable")
    assert f"--accept {word}" in refused.metric("brightness")["note"]
    accepted = gate.compare("a", "b", "--accept", word)
    assert accepted.file["verdict"] != "not comparable"
    assert [d["effect"] for d in accepted.file["card"] if d["field"] == field] == ["accepted"]
    assert any(f"--accept {word}" in reason for reason in accepted.file["reasons"])


def test_other_prompts_are_refused_unless_those_in_common_are_asked_for(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--limit", "20")
    refused = gate.compare("a", "b")
    assert (refused.code, refused.file["verdict"]) == (3, "not comparable")
    assert "prompts: 24 (" in refused.metric("brightness")["note"]
    accepted = gate.compare("a", "b", "--accept", "prompts")
    assert accepted.metric("brightness")["prompts"] == 20
    assert accepted.code == 0


def test_a_scorer_with_other_settings_is_not_comparable_alone(
    gate: Gate, write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    gate.run("a")
    scorers = [{"name": "brightness", "settings": {"fail_below": 0.001}}, "roughness", "even"]
    other = write_suite("other.yaml", **{**suite_keys(), "scorers": scorers})
    replace(gate, suite=other).run("b")
    found = gate.compare("a", "b")
    assert found.metric("brightness")["verdict"] == "not comparable"
    assert "scorer settings" in found.metric("brightness")["note"]
    assert found.metric("roughness")["verdict"] == "pass"
    assert (found.code, found.file["verdict"]) == (0, "not comparable")
    assert "warning" in found.done.stderr
    assert gate.compare("a", "b", "--strict").code == 4


def test_samples_that_failed_in_b_count_as_the_worst_value(gate: Gate) -> None:
    gate.run("a")
    gate.run("b", "--set", "model.fail_on=prompt 1")
    found = gate.compare("a", "b")
    failed = sum("prompt 1" in prompt for prompt in PROMPTS)
    bright = found.metric("brightness")
    assert (bright["counted_as_worst"], bright["worst"]) == (failed, 0)
    assert bright["difference"] < -0.2
    # Roughness has no upper limit: its worst value is the worst in A.
    assert found.metric("roughness")["worst"] > found.metric("roughness")["a"]
    assert found.code == 1, "regressed, even if partly failed"
    dropped = gate.compare("a", "b", "--missing", "drop")
    assert dropped.metric("brightness")["difference"] == pytest.approx(0)
    assert dropped.metric("brightness")["dropped"] == failed
    assert dropped.code == 3, "failed samples are an incomplete comparison"
    assert any("--missing drop" in reason for reason in dropped.file["reasons"])


def test_samples_that_failed_in_a_are_left_out(gate: Gate) -> None:
    gate.run("a", "--set", "model.fail_on=prompt 1")
    gate.run("b")
    found = gate.compare("a", "b")
    assert found.metric("brightness")["prompts"] == sum("prompt 1" not in prompt for prompt in PROMPTS)
    assert found.metric("brightness")["difference"] == pytest.approx(0)


def test_folders_are_paired_by_path_without_suffix(gate: Gate, tmp_path: Path) -> None:
    gate.run("a")
    videos = sorted((tmp_path / "a" / "artifacts").glob("*/*.mkv"))
    for index, video in enumerate(videos):
        for folder, suffix in (("old", ".mkv"), ("new", ".mp4" if index % 2 else ".mkv")):
            place = tmp_path / folder / f"part {index % 3}" / f"video {index}{suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(video, place) if suffix == ".mkv" else shutil.copy(video, place.with_suffix(".mkv"))
    (tmp_path / "new" / "part 0" / "video 0.mkv").unlink()
    found = gate.compare("old", "new", "--metrics", "brightness,roughness", "--store", "scored", "--accept", "prompts")
    assert found.code == 0, found.done.stderr
    assert found.metric("brightness")["prompts"] == len(videos) - 1
    assert any("unknown" in reason for reason in found.file["reasons"]) or found.file["a"]["seed"] is None


@pytest.mark.parametrize(
    ("operands", "words"),
    [
        (("nothing", "a"), "no run, store, checkpoint or folder of media"),
        (("a", "empty"), "no videos or images"),
        (("a", "a", "--accept", "speed"), "no such field"),
        (("a", "a", "--missing", "ignore"), "worst or drop"),
    ],
)
def test_bad_operands_are_usage_errors(gate: Gate, tmp_path: Path, operands: tuple[str, ...], words: str) -> None:
    gate.run("a")
    (tmp_path / "empty").mkdir()
    extra = ["--suite", str(gate.suite)] if "empty" in operands else []
    done = gate.cli("compare", *operands, *extra)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
