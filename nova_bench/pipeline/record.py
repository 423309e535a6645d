"""Plan <-> the store's record of it, from which every table is rebuilt without the model."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from nova_bench.config.catalog import SCORERS
from nova_bench.config.fields import ScorerSettings
from nova_bench.config.metadata import Metadata
from nova_bench.config.suite import KeepSpec, ModelSpec, Suite, label_of
from nova_bench.config.units import Unit
from nova_bench.core.errors import UserError
from nova_bench.pipeline.plan import Plan, PlannedScorer, Stated
from nova_bench.scorers.base import ScorerInfo, registered_name
from nova_bench.store.store import StoredRun, stored_run


def record_of(plan: Plan) -> StoredRun:
    """The store's record of a plan: enough to rebuild every table without the model."""
    scorers = [
        {
            "name": scorer.info.name,
            "identity": scorer.identity,
            "tags": sorted(scorer.tags),
            "keep": scorer.keep.model_dump() if scorer.keep else None,
            "aggregate": scorer.aggregate,
            "optional": scorer.optional,
            "settings": scorer.settings.model_dump(mode="json"),
            **({"stated": vars(scorer.stated)} if scorer.stated else {}),
        }
        for scorer in plan.scorers
    ]
    units = [{**vars(unit), "metadata": unit.metadata.values()} for unit in plan.units]
    return stored_run(plan.run_id, plan.run_name, plan.suite.model_dump(mode="json"), scorers, units)


def plan_of(run: StoredRun) -> Plan:
    """The plan of a stored run. Only what reports need: the model section has only adapter and label.

    UserError if a scorer's settings are of a version that had others.
    """
    model = ModelSpec(adapter=run.suite["model"]["adapter"], label=label_of(run.suite["model"]))
    suite = Suite.model_validate({**run.suite, "model": model, "scorers": [{"name": s["name"]} for s in run.scorers]})
    scorers = []
    for stored in run.scorers:
        info = SCORERS.get(registered_name(stored["name"]))
        settings = _settings_of(info, stored["settings"], run.name)
        info = info.with_settings(settings)
        keep = KeepSpec(**stored["keep"]) if stored.get("keep") else None
        aggregate = stored.get("aggregate", "")
        scorers.append(
            PlannedScorer(
                info.aggregated(aggregate),
                settings,
                frozenset(stored["tags"]),
                stored["identity"],
                keep,
                stored.get("optional", False),
                aggregate,
                Stated(**stored["stated"]) if stored.get("stated") else None,
            )
        )
    return Plan(suite, tuple(map(_unit_of, run.units)), tuple(scorers), run.run)


def _settings_of(info: ScorerInfo, stored: dict[str, Any], run: str) -> ScorerSettings:
    try:
        return info.settings.model_validate(stored)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(
            f"run {run}: another version of nova_bench wrote its setting {info.name}.{name}", "run the suite again"
        ) from error


def _unit_of(stored: dict[str, Any]) -> Unit:
    """A unit from its record; those of earlier versions have no metadata."""
    return Unit(**{**stored, "tags": tuple(stored["tags"]), "metadata": Metadata.of(stored.get("metadata", {}))})
