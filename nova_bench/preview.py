"""What a run would do, without doing it: counts, missing assets, disk and time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nova_bench.assets import asset_digest, asset_state, get_asset
from nova_bench.assets.cache import AssetState, megabytes
from nova_bench.identity import file_digest
from nova_bench.models.catalog import ADAPTERS
from nova_bench.plan import Plan, make_plan
from nova_bench.run import build_adapter
from nova_bench.spec import Suite
from nova_bench.store import Artifact, Status, Store

# h264 at NOVA's default quality stays below this on natural video; used only until the store has videos to measure.
BITS_PER_PIXEL = 0.15


@dataclass(frozen=True)
class ScorerPreview:
    """How far one scorer is. ``seconds`` is what the missing rows will take, as far as the store's timings tell."""

    name: str
    done: int
    missing: int
    needs: tuple[str, ...]
    seconds: float | None


@dataclass(frozen=True)
class Preview:
    """What a run would do."""

    plan: Plan
    units_done: int
    units_failed: int
    scorers: tuple[ScorerPreview, ...]
    missing_assets: tuple[str, ...]
    disk_bytes: float | None
    generate_seconds: float | None

    def text(self) -> str:
        """For people: a table of the work, then one line each for assets, disk and time."""
        from tabulate import tabulate

        units = len(self.plan.units)
        prompts = len({unit.prompt_id for unit in self.plan.units})
        missing = units - self.units_done
        failed = f" ({self.units_failed} failed before)" if self.units_failed else ""
        rows = [
            ["samples", self.units_done, f"{missing}{failed}", duration(self.generate_seconds if missing else 0), ""]
        ]
        for scorer in self.scorers:
            needs = ", ".join(scorer.needs)
            rows.append([scorer.name, scorer.done, scorer.missing, duration(scorer.seconds), needs])
        lines = [
            f"run {self.plan.run_name}: {units} samples of {prompts} prompts, {len(self.scorers)} scorers",
            "",
            tabulate(rows, ["", "done", "missing", "time left", "needs"]),
            "",
        ]
        lines += [f"asset missing: {name}" for name in self.missing_assets] or ["assets: none missing"]
        disk = "unknown" if self.disk_bytes is None else f"about {megabytes(self.disk_bytes)}"
        lines.append(f"disk for missing samples: {disk}")
        return "\n".join(lines)


def preview_suite(suite: Suite, root: Path, limit: int | None) -> Preview:
    """Plan a suite and compare the plan with the store at ``root``, where there is one. Writes nothing."""
    with ExitStack() as stack:
        store = stack.enter_context(Store.reader(root)) if Store.exists(root) else None
        digest: Callable[[Path], str] = store.file_digest if store else file_digest
        adapter = build_adapter(suite, digest, print)
        plan = make_plan(suite, adapter, digest, asset_digest, limit)
        return _compare(plan, store, adapter.existing() is not None, adapter.digest())


def _compare(plan: Plan, store: Store | None, existing: bool, adapter_digest: str) -> Preview:
    artifacts = store.artifacts(unit.digest for unit in plan.units) if store else {}
    rows = store.rows(scorer.identity for scorer in plan.scorers) if store else {}
    speeds = _seconds(store)
    here = {digest: found for digest, found in artifacts.items() if isinstance(found, Artifact)}
    scorers, needed = [], set(ADAPTERS.get(plan.suite.model.adapter).assets(plan.suite.model))
    for scorer in plan.scorers:
        applies = [unit for unit in plan.units if scorer.applies_to(unit)]
        done = sum(
            unit.digest in here
            and (row := rows.get((here[unit.digest].sha256, scorer.identity, scorer.inputs(unit)))) is not None
            and row.status != Status.FAILED
            for unit in applies
        )
        needed.update(scorer.info.assets)
        absent = tuple(get_asset(name).file for name in scorer.info.assets if asset_state(name) != AssetState.HERE)
        speed = speeds.get(("score", scorer.info.name))
        missing = len(applies) - done
        seconds = 0.0 if not missing else None if speed is None else speed * missing
        scorers.append(ScorerPreview(scorer.info.name, done, missing, absent, seconds))
    missing_units = len(plan.units) - len(here)
    speed = speeds.get(("generate", adapter_digest))
    return Preview(
        plan,
        len(here),
        len(artifacts) - len(here),
        tuple(scorers),
        tuple(_describe(name) for name in sorted(needed) if asset_state(name) != AssetState.HERE),
        0.0 if existing or not missing_units else _disk(plan, store, missing_units),
        None if speed is None else speed * missing_units,
    )


def _seconds(store: Store | None) -> dict[tuple[str, str], float]:
    """Mean seconds per item by (stage, what), over the devices that the store has seen."""
    return {(stage, what): value for (stage, what, _), value in (store.seconds_per_item() if store else {}).items()}


def _disk(plan: Plan, store: Store | None, count: int) -> float | None:
    if store and (mean := store.mean_artifact_size()):
        return mean * count
    sampling = plan.suite.sampling
    if not (sampling.num_frames and sampling.height and sampling.width):
        return None
    return count * sampling.num_frames * sampling.height * sampling.width * BITS_PER_PIXEL / 8


def _describe(name: str) -> str:
    asset = get_asset(name)
    return f"{asset.file} ({megabytes(asset.size)}): python -m nova_bench assets fetch {name}"


def duration(seconds: float | None) -> str:
    """0:01:23, or a question mark where nothing was ever timed."""
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))
