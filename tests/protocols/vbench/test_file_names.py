"""Official file names: every prompt that can have one comes back from it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.config.suite import ModelSpec, ScorerUse, Suite
from nova_bench.models.base import AdapterContext
from nova_bench.models.files import FilesAdapter, FilesSpec
from nova_bench.protocols.vbench.file_names import file_name

PROMPTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)


def read_back(folder) -> set[tuple[str, int]]:
    """(prompt, index) of every file, as the `files` adapter understands a folder of the official layout."""
    suite = Suite(name="x", title="x", model=ModelSpec(adapter="files"), scorers=(ScorerUse(name="psnr"),))
    options = FilesSpec(folder=str(folder), naming="prompt-index")
    found = FilesAdapter(options, AdapterContext(suite, "cpu", None, None, print)).existing()
    return {(sample.prompt, sample.sample_index) for sample in found}


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(prompt=PROMPTS | st.sampled_from(["a-1", "-", "e.g. a cat.", "a cat-", "x" * 249]), index=st.integers(0, 24))
def test_a_name_holds_prompt_and_index_or_is_refused(prompt: str, index: int, tmp_path_factory) -> None:
    import unicodedata

    folder = tmp_path_factory.mktemp("layout")
    try:
        name = file_name(prompt, index, ".mp4")
    except ValueError:
        assert "/" in prompt or "\0" in prompt or prompt.startswith(".") or len(prompt.encode()) > 248
        return
    (folder / name).touch()
    assert read_back(folder) == {(unicodedata.normalize("NFC", prompt), index)}


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("../../etc/passwd", "slash"),
        ("a\0b", "NUL"),
        (".hidden", "hidden"),
        ("é" * 125, "256 bytes"),
        ("..", "hidden"),
    ],
)
def test_what_no_file_can_be_called_is_refused(prompt: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        file_name(prompt, 0, ".mp4")


def test_the_longest_possible_name() -> None:
    assert len(file_name("x" * 249, 0, ".mp4")) == 255
