"""Reports videos that are so long that a benchmark scores them by another protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from nova_bench.config.catalog import COMPOSITES
from nova_bench.config.units import Unit
from nova_bench.core.errors import MediaError
from nova_bench.core.notices import listed
from nova_bench.pipeline.composite import leaf_metrics
from nova_bench.pipeline.plan import Plan
from nova_bench.protocols.base import Composite
from nova_bench.store import Artifact, Store
from nova_bench.video import probe

MOST_PROBED = 100
"""Files whose headers are read; of more, as many that are evenly spaced."""


def notice_long_videos(plan: Plan, store: Store, notice: Callable[..., None]) -> None:
    """Report once for each benchmark of the plan's scorers which of its videos are too long for it."""
    scorers = {scorer.info.name for scorer in plan.scorers}
    known = COMPOSITES.all()
    told: set[str] = set()
    for composite in known.values():
        if composite.longer and composite.longer not in told and not scorers.isdisjoint(leaf_metrics(composite, known)):
            told.add(composite.longer)
            _report(composite, plan, store, notice)


def _report(composite: Composite, plan: Plan, store: Store, notice: Callable[..., None]) -> None:
    artifacts = store.artifacts(unit.digest for unit in plan.units)
    made = [(unit, found) for unit in plan.units if isinstance(found := artifacts.get(unit.digest), Artifact)]
    probed = made[:: max(1, -(-len(made) // MOST_PROBED))]
    long = [
        f"{_name(unit)}: {seconds:.1f} s" for unit, seconds in _seconds(probed, plan) if seconds >= composite.longest
    ]
    if long:
        notice(
            f"{len(long)} of the {len(probed)} videos looked at last {composite.longest:g} s or more "
            f"({listed(long)}): {composite.longer}",
            long,
        )


def _seconds(made: Sequence[tuple[Unit, Artifact]], plan: Plan) -> Iterator[tuple[Unit, float]]:
    """Units whose files state a length, with it."""
    for unit, artifact in made:
        with suppress(MediaError, OSError):
            info = probe(artifact.path, plan.suite.media)
            if info.frames and info.fps:
                yield unit, float(info.frames / info.fps)


def _name(unit: Unit) -> str:
    return Path(unit.source).name if unit.source else f"{unit.prompt}-{unit.sample_index}"
