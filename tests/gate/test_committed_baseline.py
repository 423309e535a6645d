"""The committed baseline of nova-tiny fits today's suite and scorers; `.ci/run` checks nova-tiny against it."""

from __future__ import annotations

from nova_bench.assets import asset_digest
from nova_bench.config.loading import load_suite
from nova_bench.core.identity import file_digest
from nova_bench.core.progress import Progress
from nova_bench.gate.baseline import read_baseline
from nova_bench.models.shorthand import model_section
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.plan import make_plan
from tests.conftest import ROOT

BASELINE = ROOT / "results" / "baselines" / "nova-tiny.json"


def test_it_was_blessed_with_these_scorers_and_prompts() -> None:
    baseline = read_baseline(BASELINE)
    suite = load_suite("shapes", (), model_section("nova-tiny"))
    plan = make_plan(suite, build_adapter(suite, file_digest, Progress(True).notice), file_digest, asset_digest)
    blessed = {name: metric.identity for name, metric in baseline.side.metrics.items()}
    assert blessed == {scorer.info.name: scorer.identity for scorer in plan.scorers}
    assert {prompt.id for prompt in baseline.side.prompts} <= {unit.prompt_id for unit in plan.units}
    assert baseline.gate == suite.gate
    assert baseline.side.failed == 0
