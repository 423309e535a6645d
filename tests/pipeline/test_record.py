"""A stored run is a plan again, without the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_bench.assets import asset_digest
from nova_bench.config.loading import load_suite
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.plan import make_plan
from nova_bench.pipeline.record import plan_of, record_of


def test_settings_of_another_version_are_a_users_error(write_suite, tmp_path: Path) -> None:
    suite = load_suite(str(write_suite(scorers=["dynamic_degree"])))
    plan = make_plan(suite, build_adapter(suite, file_digest, print), file_digest, asset_digest)
    run = record_of(plan)
    assert plan_of(run).scorers == plan.scorers
    run.scorers[0]["settings"]["precision"] = "official"
    with pytest.raises(UserError, match=r"another version of nova_bench wrote its setting dynamic_degree.precision"):
        plan_of(run)
