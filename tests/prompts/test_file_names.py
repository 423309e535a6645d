"""What file names say: prompt and sample index where all of them do, else a prompt each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.prompts.file_names import meaning, usual_naming


def naming(*names: str) -> tuple[str, str]:
    return usual_naming([Path(name) for name in names])


def test_samples_of_several_prompts_are_recognised() -> None:
    found, line = naming("a cat-0.mp4", "a cat-1.mp4", "a dog-0.mp4", "a dog-1.mp4", "a cow-0.mp4")
    assert found == "prompt-index"
    assert line == (
        "5 names PROMPT-INDEX are read as samples of 3 prompts ('a cat', 'a dog', 'a cow'); "
        "if each name is a prompt of its own: --set model.naming=stem"
    )


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["a cat.mp4", "a dog.mp4"], False),
        (["cat-0.mp4", "dog-0.mp4"], False),  # no prompt has two
        (["clip-0.mp4", "clip-1.mp4", "clip-2.mp4"], True),  # one stem alone is no prompt
        (["a-0.mp4", "a-1.mp4", "b-0.mp4"], True),
        (["a-0.mp4", "a-1.mp4", "b-0.mp4", "b-1.mp4", "title.mp4"], True),  # not every name
        (["a-0.mp4", "a-00.mp4", "b-0.mp4", "b-1.mp4"], True),  # would be one sample twice
    ],
)
def test_anything_else_stays_as_it_is_with_a_hint(names: list[str], hint: bool) -> None:
    found, line = naming(*names)
    assert (found, "model.naming=prompt-index" in line) == ("stem", hint)


@given(st.lists(st.from_regex(r"[ab-]{1,3}(-[0-9]{1,2})?", fullmatch=True), min_size=1, unique=True))
def test_whatever_is_recognised_names_each_sample_once(stems: list[str]) -> None:
    paths = [Path(f"{stem}.mp4") for stem in stems]
    found, line = usual_naming(paths)
    if found == "prompt-index":
        read = [meaning(path, found) for path in paths]
        assert len(set(read)) == len(paths)
        assert [f"{one.prompt}-{path.stem.rpartition('-')[2]}" for one, path in zip(read, paths, strict=True)] == stems
        assert line
