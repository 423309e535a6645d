"""`keep`: which samples of a metric count, where another scorer decides that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.config.fields import ScorerSettings
from nova_bench.config.loading import load_suite
from nova_bench.config.suite import KeepSpec
from nova_bench.config.units import Unit
from nova_bench.core.progress import Progress
from nova_bench.models.base import ModelAdapter, Output
from nova_bench.pipeline.aggregate import SampleScore, collect
from nova_bench.pipeline.export_order import export_order
from nova_bench.pipeline.plan import PlannedScorer
from nova_bench.pipeline.run import measure_plan, plan_suite
from nova_bench.pipeline.sample_filter import filter_samples, required_units
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Row, Status, Store


def scorer(name: str, keep: KeepSpec | None = None) -> PlannedScorer:
    info = ScorerInfo(name, "", "1", "", (None, None), True, "", "nowhere:Nothing")
    return PlannedScorer(info, ScorerSettings(), frozenset(), name, keep)


def score(prompt: str, index: int, name: str, value: float | None, message: str = "") -> SampleScore:
    """``value`` None with a message is a failed row, without one a sample that nobody scored yet."""
    unit = Unit(f"{prompt}-{index}", prompt, prompt, prompt, index, 0)
    if value is None and not message:
        return SampleScore(unit, None)
    status = Status.FAILED if value is None else Status.OK
    return SampleScore(unit, Row(unit.digest, name, "", name, "1", status, value, 1.0, message))


def kept(verdicts: list, first: int | None = None) -> list[SampleScore]:
    """The samples of `metric` that count; ``verdicts`` are (prompt, index, value[, message]) of the decider."""
    scores = tuple(score(prompt, index, "metric", 0.5) for prompt, index, *_ in verdicts)
    decider = tuple(score(prompt, index, "static", *rest) for prompt, index, *rest in verdicts)
    scorers = [scorer("metric", KeepSpec(scorer="static", first=first)), scorer("static")]
    chosen, samples = filter_samples(scorers, [scores, decider])
    which = "all samples" if first is None else f"first {first} unfiltered"
    assert [one.info.name for one in chosen] == ["metric", f"metric ({which})", "static"]
    unfiltered = {p: sorted((i for of, i, *_ in verdicts if of == p), key=str)[:first] for p, *_ in verdicts}
    assert [s for s in scores if s.unit.sample_index in unfiltered[s.unit.prompt_id]] == list(samples[1])
    assert all(one in decider for one in samples[2])
    assert first is not None or samples[2] == decider
    return list(samples[0])


def test_the_first_ones_go_by_file_name_as_officially() -> None:
    """`p-10.mp4` comes before `p-2.mp4`."""
    found = kept([("p", index, 1.0) for index in range(25)], first=5)
    assert sorted(one.unit.sample_index for one in found) == [0, 1, 10, 11, 12]


def test_prompts_with_fewer_static_samples_keep_those() -> None:
    verdicts = [("p", 0, 0.0), ("p", 1, 1.0), ("q", 0, 0.0), ("r", 0, 1.0)]
    assert [one.unit.digest for one in kept(verdicts, first=5)] == ["p-1", "r-0"]


def test_what_is_not_decided_makes_the_metric_incomplete() -> None:
    failed, waiting = kept([("p", 0, None, "out of memory"), ("p", 1, None)], first=5)
    assert (failed.status, failed.row.message) == (Status.FAILED, "static: out of memory")
    assert waiting.status is None


def test_what_could_no_longer_count_needs_no_decision() -> None:
    found = kept([("p", 0, 1.0), ("p", 1, 1.0), ("p", 2, None, "broken")], first=2)
    assert [one.unit.sample_index for one in found] == [0, 1]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("pq"), st.integers(0, 30), st.sampled_from([0.0, 1.0])), unique_by=lambda v: v[:2]
    ),
    st.none() | st.integers(1, 6),
    st.randoms(),
)
def test_order_does_not_matter_and_only_kept_ones_count(verdicts, first, random) -> None:
    found = {one.unit.digest for one in kept(verdicts, first)}
    assert found <= {f"{prompt}-{index}" for prompt, index, value in verdicts if value == 1}
    for prompt in "pq":
        static = sum(value for of, _, value in verdicts if of == prompt)
        assert sum(name.startswith(prompt) for name in found) == (static if first is None else min(first, static))
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert {one.unit.digest for one in kept(shuffled, first)} == found


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("pq"), st.integers(0, 30), st.sampled_from([0.0, 1.0, None])),
        unique_by=lambda verdict: verdict[:2],
    ),
    st.integers(1, 6),
)
def test_asking_in_rounds_ends_where_full_knowledge_would(verdicts, first) -> None:
    """Rounds ask until nothing more is needed: never a sample beyond the last that counts, None being a failure."""
    truth = [score(p, i, "static", value, "" if value is not None else "broken") for p, i, value in verdicts]
    scorers = [scorer("metric", KeepSpec(scorer="static", first=first)), scorer("static")]
    known: dict[str, SampleScore] = {}
    while True:
        scores = tuple(known.get(v.unit.digest) or SampleScore(v.unit, None) for v in truth)
        required = required_units(scorers, lambda _, scores=scores: scores)
        asked = required["static"]
        assert required["metric"] == asked
        assert known.keys() <= asked
        if asked == known.keys():
            break
        known = {v.unit.digest: v for v in truth if v.unit.digest in asked}
    assert asked == required_units(scorers, lambda _: tuple(truth))["static"]
    assert kept([(p, i, value, "broken") for p, i, value in verdicts], first) == kept(
        [(p, i, value, "broken") for p, i, value in verdicts if f"{p}-{i}" in asked], first
    )


def test_who_decides_for_all_samples_must_see_all() -> None:
    scores = (score("p", 0, "static", 1.0), score("p", 1, "static", 1.0))
    for keeps in ([KeepSpec(scorer="static")], [KeepSpec(scorer="static", first=1), KeepSpec(scorer="static")], []):
        scorers = [*(scorer(f"metric{i}", keep) for i, keep in enumerate(keeps)), scorer("static")]
        assert "static" not in required_units(scorers, lambda _: scores)


# Through the command line --------------------------------------------------------------------------------------------

KEEP = [{"name": "brightness", "keep": {"scorer": "even", "first": 2}}, "even"]
PROMPTS = {"samples_per_prompt": 12, "entries": ["a cat", "a dog"]}


def test_the_mean_is_over_what_counts(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    import csv

    assert cli("run", write_suite(prompts=PROMPTS, scorers=KEEP)).returncode == 0
    (report,) = (tmp_path / "runs").glob("smoke-*/report")
    with (report / "samples.csv").open(newline="") as stream:
        raw = list(csv.DictReader(stream))
    value = {(r["prompt"], int(r["sample_index"]), r["metric"]): float(r["value"]) for r in raw}
    expected = []
    for prompt in ("a cat", "a dog"):
        even = [index for index in range(12) if value.get((prompt, index, "even")) == 1]
        expected += [value[prompt, index, "brightness"] for index in sorted(even, key=str)[:2]]
    table = json.loads((report / "tables/metrics.json").read_text())
    cells = {row["cells"]["metric"]["value"]: row["cells"]["value"] for row in table["rows"]}
    assert cells["brightness"]["value"] == pytest.approx(sum(expected) / len(expected))
    assert cells["brightness"]["n_requested"] == len(expected)
    assert cells["brightness (first 2 unfiltered)"]["n_requested"] == 4
    for prompt in ("a cat", "a dog"):  # the decider is asked up to the second sample that it keeps
        asked = sorted((index for of, index, metric in value if (of, metric) == (prompt, "even")), key=str)
        assert asked == sorted(range(12), key=str)[: len(asked)]
        verdicts = [value[prompt, index, "even"] for index in asked]
        assert (verdicts.count(1), verdicts[-1]) == (2, 1)
    again = cli("report", report.parent.name, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/report/tables/metrics.json").read_text() == (report / "tables/metrics.json").read_text()


class Interrupted:
    """A model that is interrupted after so many videos."""

    def __init__(self, model: ModelAdapter, after: int):
        self._model, self._left = model, after

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        for output in self._model.generate(units):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            yield output


def measured(path: Path, root: Path, *assignments: str, after: int | None = None) -> tuple[set[str], list, dict]:
    """Run a suite: the digests of the samples that were made, what a report selects, and what is exported."""
    with Store.writer(root) as store:
        plan, model = plan_suite(load_suite(str(path), assignments), store, None, Progress(quiet=True))
        if after is not None:
            with suppress(KeyboardInterrupt):
                measure_plan(plan, Interrupted(model, after), store, Progress(quiet=True))
        measure_plan(plan, model, store, Progress(quiet=True))
        artifacts = store.artifacts(unit.digest for unit in plan.units)
        rows = store.rows(scorer.identity for scorer in plan.scorers)
    samples = [collect(plan.units, one, artifacts, rows) for one in plan.scorers]
    chosen = [
        [(score.unit.digest, score.row.value) for score in scores]
        for scores in filter_samples(plan.scorers, samples)[1]
    ]
    exported = {(one.prompt, one.sample_index): one.digest for one in export_order(plan, artifacts, rows).samples}
    return set(artifacts), chosen, exported


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[set[str], list, dict]]:
    folder = tmp_path_factory.mktemp("filtered")
    suite = {"name": "filtered", "title": "Filtered", "model": {"adapter": "drift"}, "prompts": PROMPTS}
    path = folder / "suite.yaml"
    sampling = {"num_frames": 2, "height": 16, "width": 16}
    path.write_text(yaml.safe_dump({**suite, "sampling": sampling, "scorers": [*KEEP]}), encoding="utf-8")
    return path, measured(path, folder / "whole")


@pytest.mark.slow
@settings(max_examples=8)
@given(st.integers(1, 9), st.integers(0, 12))
def test_samples_and_scores_do_not_depend_on_batches_and_interruptions(reference, size: int, after: int) -> None:
    path, (made, chosen, exported) = reference
    assert 4 <= len(made) < 24  # generation ends at a prompt's second kept sample
    assert len(exported) == 4
    with TemporaryDirectory() as folder:
        found = measured(path, Path(folder), f"execution.batch_size={size}", after=after)
    assert found == (made, chosen, exported)


@pytest.mark.slow
def test_nor_on_the_executor_or_on_what_the_store_has(reference, tmp_path: Path) -> None:
    path, (made, chosen, exported) = reference
    parallel = measured(path, tmp_path / "many", "execution.executor=local", "execution.workers=2")
    assert parallel == (made, chosen, exported)
    # A store that knows every sample and verdict already, since another suite wanted them.
    assert len(measured(path, tmp_path / "full", "scorers=[even]")[0]) == 24
    assert measured(path, tmp_path / "full")[1:] == (chosen, exported)


def test_a_failed_verdict_takes_no_place_and_exports_nothing(reference, tmp_path: Path) -> None:
    path, _ = reference
    made, _, exported = measured(path, tmp_path, "scorers.1.settings={fail_on: a}")
    assert (len(made), exported) == (24, {})


def test_a_filter_that_keeps_too_few_says_so(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    keep = {"name": "brightness", "keep": {"scorer": "even", "first": 11}}
    result = cli("run", write_suite(prompts=PROMPTS, scorers=[keep, "even"]))
    assert result.returncode == 0, result.stderr
    note = re.search(r"2 of 2 prompts have fewer than 11 samples that even keeps: (\d+) of 22", result.stdout)
    assert note
    (report,) = (tmp_path / "runs").glob("smoke-*/report")
    assert re.search(r"a cat: \d of 11", (report / "notices.csv").read_text())
    exported = cli("store", "export", report.parent.name, "out", "--layout", "vbench")
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout.startswith(f"{note[1]} of {note[1]} samples are in out")
    assert f"{24 - int(note[1])} more samples are not exported" in exported.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    cats = sum(name.startswith("a cat") for name in names)
    assert names == {f"a cat-{i}.mp4" for i in range(cats)} | {f"a dog-{i}.mp4" for i in range(int(note[1]) - cats)}


def test_a_plan_says_what_a_filter_costs(cli: Callable, write_suite: Callable) -> None:
    suite = write_suite(prompts=PROMPTS, scorers=KEEP)
    planned = " ".join(cli("plan", suite).stdout.split())
    assert "samples 0 4 or more ?" in planned
    assert "brightness 0 4 or more ?" in planned
    assert "even 0 4 or more ?" in planned
    assert (
        "even: 2 prompts x 12 samples for brightness, which ends at a prompt's 2nd kept sample: 4 to 24 videos, "
        "100 % of all" in planned
    )
    assert cli("run", suite).returncode == 0
    planned = " ".join(cli("plan", suite).stdout.split())
    assert re.search(r"2nd kept sample: (\d+) videos, 100 % of all assets: none missing", planned)


def test_a_failed_decision_is_an_incomplete_metric(cli: Callable, write_suite: Callable) -> None:
    scorers = [KEEP[0], {"name": "even", "settings": {"fail_on": "dog"}}]
    result = cli("run", write_suite(prompts=PROMPTS, scorers=scorers))
    assert result.returncode == 3
    assert "incomplete: brightness, even: 2 of 14 samples scored, 12 failed" in result.stderr
    assert "incomplete: 12 samples: even: ValueError: can't tell" in result.stderr


@pytest.mark.parametrize(
    ("scorers", "message"),
    [
        ([KEEP[0]], "brightness keeps what 'even' gives 1, which is not a scorer of the suite"),
        ([{"name": "brightness", "keep": {"scorer": "brightness"}}], "brightness keeps what 'brightness' gives 1"),
    ],
)
def test_who_decides_must_be_there(cli: Callable, write_suite: Callable, scorers: list, message: str) -> None:
    result = cli("plan", write_suite(scorers=scorers))
    assert result.returncode == 2
    assert message in result.stderr
