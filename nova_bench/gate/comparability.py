"""Which metrics of two sides may be compared, by their protocol cards, and why the others may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_bench.config.suite import GateSpec
from nova_bench.core.identity import digest
from nova_bench.gate.card import IMPORTED, listed, metric_differences, run_differences
from nova_bench.gate.columns import composite_names
from nova_bench.gate.pairing import Key
from nova_bench.gate.side import Side
from nova_bench.gate.summary import described
from nova_bench.gate.verdict_file import CardDifference

Prompts = tuple[Mapping[Key, str], Mapping[Key, str]]
"""Key -> prompt id, on side A and on side B."""


@dataclass(frozen=True)
class Comparability:
    """What differs between the cards, and for each metric that can't be compared the reason. ``names`` are all metrics
    and composites, in order."""

    names: tuple[str, ...]
    card: tuple[CardDifference, ...]
    problems: Mapping[str, str]


def comparability(
    a: Side, b: Side, prompts: Prompts, gate: GateSpec, accept: Sequence[str], chosen: bool
) -> Comparability:
    """Compare the cards of two sides; ``chosen``: ``prompts`` is a part of the prompts that was chosen on purpose."""
    ours, theirs = _whole_card(a, prompts[0], chosen), _whole_card(b, prompts[1], chosen)
    card = run_differences(ours, theirs, accept, _listed(a, b))
    of_metric = {
        name: metric_differences(name, metric.card, b.metrics[name].card) + _input_differences(name, a, b, prompts)
        for name, metric in a.metrics.items()
        if name in b.metrics
    }
    refused = [difference for difference in card if difference.effect == "refused"]
    names = _names(a, b, gate)
    everything = (*card, *(difference for differences in of_metric.values() for difference in differences))
    return Comparability(tuple(names), everything, _problems(a, b, names, refused, of_metric, prompts[0]))


def _names(a: Side, b: Side, gate: GateSpec) -> list[str]:
    """Every metric of either side, every composite, and whatever else should decide; B's order counts."""
    metrics = [*b.metrics, *b.not_computed, *a.metrics, *a.not_computed]
    return list(dict.fromkeys([*metrics, *composite_names(a, b), *gate.metrics]))


def _whole_card(side: Side, prompts: Mapping[Key, str], chosen: bool) -> dict[str, Any]:
    """A side's card with the fields that depend on which prompts are compared: all of its own, unless ``chosen``.

    A results file doesn't list what it has no score for, so which prompts were asked for is unknown.
    """
    if side.imported:
        return {"prompts": None, "prompt texts": None, "samples per prompt": None, **side.card}
    keys = sorted(prompts)
    own = len(keys) if chosen else len(side.prompts)
    texts = [side.texts.get(prompts[key]) for key in keys]
    counts = sorted({side.counts[prompts[key]] for key in keys})
    name = digest("prompts", keys if len(keys) == own else sorted(side.prompts))[:8]
    return {
        "prompts": f"{own} ({name})",
        "prompt texts": None if None in texts or not texts else digest("texts", texts)[:8],
        "samples per prompt": " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]]))) if counts else None,
        **side.card,
    }


def _listed(a: Side, b: Side) -> list[CardDifference]:
    """What is reported and never refused: the model, the seed, the versions of libraries, imported results."""
    found = listed("model digest", a.model, b.model) + listed("seed", a.seed, b.seed)
    for name in sorted({*a.packages, *b.packages}):
        if a.packages and b.packages:
            found += listed(f"version of {name}", a.packages.get(name), b.packages.get(name))
    if a.imported or b.imported:
        shown = [IMPORTED if side.imported else "computed here" for side in (a, b)]
        field = "scorers' versions, weights and settings"
        found.append(CardDifference(field=field, a=shown[0], b=shown[1], effect="unknown"))
    return found


def _input_differences(name: str, a: Side, b: Side, prompts: Prompts) -> list[CardDifference]:
    """Whether the two sides scored the same prompts with other references or metadata."""
    ours, theirs = a.metrics[name].inputs, b.metrics[name].inputs
    other = [
        key
        for key, prompt in prompts[0].items()
        if prompt in ours and prompts[1][key] in theirs and ours[prompt] != theirs[prompts[1][key]]
    ]
    if not other:
        return []
    what = f"{name}: references or metadata of {len(other)} prompts"
    first = prompts[0][other[0]]
    return [CardDifference(field=what, a=ours[first], b=theirs[prompts[1][other[0]]], effect="refused")]


def _problems(
    a: Side,
    b: Side,
    names: Sequence[str],
    refused: Sequence[CardDifference],
    of_metric: Mapping[str, Sequence[CardDifference]],
    prompts: Mapping[Key, str],
) -> dict[str, str]:
    """Metric -> why it can't be compared."""
    problems: dict[str, str] = {}
    composites = composite_names(a, b)
    everything = "; ".join(
        f"{described(difference)} (--accept {difference.waiver} compares anyway)" for difference in refused
    )
    if not prompts:
        everything = "the two sides have no prompt in common"
    for name in names:
        if name in composites:
            continue
        if everything:
            problems[name] = everything
        elif differences := of_metric.get(name):
            problems[name] = "; ".join(described(difference).removeprefix(f"{name}: ") for difference in differences)
        elif name not in of_metric:
            absent = [(label, side) for label, side in (("A", a), ("B", b)) if name not in side.metrics]
            problems[name] = "; ".join(
                f"not computed in {label}{f': {side.not_computed[name]}' if side.not_computed.get(name) else ''}"
                for label, side in absent
            )
    return problems
