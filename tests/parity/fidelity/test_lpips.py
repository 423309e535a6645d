"""LPIPS and ST-LPIPS equal the official packages, on the same weights and on those that ST-LPIPS was published with."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from nova_bench.assets import get_asset
from nova_bench.core.identity import file_digest
from nova_bench.scorers.base import Sample, Score, Scorer

from ...scorers.conftest import clip_of
from .cases import CASES, OFFICIAL, pair
from .tolerances import assert_close, table
from .weights import official_files, scorer


@pytest.fixture(scope="module")
def with_rule(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scorer]:
    return {name: scorer(name, official_files(name, tmp_path_factory.mktemp(name))) for name in ("lpips", "st_lpips")}


def score(made: Scorer, case: str) -> Score:
    video, reference = (clip_of(frames.numpy()) for frames in pair(case))
    return made.score([Sample(video, reference)])[0]


def compare(quantity: str, found: Score, expected: list[float] | None) -> None:
    if expected is None:
        assert found.value is None
        assert "too small" in found.reason
        return
    assert_close(quantity, found.details["per_frame"], expected)
    assert found.value == pytest.approx(sum(found.details["per_frame"]) / len(expected), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["lpips", "st_lpips"])
def test_equals_the_package_on_the_same_weights(with_rule: dict[str, Scorer], name: str, case: str) -> None:
    compare(f"{name}, same random weights", score(with_rule[name], case), OFFICIAL["cases"][case][f"{name}, rule"])


@pytest.fixture(scope="module")
def published() -> Scorer:
    """ST-LPIPS with its published weights, out of the installed package, which is not imported."""
    asset = get_asset("stlpips-alex")
    spec = find_spec("stlpips_pytorch")
    if spec is None:
        pytest.skip("stlpips_pytorch is not installed: pip install --no-deps stlpips_pytorch==0.0.2")
    path = Path(spec.origin).parent.parent / asset.source.folder / asset.files[0].path
    assert file_digest(path) == asset.sha256
    return scorer("st_lpips", {"stlpips-alex": path})


@pytest.mark.parametrize("case", CASES)
def test_equals_the_package_on_its_published_weights(published: Scorer, case: str) -> None:
    compare("st_lpips, published weights", score(published, case), OFFICIAL["cases"][case]["st_lpips, published"])


def test_readme_shows_the_table() -> None:
    assert table() in (Path(__file__).parent / "README.md").read_text()
