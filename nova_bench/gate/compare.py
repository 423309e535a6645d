"""Two sides -> VerdictFile: differences of the cards, paired statistics, a verdict per metric and the overall one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nova_bench import __version__
from nova_bench.config.suite import GateSpec
from nova_bench.gate.card import FIELDS
from nova_bench.gate.columns import Columns, comparable_columns
from nova_bench.gate.comparability import comparability
from nova_bench.gate.metric_verdicts import metric_verdict, not_comparable
from nova_bench.gate.pairing import Key, Pairing, common_prompts
from nova_bench.gate.side import Side
from nova_bench.gate.statistics.decision import Finding, Verdict, decide, overall
from nova_bench.gate.statistics.paired import Paired
from nova_bench.gate.summary import exit_code_of, reasons_of, summary_of
from nova_bench.gate.verdict_file import Rule, SideFacts, VerdictFile

ACCEPTABLE = tuple(dict.fromkeys(FIELDS.values()))
"""Words that `--accept` knows."""

if TYPE_CHECKING:
    import numpy as np

    Decide = Callable[[Paired, np.ndarray], Sequence[Finding]]


@dataclass(frozen=True)
class Options:
    """How two sides are compared. ``decide`` replaces the test of a single look; ``order`` names the prompts to
    compare, in the order of the statistics' rows; all that both sides share if it is None."""

    gate: GateSpec
    accept: tuple[str, ...] = ()
    strict: bool = False
    seed: int = 0
    order: Sequence[Key] | None = None
    decide: Decide | None = None


def compare_sides(a: Side, b: Side, options: Options) -> VerdictFile:
    """Compare side B with side A. Nothing is raised for sides that can't be compared: the verdict says so."""
    gate, prompts = options.gate, common_prompts(a, b)
    if options.order is not None:
        chosen = [key for key in options.order if key in prompts[0]]
        prompts = ({key: prompts[0][key] for key in chosen}, {key: prompts[1][key] for key in chosen})
    pairing: Pairing = "prompt means" if None not in (a.seed, b.seed) and a.seed != b.seed else "samples"
    found = comparability(a, b, prompts, gate, options.accept, options.order is not None)
    gating = _gating(a, b, found.names, gate)
    columns = comparable_columns(a, b, prompts, pairing, gate, found.problems)
    metrics = [
        metric_verdict(columns, position, finding, gating[columns.names[position]])
        for position, finding in enumerate(_decided(columns, gating, options))
    ]
    reasons = {**found.problems, **columns.needs}
    metrics += [not_comparable(name, why, gating[name], a, b) for name, why in reasons.items()]
    metrics.sort(key=lambda metric: found.names.index(metric.metric))
    decisive = [Verdict(metric.verdict) for metric in metrics if metric.gating]
    file = VerdictFile(
        nova_bench=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=overall(decisive).value,
        exit_code=0,
        strict=options.strict,
        summary="",
        suite=b.suite,
        title=b.title,
        a=_facts(a),
        b=_facts(b),
        rule=Rule(
            alpha=gate.alpha,
            flips=gate.flips,
            seed=options.seed,
            missing=gate.missing,
            accept=options.accept,
            pairing=pairing,
        ),
        card=found.card,
        metrics=tuple(metrics),
    )
    return _concluded(file, b)


def _concluded(file: VerdictFile, b: Side) -> VerdictFile:
    """The file with its exit code, one-line summary and reasons, which follow from the rest."""
    file = file.model_copy(update={"exit_code": int(exit_code_of(file, b))})
    return file.model_copy(update={"summary": summary_of(file), "reasons": reasons_of(file, b)})


def _decided(columns: Columns, gating: Mapping[str, bool], options: Options) -> Sequence[Finding]:
    import numpy as np

    if not columns.names:
        return ()
    paired = replace(columns.paired, gating=np.array([gating[name] for name in columns.names], dtype=bool))
    margins, gate = np.array(columns.margins), options.gate
    if options.decide is not None:
        return options.decide(paired, margins)
    return decide(paired, margins, alpha=gate.alpha, seed=options.seed, flips=gate.flips)


def _gating(a: Side, b: Side, names: Sequence[str], gate: GateSpec) -> dict[str, bool]:
    """Which metrics decide: those the suite names, else all but filters."""
    return {name: name in gate.metrics if gate.metrics else name not in (*a.filters, *b.filters) for name in names}


def _facts(side: Side) -> SideFacts:
    return SideFacts(
        label=side.label,
        what=side.what,
        name=side.name,
        created=side.created,
        model=side.model,
        seed=side.seed,
        packages=dict(side.packages),
        requested=side.requested,
        failed=side.failed,
        missing=side.missing,
    )
