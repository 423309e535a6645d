"""`--dims a,b`: a suite with only some of its scorers, and only the prompts that these score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nova_bench.config.catalog import COMPOSITES, SCORERS
from nova_bench.config.suite import GateSpec, PublishedSpec, Suite
from nova_bench.core.errors import UserError
from nova_bench.core.notices import unheard
from nova_bench.core.registry import nearest
from nova_bench.pipeline.composite import leaf_metrics


def suite_subset(suite: Suite, names: Sequence[str], notice: Callable[..., None] = unheard) -> Suite:
    """Return the suite with the scorers ``names``, the scorers that filter their samples, and their tags' prompts.

    Final scores that need other scorers, and published numbers of metrics that are not measured, are left out too.
    Without names, the whole suite. Samples and scores keep their identities. UserError for a name that no scorer of the
    suite has. ``notice(text, names)`` reports which scorers are left out.
    """
    if not names:
        return suite
    metrics = {use: [info.name for info in SCORERS.get(use.name).metrics(use.settings)] for use in suite.scorers}
    uses = {names[0]: use for use, names in metrics.items()}
    for name in names:
        if name not in uses:
            raise UserError(
                f"--dims: suite {suite.name} has no scorer {name!r}{nearest(name, uses)}", f"it has: {', '.join(uses)}"
            )
    wanted = {*names, *(keep.scorer for name in names if (keep := uses[name].keep))}
    scorers = tuple(use for name, use in uses.items() if name in wanted)
    wanted |= {metric for use in scorers for metric in metrics[use]}
    if left_out := [name for name in uses if name not in wanted]:
        named = ", ".join(use.name for use in scorers)
        notice(f"{len(scorers)} of {len(uses)} scorers of the suite (--dims): {named}", left_out, asked=True)
    derived = tuple(
        name for name in suite.derived if wanted.issuperset(leaf_metrics(COMPOSITES.get(name), COMPOSITES.all()))
    )
    changes: dict[str, object] = {"scorers": scorers, "derived": derived}
    changes["published"] = _published(suite.published, {*wanted, *derived})
    changes["gate"] = _gate(suite.gate, {*wanted, *derived})
    if suite.prompts and all(use.tags for use in scorers):
        tags = dict.fromkeys(tag for use in scorers for tag in use.tags)
        chosen = tuple(tag for tag in tags if not suite.prompts.tags or tag in suite.prompts.tags)
        if not chosen:
            raise UserError(
                f"--dims: prompts.tags of suite {suite.name} has none of {', '.join(tags)}", "leave out prompts.tags"
            )
        changes["prompts"] = suite.prompts.model_copy(update={"tags": chosen})
    return suite.model_copy(update=changes)


def _gate(gate: GateSpec, names: set[str]) -> GateSpec:
    """The gate without metrics that are not measured."""
    margins = {name: margin for name, margin in gate.margins.items() if name in names}
    return gate.model_copy(update={"metrics": tuple(n for n in gate.metrics if n in names), "margins": margins})


def _published(columns: Sequence[PublishedSpec], names: set[str]) -> tuple[PublishedSpec, ...]:
    """Published numbers of these metrics; a column that has none of them is left out."""
    kept = ({name: value for name, value in column.values.items() if name in names} for column in columns)
    return tuple(
        column.model_copy(update={"values": values}) for column, values in zip(columns, kept, strict=True) if values
    )
