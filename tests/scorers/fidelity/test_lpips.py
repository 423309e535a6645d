"""LPIPS and ST-LPIPS as scorers: what they need, what they keep, and what changes nothing. Weights: made by a rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nova_bench.assets import ASSETS, asset_path, asset_state
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.networks import batching
from nova_bench.scorers.base import Sample, Scorer
from nova_bench.scorers.fidelity.lpips import LPIPS_INFO, ST_LPIPS_INFO
from tests.fake_card import fake_card

from ...parity.fidelity.weights import official_files, scorer
from ..conftest import clip_of, shifting_texture

INFOS = {info.name: info for info in (LPIPS_INFO, ST_LPIPS_INFO)}


@pytest.fixture(scope="module", params=INFOS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return scorer(request.param, official_files(request.param, tmp_path_factory.mktemp(request.param)))


def samples() -> list[Sample]:
    """Two sizes and lengths, moving, against themselves with noise that grows from frame to frame."""
    made = []
    for seed, (count, height, width) in enumerate([(5, 40, 64), (2, 36, 36)]):
        frames = shifting_texture(count, height, width, 2, seed)
        noise = np.random.default_rng(seed).standard_normal(frames.shape)
        strength = np.arange(count)[:, None, None, None] * 12
        made.append(Sample(clip_of(np.clip(frames + strength * noise, 0, 255).astype(np.uint8)), clip_of(frames)))
    return made


def test_distance_is_zero_for_equal_frames_and_grows_with_noise(made: Scorer) -> None:
    for found in made.score(samples()):
        per_frame = found.details["per_frame"]
        assert per_frame[0] == 0.0
        assert per_frame == sorted(per_frame)
        assert per_frame[-1] > 1e-3
        assert found.value == pytest.approx(np.mean(per_frame))


def test_rows_depend_on_neither_companions_nor_batch_size(made: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = samples()
    expected = [made.score([one])[0], made.score([other])[0]]
    assert made.score([one, other]) == expected
    assert made.score([other, one]) == expected[::-1]
    monkeypatch.setattr(batching, "batch_size", lambda device, size: 2)
    assert made.score([one])[0].details["per_frame"] == pytest.approx(expected[0].details["per_frame"], abs=1e-6)


def test_what_does_not_fit_is_an_error(made: Scorer) -> None:
    video = np.zeros((3, 32, 40, 3), np.uint8)
    with pytest.raises(UserError, match=r"40x32, but its reference .* is 32x32"):
        made.score([Sample(clip_of(video), clip_of(video[:, :, :32]))])
    with pytest.raises(UserError, match=r"3 frames, but its reference .* has 2"):
        made.score([Sample(clip_of(video), clip_of(video[:2]))])


def test_too_small_is_not_measurable(made: Scorer) -> None:
    video = np.zeros((1, 20, 40, 3), np.uint8)
    [found] = made.score([Sample(clip_of(video), clip_of(video))])
    assert found.value is None
    assert "40x20 is too small" in found.reason


def test_a_weight_file_of_something_else_is_refused(tmp_path: Path) -> None:
    files = official_files("st_lpips", tmp_path)
    state = torch.load(files["stlpips-alex"], weights_only=True)
    state["net.slice9.99.weight"] = state.pop("net.slice5.13.weight")
    torch.save(state, files["stlpips-alex"])
    with pytest.raises(UserError, match=r"lacks features\.13\.weight"):
        scorer("st_lpips", files)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite, beside a package that takes the name of the one that ships ST-LPIPS's weights and has none."""
    (tmp_path / "stlpips_pytorch").mkdir()
    (tmp_path / "stlpips_pytorch" / "__init__.py").touch()
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: fidelity\ntitle: Fidelity\nmodel: {adapter: drift}\nprompts: {entries: [a cat]}\n"
        "sampling: {num_frames: 1, height: 16, width: 16}\nscorers: [brightness, lpips, st_lpips]\n"
    )
    return path


def test_without_weights_it_says_what_is_needed(cli, suite: Path) -> None:
    result = cli("run", suite)
    assert result.returncode == 3, result.stderr
    fetch = "3 files (254 MB): python -m nova_bench assets fetch alexnet lpips-alex stlpips-alex"
    assert f"warning: 2 of 3 scorers are left out, for lack of {fetch}" in result.stderr
    assert f"incomplete: lpips, st_lpips: not computed: needs {fetch}" in result.stderr
    assert "st_lpips ↑" not in result.stdout  # the table of samples has no column without a score
    assert (
        "not computed: needs alex_shift_tolerant.pth (9.9 MB): python -m nova_bench assets fetch stlpips-alex"
        in " ".join(result.stdout.split())
    )


def test_an_optional_scorer_without_weights_is_told_and_leaves_the_run_complete(cli, suite: Path) -> None:
    optional = "scorers=[brightness, {name: st_lpips, optional: true}]"
    planned = cli("plan", suite, "--set", optional)
    assert planned.returncode == 0, planned.stderr
    assert "alex_shift_tolerant.pth (optional)" in planned.stdout
    result = cli("run", suite, "--set", optional)
    assert result.returncode == 0, result.stderr
    assert "incomplete" not in result.stderr
    assert "not computed: needs alex_shift_tolerant.pth" in result.stdout
    rebuilt = cli("report")
    assert rebuilt.returncode == 0, rebuilt.stderr


def test_an_installed_package_of_the_very_weights_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the inner folder of a package, by its digest; another file under that name is none."""
    asset = ASSETS["stlpips-alex"]
    inner = tmp_path / asset.source.folder
    inner.mkdir(parents=True)
    (tmp_path / "stlpips_pytorch" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (file,) = asset.files
    (inner / file.path).write_bytes(b"other weights")
    assert asset_state(asset.name) == "missing"
    same = replace(asset, files=(replace(file, size=13, sha256=file_digest(inner / file.path)),))
    monkeypatch.setitem(ASSETS, asset.name, same)
    assert asset_state(asset.name) == "here"
    assert asset_path(asset.name) == inner / file.path


@pytest.mark.parametrize("name", INFOS)
def test_on_the_card_distances_are_the_same(name: str, tmp_path: Path) -> None:
    files = official_files(name, tmp_path)
    expected = scorer(name, files).score(samples())
    with fake_card() as card:
        found = scorer(name, files, "cuda").score(samples())
        assert card.peak > 0
    for here, there in zip(expected, found, strict=True):
        assert there.details["per_frame"] == pytest.approx(here.details["per_frame"], rel=1e-3, abs=1e-6)
