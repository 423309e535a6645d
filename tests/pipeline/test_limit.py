"""`--limit`: few samples, but some for every scorer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.config.suite import ScorerUse
from nova_bench.pipeline.limit import limited

TAGS = st.sets(st.sampled_from("abcd")).map(tuple)


def uses(*tags: tuple[str, ...]) -> list[ScorerUse]:
    return [ScorerUse(name=f"s{index}", tags=own) for index, own in enumerate(tags)]


@settings(deadline=None)
@given(st.lists(TAGS, max_size=20), st.lists(TAGS, min_size=1, max_size=5), st.none() | st.integers(1, 25))
def test_as_many_as_asked_for_in_their_own_order(samples, scorers, limit) -> None:
    numbered = list(enumerate(samples))
    chosen = limited(numbered, limit, uses(*scorers), lambda sample: sample[1])
    assert len(chosen) == (len(samples) if limit is None else min(limit, len(samples)))
    assert chosen == [sample for sample in numbered if sample in chosen]


@settings(deadline=None)
@given(st.lists(TAGS, min_size=1, max_size=20), st.integers(1, 25))
def test_scorers_of_everything_get_the_first_samples(samples, limit) -> None:
    numbered = list(enumerate(samples))
    assert limited(numbered, limit, uses((), ()), lambda sample: sample[1]) == numbered[:limit]


@settings(deadline=None)
@given(st.lists(TAGS, min_size=1, max_size=20), st.lists(TAGS, min_size=1, max_size=5))
def test_with_a_sample_for_each_scorer_none_goes_empty(samples, scorers) -> None:
    numbered = list(enumerate(samples))
    chosen = limited(numbered, len(scorers), uses(*scorers), lambda sample: sample[1])
    for own in scorers:
        wanted = [sample for sample in numbered if not own or set(own) & set(sample[1])]
        assert not wanted or set(map(str, wanted)) & set(map(str, chosen))


def test_a_sample_that_serves_two_scorers_is_taken_once() -> None:
    samples = ["f", "f", "f", "sm", "sm", "b"]
    assert limited(samples, 3, uses(("s",), ("b",), ("m",), ("f",)), tuple) == ["f", "sm", "b"]
